"""The AnyIO backend "asyncbis", which AnyIO looks for when sniffio says that asyncbis is running.

AnyIO imports a backend by its module name, `anyio._backends._asyncbis`. A finder at the end of
`sys.meta_path` makes that module when it is asked for: AnyIO's own asyncio backend, executed a second
time under the new name, with asyncbis's Runner. Nothing is copied, and AnyIO is not imported here.

Deliberately not here: replacing AnyIO's cancel scopes, which work on `Task.cancel()` and `uncancel()`.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_ORIGINAL = "anyio._backends._asyncio"
BACKEND = "anyio._backends._asyncbis"


class _Finder:
    # A finder and loader by their methods alone: the classes of importlib.abc cost a tenth of the
    # time that importing asyncbis takes.

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != BACKEND:
            return None
        # Not by all finders: under pytest the one that rewrites assertions would answer, with a
        # loader that doesn't give the code away.
        original = PathFinder.find_spec(_ORIGINAL, path)
        if original is None or not isinstance(original.loader, SourceFileLoader):
            return None
        loader: Any = _Backend(original.loader)
        return ModuleSpec(fullname, loader, origin=original.origin)


class _Backend:
    def __init__(self, original: SourceFileLoader) -> None:
        self._original = original

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        from ._run import Runner

        code = self._original.get_code(_ORIGINAL)
        if code is None:
            raise ImportError(f"{_ORIGINAL} has no code to be executed again")
        exec(code, vars(module))
        vars(module)["Runner"] = Runner


def install() -> None:
    """Let `import anyio._backends._asyncbis` work; does nothing the second time."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
