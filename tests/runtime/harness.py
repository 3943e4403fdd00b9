"""Helpers of the runtime's tests: run a program, collect what it prints, and compare.

A program is `async def main(out)`; it reports by calling `out`.
Its outcome is the printed lines, then `ret VALUE` or `RUN RAISED ERROR` where `run()` returned a value or raised,
joined by " / " as in the scenario table of docs/semantics.md.
A record on asyncio's logger is a line, too: an error that is only logged can't go unnoticed.

Deliberately not here: anything that looks inside asyncbis.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import asyncbis

HERE = pathlib.Path(__file__).resolve().parent


class Out(Protocol):
    """What a program calls to print one line."""

    def __call__(self, *words: object) -> None: ...


Program = Callable[[Out], Coroutine[Any, Any, object]]


def described(error: BaseException) -> str:
    """The text of an exception as the scenario table writes it: `ExceptionGroup[ValueError(x), KeyError('y')]`."""
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return f"{name}[{', '.join(described(part) for part in error.exceptions)}]"
    # The message of a cancellation says who cancelled; the table shows only that it is one.
    if isinstance(error, asyncio.CancelledError) or not str(error):
        return name
    return f"{name}({error})"


class LoggedLines(logging.Handler):
    """Writes each record of asyncio's logger as a line `[asynciolog: text]`."""

    def __init__(self, out: Out) -> None:
        super().__init__(logging.WARNING)
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        self._out(f"[asynciolog: {record.getMessage().splitlines()[0]}]")


def outcome(program: Program, **run_options: Any) -> str:
    """Run the program under `asyncbis.run(**run_options)` and return its lines joined by " / "."""
    lines: list[str] = []

    def out(*words: object) -> None:
        lines.append(" ".join(str(word) for word in words))

    logger = logging.getLogger("asyncio")
    handler = LoggedLines(out)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        value = asyncbis.run(program(out), **run_options)
        if value is not None:
            out("ret", value)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and error.args:
            # The watchdog's.
            raise
        out("RUN RAISED", described(error))
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
    return " / ".join(lines) or "(silent)"


def prints(expected: str, **run_options: Any) -> Callable[[Program], Callable[[], None]]:
    """Make a test of a program: it passes when the program's outcome is `expected`, letter by letter."""

    def decorate(program: Program) -> Callable[[], None]:
        def test() -> None:
            assert outcome(program, **run_options) == expected

        test.__name__ = program.__name__
        test.__qualname__ = program.__qualname__
        test.__doc__ = program.__doc__
        test.__module__ = program.__module__
        test.expected = expected  # type: ignore[attr-defined]
        return test

    return decorate


async def probe(out: Out, label: str, delay: float = 0) -> None:
    """Say whether a yield point here raises: `label ok` or `label raised C`; the CancelledError is swallowed."""
    try:
        await asyncbis.sleep(delay)
    except asyncio.CancelledError:
        out(label, "raised C")
    else:
        out(label, "ok")


async def settle(rounds: int = 8) -> None:
    """Let all other tasks run until they block, whether or not the caller is cancelled."""
    with asyncbis.CancelScope(shield=True):
        for _ in range(rounds):
            await asyncbis.sleep(0)


async def forever() -> None:
    """Block until cancelled, on a plain future of the loop."""
    await asyncio.get_running_loop().create_future()


def task() -> asyncbis.Task[Any]:
    """The running task, which must exist."""
    current = asyncbis.current_task()
    assert current is not None
    return current


def is_ours(thing: object) -> bool:
    """Whether this is a task of asyncbis; `isinstance()` says yes for both libraries' classes."""
    return type(thing) is asyncbis.Task


def registered(thing: object) -> bool:
    """Whether asyncio.all_tasks() has this task; a type checker thinks that it can't."""
    tasks: set[Any] = asyncio.all_tasks()
    return thing in tasks


def now() -> float:
    """The time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


def closed(coro: Coroutine[Any, Any, Any]) -> bool:
    """Whether a coroutine was closed, so that nobody is warned that it was never awaited."""
    return inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED


async def raised(awaitable: Awaitable[object]) -> str:
    """Await and return the described exception, or `nothing`."""
    try:
        await awaitable
    except BaseException as error:
        return described(error)
    return "nothing"


def reports() -> list[dict[str, Any]]:
    """Collect what is given to the running loop's exception handler from now on."""
    collected: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: collected.append(context))
    return collected


def report(program: Program, **run_options: Any) -> None:
    """Run a program in this process and print its outcome line by line, for use in a child process."""

    def out(*words: object) -> None:
        print(*words, flush=True)

    logging.getLogger("asyncio").addHandler(LoggedLines(out))
    try:
        value = asyncbis.run(program(out), **run_options)
        if value is not None:
            out("ret", value)
    except BaseException as error:
        out("RUN RAISED", described(error))


class Child:
    """A Python process that runs a program text; its printed lines are collected, its stderr is kept."""

    PRELUDE = "import asyncio, os, signal, sys, time, threading\nimport asyncbis\nfrom harness import *\n"

    def __init__(self, text: str, *, prelude: bool = True, options: Sequence[str] = (), **environment: str) -> None:
        path = os.pathsep.join(part for part in (str(HERE), os.environ.get("PYTHONPATH", "")) if part)
        body = (self.PRELUDE if prelude else "") + textwrap.dedent(text)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", *options, "-c", body],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )
        self.lines: list[str] = []
        self.stderr = ""

    def wait_for(self, line: str) -> None:
        """Read until the process has printed this line."""
        assert self.process.stdout is not None
        for printed in self.process.stdout:
            if printed.rstrip("\n") == line:
                return
            self.lines.append(printed.rstrip("\n"))
        _, self.stderr = self.process.communicate()
        raise AssertionError(f"the process ended without printing {line!r}: {self.lines}\n{self.stderr}")

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self, timeout: float = 15) -> str:
        """Wait for the end and return the printed lines joined by " / "."""
        try:
            stdout, self.stderr = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, self.stderr = self.process.communicate()
            raise AssertionError(f"hung after {self.lines + stdout.splitlines()}\n{self.stderr}") from None
        self.lines += stdout.splitlines()
        return " / ".join(self.lines) or "(silent)"

    @property
    def status(self) -> int:
        return self.process.returncode


def in_child(text: str, *, timeout: float = 15, status: int | None = 0, **options: Any) -> str:
    """Run a program text in a new Python process; its printed lines, joined by " / "."""
    child = Child(text, **options)
    lines = child.finish(timeout)
    if status is not None:
        assert child.status == status, f"exit status {child.status} after {lines}\n{child.stderr}"
    return lines
