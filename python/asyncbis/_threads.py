"""Between threads: `to_thread()`, and `run_coroutine_threadsafe()` the other way (clauses 2.9, 9.11, 14).

Scopes, groups and tasks belong to the thread of their loop; these two, and `call_soon_threadsafe()`,
are the only ways in and out.
"""

import asyncio
import concurrent.futures
import contextvars
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from . import _stdlib
from ._loop import LevelLoop
from ._supervision import spawn_supervised

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def to_thread(func: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `func(*args, **kwargs)` in a thread of the loop's default executor and wait for it.

    Context variables are passed on. A cancelled caller stops waiting at once; the thread can't be
    stopped, its result is dropped, and `run()` waits for it when it shuts down. The function is
    handed to the executor before the first suspension, so it runs even if the caller is cancelled
    already (clause 2.9). `await shield(to_thread(...))` waits for the thread in any case.
    Returns what `func` returns, or raises what it raises.
    """
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    call = functools.partial(context.run, func, *args, **kwargs)
    return await loop.run_in_executor(None, call)


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
