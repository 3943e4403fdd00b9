"""`shield()`: an awaitable that runs in the task that awaits it, under a shielded scope (clause 9.1)."""

import inspect
from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar, final

from . import _stdlib
from ._core import CancelScope
from ._supervision import spawn_supervised

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


@final
class Shielded(Generic[_T_co]):
    """What `shield()` returns. `target` is the awaitable that was given to it."""

    __slots__ = ("__weakref__", "target")

    def __init__(self, target: Awaitable[_T_co]) -> None:
        self.target = target

    def __await__(self) -> Generator[Any, Any, _T_co]:
        return shielded(self.target).__await__()

    def __repr__(self) -> str:
        return f"<shield of {self.target!r}>"


async def shielded(target: Awaitable[_T]) -> _T:
    """Await `target` in this task, under a scope of its own that shields it."""
    with CancelScope(shield=True):
        return await target
    raise AssertionError("a scope that was not cancelled has swallowed a cancellation")


def shield(arg: Awaitable[_T]) -> Shielded[_T]:
    """Protect an awaitable, and the task that awaits it, from cancellation from outside.

    `await shield(aw)` runs `aw` in the current task inside `CancelScope(shield=True)`: cancelled
    scopes around it, `Task.cancel()` of this task and the timeouts around it take effect after it
    (clause 9.1). asyncio's shield, in contrast, interrupts the waiting task.
    `arg` is a coroutine, future or other awaitable; it is not started before the shield is awaited.
    `wait_for()`, `wait()`, `gather()` and `as_completed()` know shields: they stop waiting in time
    and leave what is inside running (clause 9.2).
    Returns an awaitable object with the attribute `target`; awaiting it gives the result, or raises
    the exception, of `arg`. Raises TypeError if `arg` can't be awaited.
    """
    if not inspect.isawaitable(arg):
        raise TypeError("An asyncio.Future, a coroutine or an awaitable is required")
    return Shielded(arg)


def target_future(aw: Any, loop: Any) -> Any:
    """The future of an awaitable that a wait function was given; a new one is a supervised task.

    Shields are looked through. `loop` is the loop for new tasks; a future of another loop raises
    ValueError.
    """
    if isinstance(aw, Shielded):
        aw = aw.target
    if _stdlib.isfuture(aw):
        if loop is not None and aw.get_loop() is not loop:
            raise ValueError("The future belongs to a different loop than the one that waits")
        return aw
    if loop is None:
        loop = _stdlib.get_event_loop()
    if not _stdlib.iscoroutine(aw):
        if not inspect.isawaitable(aw):
            raise TypeError("An asyncio.Future, a coroutine or an awaitable is required")
        aw = _as_coroutine(aw)
    return spawn_supervised(loop, aw)


def detached(future: Any) -> Any:
    """A future that follows `future`; cancelling it leaves `future` alone (asyncio's shield)."""
    return _stdlib.shield(future)


async def _as_coroutine(aw: Awaitable[_T]) -> _T:
    return await aw
