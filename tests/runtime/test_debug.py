"""Sections 13 and 14 of docs/semantics.md: debug mode, threads, and loops of other makers."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, forever, in_child, is_ours, now, outcome, prints, probe, raised, settle


def test_slow_callbacks_are_logged() -> None:
    """Clause 13.1: asyncio's log of slow callbacks, for callbacks and for the steps of tasks."""

    async def main(out: Out) -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.01
        time.sleep(0.03)
        await sleep(0)
        loop.call_soon(time.sleep, 0.03)
        await sleep(0.01)

    lines = outcome(main, debug=True).split(" / ")
    slow = [line for line in lines if line.startswith("[asynciolog: Executing <")]
    assert len(slow) >= 2, lines
    assert any("Task" in line for line in slow) and any("sleep" in line for line in slow)
    assert outcome(main, debug=False) == "(silent)"


def test_checks_of_the_calling_thread() -> None:
    """Clauses 1.4, 13.1, 14.1: cancel() of scopes and tasks and create_task() from another thread raise RuntimeError."""

    async def main(out: Out) -> None:
        loop = asyncio.get_running_loop()
        waiting = asyncbis.create_task(forever())
        coro = forever()
        async with TaskGroup() as group:
            with CancelScope() as scope:
                for call in (
                    scope.cancel,
                    group.cancel,
                    waiting.cancel,
                    lambda: loop.create_task(coro),
                    lambda: group.create_task(coro),
                    lambda: loop.call_soon(print),
                ):
                    out((await raised(loop.run_in_executor(None, call))).split("(")[0])
        coro.close()
        assert not scope.cancel_called and not waiting.cancelling()

    assert outcome(main, debug=True) == " / ".join(["RuntimeError"] * 6)


@prints("notes True", debug=True)
async def test_notes_say_what_was_cancelled(out: Out) -> None:
    """Clauses 1.16, 13.1: debug mode adds a note to the CancelledError; the message is not changed."""
    with CancelScope() as scope:
        scope.cancel("why")
        try:
            await sleep(0)
        except CancelledError as error:
            assert error.args == ("why",)
            out("notes", bool(getattr(error, "__notes__", [])))
            raise


@prints("no notes True")
async def test_no_notes_without_debug_mode(out: Out) -> None:
    """Clause 13.1: only debug mode pays for them."""
    with CancelScope() as scope:
        scope.cancel("why")
        try:
            await sleep(0)
        except CancelledError as error:
            out("no notes", not hasattr(error, "__notes__"))
            raise


@pytest.mark.parametrize("how", ["environment", "-X dev"])
def test_ways_to_turn_debug_mode_on(how: str) -> None:
    """Clause 13.1: PYTHONASYNCIODEBUG and -X dev, besides debug=True."""
    program = """
        async def main(out):
            out(asyncio.get_running_loop().get_debug())
        report(main)
    """
    if how == "environment":
        assert in_child(program, PYTHONASYNCIODEBUG="1") == "True"
    else:
        assert in_child(program, options=["-X", "dev"]) == "True"


def test_coroutine_origin_in_debug_mode() -> None:
    """Clause 13.1: debug mode of asyncio tracks where a coroutine was made, and turns that off again."""
    program = """
        async def main(out):
            coro = forever()
            out(coro.cr_origin is not None)
            coro.close()
        report(main, debug=True)
        print(sys.get_coroutine_origin_tracking_depth())
    """
    assert in_child(program) == "True / 0"


def test_several_loops_in_several_threads() -> None:
    """Clause 14.1: loops in different threads have nothing in common."""
    failures: list[str] = []

    async def main(number: int) -> int:
        with CancelScope() as scope:
            async with TaskGroup() as group:
                for _ in range(50):
                    group.create_task(forever())
                await settle()
                assert len(asyncio.all_tasks()) >= 50
                scope.cancel()
        assert scope.cancelled_caught
        for _ in range(50):
            await sleep(0)
        return number

    def thread(number: int) -> None:
        try:
            for _ in range(5):
                assert asyncbis.run(main(number)) == number
        except BaseException as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []


@prints("woken by a thread True")
async def test_call_soon_threadsafe_wakes_the_loop(out: Out) -> None:
    """Clause 14.1: the way in from another thread, also while the loop waits without timers."""
    loop = asyncio.get_running_loop()
    event = asyncbis.Event()
    start = time.monotonic()
    threading.Timer(0.02, loop.call_soon_threadsafe, [event.set]).start()
    await event.wait()
    out("woken by a thread", time.monotonic() - start < 2)


@pytest.fixture(params=["asyncio", "uvloop"])
def factory(request: pytest.FixtureRequest) -> Any:
    """A loop of another maker; looked for before the run, where a skip would be an error of the program."""
    if request.param == "asyncio":
        return asyncio.SelectorEventLoop
    return pytest.importorskip("uvloop", reason="uvloop is not installed").new_event_loop


def test_loops_of_other_makers(factory: Any) -> None:
    """Clause 14.2: the same tasks and scopes with loop_factory=."""

    async def background(out: Out) -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.01)
            out("bg cancelled")

    async def main(out: Out) -> str:
        assert is_ours(asyncio.current_task())
        asyncbis.create_task(background(out))
        with asyncbis.move_on_after(0.01) as scope:
            await probe(out, "0", 1)
            await probe(out, "1", 1)
        out("called", scope.cancel_called)
        out(await raised(asyncbis.wait_for(forever(), 0.01)))
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(1)
        except TimeoutError:
            await probe(out, "unpatched timeout")
        async with TaskGroup() as group:
            group.create_task(probe(out, "child", 0.01))
        async with await asyncbis.start_server(_echo, "127.0.0.1", 0) as server:
            reader, writer = await asyncbis.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"line\n")
            out(await reader.readline())
            writer.close()
        return "R"

    assert outcome(main, loop_factory=factory) == (
        "0 raised C / 1 raised C / called True / TimeoutError / unpatched timeout ok / child ok"
        " / b'line\\n' / bg cancelled / ret R"
    )


def test_deadlines_come_before_sleeps_on_loops_of_other_makers(factory: Any) -> None:
    """Clauses 1.12, 14.2: there, too, a deadline comes before a sleep that ends at the same time."""

    async def main(out: Out) -> None:
        start = now()

        async def wait(deadline: float) -> bool:
            with CancelScope(deadline=deadline) as scope:
                await asyncbis.sleep_until(start + 0.02)
            return scope.cancelled_caught

        async with TaskGroup() as group:
            # The second deadline is armed only when the first has passed, that is, after the sleeps.
            waits = [group.create_task(wait(start + delay)) for delay in (0.01, 0.02)]
        out(*[task.result() for task in waits])

    assert outcome(main, loop_factory=factory) == "True True"


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


def test_errors_on_loops_of_other_makers(factory: Any) -> None:
    """Clause 14.2: the outcome table of run() holds there, too."""

    async def fail() -> None:
        raise ValueError("x")

    async def main(out: Out) -> None:
        asyncbis.create_task(fail())
        try:
            await sleep(1)
        finally:
            out("main cleanup")

    assert outcome(main, loop_factory=factory) == "main cleanup / RUN RAISED ExceptionGroup[ValueError(x)]"
