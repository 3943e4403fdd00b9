"""What `docs/migrating-from-other-libraries.md` promises for names of other libraries is in asyncbis.

The page's tables are those that the linter rewrites by (crates/linter/tests/migration_table.rs), so a name
that is renamed in the runtime, or an argument that it no longer takes, is noticed here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import asyncbis

PAGE = Path(__file__).resolve().parents[2] / "docs/migrating-from-other-libraries.md"
# Their signatures are given by the metaclass or by C, or they take anything.
WITHOUT_SIGNATURE = {"sleep"}


class Row(NamedTuple):
    library: str
    name: str
    target: str
    arguments: str


def rows() -> list[Row]:
    found = []
    for part in PAGE.read_text(encoding="utf-8").split("<!-- table: ")[1:]:
        library = part.split(" -->")[0]
        for line in part.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| `") and len(cells) == 5:
                found.append(Row(library, cells[0].strip("`"), cells[1].strip("`"), cells[2]))
    return found


def attributes() -> list[tuple[str, str]]:
    """The classes with attributes that change, and what those are called in asyncbis."""
    found = []
    for part in PAGE.read_text(encoding="utf-8").split("<!-- table: ")[1:]:
        class_name = "TaskGroup" if part.startswith("anyio") else "Timeout"
        for line in part.splitlines():
            if match := re.fullmatch(r"\| `\.\w+.*` \| `\.(\w+).*` \|", line):
                found.append((class_name, match[1]))
    return found


def names(target: str) -> list[str]:
    """The dotted names of asyncbis in a target: `shield(to_thread(function, *args))` has two."""
    inner = {"main", "function", "args", "True", "time"}
    words = re.findall(r"(?<![\w.])[A-Za-z_][\w.]*(?=\(|$|\))", target)
    return [word for word in words if word not in inner]


TARGETS = [row for row in rows() if row.target]


def test_the_tables_are_found() -> None:
    assert {row.library for row in TARGETS} == {"async_timeout", "aiotools", "asynkit", "anyio"}
    assert len(TARGETS) > 30
    assert len(attributes()) >= 10
    assert names("shield(to_thread(function, *args))") == ["shield", "to_thread"]
    assert names("get_running_loop().time()") == ["get_running_loop"]
    assert names("run(main(*args))") == ["run"]


@pytest.mark.parametrize("row", TARGETS, ids=[f"{row.library}.{row.name}" for row in TARGETS])
def test_a_counterpart_exists_and_takes_the_arguments(row: Row) -> None:
    found = names(row.target)
    assert found
    for name in found:
        # What is imported by its own name has to be a module's.
        module, _, last = f"asyncbis.{name}".rpartition(".")
        assert hasattr(importlib.import_module(module), last), row
    wanted = [re.findall(r"`(\w+)`", argument)[-1] for argument in row.arguments.split(", ") if argument]
    if wanted and found[0] not in WITHOUT_SIGNATURE:
        target = functools.reduce(getattr, found[0].split("."), asyncbis)
        assert callable(target)
        parameters = inspect.signature(target).parameters
        assert set(wanted) <= set(parameters), row
    for keyword in re.findall(r"(\w+)=True", row.target):
        assert keyword in inspect.signature(getattr(asyncbis, found[0])).parameters


@pytest.mark.parametrize(("class_name", "name"), attributes())
def test_an_attribute_exists(class_name: str, name: str) -> None:
    assert hasattr(getattr(asyncbis, class_name), name)


async def _sleep_takes_its_keyword() -> None:
    await asyncbis.sleep(delay=0)


def test_sleep_takes_its_keyword() -> None:
    asyncbis.run(_sleep_takes_its_keyword())
