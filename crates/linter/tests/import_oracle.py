"""Runs programs with stand-ins for asyncio and asyncbis, and prints what they reach by which name.

The input is a JSON list of programs, the output one of logs. A program tells what it reaches by
`note(..)`. The stand-in for asyncbis has only what asyncbis has, so that a name that was rewritten
by mistake is an AttributeError in the log. Where a name comes from is not in the log: the log of a
program and that of the rewritten program are to be the same.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from typing import Any

NAMES = {"sleep", "Task", "timeout", "gather", "Event", "CancelledError", "get_running_loop", "run"}
ONLY_ASYNCIO = {"get_event_loop", "ProactorEventLoop"}
SUBMODULES = {
    "tasks": {"Task", "gather", "_all_tasks"},
    "exceptions": {"CancelledError"},
    "events": {"get_event_loop", "get_running_loop", "_lock"},
    "subprocess": {"PIPE", "logger"},
}
log: list[str] = []


class Thing:
    """What a program can reach: it knows how it is called."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Thing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        log.append(f"set {self._name}.{name}")

    def __call__(self, *arguments: object) -> Thing:
        name: str = self.__dict__["_name"]
        # The running loop, by both names.
        if name in ("get_event_loop", "get_running_loop"):
            name = "loop"
        return Thing(f"{name}()")

    def __repr__(self) -> str:
        return str(self._name)


class Module(types.ModuleType):
    """A module that only tells of changes, so that each name stays what it is."""

    def __setattr__(self, name: str, value: object) -> None:
        log.append(f"set {self.__name__}.{name}")

    def __repr__(self) -> str:
        # The rewrite changes which of both it is.
        return "module"


def module(name: str, members: dict[str, object]) -> Module:
    made = Module(name)
    made.__dict__.update(members)
    made.__dict__["__path__"] = []
    return made


def modules() -> dict[str, Module]:
    things: dict[str, object] = {name: Thing(name) for name in NAMES | ONLY_ASYNCIO}
    found = {}
    members = dict(things)
    for name, inside in SUBMODULES.items():
        # A submodule's name is the package's, where the package has it.
        below = {each: things.get(each, Thing(f"{name}.{each}")) for each in inside}
        found[f"asyncio.{name}"] = members[name] = module(f"asyncio.{name}", below)
    found["asyncio"] = module("asyncio", members)
    pipe: dict[str, object] = {"PIPE": Thing("subprocess.PIPE")}
    subprocess = module("asyncbis.subprocess", pipe)
    own: dict[str, object] = {name: things[name] for name in NAMES}
    found["asyncbis"] = module("asyncbis", {**own, "subprocess": subprocess})
    found["asyncbis.subprocess"] = subprocess
    found["backport"] = module("backport", {name: Thing(f"backport.{name}") for name in NAMES})
    return found


def note(*values: object) -> None:
    log.append(" ".join(str(value) for value in values))


def guard(function: Callable[..., Any], *arguments: object) -> None:
    """Calls a function or coroutine function; an error is a line of the log."""
    try:
        result = function(*arguments)
        if isinstance(result, types.CoroutineType):
            result.send(None)
    except StopIteration:
        pass
    except Exception as error:
        log.append(type(error).__name__)


def run(program: str) -> list[str]:
    log.clear()
    before = dict(sys.modules)
    sys.modules.update(modules())
    names: dict[str, object] = {
        "__name__": "program",
        "note": note,
        "guard": guard,
        "other": Thing("other"),
        "sys": sys,
    }
    try:
        guard(exec, program, names)
    finally:
        sys.modules.clear()
        sys.modules.update(before)
    for name in names.get("__all__", ()):  # type: ignore[attr-defined]
        log.append(f"{name} is public: {names.get(name)!r}")
    return list(log)


def main() -> None:
    json.dump([run(program) for program in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
