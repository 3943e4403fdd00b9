"""`as_completed()`: results in the order in which they come, in both of asyncio's forms (clause 9.11)."""

import inspect
from asyncio import Queue
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from . import _stdlib
from ._core import Future
from ._shield import target_future

_T = TypeVar("_T")


def as_completed(
    fs: Iterable[Awaitable[_T]], *, timeout: float | None = None
) -> "AsCompleted[_T]":
    """Iterate over awaitables in the order in which they finish; as `asyncio.as_completed()`.

    `async for` yields futures that are done (the tasks and futures that were passed in, as
    themselves); a plain `for` yields coroutines to be awaited for the next result. Both forms work
    on every Python version. TimeoutError is raised if not everything is done after `timeout`
    seconds. Coroutines become supervised tasks; nothing is cancelled.
    """
    if inspect.isawaitable(fs):
        raise TypeError(f"expects an iterable of awaitables, not {type(fs).__name__}")
    return AsCompleted(fs, timeout)


class AsCompleted(Iterator[Coroutine[Any, Any, _T]], AsyncIterator[Future[_T]]):
    """What `as_completed()` returns: an iterator and an asynchronous iterator at once."""

    def __init__(self, aws: Iterable[Awaitable[_T]], timeout: float | None) -> None:
        loop = _stdlib.get_event_loop()
        # None in the queue stands for an awaitable that was not done in time.
        self._finished: Queue[Future[_T] | None] = Queue()
        self._todo: set[Future[_T]] = {target_future(aw, loop) for aw in set(aws)}
        self._left = len(self._todo)
        self._timer = None
        for future in self._todo:
            future.add_done_callback(self._on_done)
        if self._todo and timeout is not None:
            self._timer = loop.call_later(timeout, self._on_timeout)

    def __iter__(self) -> "AsCompleted[_T]":
        return self

    def __aiter__(self) -> "AsCompleted[_T]":
        return self

    def __next__(self) -> Coroutine[Any, Any, _T]:
        if not self._left:
            raise StopIteration
        self._left -= 1
        return self._next_result()

    async def __anext__(self) -> Future[_T]:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return await self._next_future()

    async def _next_result(self) -> _T:
        return (await self._next_future()).result()

    async def _next_future(self) -> Future[_T]:
        future = await self._finished.get()
        if future is None:
            raise TimeoutError
        return future

    def _on_done(self, future: Future[_T]) -> None:
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
