"""Waiting for several things, or for one with a limit: asyncio's wait functions on level cancellation.

Invariants: a coroutine that a function wraps in a task is supervised, its error belongs to who waits
(clause 6.5); a task that was passed in keeps reporting to its group (clause 6.6); a shield that was
passed in is looked through, and what is inside it is never cancelled (clause 9.2).
Deliberately not here: groups. New code is better served by `TaskGroup`.
"""

import asyncio
import concurrent.futures
import inspect
from asyncio import ALL_COMPLETED, Queue
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from . import _stdlib
from ._core import current_task
from ._core import timeout as _timeout
from ._finished import finished
from ._loop import LevelLoop
from ._shield import Shielded, detached, target_future
from ._supervision import spawn_supervised

_T = TypeVar("_T")


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


_asyncio_wait_for = asyncio.wait_for


async def wait(
    fs: Iterable[Any], *, timeout: float | None = None, return_when: str = ALL_COMPLETED
) -> tuple[set[Any], set[Any]]:
    """Wait until some or all of several futures are done; as `asyncio.wait()`.

    `fs` are futures, tasks or shields of them; `timeout` is in seconds. Nothing is cancelled on
    timeout, nor when the caller is cancelled, and TimeoutError is not raised.
    Returns two sets, (done, pending), of the objects that were passed in (clause 9.2).
    Raises TypeError for coroutines and ValueError if `fs` is empty.
    """
    if not inspect.isawaitable(fs):
        items = list(fs)
        if any(isinstance(item, Shielded) for item in items):
            return await _wait_shielded(items, timeout, return_when)
        fs = items
    done, pending = await _stdlib.wait(fs, timeout=timeout, return_when=return_when)
    return set(done), set(pending)


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


def gather(*coros_or_futures: Any, return_exceptions: bool = False) -> Any:
    """Run awaitables concurrently and collect their results; as `asyncio.gather()` (clause 9.10).

    Coroutines become supervised tasks of the root group: an error comes out of gather(), not out of
    `run()`. The first error is passed on at once, and does not cancel the others; with
    `return_exceptions=True` errors stand among the results. Cancelling the returned future cancels
    everything that was given, shields excepted, and waits for it to end.
    Returns a future of the list of results, in the order of the arguments.
    """
    loop = _stdlib._get_running_loop()
    children: dict[Any, Any] = {}
    for item in coros_or_futures:
        if item not in children:
            children[item] = _gathered(item, loop)
    return _stdlib.gather(
        *[children[item] for item in coros_or_futures], return_exceptions=return_exceptions
    )


def _gathered(item: Any, loop: Any) -> Any:
    future = target_future(item, loop)
    if isinstance(item, Shielded):
        return detached(future)
    if future is not item:
        # The caller has no hands on this task, so need not be told when it is never finished.
        future._log_destroy_pending = False
    return future


def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> "AsCompleted":
    """Iterate over awaitables in the order in which they finish; as `asyncio.as_completed()`.

    `async for` yields futures that are done (the tasks and futures that were passed in, as
    themselves); a plain `for` yields coroutines to be awaited for the next result. Both forms work
    on every Python version. TimeoutError is raised if not everything is done after `timeout`
    seconds. Coroutines become supervised tasks (clause 9.11).
    """
    if inspect.isawaitable(fs):
        raise TypeError(f"expects an iterable of awaitables, not {type(fs).__name__}")
    return AsCompleted(fs, timeout)


class AsCompleted(Iterator[Coroutine[Any, Any, Any]], AsyncIterator[Any]):
    """What `as_completed()` returns: an iterator and an asynchronous iterator at once."""

    def __init__(self, aws: Iterable[Any], timeout: float | None) -> None:
        loop = _stdlib.get_event_loop()
        # None in the queue stands for an awaitable that was not done in time.
        self._finished: Queue[Any] = Queue()
        self._todo = {target_future(aw, loop) for aw in set(aws)}
        self._left = len(self._todo)
        self._timer = None
        for future in self._todo:
            future.add_done_callback(self._on_done)
        if self._todo and timeout is not None:
            self._timer = loop.call_later(timeout, self._on_timeout)

    def __iter__(self) -> "AsCompleted":
        return self

    def __aiter__(self) -> "AsCompleted":
        return self

    def __next__(self) -> Coroutine[Any, Any, Any]:
        if not self._left:
            raise StopIteration
        self._left -= 1
        return self._next_result()

    async def __anext__(self) -> Any:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return await self._next_future()

    async def _next_result(self) -> Any:
        return (await self._next_future()).result()

    async def _next_future(self) -> Any:
        future = await self._finished.get()
        if future is None:
            raise TimeoutError
        return future

    def _on_done(self, future: Any) -> None:
        if future in self._todo:
            self._todo.remove(future)
            self._finished.put_nowait(future)
            if not self._todo and self._timer is not None:
                self._timer.cancel()

    def _on_timeout(self) -> None:
        for future in self._todo:
            future.remove_done_callback(self._on_done)
            self._finished.put_nowait(None)
        self._todo.clear()


async def cancel_and_wait(task: Any, msg: Any | None = None) -> None:
    """Cancel a task, or several, and wait until they have ended.

    `task` is a task or future, or an iterable of them; `msg` goes into their CancelledError. What
    is done already is left alone. A CancelledError that leaves this function is the caller's own
    cancellation, never the end of `task`: it interrupts the wait, so cleanup that has to be complete
    needs a shield besides.
    Raises what a single task raises while it ends, or a BaseExceptionGroup of what several raise.
    Raises RuntimeError if the calling task is among them.
    """
    several = not _stdlib.isfuture(task)
    tasks = list(dict.fromkeys(task)) if several else [task]
    if asyncio.current_task() in tasks:
        raise RuntimeError("a task can't cancel itself and wait for its own end")
    ending = [item for item in tasks if not item.done()]
    for item in ending:
        item.cancel(msg)
    for item in ending:
        await finished(item)
    errors = [item.exception() for item in ending if not item.cancelled() and item.exception()]
    try:
        if errors and several:
            raise BaseExceptionGroup("errors of cancelled tasks", errors)
        if errors:
            raise errors[0]
    finally:
        # The traceback of an error refers to this frame.
        del errors


def run_coroutine_threadsafe(
    coro: Coroutine[Any, Any, _T], loop: asyncio.AbstractEventLoop
) -> concurrent.futures.Future[_T]:
    """Run a coroutine on a loop of another thread; as `asyncio.run_coroutine_threadsafe()`.

    Its exception goes to the returned concurrent future, not to the root group; cancelling that
    future cancels the task (clause 9.11). Raises TypeError for anything but a coroutine.
    """
    if not isinstance(loop, LevelLoop):
        return _stdlib.run_coroutine_threadsafe(coro, loop)
    if not _stdlib.iscoroutine(coro):
        raise TypeError("A coroutine object is required")
    future: concurrent.futures.Future[_T] = concurrent.futures.Future()
    loop.call_soon_threadsafe(_start_for_thread, coro, loop, future)
    return future


def _start_for_thread(coro: Any, loop: Any, future: concurrent.futures.Future[Any]) -> None:
    try:
        task = spawn_supervised(loop, coro)
    except BaseException as exc:
        if future.set_running_or_notify_cancel():
            future.set_exception(exc)
        raise

    def to_thread(task: Any) -> None:
        if task.cancelled():
            future.cancel()
        if not future.set_running_or_notify_cancel():
            return
        error = task.exception()
        if error is None:
            future.set_result(task.result())
        else:
            future.set_exception(error)

    def from_thread(future: concurrent.futures.Future[Any]) -> None:
        if future.cancelled() and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(to_thread)
    future.add_done_callback(from_thread)
