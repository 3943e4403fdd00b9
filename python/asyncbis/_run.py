"""`run()` and `Runner`: a loop, a root task group for each coroutine that is run, an orderly end (6, 8).

Order of an end: main finishes or something fails, the root scope is cancelled, every task of the root
group ends; then, under a shield, asynchronous generators are closed, late tasks are drained and the
default executor is joined; then the loop is closed.
Deliberately not here: the outcome of a run (`_root.py`) and what a signal does (`_signals.py`).
"""

import asyncio
import contextvars
import enum
import inspect
import sys
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, final

from . import _stdlib
from ._core import CancelScope, State, TaskGroup
from ._finished import finished
from ._loop import LevelLoop, adapt_loop, new_event_loop
from ._registry import hide
from ._root import RootRun
from ._signals import Signals
from ._sniffio import DEFAULT_NAME
from ._supervision import BackgroundErrors, supervisor

_T = TypeVar("_T")
# Seconds that the threads of the default executor are given to end, as in asyncio.
_EXECUTOR_TIMEOUT = 300.0


class _RunnerState(enum.Enum):
    CREATED = enum.auto()
    INITIALIZED = enum.auto()
    CLOSED = enum.auto()


class _NotACoroutine(ValueError, TypeError):
    """asyncio's Runner raises ValueError up to Python 3.13, and TypeError since: this is both."""


@final
class Runner:
    """A context manager that runs coroutines one after another on one loop; as `asyncio.Runner`.

    Each `run()` has a root task group of its own: what it leaves running in the background is
    cancelled when it ends (clauses 6.1, 6.3).

    debug: True or False for the loop's debug mode, None to leave it as it is.
    loop_factory: makes the loop; default `asyncbis.new_event_loop`. A loop of another class, such
        as uvloop's, is given asyncbis's tasks.
    sniffio_name: what sniffio reports while the loop runs; "asyncio" for libraries that know only
        that (clause 15.2).
    background_errors: "all", the default, ends the run whenever a background task fails;
        "unobserved" only if nobody waits for the task or has a callback on it, which is meant for
        measuring migrations (clause 6.6).
    """

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        sniffio_name: str = DEFAULT_NAME,
        background_errors: BackgroundErrors = "all",
    ) -> None:
        self._state = _RunnerState.CREATED
        self._debug = debug
        self._loop_factory = loop_factory
        self._sniffio_name = sniffio_name
        self._supervisor = supervisor(background_errors)
        self._loop: LevelLoop | None = None
        self._signals: Signals | None = None
        self._context: contextvars.Context | None = None

    def __enter__(self) -> Self:
        self.get_loop()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of this runner; it is made at the first use.

        Raises RuntimeError after `close()`.
        """
        return self._open()

    def run(self, coro: Coroutine[Any, Any, _T], *, context: contextvars.Context | None = None) -> _T:
        """Run a coroutine as the main task of a new root task group.

        `context` is the context that main runs in; default: one that all runs of this runner share.
        Returns main's value, or raises what clause 6.4 says: main's own exception as it is, an
        ExceptionGroup if a background task failed, KeyboardInterrupt or SystemExit(143) after a
        signal. Raises ValueError for anything but a coroutine, and RuntimeError inside a running
        loop or after `close()`.
        """
        if _stdlib._get_running_loop() is not None:
            raise RuntimeError("Runner.run() cannot be called from a running event loop")
        main: Coroutine[Any, Any, _T] = _as_coroutine(coro)
        loop = self._open()
        if context is None:
            context = self._context
        root: RootRun[_T] = RootRun(loop, main, context, self._supervisor)
        # Not needed here any more; a reference would keep the coroutine's frame alive.
        del coro, main
        assert self._signals is not None
        self._signals.first = None
        self._signals.install(root.cancel)
        try:
            fatal = _drive(loop, root, self._signals)
            try:
                return root.result(fatal, self._signals.first)
            finally:
                del fatal, root
        finally:
            self._signals.restore()

    def close(self) -> None:
        """Shut down and close the loop (clause 8.1); does nothing if it is closed, or was never made.

        A signal that arrives while this waits, after an earlier one, ends the waiting.
        """
        if self._state is not _RunnerState.INITIALIZED:
            return
        loop, signals = self._loop, self._signals
        assert loop is not None and signals is not None
        try:
            if not signals.aborted:
                signals.install(None)
                try:
                    task = State.create_task(
                        loop._asyncbis_state, _shutdown(loop), name="asyncbis shutdown"
                    )
                    hide(task)
                    loop.run_until_complete(task)
                finally:
                    signals.restore()
        finally:
            if self._loop_factory is None:
                asyncio.set_event_loop(None)
            loop._asyncbis_signals = None
            loop.close()
            self._loop = self._signals = None
            self._state = _RunnerState.CLOSED

    def _open(self) -> LevelLoop:
        if self._state is _RunnerState.CLOSED:
            raise RuntimeError("Runner is closed")
        if self._loop is None:
            if self._loop_factory is None:
                loop: LevelLoop = new_event_loop()
                # For libraries that ask for the loop before it runs.
                asyncio.set_event_loop(loop)
            else:
                loop = adapt_loop(self._loop_factory())
            if self._debug is not None:
                loop.set_debug(self._debug)
            loop._asyncbis_sniffio = self._sniffio_name
            self._signals = loop._asyncbis_signals = Signals(loop)
            self._context = contextvars.copy_context()
            self._loop = loop
            self._state = _RunnerState.INITIALIZED
        return self._loop


def run(
    main: Coroutine[Any, Any, _T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    sniffio_name: str = DEFAULT_NAME,
    background_errors: BackgroundErrors = "all",
) -> _T:
    """Run a program: `main` in a root task group, on a new loop that is closed at the end (clause 6.1).

    Everything that is started with `create_task()` belongs to the root task group. When `main`
    finishes, or a background task fails, the rest is cancelled and waited for. The first Ctrl-C or
    SIGTERM cancels everything, too, and lets shielded cleanup finish; the second does not wait.

    debug, loop_factory, sniffio_name, background_errors: as for `Runner`.
    Returns what `main` returns. Raises main's exception as it is; an ExceptionGroup of all errors if
    a background task failed; KeyboardInterrupt or SystemExit(143) if a signal ended it; ValueError
    for anything but a coroutine; RuntimeError if a loop is running in this thread.
    """
    if _stdlib._get_running_loop() is not None:
        raise RuntimeError("asyncbis.run() cannot be called from a running event loop")
    with Runner(
        debug=debug,
        loop_factory=loop_factory,
        sniffio_name=sniffio_name,
        background_errors=background_errors,
    ) as runner:
        return runner.run(main)


def root_task_group() -> TaskGroup:
    """The root task group of the `run()` that the running loop is in.

    Raises RuntimeError if no loop is running, or if it runs without `asyncbis.run()` or a Runner.
    """
    root = State.of(asyncio.get_running_loop()).root
    if root is None:
        raise RuntimeError("there is no root task group: the loop was not started by asyncbis.run()")
    return root


def _as_coroutine(main: Any) -> Any:
    if _stdlib.iscoroutine(main):
        return main
    if sys.version_info >= (3, 14) and inspect.isawaitable(main):
        # asyncio's Runner takes any awaitable from this version on.

        async def wait_for_it() -> Any:
            return await main

        return wait_for_it()
    text = f"a coroutine was expected, got {main!r}"
    if sys.version_info >= (3, 14):
        text += ": An asyncio.Future, a coroutine or an awaitable is required"
    raise _NotACoroutine(text)


def _drive(loop: LevelLoop, root: RootRun[Any], signals: Signals) -> BaseException | None:
    """Run the loop until the root task is done; returns what left the loop on the way (clause 6.9)."""
    fatal: BaseException | None = None
    try:
        while not root.task.done():
            try:
                loop.run_until_complete(root.task)
            except BaseException as exc:
                if signals.aborted or loop.is_closed() or loop.is_running():
                    root.abandon()
                    raise
                # A callback raised KeyboardInterrupt or SystemExit, or stopped the loop.
                if fatal is None:
                    fatal = exc
                root.cancel(f"the event loop was left by {type(exc).__name__}")
        return fatal
    finally:
        # Its traceback refers to this frame.
        del fatal


async def _shutdown(loop: LevelLoop) -> None:
    with CancelScope(shield=True):
        await loop.shutdown_asyncgens()
        await _drain(loop)
        await loop.shutdown_default_executor(_EXECUTOR_TIMEOUT)


async def _drain(loop: LevelLoop) -> None:
    """Cancel and await what was started after the root group had ended, and foreign tasks (6.8)."""
    me = asyncio.current_task()
    while late := [task for task in asyncio.all_tasks(loop) if task is not me]:
        for task in late:
            task.cancel()
        for task in late:
            await finished(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                loop.call_exception_handler(
                    {
                        "message": "unhandled exception during asyncbis.run() shutdown",
                        "exception": error,
                        "task": task,
                    }
                )
