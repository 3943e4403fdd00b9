"""`TaskGroup.start()`: start a child and wait until it says that it is ready (clause 5.11).

Until then the child lives under a private scope inside the caller's current scope, and its error
belongs to the caller. `TaskStatus.started()` moves it into the group.

Invariants: the private scope is left only when the child has ended or belongs to the group; the
group is not affected by anything that happens before `started()`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar, final

from ._core import (
    CancelScope,
    Future,
    Task,
    TaskGroup,
    checkpoint_if_cancelled,
    uncancellable_future,
)

_T = TypeVar("_T")


@final
class TaskStatus(Generic[_T]):
    """Given to a function that `TaskGroup.start()` calls, as the keyword argument `task_status`."""

    __slots__ = ("_adopt", "_called", "_value")

    def __init__(self, adopt: Callable[[], None]) -> None:
        self._adopt: Callable[[], None] | None = adopt
        self._called = False
        self._value: Any = None

    def started(self, value: _T | None = None) -> None:
        """Report readiness: `TaskGroup.start()` returns `value`, and the group takes this task over.

        Raises RuntimeError when called a second time. If the caller of start() is cancelled
        already, the task stays with it, and is cancelled, too.
        """
        if self._called:
            raise RuntimeError("started() was called twice on the same task status")
        self._called = True
        self._value = value
        if self._adopt is not None:
            self._adopt()


async def start(
    group: TaskGroup,
    func: Callable[..., Coroutine[Any, Any, Any]],
    args: tuple[Any, ...],
    name: str | None,
) -> Any:
    """The body of `TaskGroup.start()`; the core calls it."""
    # The wait is not interrupted: a cancellation of the caller reaches the child through the
    # private scope, and the child's end ends the wait.
    over: Future[None] = uncancellable_future(asyncio.get_running_loop())
    child: Task[Any] | None = None
    adopted = False

    def wake(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    def adopt() -> None:
        nonlocal adopted
        if child is not None and not child.done() and group._adopt(child):
            adopted = True
            wake()

    status: TaskStatus[Any] = TaskStatus(adopt)
    coro = func(*args, task_status=status)
    if not asyncio.iscoroutine(coro):
        raise TypeError(f"start() needs a coroutine function, but {func!r} returned {coro!r}")
    try:
        with CancelScope() as private:
            child = group._spawn(coro, name=name, supervised=True, scope=private)
            child.add_done_callback(wake)
            try:
                await over
            except BaseException:
                # Only close() of this coroutine gets here: nobody waits for the child any more.
                private.cancel("start() was abandoned")
                raise
            if not adopted:
                await _raise_failure(child, status._called)
        return status._value
    finally:
        # The status refers to this frame, and so does the traceback of what was raised here.
        status._adopt = None
        del child


async def _raise_failure(child: Task[Any], started: bool) -> None:
    """Raise what a child that never came into the group ended with."""
    error = None if child.cancelled() else child.exception()
    try:
        if error is not None:
            raise error
        # A cancelled caller gets its CancelledError here.
        await checkpoint_if_cancelled()
        if not started:
            raise RuntimeError("child exited without calling task_status.started()")
    finally:
        del error
