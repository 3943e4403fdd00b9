"""One `run()` call: the root task group, the main task in it, and how both have ended (clauses 6.2 to 6.6).

The root task is not visible to the program. It opens the root group, spawns main as supervised,
waits for main, cancels what is left, and never raises: how it all ended is read afterwards.

Invariant: errors keep the order in which they occurred, main's own among them.
Deliberately not here: driving the loop, signals and the shutdown after the run (`_run.py`).
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

from ._core import State, Task, TaskGroup, uncancellable_future
from ._loop import LevelLoop
from ._registry import hide
from ._signals import exit_exception
from ._supervision import Supervisor

_T = TypeVar("_T")
# The text of a TaskGroup's error, clause 5.7.
_TEXT = "unhandled errors in a TaskGroup"


class RootRun(Generic[_T]):
    """The state of one `run()` call."""

    def __init__(
        self,
        loop: LevelLoop,
        coro: Coroutine[Any, Any, _T],
        context: Context | None,
        supervisor: Supervisor,
    ) -> None:
        self._loop = loop
        self._coro: Coroutine[Any, Any, _T] | None = coro
        self._context = context
        self._supervisor = supervisor
        self._root: TaskGroup | None = None
        self._main: Task[_T] | None = None
        self._main_done: Any = None
        # A cancellation that came before the root group was open.
        self._early_cancel: str | None = None
        # What `async with root` raised, and how many background errors came before main's end.
        self._failure: BaseException | None = None
        self._errors_before_main = 0
        self.task: Task[None] = State.create_task(
            loop._asyncbis_state, self._run(), name="asyncbis root task"
        )
        # After a second signal it may be left behind; it says nothing to the user.
        self.task._log_destroy_pending = False
        hide(self.task)

    def cancel(self, message: str) -> None:
        """Cancel everything; unshielded code gets CancelledError at its next suspension."""
        if self._root is not None:
            self._root.cancel(message)
        else:
            self._early_cancel = message

    def abandon(self) -> None:
        """The loop was left for good: nobody will ask how main has ended."""
        if self._main is not None and self._main.done() and not self._main.cancelled():
            self._main.exception()

    async def _run(self) -> None:
        state = self._loop._asyncbis_state
        try:
            async with TaskGroup() as root:
                self._root = state.root = root
                state.supervisor = self._supervisor
                if self._early_cancel is not None:
                    root.cancel(self._early_cancel)
                coro, self._coro = self._coro, None
                assert coro is not None
                self._main = root._spawn(coro, context=self._context, supervised=True)
                self._main.add_done_callback(self._on_main_done)
                del coro
                await self._wait_for_main()
                root.cancel("the main task has finished")
        except BaseException as exc:
            self._failure = exc
        finally:
            state.root = state.supervisor = None

    async def _wait_for_main(self) -> None:
        self._main_done = self._loop.create_future()
        try:
            await self._main_done
        except asyncio.CancelledError:
            # The root scope is cancelled: main is told by the core, foreign tasks by us.
            cancel_foreign_tasks(self._loop)
            assert self._main is not None
            if not self._main.done():
                self._main_done = uncancellable_future(self._loop)
                await self._main_done

    def _on_main_done(self, main: Task[_T]) -> None:
        assert self._root is not None
        self._errors_before_main = len(self._root._errors)
        if not self._main_done.done():
            self._main_done.set_result(None)

    def result(self, fatal: BaseException | None, signal_number: int | None) -> _T:
        """Return main's value, or raise what `run()` has to raise (clause 6.4).

        `fatal` is what left the loop, `signal_number` the first signal that came.
        """
        main, failure = self._main, self._failure
        # The traceback of what is raised refers to this frame: no way may lead from it back there.
        self._main = self._failure = self._root = self._main_done = None
        error = fatal if fatal is not None else self._error(main, failure)
        try:
            if error is not None:
                raise error
            if main is None:
                raise RuntimeError("the event loop was stopped before the main task had started")
            try:
                return main.result()
            except asyncio.CancelledError:
                if signal_number is None:
                    raise
                raise exit_exception(signal_number)
        finally:
            del main, failure, error, fatal

    def _error(
        self, main: Task[_T] | None, failure: BaseException | None
    ) -> BaseException | None:
        main_error = None
        if main is not None and not main.cancelled():
            main_error = main.exception()
        for error in (failure, main_error):
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                return error
        if isinstance(failure, BaseExceptionGroup):
            errors = list(failure.exceptions)
            if main_error is not None and not any(error is main_error for error in errors):
                errors.insert(self._errors_before_main, main_error)
            return BaseExceptionGroup(_TEXT, errors)
        return main_error


def cancel_foreign_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel, once, the tasks of other classes on this loop: they know no scopes (clause 4.2)."""
    for task in asyncio.all_tasks(loop):
        if not isinstance(task, Task):
            task.cancel()
