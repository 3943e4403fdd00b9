"""Scenarios B: where and when a cancellation is delivered (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, forever, prints, probe, raised, settle


@prints("v / next raised C")
async def test_b01_await_a_done_future_in_a_cancelled_scope(out: Out) -> None:
    """Clause 2.1: what does not yield is no yield point."""
    future = asyncio.get_running_loop().create_future()
    future.set_result("v")
    with CancelScope() as scope:
        scope.cancel()
        out(await future)
        await probe(out, "next")


@prints("got hello / next raised C")
async def test_b02_task_about_to_resume_with_a_value_gets_the_value(out: Out) -> None:
    """Clause 2.5: the value is delivered, the next yield point raises."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    scope = CancelScope()

    async def waiter() -> None:
        with scope:
            try:
                out("got", await future)
            except CancelledError:
                out("LOST")
                raise
            await probe(out, "next")

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        future.set_result("hello")
        scope.cancel()


@prints("sleep0 raised C / next raised C")
async def test_b03_task_in_the_ready_queue_when_its_scope_is_cancelled(out: Out) -> None:
    """Clause 2.3: for a bare yield the decision falls when the step runs."""
    scope = CancelScope()

    async def sleeper() -> None:
        with scope:
            await probe(out, "sleep0")
            await probe(out, "next")

    async with TaskGroup() as group:
        group.create_task(sleeper())
        # The sleeper runs and yields first, this task resumes second and cancels, the sleeper's step comes third.
        await sleep(0)
        scope.cancel()


@prints("slow result / next raised C")
async def test_b04_uncancellable_future_is_waited_for(out: Out) -> None:
    """Clause 2.4: when cancel() of the future returns False, its result is delivered and the next yield raises."""

    class Stubborn(asyncio.Future[str]):
        def cancel(self, msg: object = None) -> bool:
            return False

    loop = asyncio.get_running_loop()
    future = Stubborn(loop=loop)
    with CancelScope() as scope:
        scope.cancel()
        loop.call_later(0.01, future.set_result, "slow result")
        out(await future)
        await probe(out, "next")


@prints("inner cancelled True cancelling 1 / caught True")
async def test_b05_awaited_task_is_cancelled_with_its_awaiter(out: Out) -> None:
    """Clause 2.8: cancelling the awaiter cancels the awaited task natively, once per attempt."""
    counts: list[int] = []

    async def inner() -> None:
        current = asyncbis.current_task()
        assert current is not None
        try:
            await forever()
        finally:
            counts.append(current.cancelling())

    async def main() -> None:
        inner_task = asyncbis.create_task(inner())
        await settle()
        with CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await inner_task
        out("inner cancelled", inner_task.cancelled(), "cancelling", *counts)
        out("caught", scope.cancelled_caught)

    await main()


@prints("w1 left scope / w2 CancelledError")
async def test_b06_shared_future_is_cancelled_for_all_waiters(out: Out) -> None:
    """Clause 2.8: as in asyncio, a future that is awaited directly is cancelled for everyone."""
    future = asyncio.get_running_loop().create_future()
    scope = CancelScope()

    async def first() -> None:
        with scope:
            await future
        out("w1 left scope")

    async def second() -> None:
        out("w2", await raised(future))

    async with TaskGroup() as group:
        group.create_task(first())
        group.create_task(second())
        await settle()
        scope.cancel()


@prints("got val / next raised C")
async def test_b07_awaited_task_swallows_the_cancellation(out: Out) -> None:
    """Clause 2.8: the awaiter gets the value and is cancelled at its next yield point."""

    async def stubborn() -> str:
        try:
            await forever()
        except CancelledError:
            pass
        return "val"

    inner = asyncbis.create_task(stubborn())
    await settle()
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        out("got", await inner)
        await probe(out, "next")


@prints("left scope early: True")
async def test_b08_executor_job_is_abandoned(out: Out) -> None:
    """Clause 2.9: the future of a running job is cancelled at once; the thread runs on."""
    loop = asyncio.get_running_loop()
    start = time.monotonic()
    with CancelScope() as scope:
        loop.call_later(0.01, scope.cancel)
        await loop.run_in_executor(None, time.sleep, 0.15)
    out("left scope early:", time.monotonic() - start < 0.1)


@prints("raised 100 of 100")
async def test_b09_each_await_raises(out: Out) -> None:
    """Clause 2.7: cancellation is level-triggered."""
    count = 0
    with CancelScope() as scope:
        scope.cancel()
        for _ in range(100):
            try:
                await sleep(0)
            except CancelledError:
                count += 1
    out("raised", count, "of 100")


@prints("ticks 5 looped True")
async def test_b10_others_progress_while_a_task_swallows_in_a_loop(out: Out) -> None:
    """Clause 2.7: each round of a swallowing loop costs a tick, so nobody starves."""
    ticks = looped = 0

    async def ticker() -> None:
        nonlocal ticks
        for _ in range(5):
            await sleep(0)
            ticks += 1

    async def swallower(until: asyncbis.Task[None]) -> None:
        nonlocal looped
        with CancelScope() as scope:
            scope.cancel()
            while not until.done() and looped < 10_000:
                try:
                    await asyncbis.sleep_forever()
                except CancelledError:
                    looped += 1

    async with TaskGroup() as group:
        group.create_task(swallower(group.create_task(ticker())))
    out("ticks", ticks, "looped", 0 < looped < 10_000)


@prints("acquire -> True / locked True")
async def test_b12_free_lock_is_acquired_in_a_cancelled_scope(out: Out) -> None:
    """Clause 2.1: acquiring a free lock does not yield."""
    lock = asyncbis.Lock()
    with CancelScope() as scope:
        scope.cancel()
        out("acquire ->", await lock.acquire())
    out("locked", lock.locked())


@prints("got ValueError / next raised C")
async def test_b13_task_about_to_resume_with_an_error_gets_the_error(out: Out) -> None:
    """Clause 2.5: an exception that is on its way is delivered, too."""
    future = asyncio.get_running_loop().create_future()
    scope = CancelScope()

    async def waiter() -> None:
        with scope:
            try:
                await future
            except ValueError:
                out("got ValueError")
            await probe(out, "next")

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        future.set_exception(ValueError("x"))
        scope.cancel()


@prints("cancelled")
async def test_b14_cancel_then_set_in_the_same_tick(out: Out) -> None:
    """Clause 2.5: the order decides; the cancellation came first."""
    event = asyncbis.Event()
    scope = CancelScope()

    async def waiter() -> None:
        with scope:
            await event.wait()
            out("got the event")
        if scope.cancelled_caught:
            out("cancelled")

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        scope.cancel()
        event.set()


@prints("outer RuntimeError / aclose ok")
async def test_b15_async_generator_with_a_scope_closed_by_other_code(out: Out) -> None:
    """Clause 8.4: a scope that is held across a yield and left out of order follows clause 1.10."""

    async def numbers() -> AsyncGenerator[int, None]:
        with CancelScope():
            yield 1

    generator = numbers()
    try:
        with CancelScope():
            await anext(generator)
    except RuntimeError as error:
        out("outer", type(error).__name__)
    await generator.aclose()
    out("aclose ok")
    await sleep(0)
