"""Every public name of asyncbis says what it is, to `help()` and to editors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

import asyncbis
import asyncbis.lowlevel

# What asyncio calls the same is documented there; these are names for it and nothing more.
MODULES: tuple[ModuleType, ...] = (asyncbis, asyncbis.lowlevel)


def ours() -> Iterator[tuple[str, object]]:
    """The public classes and functions that asyncbis itself defines, and the classes' members."""
    for module in MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            home = getattr(value, "__module__", None) or ""
            if not callable(value) or not home.startswith("asyncbis"):
                continue
            yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                for member, attribute in vars(value).items():
                    if not member.startswith("_"):
                        yield f"{module.__name__}.{name}.{member}", attribute


def test_public_names_have_docstrings() -> None:
    found = dict(ours())
    assert len(found) > 80
    silent = [name for name, value in found.items() if not (inspect.getdoc(value) or "").strip()]
    assert silent == []


def test_docstrings_begin_with_one_sentence_on_one_line() -> None:
    """The first line is what editors and lists show."""
    wrong = []
    for name, value in ours():
        first, *rest = (inspect.getdoc(value) or "").splitlines()
        if not first.endswith((".", "::", ":")) or (rest and rest[0].strip()):
            wrong.append(f"{name}: {first}")
    assert wrong == []
