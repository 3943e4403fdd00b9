"""What all tests of the runtime share: a watchdog, so that a hang is a failure of one test."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

pytest.register_assert_rewrite("harness")


class Hung(BaseException):
    """A test took too long."""


def _bark(number: int, frame: FrameType | None) -> None:
    raise Hung("the test did not finish in time")


@pytest.fixture(autouse=True)
def watchdog(request: pytest.FixtureRequest) -> Iterator[None]:
    """Interrupt a test after 20 seconds (`@pytest.mark.limit(seconds)`), and the process if that does not help."""
    marker = request.node.get_closest_marker("limit")
    seconds = marker.args[0] if marker else 20
    faulthandler.dump_traceback_later(seconds + 20, exit=True)
    before = signal.signal(signal.SIGALRM, _bark)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "limit(seconds): how long the test may take before it counts as hung")
