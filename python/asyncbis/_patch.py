"""`patch_asyncio()`: put asyncbis's functions and classes into asyncio, for programs that name asyncio.

Invariants: `import asyncbis` alone replaces nothing; both functions may be called any number of
times; `asyncio.events` is never touched, since asyncio's own code asks it for the loop (clause 12.2).
"""

import asyncio
import asyncio.staggered
import sys
import warnings
from asyncio import locks, streams
from typing import Any, Literal

from . import (
    _as_completed,
    _deprecated,
    _factories,
    _gather,
    _locks,
    _loop,
    _run,
    _shield,
    _staggered,
    _stdlib,
    _streams,
    _threads,
    _waiting,
)
from ._core import (
    CancelScope,
    Future,
    Task,
    TaskGroup,
    Timeout,
    current_task,
    sleep,
    timeout,
    timeout_at,
)

# Where a name is defined, besides the package `asyncio` itself.
_IN_SUBMODULES: dict[str, dict[str, Any]] = {
    "futures": {"Future": Future},
    "tasks": {
        "Task": Task,
        "as_completed": _as_completed.as_completed,
        "create_eager_task_factory": _factories.create_eager_task_factory,
        "create_task": _loop.create_task,
        "eager_task_factory": _factories.eager_task_factory,
        "ensure_future": _waiting.ensure_future,
        "gather": _gather.gather,
        "run_coroutine_threadsafe": _threads.run_coroutine_threadsafe,
        "shield": _shield.shield,
        "sleep": sleep,
        "wait": _waiting.wait,
        "wait_for": _waiting.wait_for,
    },
    "taskgroups": {"TaskGroup": TaskGroup},
    "timeouts": {"Timeout": Timeout, "timeout": timeout, "timeout_at": timeout_at},
    "runners": {"Runner": _run.Runner, "run": _run.run},
    "locks": {"Barrier": _locks.Barrier},
    "staggered": {"staggered_race": _staggered.staggered_race},
    "threads": {"to_thread": _threads.to_thread},
}
_IN_PACKAGE_ONLY: dict[str, Any] = {
    "EventLoop": _loop.EventLoop,
    "new_event_loop": _loop.new_event_loop,
}
# What was replaced: (owner, name, the value before).
_saved: list[tuple[Any, str, Any]] = []


def patch_asyncio(*, deprecated: Literal["raise", "warn"] = "raise") -> None:
    """Make `asyncio.run`, `asyncio.TaskGroup`, `asyncio.timeout` and the rest asyncbis's (clause 12.2).

    Call it before anything else is imported: `from asyncio import TaskGroup` in a module that is
    already loaded keeps asyncio's class, and a RuntimeWarning names such modules.
    deprecated: `asyncio.get_event_loop()`, `get_event_loop_policy()` and `set_event_loop_policy()`
    raise NotImplementedError ("raise", the default), or keep working with a DeprecationWarning
    ("warn"), for libraries and test runners that can't do without.
    Calling it again changes only `deprecated`. Returns None; `unpatch()` undoes it.
    """
    functions = _deprecated.replacements(deprecated)
    if _saved:
        for name, function in functions.items():
            setattr(asyncio, name, function)
        return
    _warn_of_early_imports()
    for module_name, names in _IN_SUBMODULES.items():
        module = sys.modules[f"asyncio.{module_name}"]
        for name, value in names.items():
            _replace(module, name, value)
            _replace(asyncio, name, value)
    for name, value in (_IN_PACKAGE_ONLY | functions).items():
        _replace(asyncio, name, value)
    # Classes that others have imported, or derived from, are mended in place.
    _replace(locks.Condition, "wait", _condition_wait)
    _replace(streams.StreamWriter, "wait_closed", _stream_wait_closed)
    _replace(_stdlib.TaskGroup, "__aexit__", _task_group_exit)
    # The policy makes the loops of test runners and of everybody who calls events.new_event_loop().
    _replace(_policy_class(), "_loop_factory", _loop.EventLoop)


def unpatch() -> None:
    """Undo `patch_asyncio()`: asyncio is as it was; does nothing if it was not patched.

    Modules that imported names from asyncio in between keep asyncbis's.
    """
    while _saved:
        owner, name, before = _saved.pop()
        setattr(owner, name, before)


def _replace(owner: Any, name: str, value: Any) -> None:
    # A name that this version's asyncio does not have is not added to it.
    if name in vars(owner):
        _saved.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)


def _policy_class() -> Any:
    platform_events = sys.modules[
        "asyncio.windows_events" if sys.platform == "win32" else "asyncio.unix_events"
    ]
    for name in ("_DefaultEventLoopPolicy", "DefaultEventLoopPolicy"):
        policy = vars(platform_events).get(name)
        if policy is not None:
            return policy
    raise RuntimeError("this version of asyncio has no default event loop policy")


async def _condition_wait(self: Any) -> bool:
    """asyncio.Condition.wait() of asyncbis (clause 10.1)."""
    return await _locks.condition_wait(self)


async def _stream_wait_closed(self: Any) -> None:
    """asyncio.StreamWriter.wait_closed() of asyncbis (clause 10.12)."""
    await _streams.wait_closed(self)


async def _task_group_exit(self: Any, et: Any, exc: Any, tb: Any) -> Any:
    """`__aexit__` of asyncio's own TaskGroup, without its busy loop under level cancellation (10.3).

    The wait for the children happens in two parts: one that a cancellation interrupts, as if it were
    the end of the body, and asyncio's own under a shield.
    """
    if current_task() is None:
        return await _stdlib.task_group_exit(self, et, exc, tb)
    if exc is None:
        try:
            while self._tasks:
                if self._on_completed_fut is None:
                    self._on_completed_fut = self._loop.create_future()
                await self._on_completed_fut
                self._on_completed_fut = None
        except asyncio.CancelledError as cancelled:
            self._on_completed_fut = None
            et, exc, tb = type(cancelled), cancelled, cancelled.__traceback__
    try:
        with CancelScope(shield=True):
            return await _stdlib.task_group_exit(self, et, exc, tb)
    finally:
        # The traceback of an error refers to this frame.
        del exc, tb


def _warn_of_early_imports() -> None:
    originals = {
        id(vars(asyncio)[name]): name
        for names in [*_IN_SUBMODULES.values(), _IN_PACKAGE_ONLY]
        for name in names
        if name in vars(asyncio)
    }
    found: dict[str, list[str]] = {}
    for module_name, module in list(sys.modules.items()):
        if not _is_user_module(module_name):
            continue
        for value in list(getattr(module, "__dict__", {}).values()):
            if id(value) in originals:
                found.setdefault(module_name, []).append(originals[id(value)])
    for module_name, names_found in sorted(found.items()):
        warnings.warn(
            f"{module_name} has imported {', '.join(sorted(set(names_found)))} from asyncio before "
            "patch_asyncio() was called, and keeps asyncio's: call patch_asyncio() first",
            RuntimeWarning,
            stacklevel=3,
        )


def _is_user_module(name: str) -> bool:
    top = name.partition(".")[0]
    return top != "asyncbis" and (top == "__main__" or top not in sys.stdlib_module_names)
