"""Scenarios C: Task.cancel(), uncancel() and cancelling() (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, forever, prints, probe, raised, settle, task


class TimerContext:
    """The timeout that HTTP client libraries bring along: a timer that cancels the task, undone by uncancel()."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._expired = False

    def __enter__(self) -> None:
        self._task = task()
        self._cancelling = self._task.cancelling()
        self._handle = asyncio.get_running_loop().call_later(self._delay, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handle.cancel()
        if not self._expired:
            return
        if self._task.uncancel() > self._cancelling:
            return
        if kind is not None and issubclass(kind, CancelledError):
            raise TimeoutError from error


@prints("True True False / True")
async def test_c01_return_value_of_cancel(out: Out) -> None:
    """Clause 3.1: True for each request to a task that is not done, False afterwards."""
    sleeper = asyncbis.create_task(forever())
    await sleep(0)
    first, second = sleeper.cancel(), sleeper.cancel()
    await settle()
    out(first, second, sleeper.cancel())
    out(sleeper.cancelled())


@prints("first step / cancelled True")
async def test_c02_first_step_runs_after_cancel(out: Out) -> None:
    """Clause 2.2: a task that is cancelled before its first step still makes it."""

    async def starter() -> None:
        out("first step")
        await sleep(0)
        out("second step")

    starter_task = asyncbis.create_task(starter())
    starter_task.cancel()
    await settle()
    out("cancelled", starter_task.cancelled())


@prints("42 False")
async def test_c03_cancel_before_start_of_a_coroutine_that_never_yields(out: Out) -> None:
    """Clause 2.2: it completes normally, although cancel() returned True."""

    async def answer() -> int:
        return 42

    answer_task = asyncbis.create_task(answer())
    assert answer_task.cancel() is True
    out(await answer_task, answer_task.cancelled())


@prints("0 raised C / 1 raised C / 2 raised C / cancelled() False")
async def test_c04_one_cancel_raises_at_each_await(out: Out) -> None:
    """Clause 3.2: a native request is level cancellation of the whole task."""

    async def swallower() -> None:
        for number in range(3):
            await probe(out, str(number))

    swallower_task = asyncbis.create_task(swallower())
    await sleep(0)
    swallower_task.cancel()
    await swallower_task
    out("cancelled()", swallower_task.cancelled())


@prints("c 1 u 0 / next ok / R")
async def test_c05_uncancel_to_zero_uncancels(out: Out) -> None:
    """Clause 3.3: popping the last native request ends the cancellation."""

    async def body() -> str:
        try:
            await forever()
        except CancelledError:
            out("c", task().cancelling(), "u", task().uncancel())
        await probe(out, "next")
        return "R"

    body_task = asyncbis.create_task(body())
    await sleep(0)
    body_task.cancel()
    out(await body_task)


@prints("TimeoutError / continue ok / cancelling 0")
async def test_c06_unpatched_asyncio_timeout(out: Out) -> None:
    """Clause 3.5: the standard library's own Timeout works through uncancel()."""
    try:
        async with asyncio.timeout(0.01):
            await sleep(1)
    except TimeoutError:
        out("TimeoutError")
    await probe(out, "continue")
    out("cancelling", task().cancelling())


@prints("TimeoutError / continue ok")
async def test_c07_library_timer_context(out: Out) -> None:
    """Clause 3.5: a library's timer context works through uncancel()."""
    try:
        with TimerContext(0.01):
            await sleep(1)
    except TimeoutError:
        out("TimeoutError")
    await probe(out, "continue")


@prints("TimeoutError / in shield ok / after shield raised C")
async def test_c08_library_timeout_inside_a_shield(out: Out) -> None:
    """Clause 3.6: a timer that was started inside a shield cancels inside that shield."""
    with CancelScope() as outer:
        outer.cancel()
        with CancelScope(shield=True):
            try:
                with TimerContext(0.01):
                    await forever()
            except TimeoutError:
                out("TimeoutError")
            await probe(out, "in shield", 0.01)
        await probe(out, "after shield")


@prints("cancelling 1 / after 0")
async def test_c09_cancelling_in_a_cancelled_scope(out: Out) -> None:
    """Clause 3.4: cancelling() counts a visible scope cancellation as one."""
    with CancelScope() as scope:
        scope.cancel()
        try:
            await sleep(0)
        except CancelledError:
            out("cancelling", task().cancelling())
            raise
    out("after", task().cancelling())


@prints("CancelledError cancelling 1")
async def test_c10_scope_and_native_cancel_together(out: Out) -> None:
    """Clause 3.10: a user scope never catches a native request."""

    async def body() -> None:
        try:
            with CancelScope() as scope:
                scope.cancel()
                task().cancel()
                await sleep(1)
            out("survived")
        except CancelledError:
            out("CancelledError cancelling", task().cancelling())
            raise

    body_task = asyncbis.create_task(body())
    await asyncbis.wait([body_task])
    assert body_task.cancelled()


@prints("CancelledError / cancelled True")
async def test_c11_native_cancel_passes_a_cancelled_scope(out: Out) -> None:
    """Clause 3.10: cancelled natively from outside while its scope is cancelled too, the task ends cancelled."""
    scope = CancelScope()

    async def body() -> None:
        with scope:
            await forever()
        out("survived")

    body_task = asyncbis.create_task(body())
    await sleep(0)
    scope.cancel()
    body_task.cancel()
    out(await raised(body_task))
    out("cancelled", body_task.cancelled())


@prints("shield done / cancelled True")
async def test_c12_shield_holds_a_native_cancel_back(out: Out) -> None:
    """Clauses 3.2, 3.8: Task.cancel() on a task that sits in a shield takes effect when the shield ends."""

    async def body() -> None:
        with CancelScope(shield=True):
            await sleep(0.02)
            out("shield done")
        await sleep(0)
        out("not cancelled")

    body_task = asyncbis.create_task(body())
    await sleep(0)
    assert body_task.cancel() is True
    await asyncbis.wait([body_task])
    out("cancelled", body_task.cancelled())


@prints("('why',)")
async def test_c13_cancel_message_reaches_the_awaiter(out: Out) -> None:
    """Clause 3.9: the message of cancel() is the argument of the CancelledError."""
    sleeper = asyncbis.create_task(forever())
    await sleep(0)
    sleeper.cancel("why")
    try:
        await sleeper
    except CancelledError as error:
        out(error.args)


@prints("cleanup CancelledError / CancelledError")
async def test_c14_timeout_in_the_finally_of_a_cancelled_task(out: Out) -> None:
    """Clause 3.11: a new timeout gives no time to a task that is cancelled; it takes shield=True."""

    async def body() -> None:
        try:
            await forever()
        finally:
            try:
                async with asyncbis.timeout(5):
                    await sleep(0.01)
                    out("cleanup done")
            except BaseException as error:
                out("cleanup", type(error).__name__)

    body_task = asyncbis.create_task(body())
    await sleep(0)
    body_task.cancel()
    out(await raised(body_task))


@prints("cleanup done / CancelledError")
async def test_c14b_shielded_timeout_in_the_finally_of_a_cancelled_task(out: Out) -> None:
    """Clause 3.11: what works is timeout(..., shield=True)."""

    async def body() -> None:
        try:
            await forever()
        finally:
            async with asyncbis.timeout(5, shield=True):
                await sleep(0.01)
                out("cleanup done")

    body_task = asyncbis.create_task(body())
    await sleep(0)
    body_task.cancel()
    out(await raised(body_task))


@prints("end")
async def test_c15_idiom_that_tells_its_own_cancellation_from_a_foreign_one(out: Out) -> None:
    """Clause 3.4: `except CancelledError: if current_task().cancelling(): raise` works for scope cancellations."""

    async def body(scope: CancelScope) -> None:
        with scope:
            try:
                await forever()
            except CancelledError:
                if task().cancelling():
                    raise
            out("swallowed")

    scope = CancelScope()
    async with TaskGroup() as group:
        group.create_task(body(scope))
        await settle()
        scope.cancel()
    out("end")


@prints("foreign / next ok")
async def test_c15b_idiom_with_a_foreign_cancellation(out: Out) -> None:
    """Clause 3.4: without a cancellation of its own, cancelling() is 0 when the awaited future was cancelled."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    try:
        await future
    except CancelledError:
        if task().cancelling():
            raise
        out("foreign")
    await probe(out, "next")


@prints("TimeoutError / timely True")
async def test_c16_library_timeout_started_inside_a_shield_of_a_cancelled_task(out: Out) -> None:
    """Clause 3.6: asyncio.timeout() of the standard library works in shielded cleanup, too."""

    async def body() -> None:
        try:
            await forever()
        finally:
            start = time.monotonic()
            with CancelScope(shield=True):
                try:
                    async with asyncio.timeout(0.02):
                        await forever()
                except TimeoutError:
                    out("TimeoutError")
            out("timely", time.monotonic() - start < 0.5)

    body_task = asyncbis.create_task(body())
    await sleep(0)
    body_task.cancel()
    await asyncbis.wait([body_task])
