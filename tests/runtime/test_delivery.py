"""Section 2 of docs/semantics.md: what the scenarios leave open about delivery."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator
from typing import Any

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, forever, outcome, prints, probe, raised, reports, settle


class Bare:
    """An awaitable that yields None once, as sleep(0) does."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@prints("no yield / raised C")
async def test_await_without_a_yield_does_not_raise(out: Out) -> None:
    """Clause 2.1: only what yields to the loop is a yield point."""

    async def nothing() -> None:
        return None

    with CancelScope() as scope:
        scope.cancel()
        await nothing()
        await asyncbis.Queue[int]().join()
        out("no yield")
        try:
            await Bare()
        except CancelledError:
            out("raised C")


@prints("child 0 / child 1 / cancelled True")
async def test_first_step_in_a_cancelled_run(out: Out) -> None:
    """Clause 2.2: however often and from wherever it was cancelled before."""

    async def child(number: int) -> None:
        out("child", number)
        await Bare()
        out("NOT CANCELLED")

    with CancelScope() as scope:
        async with TaskGroup() as group:
            scope.cancel()
            tasks = [group.create_task(child(number)) for number in range(2)]
            for child_task in tasks:
                child_task.cancel()
    out("cancelled", all(child_task.cancelled() for child_task in tasks))


@prints("bare raised C / uncancelled ok")
async def test_bare_yield_decides_when_it_is_resumed(out: Out) -> None:
    """Clauses 2.3, 2.6: cancelled and shielded again before the step, a bare yield does not raise."""

    async def body(scope: CancelScope, label: str) -> None:
        with scope, CancelScope() as inner:
            shields.append(inner)
            await probe(out, label)

    shields: list[CancelScope] = []
    scope = CancelScope()
    async with TaskGroup() as group:
        group.create_task(body(scope, "bare"))
        await sleep(0)
        scope.cancel()
    scope = CancelScope()
    async with TaskGroup() as group:
        group.create_task(body(scope, "uncancelled"))
        await sleep(0)
        scope.cancel()
        shields[1].shield = True


@prints("cancels 1 / result 7 / next raised C")
async def test_future_that_cleans_up_is_cancelled_once(out: Out) -> None:
    """Clause 2.4: one attempt for each transition; the host keeps waiting without being woken in between."""
    cancels = 0

    class Slow(asyncio.Future[int]):
        def cancel(self, msg: object = None) -> bool:
            nonlocal cancels
            cancels += 1
            asyncio.get_running_loop().call_later(0.02, self.set_result, 7)
            return True

    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        result = await Slow(loop=asyncio.get_running_loop())
        out("cancels", cancels)
        out("result", result)
        await probe(out, "next")


@prints("attempts 2")
async def test_each_transition_is_one_attempt(out: Out) -> None:
    """Clause 2.4: a scope that stops being cancelled and becomes it again attempts again."""
    attempts = 0

    class Stubborn(asyncio.Future[None]):
        def cancel(self, msg: object = None) -> bool:
            nonlocal attempts
            attempts += 1
            return False

    loop = asyncio.get_running_loop()
    future = Stubborn(loop=loop)
    outer, inner = CancelScope(), CancelScope()

    async def waiter() -> None:
        with outer, inner:
            await future

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        outer.cancel()
        outer.cancel()
        inner.shield = True
        inner.shield = False
        inner.shield = False
        future.set_result(None)
    out("attempts", attempts)


@prints("result 3 / reported ZeroDivisionError / next raised C")
async def test_cancel_of_a_future_raises(out: Out) -> None:
    """Clause 2.4: the error goes to the exception handler, and counts as a refusal."""

    class Broken(asyncio.Future[int]):
        def cancel(self, msg: object = None) -> bool:
            raise ZeroDivisionError

    collected = reports()
    loop = asyncio.get_running_loop()
    future = Broken(loop=loop)
    with CancelScope() as scope:
        loop.call_later(0.01, future.set_result, 3)
        loop.call_soon(scope.cancel)
        out("result", await future)
        out("reported", *(type(context["exception"]).__name__ for context in collected))
        await probe(out, "next")


@prints("raised C / shielded ok")
async def test_cancelled_future_stays_cancelled_under_a_new_shield(out: Out) -> None:
    """Clause 2.6: the CancelledError of a future is its outcome, whatever happens to the scope until the wakeup."""
    outer, inner = CancelScope(), CancelScope()

    async def waiter() -> None:
        with outer, inner:
            try:
                await forever()
            except CancelledError:
                out("raised C")
            await probe(out, "shielded")

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        outer.cancel()
        inner.shield = True


@prints("first raised C / uncancelled ok")
async def test_cancelled_future_stays_cancelled_after_uncancel(out: Out) -> None:
    """Clause 2.6: likewise when a native request is taken back before the wakeup."""

    async def waiter() -> None:
        try:
            await forever()
        except CancelledError:
            out("first raised C")
        await probe(out, "uncancelled")

    waiter_task = asyncbis.create_task(waiter())
    await settle()
    waiter_task.cancel()
    waiter_task.uncancel()
    await waiter_task


@prints("count 3")
async def test_awaited_task_is_cancelled_again_at_each_await(out: Out) -> None:
    """Clauses 2.7, 2.8: cancellation of the awaited task is level-triggered as any native request."""
    count = 0

    async def stubborn() -> None:
        nonlocal count
        for _ in range(3):
            try:
                await forever()
            except CancelledError:
                count += 1

    inner = asyncbis.create_task(stubborn())
    await settle()
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await inner
    out("count", count)


class Submissions(concurrent.futures.ThreadPoolExecutor):
    """Counts what is submitted to it."""

    count = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        self.count += 1
        return super().submit(fn, *args, **kwargs)


@prints("run_in_executor 1 / to_thread 2 / shield waited 7")
async def test_threads_in_a_cancelled_scope(out: Out) -> None:
    """Clause 2.9: the function is submitted before the first yield point; shield() waits for it."""
    loop = asyncio.get_running_loop()
    executor = Submissions()
    loop.set_default_executor(executor)
    with CancelScope() as scope:
        scope.cancel()
        await loop.run_in_executor(None, int)
    out("run_in_executor", executor.count)
    with CancelScope() as scope:
        scope.cancel()
        await asyncbis.to_thread(int)
    out("to_thread", executor.count)
    with CancelScope() as scope:
        scope.cancel()
        out("shield waited", await asyncbis.shield(asyncbis.to_thread(lambda: 7)))


@prints(
    "RuntimeError Task got bad yield: 5"
    " / RuntimeError Task cannot await on itself"
    " / RuntimeError attached to a different loop"
    " / next ok"
)
async def test_misuse_of_await(out: Out) -> None:
    """Clause 2.10: asyncio's RuntimeErrors, thrown into the task at its next step."""

    class Five:
        def __await__(self) -> Generator[int, None, None]:
            yield 5

    async def await_itself() -> None:
        current = asyncbis.current_task()
        assert current is not None
        await current

    try:
        await Five()
    except RuntimeError as error:
        out(type(error).__name__, str(error))
    try:
        await asyncbis.gather(await_itself())
    except RuntimeError as error:
        out(type(error).__name__, str(error)[:27])
    other = asyncio.SelectorEventLoop()
    try:
        await other.create_future()
    except RuntimeError as error:
        out(type(error).__name__, "attached to a different loop" if "different loop" in str(error) else error)
    finally:
        other.close()
    await probe(out, "next")


@prints("cancel returned / woken 0 / woken 1 / woken 2")
async def test_cancel_wakes_through_the_ready_queue(out: Out) -> None:
    """Clause 2.11: never synchronously inside cancel(), and in the order in which the tasks were spawned."""

    async def waiter(number: int) -> None:
        try:
            await forever()
        finally:
            out("woken", number)

    async with TaskGroup() as group:
        for number in range(3):
            group.create_task(waiter(number))
        await settle()
        group.cancel()
        out("cancel returned")


@prints("0 / 1 / 2 / callback / 0 / 1 / 2")
async def test_ready_queue_is_fifo(out: Out) -> None:
    """Clause 2.11: tasks and callbacks run in the order in which they became ready."""

    async def child(number: int) -> None:
        out(number)
        await sleep(0)
        out(number)

    loop = asyncio.get_running_loop()
    async with TaskGroup() as group:
        for number in range(3):
            group.create_task(child(number))
        loop.call_soon(out, "callback")


def _swallow(rounds: int, debug: bool) -> int:
    collected = []

    async def main(out: Out) -> None:
        collected.append(reports())
        with CancelScope() as scope:
            scope.cancel()
            for _ in range(rounds):
                try:
                    await sleep(0)
                except CancelledError:
                    pass

    assert outcome(main, debug=debug) == "(silent)"
    return sum("swallows cancellation in a loop" in str(context.get("message")) for context in collected[0])


def test_swallowing_loop_is_reported_in_debug_mode() -> None:
    """Clause 2.12: a task that swallows more than 1000 cancellations in a row is reported."""
    assert _swallow(1200, debug=True) >= 1
    assert _swallow(900, debug=True) == 0
    assert _swallow(1200, debug=False) == 0


@prints("ValueError(from the future)")
async def test_foreign_future_protocol(out: Out) -> None:
    """Clause 2.4: futures of other implementations are awaited through `_asyncio_future_blocking`."""
    loop = asyncio.get_running_loop()
    future = asyncio.futures._PyFuture(loop=loop)  # type: ignore[attr-defined]
    loop.call_soon(future.set_exception, ValueError("from the future"))
    out(await raised(future))
