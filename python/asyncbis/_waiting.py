"""Waiting for several things, or for one with a limit: asyncio's wait functions on level cancellation.

Invariants: a coroutine that a function wraps in a task is supervised, its error belongs to who waits
(clause 6.5); a task that was passed in keeps reporting to its group (clause 6.6); a shield that was
passed in is looked through, and what is inside it is never cancelled (clause 9.2).
Deliberately not here: groups. New code is better served by `TaskGroup`.
"""

import asyncio
import inspect
from asyncio import ALL_COMPLETED
from collections.abc import Awaitable, Coroutine, Generator, Iterable
from contextlib import nullcontext
from typing import Any, TypeAlias, TypeVar, overload

from . import _stdlib
from ._core import CancelScope, Future, Task, checkpoint_if_cancelled, current_task
from ._core import timeout as _timeout
from ._finished import finished
from ._shield import Shielded, detached, target_future

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Awaitable[Any])
_Fut = TypeVar("_Fut", bound="_AnyFuture")

_AnyFuture: TypeAlias = Future[Any] | asyncio.Future[Any]

_asyncio_wait_for = asyncio.wait_for


@overload
def ensure_future(
    coro_or_future: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Task[_T]: ...
@overload
def ensure_future(  # type: ignore[overload-overlap]
    coro_or_future: _Fut, *, loop: asyncio.AbstractEventLoop | None = None
) -> _Fut: ...
@overload
def ensure_future(
    coro_or_future: Awaitable[_T], *, loop: asyncio.AbstractEventLoop | None = None
) -> Future[_T]: ...
def ensure_future(coro_or_future: Any, *, loop: asyncio.AbstractEventLoop | None = None) -> Any:
    """Make a task of a coroutine or awaitable, and return a future as it is; as asyncio's.

    The task is one of the root group, as with `create_task()`. For a `shield()` the result is a
    future that follows what is inside; cancelling it leaves that running (clause 9.2).
    Raises TypeError for what can't be awaited, and ValueError for a future of another loop.
    """
    if isinstance(coro_or_future, Shielded):
        return detached(_stdlib.ensure_future(coro_or_future.target, loop=loop))
    return _stdlib.ensure_future(coro_or_future, loop=loop)


async def wait_for(fut: Awaitable[_T], timeout: float | None) -> _T:
    """Wait for an awaitable, at most `timeout` seconds (None: without limit) (clause 9.9).

    A coroutine runs in the current task; with `timeout` <= 0 it still runs up to its first
    suspension. When the time is up, `fut` is cancelled, and TimeoutError is raised once it has
    ended; if it returns a value all the same, that value is returned.
    A `shield()` is looked through: on timeout, what is inside it goes on (clause 9.2).
    Returns the result of `fut`, or raises its exception.
    """
    if current_task() is None:
        # A foreign task has no cancel scopes.
        return await _asyncio_wait_for(fut, timeout)
    if isinstance(fut, Shielded):
        fut = detached(target_future(fut, asyncio.get_running_loop()))
    if timeout is None:
        return await fut
    async with _timeout(timeout):
        return await fut


async def wait(
    fs: Iterable[_F], *, timeout: float | None = None, return_when: str = ALL_COMPLETED
) -> tuple[set[_F], set[_F]]:
    """Wait until some or all of several futures are done; as `asyncio.wait()`.

    `fs` are futures, tasks or shields of them; `timeout` is in seconds. Nothing is cancelled on
    timeout, nor when the caller is cancelled, and TimeoutError is not raised.
    Returns two sets, (done, pending), of the objects that were passed in (clause 9.2).
    Raises TypeError for coroutines and ValueError if `fs` is empty.
    """
    items: Any = fs if inspect.isawaitable(fs) else list(fs)
    if isinstance(items, list) and any(isinstance(item, Shielded) for item in items):
        return await _wait_shielded(items, timeout, return_when)
    done, pending = await _stdlib.wait(items, timeout=timeout, return_when=return_when)
    return done, pending


async def _wait_shielded(
    fs: list[Any], timeout: float | None, return_when: str
) -> tuple[set[Any], set[Any]]:
    loop = asyncio.get_running_loop()
    # A coroutine outside a shield is left as it is: asyncio's wait() refuses it.
    futures = [target_future(item, loop) if isinstance(item, Shielded) else item for item in fs]
    done, _ = await _stdlib.wait(futures, timeout=timeout, return_when=return_when)
    pairs = list(zip(fs, futures, strict=True))
    return (
        {item for item, future in pairs if future in done},
        {item for item, future in pairs if future not in done},
    )


async def cancel_and_wait(
    task: _AnyFuture | Iterable[_AnyFuture], msg: Any | None = None
) -> None:
    """Cancel a task, or several, and wait until they have ended (clause 9.17).

    `task` is a task or future, or an iterable of them; `msg` goes into their CancelledError. What
    is done already is left alone. Like the end of a task group, the wait is not cut short when the
    caller is cancelled: CancelledError is raised after it, for the caller's own cancellation, never
    for the end of `task`.
    Raises what a single task raises while it ends, or a BaseExceptionGroup of what several raise.
    Raises RuntimeError if the calling task is among them.
    """
    several = not _stdlib.isfuture(task)
    given: Any = task if several else [task]
    tasks: list[Any] = list(dict.fromkeys(given))
    if asyncio.current_task() in tasks:
        raise RuntimeError("a task can't cancel itself and wait for its own end")
    ending = [item for item in tasks if not item.done()]
    for item in ending:
        item.cancel(msg)
    await _join(ending)
    errors = [error for item in ending if (error := _error(item)) is not None]
    try:
        if errors:
            raise BaseExceptionGroup("errors of cancelled tasks", errors) if several else errors[0]
    finally:
        # The traceback of an error refers to this frame.
        del errors
    if ending and current_task() is not None:
        await checkpoint_if_cancelled()


async def _join(tasks: list[Any]) -> None:
    # A foreign task has no scopes, and is cancelled once.
    with nullcontext() if current_task() is None else CancelScope(shield=True):
        for task in tasks:
            await finished(task)


def _error(task: Any) -> BaseException | None:
    return None if task.cancelled() else task.exception()
