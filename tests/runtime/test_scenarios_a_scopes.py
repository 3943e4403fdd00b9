"""Scenarios A: one task and its cancel scopes, each with what it prints (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, described, forever, now, prints, probe, settle


@prints("called True caught True")
async def test_a02_cancelled_scope_swallows(out: Out) -> None:
    """Clauses 1.1, 1.4, 1.14: cancel(), then a yield point; the scope swallows and says so in its flags."""
    with CancelScope() as scope:
        scope.cancel()
        await sleep(1)
    out("called", scope.cancel_called, "caught", scope.cancelled_caught)


@prints("called True caught False / next ok")
async def test_a03_cancelled_scope_without_a_yield_point(out: Out) -> None:
    """Clause 1.17: leaving a cancelled scope is no yield point and raises nothing by itself."""
    with CancelScope() as scope:
        scope.cancel()
    out("called", scope.cancel_called, "caught", scope.cancelled_caught)
    await probe(out, "next")


@prints("reenter RuntimeError / reuse RuntimeError")
async def test_a05_reenter_while_active_or_reuse_after_exit(out: Out) -> None:
    """Clause 1.1: a scope is used once; the failed entries change nothing."""
    scope = CancelScope()
    with scope:
        try:
            scope.__enter__()
        except RuntimeError as error:
            assert str(error) == "Each CancelScope may only be used for a single 'with' block"
            out("reenter", type(error).__name__)
        await sleep(0)
    try:
        scope.__enter__()
        out("reuse ok")
    except RuntimeError as error:
        out("reuse", type(error).__name__)
    assert not scope.cancel_called and not scope.cancelled_caught
    scope.cancel()
    await sleep(0)


@prints("RuntimeError")
async def test_a06_exit_before_enter(out: Out) -> None:
    """Clause 1.9: leaving a scope that was never entered is an error that leaves it usable."""
    scope = CancelScope()
    try:
        scope.__exit__(None, None, None)
    except RuntimeError as error:
        out(type(error).__name__)
    with scope:
        scope.cancel()
        await sleep(1)
    assert scope.cancelled_caught


@prints("outer exit RuntimeError / inner ok / later ok / current scope is task scope: True")
async def test_a07_wrong_exit_order(out: Out) -> None:
    """Clause 1.10: the outer scope is left first; the inner one is abandoned and the task stays usable."""
    outer, inner = CancelScope(), CancelScope()
    outer.__enter__()
    inner.__enter__()
    try:
        outer.__exit__(None, None, None)
    except RuntimeError as error:
        out("outer exit", type(error).__name__)
    assert inner.effectively_cancelled
    inner.__exit__(None, None, None)
    out("inner ok")
    await probe(out, "later")
    outer.cancel()
    inner.cancel()
    await sleep(0)
    out("current scope is task scope:", asyncbis.current_effective_deadline() == math.inf)


@prints("between2-1 / [(False, False), (True, True), (True, False)]")
async def test_a09_outermost_cancelled_scope_catches(out: Out) -> None:
    """Clause 1.14: of two cancelled scopes the outer one catches; the third was not cancelled."""
    with CancelScope() as scope1:
        with CancelScope() as scope2:
            with CancelScope() as scope3:
                scope3.cancel()
                scope2.cancel()
                await asyncbis.sleep_forever()
            out("between3-2")
        out("between2-1")
    out([(scope.cancel_called, scope.cancelled_caught) for scope in (scope1, scope2, scope3)])


@prints("caught False True")
async def test_a10_outer_cancelled_while_the_inner_cancellation_propagates(out: Out) -> None:
    """Clause 1.14: whether an outer cancellation is visible is decided at the exit."""
    with CancelScope() as outer:
        with CancelScope() as inner:
            inner.cancel()
            try:
                await asyncbis.sleep_forever()
            finally:
                outer.cancel()
        out("BETWEEN")
    out("caught", inner.cancelled_caught, outer.cancelled_caught)


@prints("BETWEEN / caught True False")
async def test_a11_outer_cancelled_while_a_shielded_cancellation_propagates(out: Out) -> None:
    """Clause 1.14: a shielded scope does not see the outer cancellation, so it catches its own."""
    with CancelScope() as outer:
        with CancelScope(shield=True) as inner:
            inner.cancel()
            try:
                await asyncbis.sleep_forever()
            finally:
                outer.cancel()
        out("BETWEEN")
    out("caught", inner.cancelled_caught, outer.cancelled_caught)


@prints("in shield ok / after shield raised C / end")
async def test_a12_body_of_a_shield_completes(out: Out) -> None:
    """Clause 1.5: a shield hides the outer cancellation until its end."""
    with CancelScope() as outer:
        outer.cancel()
        with CancelScope(shield=True):
            await probe(out, "in shield", 0.01)
        await probe(out, "after shield")
    out("end")


@prints(
    "1 raised C / 2 shielded ok / 3 unshielded raised C / 4 reshielded ok / 5 self-cancelled raised C"
)
async def test_a13_shield_set_and_taken_away_while_cancelled(out: Out) -> None:
    """Clauses 1.7, 1.8: the shield setter recalculates both ways; a shield does not stop the scope's own cancel()."""
    with CancelScope() as outer:
        with CancelScope() as inner:
            outer.cancel()
            await probe(out, "1")
            inner.shield = True
            await probe(out, "2 shielded", 0.01)
            inner.shield = False
            await probe(out, "3 unshielded")
            inner.shield = True
            await probe(out, "4 reshielded", 0.01)
            inner.cancel()
            await probe(out, "5 self-cancelled")


@prints("woken / checked")
async def test_a14_unshield_wakes_a_blocked_task(out: Out) -> None:
    """Clause 1.7: taking a shield away delivers the pending outer cancellation to a task that is blocked."""
    shield = CancelScope(shield=True)

    async def sleeper() -> None:
        with shield:
            try:
                await asyncbis.sleep_forever()
            except CancelledError:
                out("woken")
                raise

    with CancelScope() as outer:
        async with TaskGroup() as group:
            group.create_task(sleeper())
            await settle()
            outer.cancel()
            await settle()
            shield.shield = False
            await settle()
            out("checked")


@prints("caught False True")
async def test_a15_shield_set_while_the_cancellation_propagates(out: Out) -> None:
    """Clause 1.14: an uncancelled scope lets an outer cancellation pass, shielded in the meantime or not."""
    with CancelScope() as outer:
        with CancelScope() as inner:
            outer.cancel()
            try:
                await sleep(0)
            finally:
                inner.shield = True
    out("caught", inner.cancelled_caught, outer.cancelled_caught)


@prints("ok")
async def test_a16_shielded_scope_cancelled_itself(out: Out) -> None:
    """Clause 1.8: a shield never protects from the scope's own cancel()."""
    with CancelScope(shield=True) as scope:
        scope.cancel()
        await sleep(1)
        out("survived")
    if scope.cancelled_caught:
        out("ok")


@prints("TypeError")
async def test_a17_shield_must_be_a_bool(out: Out) -> None:
    """Clause 1.7: the shield setter takes a bool only."""
    with CancelScope() as scope:
        try:
            scope.shield = "hello"  # type: ignore[assignment]
            out("accepted", scope.shield)
        except TypeError as error:
            out(type(error).__name__)
        assert scope.shield is False


@prints("end")
async def test_a18_triple_nested_shield_with_a_checkpoint_in_the_outer_scope(out: Out) -> None:
    """Clause 1.5: inside a shield nothing of the outer cancellation is seen, after it all of it."""
    with CancelScope() as outer:
        outer.cancel()
        with CancelScope(shield=True):
            with CancelScope() as inner:
                await sleep(0)
                inner.cancel()
                await sleep(0)
                out("inner was not cancelled")
            await sleep(0.01)
        await sleep(0)
        out("outer was not cancelled")
    assert outer.cancelled_caught and inner.cancelled_caught
    out("end")


@prints("propagated")
async def test_a20_foreign_cancellation_passes_an_uncancelled_scope(out: Out) -> None:
    """Clause 1.15: a CancelledError from a future that someone else cancelled passes a scope that was not cancelled."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.cancel)
    scope = CancelScope()
    try:
        with scope:
            await future
        out("swallowed")
    except CancelledError:
        out("propagated")
    assert not scope.cancelled_caught


@prints("swallowed; caught True")
async def test_a22_foreign_cancellation_in_a_cancelled_scope(out: Out) -> None:
    """Clause 1.15: a cancelled scope swallows each CancelledError, whoever raised it."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    scope = CancelScope()
    loop.call_soon(future.cancel)
    loop.call_soon(scope.cancel)
    try:
        with scope:
            await future
        out("swallowed; caught", scope.cancelled_caught)
    except CancelledError:
        out("propagated")


@prints("swallowed True")
async def test_a25_group_of_cancellations_in_a_cancelled_scope(out: Out) -> None:
    """Clause 1.14: a group that holds nothing but CancelledErrors is swallowed."""
    with CancelScope() as scope:
        scope.cancel()
        try:
            await asyncbis.sleep_forever()
        except CancelledError as error:
            raise BaseExceptionGroup("group", [error]) from None
    out("swallowed", scope.cancelled_caught)


@prints(
    "inner let through BaseExceptionGroup[ValueError(x), CancelledError]"
    " / outer let through ExceptionGroup[ValueError(x)]"
)
async def test_a26_group_passes_an_uncancelled_inner_scope_whole(out: Out) -> None:
    """Clause 1.14: only the scope that catches takes the CancelledErrors out of a group."""
    outer = CancelScope()
    try:
        with outer:
            try:
                with CancelScope():
                    outer.cancel()
                    try:
                        await asyncbis.sleep_forever()
                    except CancelledError as error:
                        raise BaseExceptionGroup("group", [ValueError("x"), error]) from None
            except BaseException as error:
                out("inner let through", described(error))
                raise
    except BaseException as error:
        out("outer let through", described(error))
    assert outer.cancelled_caught


@prints("ValueError caught False")
async def test_a27_other_error_leaves_a_cancelled_scope(out: Out) -> None:
    """Clause 1.14: an unrelated error leaves the scope as it is."""
    scope = CancelScope()
    try:
        with scope:
            scope.cancel()
            try:
                await sleep(0)
            except CancelledError:
                raise ValueError("x") from None
    except ValueError as error:
        out(type(error).__name__, "caught", scope.cancelled_caught)


@prints("ok")
async def test_a28_scope_cancelled_from_a_callback(out: Out) -> None:
    """Clause 1.4: cancel() may be called from a callback of the loop."""
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await forever()
    if scope.cancelled_caught:
        out("ok")


@prints("child continues / done")
async def test_a29_scope_cancelled_by_another_task(out: Out) -> None:
    """Clause 1.4: cancel() may be called from any task of the loop."""
    scope = CancelScope()

    async def child() -> None:
        with scope:
            await sleep(2)
            out("not cancelled")
        out("child continues")

    async with TaskGroup() as group:
        group.create_task(child())
        await settle()
        scope.cancel()
    out("done")


@prints("swallowed")
async def test_a31_deadline_already_past_on_entry(out: Out) -> None:
    """Clauses 1.3, 1.12: a past deadline cancels on entry, so the first yield point raises."""
    with CancelScope(deadline=now() - 1) as scope:
        await sleep(0)
        out("not raised at sleep(0)")
        await sleep(1)
    if scope.cancelled_caught:
        out("swallowed")


@prints("survived")
async def test_a32_deadline_moved_later(out: Out) -> None:
    """Clause 1.12: a deadline that is moved fires at its new time only."""
    with CancelScope(deadline=now() + 0.01) as scope:
        scope.deadline = now() + 5
        await sleep(0.03)
        out("survived")
    assert not scope.cancel_called


@prints("called True")
async def test_a33_deadline_moved_into_the_past(out: Out) -> None:
    """Clause 1.12: the setter cancels at once when the new deadline is past."""
    with CancelScope(deadline=now() + 5) as scope:
        scope.deadline = now() - 1
        out("called", scope.cancel_called)
        await sleep(1)
        out("not cancelled")


@prints("(silent)")
async def test_a34_deadline_set_on_an_active_scope_that_had_none(out: Out) -> None:
    """Clause 1.12: a deadline that is set later is armed; the scope swallows silently (see A30 for the same)."""
    with CancelScope() as scope:
        scope.deadline = now() + 0.02
        await sleep(1)
        out("not cancelled")
    assert scope.cancelled_caught and scope.deadline_expired


@prints("outer swallowed")
async def test_a38_expired_inner_deadline_against_a_cancelled_outer_scope(out: Out) -> None:
    """Clause 1.14: the outer cancellation wins."""
    with CancelScope() as outer:
        with CancelScope(deadline=now() + 0.01) as inner:
            outer.cancel()
            time.sleep(0.02)
            await sleep(1)
        out("inner swallowed")
    assert not inner.cancelled_caught
    if outer.cancelled_caught:
        out("outer swallowed")


@prints("next ok / True False")
async def test_a39_cancel_after_exit_has_no_effect(out: Out) -> None:
    """Clause 1.4: cancel() after the exit only sets the flag."""
    with CancelScope() as scope:
        pass
    scope.cancel()
    await probe(out, "next")
    out(scope.cancel_called, scope.cancelled_caught)


@prints("RuntimeError")
async def test_a40_enter_a_scope_in_a_callback(out: Out) -> None:
    """Clause 1.2: without a running task a scope can't be entered; it stays new."""
    scope = CancelScope()
    done = asyncio.Event()

    def callback() -> None:
        try:
            scope.__enter__()
        except RuntimeError as error:
            out(type(error).__name__)
        done.set()

    asyncio.get_running_loop().call_soon(callback)
    await done.wait()
    with scope:
        await sleep(0)


@prints("True")
async def test_a41_cancel_message_is_in_the_exception(out: Out) -> None:
    """Clause 1.16: the thrown exception carries the message of the scope that cancels."""
    with CancelScope() as scope:
        scope.cancel("why")
        try:
            await sleep(0)
        except CancelledError as error:
            out("why" in str(error))
            raise


@prints("in ok / out1 raised C / out2 raised C / end")
async def test_a43_cancel_from_a_shielded_scope(out: Out) -> None:
    """Clause 2.7: the outer scope stays cancelled after the shield, at each yield point."""
    with CancelScope() as outer:
        with CancelScope(shield=True):
            outer.cancel()
            await probe(out, "in")
        await probe(out, "out1")
        await probe(out, "out2")
    out("end")


# Ids that clauses cite without a row of their own.


@prints("ValueError then cancelled")
async def test_a01_level_cancellation_raises_again_after_a_handled_error(out: Out) -> None:
    """Clause 2.7: a task that swallows a cancellation gets it again."""
    with CancelScope() as scope:
        scope.cancel()
        try:
            try:
                await sleep(0)
            finally:
                raise ValueError
        except ValueError:
            pass
        await sleep(0)
        out("not cancelled again")
    out("ValueError then cancelled")


@prints("other task RuntimeError / host swallowed True")
async def test_a08_exit_in_another_task(out: Out) -> None:
    """Clause 1.9: only the host may leave a scope; the attempt of another task changes nothing."""
    with CancelScope() as scope:
        async with TaskGroup() as group:

            async def stranger() -> None:
                try:
                    scope.__exit__(None, None, None)
                except RuntimeError as error:
                    out("other task", type(error).__name__)

            group.create_task(stranger())
        scope.cancel()
        await sleep(1)
    out("host swallowed", scope.cancelled_caught)


@prints("passed the scope")
async def test_a21_raised_cancellation_passes_an_uncancelled_scope(out: Out) -> None:
    """Clause 1.15: `raise CancelledError` in a scope that is not cancelled propagates."""
    try:
        with CancelScope():
            raise CancelledError
    except CancelledError:
        out("passed the scope")


@prints("BaseExceptionGroup[CancelledError, ValueError(x)]")
async def test_a24_cancellations_stay_in_groups_that_pass_an_uncancelled_scope(out: Out) -> None:
    """Clause 1.15: an uncancelled scope takes nothing out of a group."""
    try:
        with CancelScope():
            raise BaseExceptionGroup("group", [CancelledError(), ValueError("x")])
    except BaseExceptionGroup as error:
        out(described(error))


@prints("no TimeoutError / caught True expired True")
async def test_a30_plain_scope_swallows_its_deadline_silently(out: Out) -> None:
    """Clause 1.12: only timeout() raises TimeoutError; a scope's deadline is swallowed."""
    with CancelScope(deadline=now() + 0.01) as scope:
        await sleep(1)
    out("no TimeoutError")
    out("caught", scope.cancelled_caught, "expired", scope.deadline_expired)


@prints("3.0 / 4.0")
async def test_a35_deadline_set_while_new_or_exited_is_only_stored(out: Out) -> None:
    """Clause 1.12: the setter only stores the value while the scope is not active."""
    scope = CancelScope()
    scope.deadline = 3.0
    assert not scope.cancel_called
    out(scope.deadline)
    scope.deadline = None
    with scope:
        pass
    scope.deadline = 4.0
    assert not scope.cancel_called
    out(scope.deadline)


@prints("still cancelled")
async def test_a36_deadline_set_after_cancellation_never_uncancels(out: Out) -> None:
    """Clause 1.12: setting the deadline of a cancelled scope stores the value and no more."""
    with CancelScope(deadline=now() - 1) as scope:
        scope.deadline = now() + 10
        await sleep(0)
        out("not cancelled")
    if scope.cancelled_caught:
        out("still cancelled")


@prints("sleep0 raised C")
async def test_a37_deadline_that_expired_while_the_task_computed(out: Out) -> None:
    """Clause 1.12: a deadline that passed before the tick is seen by sleep(0) in that tick."""
    with CancelScope(deadline=now() + 0.01) as scope:
        time.sleep(0.02)
        assert not scope.cancel_called, "the flag does not look at the clock"
        await probe(out, "sleep0")


async def _numbers() -> AsyncGenerator[int, None]:
    with CancelScope():
        yield 1


@prints("caught False / True")
async def test_a42_scope_in_an_async_generator_of_the_same_task(out: Out) -> None:
    """Clause 1.10: a scope inside a generator that its own task closes in order is left as any other."""
    with CancelScope() as scope:
        generator = _numbers()
        await anext(generator)
        await generator.aclose()
        await sleep(0)
    out("caught", scope.cancelled_caught)
    out(not scope.effectively_cancelled)
