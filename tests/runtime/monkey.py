"""Calls whatever can be called, with whatever is at hand: the process that test_never_crashes.py watches.

It reads programs from stdin, one per line, as numbers; each number stands for one call of one method of one
object with arguments from a pool, made by one of several tasks. After each program it prints `ok`.
Any exception is fine, except that of a Rust panic; what is looked for is a crash or an abort.
A program that waits for ever, in a shield for example, is left by two SIGINTs, as a user would do it.

Deliberately not here: calls that block or end the process by design (processes, signals, nested event loops).
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import math
import random
import signal
import sys
import warnings
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import asyncbis
from asyncbis import _core

# Names that would block, end the process, or reach outside of it.
AVOIDED = {
    "run_forever", "run_until_complete", "_run_until_stopped", "run_in_executor", "subprocess_exec", "subprocess_shell",
    "add_signal_handler", "remove_signal_handler", "set_exception_handler", "_run_once", "set_debug", "create_server",
    "create_datagram_endpoint", "create_unix_server", "create_unix_connection", "getaddrinfo", "getnameinfo",
    "create_connection", "__reduce__", "__reduce_ex__", "__class__", "__getattribute__", "__init_subclass__",
    "__subclasshook__", "__dir__", "__format__", "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe",
    "_signal_handlers", "_write_to_self", "_selector", "_ssock", "_csock", "add_reader", "add_writer", "remove_reader",
    "remove_writer", "_add_reader", "_add_writer", "_remove_reader", "_remove_writer", "sendfile", "start_tls",
    "_make_subprocess_transport", "_check_closed", "print_stack", "set_default_executor", "slow_callback_duration",
    "_process_events", "_read_from_self", "_close_self_pipe", "_make_self_pipe", "_default_executor", "_thread_id",
    "_sigint", "_check_running", "_run_forever_setup", "_run_forever_cleanup", "set_task_factory", "_set_coroutine_origin_tracking",
    "_asyncbis_signals", "_handle_signal", "_stopping", "stop", "close", "choose_clock", "time", "_clock_resolution",
    "_exception_handler", "call_exception_handler", "default_exception_handler", "_asyncgen_finalizer_hook",
    "_asyncgen_firstiter_hook", "_closed",
}  # fmt: skip

FACTORIES: list[Callable[[], Any]] = [
    asyncbis.CancelScope,
    lambda: asyncbis.CancelScope(deadline=asyncio.get_running_loop().time(), shield=True),
    asyncbis.TaskGroup,
    lambda: asyncbis.timeout(0),
    lambda: asyncbis.timeout(None, shield=True),
    lambda: asyncbis.timeout_at(asyncio.get_running_loop().time() + 0.001),
    lambda: asyncbis.move_on_after(0.001),
    lambda: asyncbis.fail_after(0.001),
    lambda: asyncbis.fail_after(None),
    asyncbis.Future,
    lambda: asyncio.get_running_loop().create_future(),
    lambda: _core.uncancellable_future(asyncio.get_running_loop()),
    lambda: asyncbis.sleep(0),
    lambda: asyncbis.sleep(0.001),
    lambda: asyncbis.shield(asyncbis.sleep(0.001)),
    lambda: asyncbis.create_task(quiet()),
    lambda: asyncbis.create_task(quiet(), eager_start=True),
    lambda: asyncbis.Task(quiet(), loop=asyncio.get_running_loop()),
    lambda: asyncio.get_running_loop().call_soon(int),
    lambda: asyncio.get_running_loop().call_later(0.0005, int),
    lambda: asyncio.get_running_loop().call_soon_threadsafe(int),
    asyncbis.root_task_group,
    asyncbis.current_task,
    asyncbis.Condition,
    asyncbis.Event,
    lambda: asyncbis.gather(quiet(), quiet()),
    lambda: asyncbis.wait_for(quiet(), 0.001),
    asyncio.get_running_loop,
    lambda: asyncbis.lowlevel.checkpoint(),
    lambda: asyncbis.lowlevel.cancel_shielded_checkpoint(),
    lambda: asyncbis.sleep_forever(),
    lambda: Meddler(loop=asyncio.get_running_loop()),
    lambda: _core.State.of(asyncio.get_running_loop()),
]


class Meddler(asyncbis.Future):  # type: ignore[type-arg]
    """A future whose cancel() calls back into whatever was made before."""

    def cancel(self, msg: Any = None) -> bool:
        for thing in list(Monkey.current.pool[-4:]):
            if isinstance(thing, asyncbis.CancelScope):
                thing.cancel()
                thing.shield = not thing.shield
        return super().cancel(msg)


async def quiet() -> int:
    """A coroutine of some steps."""
    await asyncbis.sleep(0)
    await asyncbis.sleep(0.0005)
    return 1


def generator() -> Generator[None, None, None]:
    yield None
    yield None


class Monkey:
    """One program: its pool of objects, and the tasks that call their methods."""

    current: Monkey

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.pool: list[Any] = []
        self.panic: BaseException | None = None
        Monkey.current = self

    def argument(self, choice: random.Random) -> Any:
        """Something to pass: out of the pool, or an odd value."""
        if self.pool and choice.random() < 0.5:
            return choice.choice(self.pool)
        return choice.choice(
            [None, 0, -1, 2**70, 0.001, math.nan, math.inf, "text", b"", True, False, (), [], {}, object(), ValueError,
             ValueError("x"), asyncio.CancelledError(), KeyboardInterrupt, int, len, lambda *args: None, generator(),
             quiet(), asyncio.get_running_loop(), io.StringIO(), type, asyncbis.Task, sys.exc_info()]
        )  # fmt: skip

    def attempt(self, choice: random.Random) -> Any:
        """Make an object, or call, read, set or delete one attribute of one."""
        if not self.pool or choice.random() < 0.3:
            made = choice.choice(FACTORIES)()
            self.pool.append(made)
            return made
        thing = choice.choice(self.pool)
        name = choice.choice([name for name in dir(thing) if name not in AVOIDED])
        if choice.random() < 0.1:
            return setattr(thing, name, self.argument(choice))
        if choice.random() < 0.02:
            # CPython 3.14 and 3.15 crash where a C class with a dict is mixed with a Python class, asyncbis or not:
            # `class X: ...`, `class Both(X, functools.partial): ...`, `del Both(int).__dict__`.
            return None if name == "__dict__" else delattr(thing, name)
        value = getattr(thing, name)
        if not callable(value):
            return value
        if name == "__exit__" or name == "__aexit__":
            error = choice.choice([None, ValueError("x"), asyncio.CancelledError()])
            return value(type(error) if error else None, error, None)
        return value(*(self.argument(choice) for _ in range(choice.choice([0, 0, 1, 1, 2, 3]))))

    async def step(self, number: int) -> None:
        choice = random.Random(number)
        try:
            result = self.attempt(choice)
            if choice.random() < 0.05:
                gc.collect()
            if choice.random() < 0.1:
                del self.pool[: choice.randrange(4)]
            if inspect.isawaitable(result) and choice.random() < 0.6:
                with asyncbis.move_on_after(0.002):
                    result = await result
            # Numbers and texts have methods that take for ever, such as `pow()` of large ones.
            if type(result).__module__.startswith(("asyncbis", "asyncio")) and choice.random() < 0.3:
                self.pool.append(result)
        except asyncio.CancelledError:
            if choice.random() < 0.3:
                raise
        except BaseException as error:
            self.note(error)

    async def steps(self, start: int) -> None:
        for number in self.numbers[start::3]:
            await self.step(number)

    async def main(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: self.note(context.get("exception")))
        for start in (1, 2):
            asyncbis.create_task(self.steps(start))
        with asyncbis.CancelScope(shield=True), asyncbis.move_on_after(0.2):
            await self.steps(0)

    def note(self, error: BaseException | None) -> None:
        if error is not None and "PanicException" in {kind.__name__ for kind in type(error).__mro__}:
            self.panic = error

    def run(self) -> str:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.1)
        try:
            asyncbis.run(self.main())
        except BaseException as error:
            self.note(error)
            for part in getattr(error, "exceptions", ()):
                self.note(part)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.pool.clear()
        # A further SIGINT may have come while run() put the handlers back.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return f"panic {self.panic!r}" if self.panic else "ok"


def interrupt_hard(number: int, frame: FrameType | None) -> None:
    """Leave run() without waiting for anything (clause 7.4)."""
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def main() -> None:
    """Run each program of stdin."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, interrupt_hard)
    sys.unraisablehook = lambda unraisable: None
    answers = sys.stdout
    sys.stdout = io.StringIO()
    for line in sys.stdin:
        answers.write(Monkey([int(word) for word in line.split()]).run().replace("\n", " ") + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
