"""Who owns the error of a failed background task: the root group, or somebody else (clauses 6.5, 6.6).

The core asks this module when a child of the root group has failed. A task is *supervised* when
somebody else takes its error: asyncbis's own functions say so when they spawn it, everybody else is
recognised by the done-callbacks that they have put on the task.

Invariant: the core never asks about `KeyboardInterrupt` and `SystemExit`, which end the run (clause 6.4a).
Deliberately not here: which errors a run ends with (`_run.py`).
"""

import functools
import sys
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from ._core import State, Task, TaskGroup, current_scope_cancelled, current_task

BackgroundErrors: TypeAlias = Literal["all", "unobserved"]
Supervisor: TypeAlias = Callable[[Task[Any]], bool]

# Done-callbacks of functions that hand the error on: (module, qualified name).
_OWNERS = frozenset(
    {
        ("asyncio.tasks", "_AsCompletedIterator._handle_completion"),
        ("asyncio.tasks", "as_completed.<locals>._on_completion"),
        ("asyncio.tasks", "shield.<locals>._inner_done_callback"),
        ("asyncio.tasks", "shield.<locals>._log_on_exception"),
        ("asyncio.tasks", "_log_on_exception"),
        # wait_for() before Python 3.12.
        ("asyncio.tasks", "_release_waiter"),
        ("asyncio.futures", "_chain_future.<locals>._call_set_state"),
        ("asyncio.streams", "StreamReaderProtocol.connection_made.<locals>.callback"),
        ("anyio._backends._asyncio", "TaskGroup._spawn.<locals>.task_done"),
        ("anyio._backends._asyncbis", "TaskGroup._spawn.<locals>.task_done"),
    }
)
_GROUP = ("asyncio.taskgroups", "TaskGroup._on_task_done")
_GATHER = ("asyncio.tasks", "gather.<locals>._done_callback")
# Coroutines of the standard library whose errors their parent looks at: the attempts of a race.
_OWNED_COROUTINES = frozenset({"staggered_race.<locals>.run_one_coro"})
_MARK = "_asyncbis_supervised"


def supervisor(background_errors: BackgroundErrors) -> Supervisor:
    """The predicate for `State.supervisor`: True for a task whose error somebody else owns."""
    if background_errors == "all":
        return is_owned
    if background_errors == "unobserved":
        return is_observed
    raise ValueError(f'background_errors must be "all" or "unobserved", not {background_errors!r}')


def is_owned(task: Task[Any]) -> bool:
    """True if the error of `task` goes to one of the owners of clause 6.5."""
    if getattr(task, _MARK, False):
        return True
    if getattr(task.get_coro(), "__qualname__", None) in _OWNED_COROUTINES:
        return True
    return any(_hands_on(callback, task) for callback, _ in task._callbacks or ())


def is_observed(task: Task[Any]) -> bool:
    """The lenient form: True as well if anybody at all waits for `task` or has a callback on it."""
    return is_owned(task) or bool(task._callbacks) or bool(task._asyncio_awaited_by)


def spawn_supervised(loop: Any, coro: Any, *, name: str | None = None) -> Any:
    """Create a task on `loop` whose error the caller owns.

    Loops and task factories of other people are asked in their own way; where the task is theirs,
    too, there is no root group that could take its error.
    """
    if getattr(loop, "_asyncbis_factory", True) is None:
        with outside_cancelled_root(loop):
            return State.create_task(loop._asyncbis_state, coro, name=name, supervised=True)
    task = loop.create_task(coro) if name is None else loop.create_task(coro, name=name)
    if isinstance(task, Task):
        setattr(task, _MARK, True)
    return task


class outside_cancelled_root:
    """Keep the tasks that are made here out of a root group that is cancelled, if the caller is not.

    Cleanup under a shield goes on when the root group has been cancelled, and what it starts and
    waits for must not be cancelled from the start. Such a task is cancelled by who waits for it, and
    at the latest when `run()` drains what the root group did not own (clause 6.8).
    """

    __slots__ = ("_left", "_state")

    def __init__(self, loop: Any) -> None:
        self._state: State = loop._asyncbis_state
        self._left: TaskGroup | None = None

    def __enter__(self) -> None:
        root = self._state.root
        if root is not None and root.cancel_scope.effectively_cancelled:
            if current_task() is not None and not current_scope_cancelled():
                self._left, self._state.root = root, None

    def __exit__(self, *exc_info: object) -> None:
        if self._left is not None:
            self._state.root = self._left


def _hands_on(callback: Any, task: Task[Any]) -> bool:
    while isinstance(callback, functools.partial):
        callback = callback.func
    function = getattr(callback, "__func__", callback)
    name = (getattr(function, "__module__", None), getattr(function, "__qualname__", None))
    if name == _GATHER:
        # gather() marks the tasks that it made itself like this; a task that it was given keeps
        # reporting to the root group (clause 9.10).
        return not task._log_destroy_pending
    if name == _GROUP:
        _keep_host_alive(callback.__self__)
        return True
    return name in _OWNERS


def _keep_host_alive(group: Any) -> None:
    """Mend what asyncio's TaskGroup before Python 3.13 does when a child fails during `__aexit__`.

    It cancels its host, which is waiting anyway, and never takes that back: under level cancellation
    the host would stay cancelled. A group that is aborting already does not do so.
    """
    if sys.version_info < (3, 13) and group._exiting and not group._aborting:
        group._abort()
