"""Scenarios G: shield(), timeout() and what expires (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import time

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, described, forever, now, prints, probe, raised, settle


@prints("inner done / got 5 / next raised C")
async def test_g01_shielded_coroutine_of_a_cancelled_host(out: Out) -> None:
    """Clause 9.1: the coroutine completes in its host, the next yield point raises."""

    async def inner() -> int:
        await sleep(0.01)
        out("inner done")
        return 5

    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        out("got", await asyncbis.shield(inner()))
        await probe(out, "next")


@prints("got 5 / inner cancelled False True")
async def test_g02_shielded_task_of_a_cancelled_host(out: Out) -> None:
    """Clause 9.1: shield(task) holds the host until the task is done; neither is cancelled."""

    async def five() -> int:
        await sleep(0.02)
        return 5

    inner = asyncbis.create_task(five())

    async def host() -> None:
        out("got", await asyncbis.shield(inner))
        await sleep(0)
        out("host went on")

    host_task = asyncbis.create_task(host())
    await sleep(0)
    host_task.cancel()
    await asyncbis.wait([host_task])
    assert host_task.cancelled()
    out("inner cancelled", inner.cancelled(), inner.done())


@prints("TimeoutError / timely True task cancelled False / task -> 9")
async def test_g03_wait_for_a_shielded_task(out: Out) -> None:
    """Clause 9.2: wait_for(shield(task), t) leaves in time and leaves the task alone."""

    async def nine() -> int:
        await sleep(0.12)
        return 9

    nine_task = asyncbis.create_task(nine())
    start = time.monotonic()
    out(await raised(asyncbis.wait_for(asyncbis.shield(nine_task), 0.03)))
    out("timely", time.monotonic() - start < 0.1, "task cancelled", nine_task.cancelled())
    out("task ->", await nine_task)


@prints("inner done / TimeoutError / timely True")
async def test_g04_timeout_around_a_shield_waits(out: Out) -> None:
    """Clause 9.2: `async with timeout(t): await shield(x)` waits for x, then expires at the next yield point."""

    async def inner() -> None:
        await sleep(0.04)
        out("inner done")

    start = time.monotonic()
    try:
        async with asyncbis.timeout(0.01):
            await asyncbis.shield(inner())
            await sleep(0)
            out("went on")
    except TimeoutError as error:
        out(type(error).__name__)
    out("timely", 0.03 < time.monotonic() - start < 1)


@prints("TimeoutError / continue ok")
async def test_g05_timeout_expires_and_the_caller_goes_on(out: Out) -> None:
    """Clause 9.4: a timeout that expired raises TimeoutError once."""
    try:
        async with asyncbis.timeout(0.01):
            await sleep(1)
    except TimeoutError:
        out("TimeoutError")
    await probe(out, "continue")


@prints("ok")
async def test_g06_timeout_none(out: Out) -> None:
    """Clause 9.3: None means no deadline."""
    async with asyncbis.timeout(None) as context:
        await sleep(0.01)
        assert context.when() is None
    out("ok")


@prints("swallowed / TimeoutError")
async def test_g07_body_swallows_once_and_awaits_again(out: Out) -> None:
    """Clause 9.5: the second await is cancelled, too."""
    try:
        async with asyncbis.timeout(0.01):
            try:
                await sleep(1)
            except CancelledError:
                out("swallowed")
            await sleep(0.01)
            out("second await survived")
    except TimeoutError:
        out("TimeoutError")


@prints("no error")
async def test_g08_expired_timeout_without_a_yield_point(out: Out) -> None:
    """Clause 9.4: no TimeoutError when the body ended without a CancelledError."""
    async with asyncbis.timeout(0.005):
        time.sleep(0.02)
    out("no error")


@prints("outer TimeoutError / next ok")
async def test_g09_two_nested_timeouts_expired(out: Out) -> None:
    """Clause 9.4: of two expired timeouts the outer one converts."""
    try:
        async with asyncbis.timeout(0.005):
            try:
                async with asyncbis.timeout(0.005):
                    time.sleep(0.02)
                    await sleep(1)
            except TimeoutError:
                out("inner TimeoutError")
    except TimeoutError:
        out("outer TimeoutError")
    await probe(out, "next")


@prints("CancelledError / True")
async def test_g10_task_cancelled_and_timeout_expired_in_the_same_tick(out: Out) -> None:
    """Clause 9.4: the outer cancellation wins."""

    async def body() -> None:
        try:
            async with asyncbis.timeout(0.01):
                await sleep(1)
        except BaseException as error:
            out(type(error).__name__)
            raise

    body_task = asyncbis.create_task(body())
    await sleep(0)
    asyncio.get_running_loop().call_later(0.01, body_task.cancel)
    time.sleep(0.03)
    await asyncbis.wait([body_task])
    out(body_task.cancelled())


@prints("before RuntimeError / TimeoutError True / after RuntimeError")
async def test_g11_reschedule(out: Out) -> None:
    """Clause 9.8: reschedule() works while the timeout is active, and raises before and after."""
    context = asyncbis.timeout(5)
    try:
        context.reschedule(now())
    except RuntimeError as error:
        out("before", type(error).__name__)
    try:
        async with context:
            when = now() + 0.01
            context.reschedule(when)
            assert context.when() == when
            await sleep(1)
    except TimeoutError as error:
        out(type(error).__name__, context.expired())
    try:
        context.reschedule(now())
    except RuntimeError as error:
        out("after", type(error).__name__)


@prints("TimeoutError / timely True / next raised C")
async def test_g12_shielded_timeout(out: Out) -> None:
    """Clause 9.6: the outer cancellation is invisible until the own deadline, and back afterwards."""
    start = time.monotonic()
    with CancelScope() as scope:
        scope.cancel()
        try:
            async with asyncbis.timeout(0.03, shield=True):
                await sleep(1)
        except TimeoutError as error:
            out(type(error).__name__)
        out("timely", 0.02 < time.monotonic() - start < 0.5)
        await probe(out, "next")


@prints("ValueError")
async def test_g13_body_fails_after_expiry(out: Out) -> None:
    """Clause 9.4: another exception passes."""
    try:
        async with asyncbis.timeout(0.005):
            time.sleep(0.01)
            try:
                await sleep(1)
            except CancelledError:
                raise ValueError("x") from None
    except Exception as error:
        out(type(error).__name__)


@prints("no yield ok / TimeoutError / past TimeoutError")
async def test_g14_timeout_of_zero(out: Out) -> None:
    """Clause 9.7: cancelled on entry; a body without a yield point completes."""
    async with asyncbis.timeout(0):
        out("no yield ok")
    try:
        async with asyncbis.timeout(0):
            await sleep(0)
            out("went on")
    except TimeoutError:
        out("TimeoutError")
    try:
        async with asyncbis.timeout_at(now() - 1):
            await sleep(0)
            out("went on")
    except TimeoutError:
        out("past TimeoutError")


@prints("TimeoutError / next ok")
async def test_g15_expired_timeout_around_a_group(out: Out) -> None:
    """Clause 9.4: a group in which nothing but cancellations happened gives TimeoutError."""
    try:
        async with asyncbis.timeout(0.01):
            async with TaskGroup() as group:
                group.create_task(forever())
                group.create_task(sleep(1))
    except BaseException as error:
        out(described(error))
    await probe(out, "next")


@prints("ExceptionGroup[ValueError(c)]")
async def test_g16_child_fails_in_the_cleanup_after_expiry(out: Out) -> None:
    """Clause 9.4: what is left of a group without its cancellations passes."""

    async def child() -> None:
        try:
            await forever()
        finally:
            raise ValueError("c")

    try:
        async with asyncbis.timeout(0.01):
            async with TaskGroup() as group:
                group.create_task(child())
                await sleep(1)
    except BaseException as error:
        out(described(error))


@prints("Timeout True / <Timeout [finished]>")
async def test_g17_type_and_repr_of_a_timeout(out: Out) -> None:
    """Clause 9.3: timeout() returns a Timeout object at once."""
    context = asyncbis.timeout(1)
    out(type(context).__name__, isinstance(context, asyncbis.Timeout))
    async with context:
        assert repr(context).startswith("<Timeout [active]")
    out(repr(context))
