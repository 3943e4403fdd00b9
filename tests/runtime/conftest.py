"""What all tests of the runtime share: a watchdog, so that a hang is a failure of one test."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Generator
from types import FrameType

import pytest

pytest.register_assert_rewrite("harness")

# Where the process's stderr goes when pytest does not capture it.
_STDERR = pytest.StashKey[int]()


class Watchdog:
    """Interrupts the main thread, and the whole process if that does not help."""

    def __init__(self, seconds: float, stderr: int) -> None:
        self._seconds = seconds
        self._stderr = stderr
        self.barked = False

    def __enter__(self) -> Watchdog:
        faulthandler.dump_traceback_later(self._seconds + 20, exit=True, file=self._stderr)
        self._before = signal.signal(signal.SIGALRM, self._bark)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, 1)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        faulthandler.cancel_dump_traceback_later()

    def _bark(self, number: int, frame: FrameType | None) -> None:
        if self.barked:
            # A run() that waits for shielded code is left at its second SIGINT.
            signal.raise_signal(signal.SIGINT)
        self.barked = True
        # An event loop would report any other exception and go on.
        raise KeyboardInterrupt("the test did not finish in time")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test has 20 seconds, or what `@pytest.mark.limit(seconds)` says."""
    marker = pyfuncitem.get_closest_marker("limit")
    seconds = marker.args[0] if marker else 20
    watchdog = Watchdog(seconds, pyfuncitem.config.stash[_STDERR])
    try:
        with watchdog:
            result = yield
    except KeyboardInterrupt:
        if watchdog.barked:
            pytest.fail(f"the test did not finish in {seconds} seconds")
        raise
    return result


def pytest_configure(config: pytest.Config) -> None:
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    capture.suspend_global_capture()
    config.stash[_STDERR] = os.dup(2)
    capture.resume_global_capture()
    config.addinivalue_line("markers", "limit(seconds): how long the test may take before it counts as hung")
