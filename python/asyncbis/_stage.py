"""One event loop with one task in it, in which tests and fixtures take turns (`pytest_plugin.py`).

A run of asyncbis ends when its main task ends, but pytest sets fixtures up, calls a test and tears
the fixtures down by separate calls. The main task of a stage is therefore the *host*: it waits for
coroutines and awaits one after the other, and the loop runs only while one of them is on.

Invariants: at most one coroutine is on at a time; a scope that one of them leaves open is around
those that follow; while a test is on, its own group stands for the root task group, so its
background tasks and their errors end with it.
Deliberately not here: which tests and fixtures there are, and what pytest hears of them.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from . import _stdlib
from ._core import CancelScope, Future, TaskGroup
from ._root import RootRun
from ._run import Runner, _drive
from ._signals import Signals

# What a coroutine has ended with: its value, and its exception if it had one.
_Outcome = tuple[Any, BaseException | None]
_Request = tuple[Awaitable[Any], Future[_Outcome]]


class Stage:
    """A `Runner` whose root task group stays open from one coroutine to the next.

    options: the keyword arguments of `Runner`.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        # How many fixtures and tests use this stage; the plugin counts, and closes it after the last.
        self.users = 0
        self._runner = Runner(**options)
        self._loop = self._runner._open()
        self._state = self._loop._asyncbis_state
        self._next: Future[_Request | None] = self._state.create_future()
        self._root = RootRun(self._loop, self._host(), None, self._runner._supervisor)
        # Sets the running coroutine free after a signal.
        self._cancel: Callable[[str], None] = self._root.cancel

    @property
    def running(self) -> bool:
        """True while a loop runs in this thread: nothing can be called then."""
        return _stdlib._get_running_loop() is not None

    def call(self, awaitable: Awaitable[Any]) -> Any:
        """Await something in the host's task; return its value or raise its exception."""
        signals = self._signals
        if signals.aborted:
            # Nobody waits any more.
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            return None
        if self._root.task.done():
            raise RuntimeError("the run that this fixture belongs to has ended")
        over: Future[_Outcome] = self._state.create_future()
        self._next.set_result((awaitable, over))
        signals.first = None
        signals.install(lambda message: self._cancel(message))
        try:
            fatal = self._drive(over, signals)
            value, error = over.result()
            if fatal is not None:
                raise fatal
            if isinstance(error, asyncio.CancelledError):
                self._raise_reason(signals.first, error)
            if error is not None:
                raise error
            return value
        finally:
            signals.restore()
            # What is raised refers to this frame.
            error = fatal = None

    def run(self, test: Coroutine[Any, Any, object]) -> None:
        """Run a test to its end, and to the end of what it has started; raise what `run()` would."""
        self.call(self._with_root_group(test))

    def close(self) -> None:
        """End the host and the run, and close the loop; raise the errors of fixtures' background tasks."""
        signals = self._signals
        try:
            if not signals.aborted:
                self._next.set_result(None)
                signals.install(self._root.cancel)
                try:
                    self._root.result(_drive(self._loop, self._root, signals), signals.first)
                finally:
                    signals.restore()
        finally:
            self._runner.close()

    @property
    def _signals(self) -> Signals:
        signals = self._runner._signals
        assert signals is not None
        return signals

    async def _host(self) -> None:
        while True:
            request: _Request | None = None
            # A fixture's scope that is cancelled between two coroutines is the next one's business.
            with CancelScope(shield=True):
                request = await self._next
            self._next = self._state.create_future()
            if request is None:
                return
            awaitable, over = request
            try:
                over.set_result((await awaitable, None))
            except BaseException as error:
                over.set_result((None, error))
            del request, awaitable, over

    async def _with_root_group(self, test: Coroutine[Any, Any, object]) -> None:
        outer, failure = self._state.root, None
        try:
            async with TaskGroup() as group:
                self._state.root = group
                self._cancel = group.cancel
                try:
                    await test
                except BaseException as error:
                    failure = error
                    raise
                finally:
                    group.cancel("the test has finished")
        except BaseExceptionGroup as errors:
            # An error of the test alone is raised as it is, like that of main.
            if any(error is not failure for error in errors.exceptions):
                raise
        finally:
            self._state.root = outer
            self._cancel = self._root.cancel
        try:
            if failure is not None:
                raise failure
        finally:
            del failure

    def _drive(self, over: Future[_Outcome], signals: Signals) -> BaseException | None:
        """Run the loop until the coroutine is over; return what left the loop on the way."""
        fatal: BaseException | None = None
        try:
            while not over.done():
                try:
                    self._loop.run_until_complete(over)
                except BaseException as error:
                    if signals.aborted or self._loop.is_closed():
                        raise
                    fatal = fatal or error
                    self._cancel(f"the event loop was left by {type(error).__name__}")
            return fatal
        finally:
            del fatal

    def _raise_reason(self, number: int | None, error: asyncio.CancelledError) -> None:
        """Raise what explains a cancellation better than the CancelledError does, if there is something."""
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if number is not None:
            pytest.exit(f"stopped by {signal.Signals(number).name}", returncode=128 + number)
        root = self._root._root
        if root is not None and root._errors:
            raise BaseExceptionGroup("unhandled errors in a TaskGroup", list(root._errors)) from error
