"""Section 8 of docs/semantics.md: what the scenarios leave open about the end of run()."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
import warnings
from collections.abc import AsyncGenerator

import asyncbis
from asyncbis import CancelScope, sleep
from harness import Child, Out, forever, in_child, prints, probe, reports


@prints("bg cancelled / agen closed / executor done / ret R")
async def test_order_of_shutdown(out: Out) -> str:
    """Clauses 8.1, 10.19: background tasks, then async generators, then the default executor."""

    async def background() -> None:
        try:
            await forever()
        finally:
            out("bg cancelled")

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await sleep(0.01)
            out("agen closed")

    def job() -> None:
        time.sleep(0.08)
        out("executor done")

    asyncbis.create_task(background())
    asyncio.get_running_loop().run_in_executor(None, job)
    _kept.append(numbers())
    await anext(_kept[-1])
    return "R"


_kept: list[AsyncGenerator[int, None]] = []


def test_second_signal_ends_a_shutdown() -> None:
    """Clause 8.1: also while generators are closed and the executor is joined."""
    child = Child("""
        async def numbers():
            try:
                yield 1
            finally:
                print("CLOSING", flush=True)
                await asyncio.sleep(10)

        async def main():
            global kept
            kept = numbers()
            await anext(kept)
            print("READY", flush=True)
            await forever()
        start = time.monotonic()
        try:
            asyncbis.run(main())
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - start < 5)
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    child.wait_for("CLOSING")
    child.kill(signal.SIGINT)
    assert child.finish() == "interrupted True"


@prints("timely True / loop ran True")
async def test_shutdown_default_executor_keeps_its_timeout_inside_a_shield(out: Out) -> None:
    """Clauses 8.2, 10.9: the timeout works in a cancelled, shielded region, and the loop is not blocked."""


    loop = asyncio.get_running_loop()
    release = threading.Event()
    loop.run_in_executor(None, release.wait, 5)
    ticks = 0

    async def ticker() -> None:
        nonlocal ticks
        while True:
            await sleep(0.01)
            ticks += 1

    start = time.monotonic()
    async with asyncbis.TaskGroup() as group:
        group.create_task(ticker())
        with CancelScope() as scope:
            scope.cancel()
            with CancelScope(shield=True), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                await loop.shutdown_default_executor(0.1)  # type: ignore[call-arg]
        group.cancel()
    release.set()
    out("timely", 0.05 < time.monotonic() - start < 2)
    out("loop ran", ticks >= 3)


@prints("loop ran True")
async def test_cancelled_shutdown_of_the_executor_does_not_block_the_loop(out: Out) -> None:
    """Clause 8.2: under cancellation the loop does not stand still until the threads have ended."""
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, time.sleep, 0.15)
    ticks = 0

    async def ticker() -> None:
        nonlocal ticks
        while True:
            await sleep(0.01)
            ticks += 1

    async with asyncbis.TaskGroup() as group:
        group.create_task(ticker())
        await sleep(0)
        with asyncbis.move_on_after(0.03):
            await loop.shutdown_default_executor()
        await sleep(0.05)
        out("loop ran", ticks >= 3)
        group.cancel()


@prints("reported ValueError / main ok")
async def test_error_of_a_collected_generator_goes_to_the_handler(out: Out) -> None:
    """Clauses 6.5, 8.3, 10.18: the task that closes it is supervised."""
    collected = reports()

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await sleep(0)
            raise ValueError("in finaliser")

    generator = numbers()
    await anext(generator)
    del generator
    gc.collect()
    await sleep(0.02)
    gc.collect()
    out("reported", *{type(context["exception"]).__name__ for context in collected})
    await sleep(0)
    out("main ok")


@prints("finaliser raised C / ret R")
async def test_collected_generator_in_a_cancelled_run(out: Out) -> str:
    """Clause 8.3: a generator that is collected while the root is cancelled gets cancelled awaits."""

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await probe(out, "finaliser", 0.01)

    async def background() -> None:
        generator = numbers()
        await anext(generator)
        try:
            await forever()
        finally:
            del generator
            gc.collect()
            with CancelScope(shield=True):
                await sleep(0.01)

    asyncbis.create_task(background())
    await sleep(0)
    return "R"


@prints("RuntimeError / consumer went on ok")
async def test_generator_with_a_scope_closed_by_another_task(out: Out) -> None:
    """Clause 8.4: the scope's exit in another task is the RuntimeError of clause 1.9."""

    async def numbers() -> AsyncGenerator[int, None]:
        with CancelScope():
            yield 1

    generator = numbers()

    async def consumer() -> None:
        await anext(generator)
        ready.set()
        await done.wait()
        await probe(out, "consumer went on")

    ready, done = asyncbis.Event(), asyncbis.Event()
    async with asyncbis.TaskGroup() as group:
        group.create_task(consumer())
        await ready.wait()
        try:
            await generator.aclose()
        except RuntimeError as error:
            out(type(error).__name__)
        done.set()


def test_hard_shutdown_closes_the_loop() -> None:
    """Clause 8.5: the loop is closed with tasks still pending, and the interpreter ends cleanly."""
    program = """
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(1)
                except asyncio.CancelledError:
                    with asyncbis.CancelScope(shield=True):
                        await asyncio.sleep(10)

        async def main():
            loops.append(asyncio.get_running_loop())
            asyncbis.create_task(stubborn())
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.sleep(1)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

        loops = []
        try:
            asyncbis.run(main())
        except KeyboardInterrupt:
            print("KeyboardInterrupt", loops[0].is_closed())
    """
    assert in_child(program) == "KeyboardInterrupt True"
