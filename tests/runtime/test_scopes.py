"""Section 1 of docs/semantics.md: what the scenarios leave open about CancelScope."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, described, forever, now, outcome, prints, probe, reports, settle


def test_a_new_scope_has_the_default_state() -> None:
    """Clause 1.1: a scope can be made anywhere; nothing has happened to it yet."""
    scope = CancelScope()
    assert scope.deadline is None and scope.shield is False and scope.cancel_message is None
    assert not (scope.cancel_called or scope.cancelled_caught or scope.effectively_cancelled or scope.deadline_expired)
    scope = CancelScope(deadline=5.0, shield=True)
    assert scope.deadline == 5.0 and scope.shield is True


def test_arguments_are_keywords_only() -> None:
    """Clause 1.1: CancelScope(*, deadline=None, shield=False)."""
    with pytest.raises(TypeError):
        CancelScope(5.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        CancelScope(shield=1)  # type: ignore[arg-type]
    for name in ("cancel_called", "cancelled_caught", "effectively_cancelled", "deadline_expired", "cancel_message"):
        with pytest.raises(AttributeError):
            setattr(CancelScope(), name, True)


def test_entry_without_a_loop_or_in_another_thread() -> None:
    """Clause 1.2: RuntimeError, and the scope stays new."""
    scope = CancelScope()
    with pytest.raises(RuntimeError):
        scope.__enter__()

    async def main(out: Out) -> None:
        def enter() -> None:
            with pytest.raises(RuntimeError):
                scope.__enter__()

        await asyncio.get_running_loop().run_in_executor(None, enter)
        with scope:
            await probe(out, "in scope")

    assert outcome(main) == "in scope ok"


@prints("None None / caught True first True / ('first',)")
async def test_cancel_of_a_new_scope_is_remembered(out: Out) -> None:
    """Clause 1.4: cancelled at the first yield point; further calls change nothing; the first message wins."""
    scope = CancelScope()
    cancel: Callable[[str], object] = scope.cancel
    out(cancel("first"), cancel("second"))
    args: object = None
    with scope:
        try:
            await sleep(0)
        except CancelledError as error:
            args = error.args
            raise
    out("caught", scope.cancelled_caught, scope.cancel_message, scope.cancel_called)
    out(args)


@prints("False / True / True / False / False")
async def test_effectively_cancelled_follows_shields(out: Out) -> None:
    """Clause 1.5: the state follows the parent through shields, in both directions; cancel_called does not."""
    with CancelScope() as outer, CancelScope() as inner:
        out(inner.effectively_cancelled)
        outer.cancel()
        out(inner.effectively_cancelled)
        with CancelScope() as innermost:
            out(innermost.effectively_cancelled)
            inner.shield = True
            out(innermost.effectively_cancelled)
            out(inner.cancel_called)


@prints("True / False")
async def test_effectively_cancelled_follows_native_requests(out: Out) -> None:
    """Clause 1.5: a native request counts in all scopes of the task, until it is taken back."""
    current = asyncbis.current_task()
    assert current is not None
    with CancelScope() as scope:
        current.cancel()
        out(scope.effectively_cancelled)
        current.uncancel()
        out(scope.effectively_cancelled)


@prints("called True / shielded raised C / caught False True")
async def test_cancel_of_a_scope_that_its_parent_cancels_already(out: Out) -> None:
    """Clauses 1.4, 1.5: the request is kept for when a shield hides the parent's cancellation."""
    with CancelScope() as outer:
        with CancelScope() as inner:
            outer.cancel()
            inner.cancel("own")
            out("called", inner.cancel_called)
            inner.shield = True
            await probe(out, "shielded")
            inner.shield = False
            await sleep(0)
    out("caught", inner.cancelled_caught, outer.cancelled_caught)


@prints("grandchild cancelled / child cancelled / end")
async def test_cancellation_spreads_to_tasks_of_groups_inside(out: Out) -> None:
    """Clause 1.6: the walk visits inner scopes, and the tasks of the groups that were opened inside."""

    async def grandchild() -> None:
        try:
            await forever()
        finally:
            out("grandchild cancelled")

    async def child() -> None:
        try:
            async with TaskGroup() as group:
                group.create_task(grandchild())
        finally:
            out("child cancelled")

    with CancelScope() as scope:
        async with TaskGroup() as group:
            group.create_task(child())
            await settle()
            scope.cancel()
    out("end")


@prints("not recalled: CancelledError / shielded ok")
async def test_shield_does_not_recall_a_cancellation_on_its_way(out: Out) -> None:
    """Clause 1.7: a CancelledError that is already thrown or scheduled is not taken back."""
    inner = CancelScope()
    outer = CancelScope()

    async def sleeper() -> None:
        with outer, inner:
            try:
                await forever()
            except CancelledError:
                out("not recalled: CancelledError")
            await probe(out, "shielded")

    async with TaskGroup() as group:
        group.create_task(sleeper())
        await settle()
        outer.cancel()
        inner.shield = True


@prints("RuntimeError / RuntimeError / still usable ok")
async def test_exit_of_an_exited_scope(out: Out) -> None:
    """Clause 1.9: RuntimeError without a change of state; also while another scope is open."""
    scope = CancelScope()
    with scope:
        pass
    for _ in range(2):
        with CancelScope() as other:
            try:
                scope.__exit__(None, None, None)
            except RuntimeError as error:
                out(type(error).__name__)
        assert not other.effectively_cancelled
    await probe(out, "still usable")


@prints("RuntimeError ValueError(body) / abandoned raised C / swallowed True / next ok")
async def test_wrong_order_with_an_error_in_flight(out: Out) -> None:
    """Clause 1.10: the RuntimeError carries the error in flight; the inner scope is cancelled for ever."""
    outer, inner = CancelScope(), CancelScope()
    outer.__enter__()
    inner.__enter__()
    try:
        try:
            raise ValueError("body")
        except ValueError as body:
            outer.__exit__(type(body), body, body.__traceback__)
    except RuntimeError as error:
        assert error.__context__ is not None
        out(type(error).__name__, described(error.__context__))
    out("abandoned raised C" if inner.effectively_cancelled else "NOT ABANDONED")
    out("swallowed", inner.__exit__(CancelledError, CancelledError(), None))
    assert not inner.cancelled_caught
    await probe(out, "next")


@prints("two levels left / second ok / innermost ok / next ok")
async def test_wrong_order_over_several_levels(out: Out) -> None:
    """Clause 1.10: the task goes on in the parent of the scope that was left, over any number of open scopes."""
    with CancelScope() as base:
        first, second, innermost = CancelScope(), CancelScope(), CancelScope()
        for scope in (first, second, innermost):
            scope.__enter__()
        with pytest.raises(RuntimeError):
            first.__exit__(None, None, None)
        out("two levels left")
        second.__exit__(None, None, None)
        out("second ok")
        innermost.__exit__(None, None, None)
        out("innermost ok")
        await probe(out, "next")
        base.cancel()
        await sleep(0)
        out("base was not the current scope")


def _leave_scopes_open(debug: bool) -> tuple[str, int]:
    collected = []

    async def careless() -> int:
        for _ in range(2):
            CancelScope().__enter__()
        await sleep(0)
        return 5

    async def main(out: Out) -> None:
        collected.append(reports())
        async with TaskGroup() as group:
            careless_task = group.create_task(careless())
        out(await careless_task)

    return outcome(main, debug=debug), len(collected[0])


def test_task_ends_with_open_scopes() -> None:
    """Clause 1.11: they are closed silently; debug mode reports it through the exception handler."""
    assert _leave_scopes_open(debug=False) == ("5", 0)
    lines, count = _leave_scopes_open(debug=True)
    assert lines == "5"
    assert count >= 1


def test_deadline_values() -> None:
    """Clause 1.12: reading gives what was set; None and infinity mean none; NaN and other types are refused."""
    assert CancelScope(deadline=math.inf).deadline == math.inf
    with pytest.raises(ValueError):
        CancelScope(deadline=math.nan)
    scope = CancelScope()
    with pytest.raises(ValueError):
        scope.deadline = math.nan
    with pytest.raises(TypeError):
        scope.deadline = "soon"  # type: ignore[assignment]
    assert scope.deadline is None
    scope.deadline = 7
    assert scope.deadline == 7


@prints("None ok / inf ok / disarmed ok")
async def test_no_deadline(out: Out) -> None:
    """Clause 1.12: None and infinity never expire, and setting them disarms."""
    with CancelScope(deadline=None):
        await probe(out, "None", 0.01)
    with CancelScope(deadline=math.inf):
        await probe(out, "inf", 0.01)
    with CancelScope(deadline=now() + 0.01) as scope:
        scope.deadline = None
        await probe(out, "disarmed", 0.03)
    assert not scope.deadline_expired


@prints("deadline exceeded / ('deadline exceeded',) / expired True called True")
async def test_expiry_has_a_message(out: Out) -> None:
    """Clause 1.12: an expired deadline cancels with the message "deadline exceeded"."""
    args: object = None
    with CancelScope(deadline=now() + 0.01) as scope:
        try:
            await forever()
        except CancelledError as error:
            args = error.args
            raise
    out(scope.cancel_message)
    out(args)
    out("expired", scope.deadline_expired, "called", scope.cancel_called)


@prints("['0.01', '0.02', '0.03']")
async def test_deadlines_expire_in_their_order(out: Out) -> None:
    """Clause 1.12: whatever the order in which they were armed."""
    order: list[str] = []

    async def expire(delay: float) -> None:
        with CancelScope(deadline=now() + delay):
            await forever()
        order.append(str(delay))

    async with TaskGroup() as group:
        for delay in (0.03, 0.01, 0.02):
            group.create_task(expire(delay))
    out(order)


@prints("expired False / next ok")
async def test_deadline_of_an_exited_scope_does_not_fire(out: Out) -> None:
    """Clause 1.12: a deadline is armed only while the scope is active."""
    with CancelScope(deadline=now() + 0.01) as scope:
        pass
    await sleep(0.02)
    out("expired", scope.deadline_expired or scope.cancel_called)
    await probe(out, "next")


@prints("spawner's scope cancelled / child ok / CancelledError True")
async def test_parent_of_a_task_is_its_group(out: Out) -> None:
    """Clause 1.13: not the scope in which it was created; the task's own scope swallows nothing."""
    async with TaskGroup() as group:
        with CancelScope() as scope:
            child = group.create_task(probe(out, "child", 0.01))
            scope.cancel()
            try:
                await sleep(0)
            except CancelledError:
                out("spawner's scope cancelled")
        await child

        async def raiser() -> None:
            raise CancelledError

        raiser_task = group.create_task(raiser())
        await settle()
        out("CancelledError", raiser_task.cancelled())


def _split(leave: Callable[[CancelScope], BaseException]) -> BaseException:
    caught: list[BaseException] = []

    async def main() -> None:
        try:
            with CancelScope() as scope:
                scope.cancel()
                raise leave(scope)
        except BaseException as error:
            caught.append(error)
            assert scope.cancelled_caught

    asyncbis.run(main())
    return caught[0]


def test_rest_of_a_split_group_keeps_everything() -> None:
    """Clause 1.14: traceback, cause, context, suppress_context and notes of the rest are as they were."""
    cause, context = KeyError("cause"), KeyError("context")

    def make(scope: CancelScope) -> BaseException:
        group = BaseExceptionGroup("group", [ValueError("x"), CancelledError()])
        group.__cause__ = cause
        group.__context__ = context
        group.__suppress_context__ = False
        group.add_note("a note")
        return group

    rest = _split(make)
    assert described(rest) == "ExceptionGroup[ValueError(x)]"
    assert rest.__cause__ is cause and rest.__context__ is context and rest.__suppress_context__ is False
    assert rest.__notes__ == ["a note"]
    assert rest.__traceback__ is not None


def test_group_without_cancellations_is_the_same_object() -> None:
    """Clause 1.14: when there is nothing to take out, the group itself goes on and nothing counts as caught."""
    group = ExceptionGroup("group", [ValueError("x")])

    async def main() -> bool:
        try:
            with CancelScope() as scope:
                scope.cancel()
                raise group
        except ExceptionGroup as error:
            assert error is group
        return scope.cancelled_caught

    assert asyncbis.run(main()) is False


@prints("swallowed True")
async def test_subclass_of_cancelled_error_is_swallowed(out: Out) -> None:
    """Clause 1.14: subclasses of CancelledError count."""

    class Special(CancelledError):
        pass

    with CancelScope() as scope:
        scope.cancel()
        raise Special
    out("swallowed", scope.cancelled_caught)


@prints("() / ('outer',) / ('nearest',)")
async def test_message_of_the_nearest_scope(out: Out) -> None:
    """Clause 1.16: of the nearest scope that cancels; no arguments if it has no message."""

    async def args(scope: CancelScope, *messages: str) -> object:
        seen: object = None
        with scope:
            scope.cancel(*messages)
            with CancelScope():
                try:
                    await sleep(0)
                except CancelledError as error:
                    seen = error.args
                    raise
        return seen

    out(await args(CancelScope()))
    out(await args(CancelScope(), "outer"))
    with CancelScope() as far:
        far.cancel("far")
        seen: object = None
        with CancelScope() as near:
            near.cancel("nearest")
            try:
                await forever()
            except CancelledError as error:
                seen = error.args
    out(seen)


@prints("others ran 0 / left")
async def test_exit_is_no_yield_point(out: Out) -> None:
    """Clause 1.17: leaving a scope does not let others run, cancelled or not."""
    ran = 0

    def callback() -> None:
        nonlocal ran
        ran += 1

    asyncio.get_running_loop().call_soon(callback)
    with CancelScope() as outer:
        outer.cancel()
        with CancelScope():
            pass
        with CancelScope() as scope:
            scope.cancel()
    out("others ran", ran)
    out("left")


def test_deep_nesting_of_groups() -> None:
    """Clause 1.5: the walk down through 1000 nested groups of tasks is not recursive either."""

    async def nest(depth: int) -> None:
        async with TaskGroup() as group:
            if depth:
                group.create_task(nest(depth - 1))
            else:
                group.create_task(forever())

    async def main(out: Out) -> None:
        with CancelScope() as scope:
            async with TaskGroup() as group:
                group.create_task(nest(1000))
                with CancelScope(shield=True):
                    await settle(2100)
                scope.cancel()
        out(scope.cancelled_caught)

    assert outcome(main) == "True"


def test_cancel_from_a_thread_by_call_soon_threadsafe() -> None:
    """Clause 1.4: the way in from another thread is call_soon_threadsafe(scope.cancel)."""

    async def main(out: Out) -> None:
        loop = asyncio.get_running_loop()
        start = time.monotonic()
        with CancelScope() as scope:
            threading.Timer(0.02, loop.call_soon_threadsafe, [scope.cancel, "from a thread"]).start()
            await forever()
        out(scope.cancel_message, time.monotonic() - start < 2)

    assert outcome(main) == "from a thread True"
