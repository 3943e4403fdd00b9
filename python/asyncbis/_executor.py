"""Waiting for the threads of the default executor when a loop shuts down (clauses 8.2, 10.9).

asyncio joins them in a `finally`, which blocks the loop when it is cancelled, or under a native
timeout, which can't get through a shield. Here a helper thread joins and the loop waits for it under
a shield with a deadline of its own.
"""

import asyncio
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from ._core import Future, move_on_after

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class ExecutorMixin:
    """For asyncio's loops: `shutdown_default_executor()` of asyncbis."""

    if TYPE_CHECKING:
        _default_executor: Executor | None
        _executor_shutdown_called: bool

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until the threads of the default executor have ended, under a shield (clause 8.2).

        After `timeout` seconds (None: never) it gives up with a RuntimeWarning and leaves them.
        """
        self._executor_shutdown_called = True
        if self._default_executor is not None:
            loop: Any = self
            await join_executor(loop, self._default_executor, timeout)


class OwnExecutorMixin:
    """For other loops, whose default executor is out of reach: it is made here, in their place."""

    _asyncbis_executor: Executor | None = None

    def set_default_executor(self, executor: Any) -> None:
        """As the loop's own."""
        super().set_default_executor(executor)  # type: ignore[misc]
        self._asyncbis_executor = executor

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: Unpack[_Ts]
    ) -> asyncio.Future[_T]:
        """As the loop's own; None stands for the default executor."""
        if executor is None and self._asyncbis_executor is None:
            self.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        return super().run_in_executor(executor, func, *args)  # type: ignore[misc, no-any-return]

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until the threads of the default executor have ended, as on asyncbis's own loop."""
        if self._asyncbis_executor is not None:
            loop: Any = self
            await join_executor(loop, self._asyncbis_executor, timeout)


async def join_executor(loop: AbstractEventLoop, executor: Executor, timeout: float | None) -> None:
    """Shut `executor` down and wait for its threads, at most `timeout` seconds (None: for ever).

    On timeout it emits a RuntimeWarning and leaves the threads to themselves.
    """
    joined: Future[None] = Future(loop=loop)
    thread = threading.Thread(target=_join, args=(loop, executor, joined), daemon=True)
    thread.start()
    with move_on_after(timeout, shield=True) as scope:
        await joined
    if scope.cancelled_caught:
        warnings.warn(
            f"The executor did not finish joining its threads within {timeout} seconds.",
            RuntimeWarning,
            stacklevel=2,
        )
        executor.shutdown(wait=False)
    else:
        thread.join()


def _join(loop: AbstractEventLoop, executor: Executor, joined: Future[None]) -> None:
    error: Exception | None = None
    try:
        executor.shutdown(wait=True)
    except Exception as exc:
        error = exc
    try:
        loop.call_soon_threadsafe(_settle, joined, error)
    except RuntimeError:
        # The loop was closed in the meantime: nobody waits any more.
        pass


def _settle(joined: Future[None], error: Exception | None) -> None:
    if joined.done():
        return
    if error is None:
        joined.set_result(None)
    else:
        joined.set_exception(error)
