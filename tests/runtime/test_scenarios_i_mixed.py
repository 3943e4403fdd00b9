"""Scenarios I: what happens together (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import contextlib
import time

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, described, forever, now, prints, probe, raised, reports, settle, task
from test_scenarios_c_tasks import TimerContext


async def fail(error: BaseException, delay: float = 0) -> None:
    if delay:
        await sleep(delay)
    raise error


@prints("shielded ok / unshielded raised C")
async def test_i01_shield_set_before_entry(out: Out) -> None:
    """Clause 1.7: the shield may be set in any state; the recalculation is right for a scope that is new."""
    with CancelScope() as outer:
        scope = CancelScope()
        scope.shield = True
        outer.cancel()
        with scope:
            await probe(out, "shielded")
            scope.shield = False
            await probe(out, "unshielded")


@prints("ok True")
async def test_i02_very_deep_nesting(out: Out) -> None:
    """Clause 1.5: the walk over 500 nested scopes is not recursive."""
    with contextlib.ExitStack() as stack:
        scopes = [stack.enter_context(CancelScope()) for _ in range(500)]
        scopes[0].cancel()
        assert all(scope.effectively_cancelled for scope in scopes)
        await sleep(0)
        out("not cancelled")
    out("ok", scopes[0].cancelled_caught)


@prints("inner raised C / child raised C / end")
async def test_i03_new_scope_in_a_cancelled_one_inherits_the_cancellation(out: Out) -> None:
    """Clauses 1.3, 1.13: entering a scope or spawning a child in a cancelled region is no way out of it."""
    with CancelScope() as outer:
        outer.cancel()
        with CancelScope() as inner:
            assert inner.effectively_cancelled
            await probe(out, "inner")
        async with TaskGroup() as group:
            group.create_task(probe(out, "child"))
    out("end")


@prints("RUN RAISED ExceptionGroup[ValueError(x), ValueError(x)]")
async def test_i04_two_background_tasks_fail_in_the_same_tick(out: Out) -> None:
    """Clause 6.4: all background errors are in the group."""
    asyncbis.create_task(fail(ValueError("x")))
    asyncbis.create_task(fail(ValueError("x")))
    await sleep(1)


@prints("main cleanup / sib cleanup / RUN RAISED SystemExit(3)")
async def test_i05_system_exit_in_a_background_task(out: Out) -> None:
    """Clauses 4.5, 6.4: everything is cancelled gracefully, then SystemExit comes out of run()."""

    async def sibling() -> None:
        try:
            await forever()
        finally:
            out("sib cleanup")

    asyncbis.create_task(sibling())
    await sleep(0)
    asyncbis.create_task(fail(SystemExit(3)))
    try:
        await sleep(1)
    finally:
        out("main cleanup")


@prints("shield done / next raised C / RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_i06_shielded_main_while_a_background_task_fails(out: Out) -> None:
    """Clause 6.4: main gets its CancelledError at the next unshielded yield point."""
    asyncbis.create_task(fail(ValueError("x")))
    with CancelScope(shield=True):
        await sleep(0.01)
        out("shield done")
    await probe(out, "next")


@prints("RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_i07_main_swallows_and_returns(out: Out) -> int:
    """Clause 6.4: run() still raises the background error; main's value is lost."""
    asyncbis.create_task(fail(ValueError("x")))
    with contextlib.suppress(CancelledError):
        await sleep(1)
    return 7


@prints("RUN RAISED ExceptionGroup[ExceptionGroup[ValueError(x)]]")
async def test_i08_background_task_fails_with_a_group(out: Out) -> None:
    """Clauses 5.9, 6.4: errors keep their nesting in the root group, too."""

    async def background() -> None:
        async with TaskGroup() as group:
            group.create_task(fail(ValueError("x")))

    asyncbis.create_task(background())
    await sleep(1)


@prints("TimeoutError / continue ok")
async def test_i09_late_error_of_a_shielded_coroutine(out: Out) -> None:
    """Clauses 9.2, 10.7: the late error of a shielded coroutine is at most logged; it does not end the run."""
    reports()

    async def late() -> None:
        await sleep(0.03)
        raise ValueError("late")

    inner = asyncbis.shield(late())
    out(await raised(asyncbis.wait_for(inner, 0.01)))
    await probe(out, "continue", 0.04)


@prints("CancelledError / after scope / fine")
async def test_i10_library_timeout_races_with_an_outer_scope(out: Out) -> None:
    """Clause 3.5: when both come in the same tick the outer cancellation wins."""
    loop = asyncio.get_running_loop()
    with CancelScope() as scope:
        try:
            with TimerContext(0.02):
                loop.call_at(now() + 0.02, scope.cancel)
                time.sleep(0.03)
                await sleep(1)
        except BaseException as error:
            out(type(error).__name__)
            raise
    out("after scope")
    await sleep(0.01)
    out("fine")


@prints("inner timeout / outer continues ok / fine")
async def test_i11_nested_asyncio_timeouts(out: Out) -> None:
    """Clause 3.5: the inner standard library timeout expires, the outer one goes on."""
    async with asyncio.timeout(5):
        try:
            async with asyncio.timeout(0.01):
                await sleep(1)
        except TimeoutError:
            out("inner timeout")
        await probe(out, "outer continues", 0.01)
    out("fine")


@prints("2 1 / next raised C")
async def test_i12_cancel_twice_uncancel_once(out: Out) -> None:
    """Clause 3.3: only popping the last request un-cancels."""

    async def body() -> None:
        try:
            await forever()
        except CancelledError:
            out(task().cancelling(), task().uncancel())
        await probe(out, "next")

    body_task = asyncbis.create_task(body())
    await sleep(0)
    body_task.cancel()
    body_task.cancel()
    await asyncbis.wait([body_task])


@prints("RUN RAISED CancelledError")
async def test_i13_main_is_cancelled_by_another_task(out: Out) -> None:
    """Clause 6.4: run() raises CancelledError."""
    main = task()

    async def outsider() -> None:
        main.cancel()

    asyncbis.create_task(outsider())
    await sleep(1)


@prints("cleanup done / after")
async def test_i14_cancelled_group_waits_for_a_shielded_cleanup(out: Out) -> None:
    """Clause 5.6: the group waits for its child, and raises nothing."""

    async def child() -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.02)
                out("cleanup done")

    async with TaskGroup() as group:
        group.create_task(child())
        await sleep(0)
        group.cancel()
    out("after")


@prints("ok")
async def test_i15_outer_cancellation_passes_an_unexpired_timeout(out: Out) -> None:
    """Clause 9.4: a timeout that did not expire lets the cancellation of an outer scope pass."""
    with CancelScope() as scope:
        async with TaskGroup() as group:

            async def sibling() -> None:
                await sleep(0.01)
                scope.cancel()

            group.create_task(sibling())
            async with asyncbis.timeout(5):
                await forever()
            out("AFTER TIMEOUT")
        out("AFTER GROUP")
    if scope.cancelled_caught:
        out("ok")


@prints("ExceptionGroup[TimeoutError]")
async def test_i16_timeout_in_a_shield_while_the_outer_scope_is_cancelled(out: Out) -> None:
    """Clause 9.4: what is cancelled outside of the shield does not keep the timeout from raising."""

    async def killer(scope: CancelScope) -> None:
        await settle()
        scope.cancel()

    try:
        async with TaskGroup() as group:
            with CancelScope() as scope:
                with CancelScope(shield=True):
                    group.create_task(killer(scope))
                    async with asyncbis.timeout(0.03):
                        await sleep(2)
    except BaseException as error:
        out(described(error))


@prints("TimeoutError / in shield ok / after shield raised C")
async def test_i17_asyncio_timeout_in_a_shield_while_the_outer_scope_is_cancelled(out: Out) -> None:
    """Clause 3.6: the native request of the timer is placed inside the shield."""
    with CancelScope() as outer:
        outer.cancel()
        with CancelScope(shield=True):
            try:
                async with asyncio.timeout(0.01):
                    await sleep(1)
            except TimeoutError:
                out("TimeoutError")
            await probe(out, "in shield", 0.01)
        await probe(out, "after shield")


@prints("caught True / unfinished 1")
async def test_i18_queue_join_and_put_are_cancelled(out: Out) -> None:
    """Clause 9.12: a blocked join() and put() are cancelled without a trace."""
    queue: asyncio.Queue[int] = asyncbis.Queue(1)
    queue.put_nowait(1)
    with CancelScope() as scope:
        async with TaskGroup() as group:
            group.create_task(queue.put(2))
            group.create_task(queue.join())
            await settle()
            scope.cancel()
    out("caught", scope.cancelled_caught)
    out("unfinished", queue._unfinished_tasks)  # type: ignore[attr-defined]


@prints("[asynciolog: Exception in callback] / went on")
async def test_i19_callback_fails(out: Out) -> None:
    """Clause 6.9: an exception in a plain callback goes to the exception handler; the run goes on."""

    def callback() -> None:
        raise ValueError("in callback")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda loop, context: out(f"[asynciolog: {str(context['message'])[:21]}]")
    )
    loop.call_soon(callback)
    await sleep(0.01)
    out("went on")


@prints("late started / ret R")
async def test_i20_task_created_during_shutdown(out: Out) -> str:
    """Clause 6.8: a task that is created while the root group is being cancelled starts cancelled."""

    async def late() -> None:
        out("late started")
        await sleep(0)
        out("late went on")

    async def background() -> None:
        try:
            await forever()
        finally:
            asyncbis.create_task(late())

    asyncbis.create_task(background())
    await sleep(0)
    return "R"


@prints("RUN RAISED ExceptionGroup[KeyError('main'), ValueError(bg)]")
async def test_i21_main_fails_and_a_background_task_in_its_cleanup(out: Out) -> None:
    """Clause 6.4: main's error stands in the group when there is a background error, too."""

    async def background() -> None:
        try:
            await forever()
        finally:
            raise ValueError("bg")

    asyncbis.create_task(background())
    await sleep(0)
    raise KeyError("main")


@prints("cancelled() True")
async def test_i22_native_cancel_inside_an_unrelated_scope(out: Out) -> None:
    """Clause 3.2: the request is placed on the task; an inner scope does not swallow it."""

    async def body() -> None:
        with CancelScope():
            await forever()
        out("CODE AFTER THE SCOPE RAN")

    body_task = asyncbis.create_task(body())
    await sleep(0)
    body_task.cancel()
    await asyncbis.wait([body_task])
    out("cancelled()", body_task.cancelled())


@prints("ExceptionGroup[ValueError(x)] / in scope raised C / after scope ok / cancelling 0")
async def test_i24_asyncio_group_with_an_error_in_a_cancelled_scope(out: Out) -> None:
    """Clause 3.3b: the uncancel() and cancel() of the standard library's TaskGroup leave no request behind."""
    with CancelScope() as scope:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(ValueError("x")))
                scope.cancel()
                await sleep(0)
        except ExceptionGroup as error:
            out(described(error))
        await probe(out, "in scope")
    await probe(out, "after scope")
    out("cancelling", task().cancelling())
