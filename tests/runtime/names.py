"""What asyncbis makes of each of asyncio's names, on the Python that runs this.

The linter's import rewrite reads the table `crates/linter/src/imports/names.txt`, which has one
column for each Python. This script prints what the column of its own Python must be; with
`--update` it writes it there. Run it with every supported Python after a name was added to asyncbis.

A name is
- `same`: asyncbis has the very object that asyncio has;
- `changed`: asyncbis has something of its own under this name;
- `raises`: asyncbis has a function that does nothing but raise;
- `absent`: asyncio has it and asyncbis doesn't;
- `new`: asyncbis has it and asyncio doesn't;
- `-`: neither has it.

`tasks.Task` is the name of a submodule. It is compared with the name of the package that asyncbis has
in its stead, `Task`, and is `absent` where the submodule's object isn't the package's. A submodule
that asyncbis has itself (`subprocess`) is compared with that.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import importlib
import pkgutil
import sys
import types
import warnings
from pathlib import Path

import asyncbis
from asyncbis import _deprecated

TABLE = Path(__file__).resolve().parents[2] / "crates/linter/src/imports/names.txt"
HEADER = """\
# What asyncbis makes of asyncio's names, by Python version: generated, do not edit.
# tests/runtime/names.py says what the words mean, compares them with the runtime and renews them.
"""
MISSING = object()
# Names for which asyncio needs another platform: they exist there, and asyncbis has none of them.
ELSEWHERE = ("windows_events", "proactor_events", "unix_events")


def own_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def public(module: types.ModuleType) -> set[str]:
    return set(getattr(module, "__all__", ()))


def submodules() -> dict[str, types.ModuleType]:
    """asyncio's submodules that can be imported here."""
    found = {}
    for info in pkgutil.iter_modules(asyncio.__path__):
        if info.name.startswith("__"):
            continue
        try:
            found[info.name] = importlib.import_module(f"asyncio.{info.name}")
        except ImportError:
            continue
    return found


def elsewhere() -> set[str]:
    """The public names of asyncio on other platforms, read from the source."""
    names: set[str] = set()
    for module in ELSEWHERE:
        source = Path(asyncio.__path__[0], f"{module}.py").read_text(encoding="utf-8")
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                names.update(ast.literal_eval(statement.value))
    return {name for name in names if get(asyncio, name) is MISSING}


def get(module: types.ModuleType, name: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(module, name, MISSING)


def compare(theirs: object, ours: object) -> str:
    if theirs is MISSING:
        return "-" if ours is MISSING else "new"
    if ours is MISSING:
        return "absent"
    if ours is theirs:
        return "same"
    return "raises" if ours in _deprecated.replacements("raise").values() else "changed"


def judge(name: str, foreign: set[str], modules: dict[str, types.ModuleType]) -> str:
    """What asyncbis makes of a name of asyncio: `Task`, `tasks.Task`, `subprocess.PIPE`."""
    if name in foreign:
        return "absent"
    module, _, last = name.rpartition(".")
    if not module:
        return compare(get(asyncio, name), get(asyncbis, name))
    theirs = get(modules[module], last) if module in modules else MISSING
    ours = get(asyncbis, module)
    if isinstance(ours, types.ModuleType):
        return compare(theirs, get(ours, last))
    if theirs is MISSING:
        return "-"
    return compare(theirs, get(asyncbis, last) if theirs is get(asyncio, last) else MISSING)


def column(known: set[str]) -> dict[str, str]:
    """All names that this Python knows, and those of the table, with what they are here."""
    foreign = elsewhere()
    modules = submodules()
    names = known | public(asyncio) | foreign
    names |= {name for name in public(asyncbis) if not isinstance(get(asyncbis, name), types.ModuleType)}
    for name, module in modules.items():
        inside = public(module)
        if isinstance(get(asyncbis, name), types.ModuleType):
            names.add(name)
            inside = public(get(asyncbis, name))  # type: ignore[arg-type]
        names |= {f"{name}.{each}" for each in inside}
    return {name: judge(name, foreign, modules) for name in sorted(names)}


Table = dict[str, dict[str, str]]


def read(text: str) -> Table:
    """The table by name and version."""
    table: Table = {}
    versions: list[str] = []
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        name, *words = line.split()
        if name == "name":
            versions = words
        else:
            table[name] = dict(zip(versions, words, strict=True))
    return table


def write(table: Table) -> str:
    def key(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    versions = sorted({version for words in table.values() for version in words}, key=key)
    lines = [["name", *versions]]
    for name in sorted(table):
        words = [table[name].get(version, "-") for version in versions]
        # A submodule's name for which asyncbis has nothing is like any name that isn't listed.
        if "." not in name or set(words) - {"absent", "-"}:
            lines.append([name, *words])
    width = max(len(line[0]) for line in lines)
    return HEADER + "".join(
        f"{line[0]:{width}} {' '.join(f'{word:7}' for word in line[1:])}".rstrip() + "\n" for line in lines
    )


def updated(text: str) -> str:
    """The table with the column of this Python as it must be."""
    table = read(text)
    for name, word in column(set(table)).items():
        table.setdefault(name, {})[own_version()] = word
    return write(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--update", action="store_true", help="write this Python's column into the table")
    text = updated(TABLE.read_text(encoding="utf-8") if TABLE.exists() else "")
    if parser.parse_args().update:
        TABLE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
