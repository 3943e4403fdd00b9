"""No sequence of Python calls crashes, aborts, panics or hangs: random programs in a process of their own."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from harness import HERE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class MonkeyProcess:
    """A process that runs programs; a new one is started after a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._stderr = tempfile.TemporaryFile("w+")  # A pipe would fill up.

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            path = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", str(HERE / "monkey.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                text=True,
                bufsize=1,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            )
        return self._process

    def run(self, numbers: list[int]) -> None:
        """Run one program; AssertionError when the process does not answer `ok`."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(" ".join(map(str, numbers)) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(10)
        answer = process.stdout.readline().strip() if answered else "hung"
        if answer != "ok":
            self.stop()
            self._stderr.seek(0)
            raise AssertionError(f"answer {answer!r}, exit status {process.returncode}\n{self._stderr.read()[-3000:]}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def monkey() -> Iterator[MonkeyProcess]:
    process = MonkeyProcess()
    yield process
    process.stop()


# `make test` runs the same programs every time; `make stress` asks for more, and for new ones.
STRESS_EXAMPLES = os.environ.get("ASYNCBIS_MONKEY_EXAMPLES")
EXAMPLES = int(STRESS_EXAMPLES or "150")


@pytest.mark.limit(60 + EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=STRESS_EXAMPLES is None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(numbers=st.lists(st.integers(0, 2**32 - 1), min_size=20, max_size=120))
def test_random_calls_never_crash(monkey: MonkeyProcess, numbers: list[int]) -> None:
    """Clause 4.1 and all others: misuse is an exception."""
    monkey.run(numbers)
