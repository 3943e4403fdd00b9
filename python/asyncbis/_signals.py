"""Ctrl-C and SIGTERM during `run()` (section 7).

The first signal cancels the root group through the loop, and shielded code runs on to its end. The
second one is hard: SIGINT raises KeyboardInterrupt where the program stands and leaves the loop,
SIGTERM takes its default action.

Invariants: nothing is touched outside the main thread, nor where somebody else has set a handler; a
handler never touches the scope tree itself, it only schedules.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_logger = logging.getLogger("asyncbis")
_DEFAULTS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Signals:
    """The signal handlers of one Runner: installed while it runs something, put back afterwards."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._cancel: Callable[[str], None] | None = None
        self._taken: list[int] = []
        # Made when it is installed; one object, so that `is` can tell whether it is still in place.
        self._handler: Any = None
        # The descriptor that signals write to, while it is ours.
        self._wakeup_fd: int | None = None
        # The first signal of this run; None as long as none has come.
        self.first: int | None = None
        # True once a second one has come: the loop is left at once, nobody waits any more.
        self.aborted = False

    def install(self, cancel: Callable[[str], None] | None) -> None:
        """Take SIGINT and SIGTERM; the first one calls `cancel(message)` from the loop."""
        self._cancel = cancel
        if threading.current_thread() is not threading.main_thread():
            return
        # Not kept between runs: it refers back to this object.
        self._handler = self._on_signal
        for number, default in _DEFAULTS.items():
            if signal.getsignal(number) is default and self._set(number, self._handler):
                self._taken.append(number)
        self._wake_the_loop()

    def restore(self) -> None:
        """Put the default handlers back, where ours are still in place."""
        taken, self._taken, self._cancel = self._taken, [], None
        if self._wakeup_fd is not None:
            _exchange_wakeup_fd(self._wakeup_fd, -1)
            self._wakeup_fd = None
        for number in taken:
            if signal.getsignal(number) is self._handler:
                self._set(number, _DEFAULTS[number])
        self._handler = None

    def take_back(self, number: int) -> None:
        """After `loop.remove_signal_handler()`: the signal is ours again, if it was before."""
        if number in self._taken:
            self._set(number, self._handler)
            # The loop has let go of the wakeup descriptor together with its last handler.
            self._wake_the_loop()

    def _wake_the_loop(self) -> None:
        """Let each signal write a byte to the loop's self-pipe (clause 7.2).

        A signal may come when the loop is about to wait, too late for its handler to run before.
        Loops without such a pipe, uvloop's, do this for themselves.
        """
        pipe = getattr(self._loop, "_csock", None)
        if self._taken and pipe is not None and _exchange_wakeup_fd(-1, pipe.fileno()):
            self._wakeup_fd = pipe.fileno()

    def _set(self, number: int, handler: Any) -> bool:
        try:
            signal.signal(number, handler)
        except ValueError:
            # An embedded interpreter may not allow signals even in its main thread.
            return False
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.first is None:
            self.first = number
            self._schedule(self._cancel_gracefully, signal.Signals(number).name)
            return
        self.aborted = True
        if number == signal.SIGTERM:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            return
        # The exception raised here may hit a task, whose group would keep it: the one raised from
        # the loop leaves it for certain.
        self._schedule(_interrupt)
        raise KeyboardInterrupt

    def _schedule(self, callback: Callable[..., object], *args: Any) -> None:
        # This also wakes a loop that is waiting for events.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)

    def _cancel_gracefully(self, name: str) -> None:
        _logger.info("%s: cancelling all tasks; a second signal does not wait for them", name)
        if self._cancel is not None:
            self._cancel(f"Cancelled by signal {name}")


def _exchange_wakeup_fd(old: int, new: int) -> bool:
    """Set the process's wakeup descriptor if it is `old`; somebody else's is left alone."""
    found = signal.set_wakeup_fd(new, warn_on_full_buffer=False)
    if found not in (old, new):
        signal.set_wakeup_fd(found, warn_on_full_buffer=False)
    return found == old


def exit_exception(number: int) -> BaseException:
    """What `run()` raises after a first signal: KeyboardInterrupt, or SystemExit(143) for SIGTERM."""
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    return SystemExit(128 + number)


def _interrupt() -> None:
    raise KeyboardInterrupt
