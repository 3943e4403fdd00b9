"""Section 9 of docs/semantics.md: what the scenarios leave open about shield(), timeouts and the wait functions."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import warnings
from typing import Any

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, lowlevel, sleep
from harness import Out, described, forever, now, prints, probe, raised, settle, task


async def value(result: object, delay: float = 0) -> object:
    if delay:
        await sleep(delay)
    return result


async def fail(error: BaseException, delay: float = 0) -> None:
    if delay:
        await sleep(delay)
    raise error


class LibraryTimeout(asyncbis.Timeout):
    """As async-timeout's, which takes other arguments and gives `expired` another meaning."""

    def __init__(self, deadline: float | None, label: str) -> None:
        super().__init__(deadline)
        self.label = label

    @property
    def expired(self) -> bool:  # type: ignore[override]
        return super().expired()

    def shift(self, delay: float) -> None:
        when = self.when()
        assert when is not None
        self.reschedule(when + delay)


@prints("mine False / TimeoutError / True / shielded ok / entered twice RuntimeError / no deadline None")
async def test_timeout_may_be_subclassed(out: Out) -> None:
    """Clause 4.1: what a subclass gives to `__init__` is the timeout's deadline, wherever it comes from."""
    now = asyncio.get_running_loop().time()
    try:
        async with LibraryTimeout(now + 10, "mine") as block:
            out(block.label, block.expired)
            block.shift(-9.999)
            await sleep(10)
    except TimeoutError:
        out("TimeoutError")
    out(block.expired)
    with asyncbis.CancelScope() as scope:
        scope.cancel()
        async with asyncbis.Timeout(now + 10, shield=True):
            await sleep(0)
            out("shielded ok")
    try:
        asyncbis.Timeout.__init__(block, None)
    except RuntimeError as error:
        out("entered twice", type(error).__name__)
    out("no deadline", LibraryTimeout(None, "none").when())


@prints("not started / same task True / 5 / ValueError(x)")
async def test_shield_runs_in_the_host(out: Out) -> None:
    """Clause 9.1: nothing runs before it is awaited; no task is made; results and errors pass through."""
    tasks: list[object] = []

    async def body() -> int:
        tasks.append(task())
        return 5

    awaitable = asyncbis.shield(body())
    await settle()
    out("not started" if not tasks else "started")
    result = await awaitable
    out("same task", tasks == [task()])
    out(result)
    out(await raised(asyncbis.shield(fail(ValueError("x")))))


def test_dropped_shield_warns() -> None:
    """Clause 9.1: a coroutine that was never awaited is warned about as without shield()."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        awaitable = asyncbis.shield(value(1))
        del awaitable
    assert [warning.category for warning in caught] == [RuntimeWarning]
    assert "never awaited" in str(caught[0].message)


@prints("protected / CancelledError / after the shield raised C")
async def test_shield_protects_from_task_cancel(out: Out) -> None:
    """Clause 9.1: also from Task.cancel(); a foreign CancelledError of the target comes through."""

    async def host() -> None:
        await asyncbis.shield(sleep(0.02))
        out("protected")
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        out(await raised(asyncbis.shield(future)))
        await probe(out, "after the shield")

    host_task = asyncbis.create_task(host())
    await settle()
    host_task.cancel()
    await asyncbis.wait([host_task])


@prints("TimeoutError / running on True / done 1 pending 1 / same True / gathered [5] / later 9")
async def test_shield_objects_in_wait_functions(out: Out) -> None:
    """Clause 9.2: wait_for(), wait() and gather() take shield objects; the target keeps running after a timeout."""
    nine = asyncbis.create_task(value(9, 0.06))
    out(await raised(asyncbis.wait_for(asyncbis.shield(nine), 0.01)))
    out("running on", not nine.done())
    quick = asyncbis.create_task(value(1))
    shielded = asyncbis.shield(nine)
    both: list[Any] = [shielded, quick]
    done, pending = await asyncbis.wait(both, timeout=0.01)
    out("done", len(done), "pending", len(pending))
    out("same", pending == {shielded} and done == {quick})
    out("gathered", await asyncbis.gather(asyncbis.shield(value(5))))
    out("later", await nine)


@prints("caught True target alive True / caught True target alive True")
async def test_cancelled_gather_and_wait_leave_shielded_targets_alone(out: Out) -> None:
    """Clause 9.2: cancelling the waiter does not cancel what a shield object stands for."""
    target = asyncbis.create_task(value(5, 0.03))
    for waiting in (
        asyncbis.wait([asyncbis.shield(target)]),
        asyncbis.wait_for(asyncbis.shield(target), 1),
    ):
        with CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await waiting
        out("caught", scope.cancelled_caught, "target alive", not target.done())


@prints("created / active / expired / finished")
async def test_states_in_the_repr(out: Out) -> None:
    """Clause 9.3: the names of asyncio's Timeout."""
    context = asyncbis.timeout(0.01)
    out(repr(context).split("[")[1].split("]")[0].split()[0])
    try:
        async with context:
            out(repr(context).split("[")[1].split("]")[0].split()[0])
            await sleep(1)
    except TimeoutError:
        out(repr(context).split("[")[1].split("]")[0].split()[0])
    async with asyncbis.timeout(None) as finished:
        pass
    out(repr(finished).split("[")[1].split("]")[0].split()[0])


@prints("RuntimeError / when True / expired False")
async def test_timeout_is_entered_once(out: Out) -> None:
    """Clause 9.3: a second entry raises RuntimeError; when() and expired() tell about the deadline."""
    when = now() + 5
    async with asyncbis.timeout_at(when) as context:
        try:
            async with context:
                out("entered twice")
        except RuntimeError as error:
            out(type(error).__name__)
        out("when", context.when() == when)
    out("expired", context.expired())


def test_timeout_outside_of_a_task() -> None:
    """Clause 9.3: entering it without a task raises RuntimeError."""
    context = asyncbis.timeout_at(None)
    entering = context.__aenter__()
    try:
        with pytest.raises(RuntimeError):
            entering.send(None)
    finally:
        getattr(entering, "close", lambda: None)()


@prints("TimeoutError caused by CancelledError")
async def test_cause_of_the_timeout_error(out: Out) -> None:
    """Clause 9.4: the TimeoutError is raised from the CancelledError."""
    try:
        async with asyncbis.timeout(0.005):
            await sleep(1)
    except TimeoutError as error:
        assert error.__cause__ is not None
        out("TimeoutError caused by", type(error.__cause__).__name__)


@prints("ExceptionGroup[ValueError(x)] / TimeoutError")
async def test_mixed_group_leaves_an_expired_timeout(out: Out) -> None:
    """Clause 9.4: of a group with CancelledErrors the rest is raised; of a group with nothing else a TimeoutError."""

    async def body(*others: BaseException) -> None:
        async with asyncbis.timeout(0.005):
            try:
                await sleep(1)
            except CancelledError as error:
                raise BaseExceptionGroup("group", [error, *others]) from None

    out(await raised(body(ValueError("x"))))
    out(await raised(body()))


@prints("TimeoutError / scope False")
async def test_timeout_inside_an_uncancelled_scope(out: Out) -> None:
    """Clause 9.4: the timeout's cancellation is its own; a scope around it does not swallow it."""
    with CancelScope() as scope:
        out(await raised(expire()))
    out("scope", scope.cancelled_caught)


async def expire() -> None:
    async with asyncbis.timeout(0.005):
        await sleep(1)


@prints("cleanup raised C / TimeoutError")
async def test_cleanup_in_an_expired_timeout_is_cancelled_too(out: Out) -> None:
    """Clause 9.5: level cancellation reaches the finally block of the body."""
    try:
        async with asyncbis.timeout(0.005):
            try:
                await sleep(1)
            finally:
                await probe(out, "cleanup")
    except TimeoutError:
        out("TimeoutError")


@prints("ok / next raised C / caught True")
async def test_shielded_timeout_that_does_not_expire(out: Out) -> None:
    """Clause 9.6: nothing of the outer cancellation is seen inside."""
    with CancelScope() as scope:
        scope.cancel()
        async with asyncbis.timeout(5, shield=True):
            await sleep(0.01)
            out("ok")
        await probe(out, "next")
        await sleep(0)
    out("caught", scope.cancelled_caught)


@prints("when None / new deadline TimeoutError / disarmed ok")
async def test_reschedule_sets_and_takes_away(out: Out) -> None:
    """Clause 9.8: None takes the deadline away, a new one is armed, a past one expires."""
    async with asyncbis.timeout(0.01) as context:
        context.reschedule(None)
        out("when", context.when())
        await sleep(0.02)
    try:
        async with asyncbis.timeout(None) as context:
            context.reschedule(now() - 1)
            await sleep(0)
            out("went on")
    except TimeoutError:
        out("new deadline TimeoutError")
    async with asyncbis.timeout(0.01) as context:
        context.reschedule(now() + 5)
        await probe(out, "disarmed", 0.02)


@prints("4 / same task True / survived 7 / TimeoutError cancelled True / done 3")
async def test_wait_for(out: Out) -> None:
    """Clause 9.9: in the host, without a task for a coroutine; a task that swallows and returns gives its value."""

    async def who() -> object:
        return asyncbis.current_task()

    async def swallow() -> int:
        try:
            await forever()
        except CancelledError:
            pass
        return 7

    out(await asyncbis.wait_for(value(4), 1))
    out("same task", await asyncbis.wait_for(who(), None) is task())
    out("survived", await asyncbis.wait_for(asyncbis.create_task(swallow()), 0.01))
    waiting = asyncbis.create_task(forever())
    out(await raised(asyncbis.wait_for(waiting, 0.01)), "cancelled", waiting.cancelled())
    done = asyncio.get_running_loop().create_future()
    done.set_result(3)
    out("done", await asyncbis.wait_for(done, 0))


@prints("CancelledError / waited True")
async def test_cancelled_wait_for_waits_for_its_task(out: Out) -> None:
    """Clauses 9.9, 10.5: the cancelled caller leaves when the awaited task has ended its cleanup."""

    async def slow() -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.02)

    inner = asyncbis.create_task(slow())

    async def caller() -> None:
        await asyncbis.wait_for(inner, 5)

    caller_task = asyncbis.create_task(caller())
    await settle()
    caller_task.cancel()
    out(await raised(caller_task))
    out("waited", inner.done())


@prints("[1, 2] / ValueError(x) / sibling ran on True / cancelled True True")
async def test_gather(out: Out) -> None:
    """Clause 9.10: the first error does not cancel the others; cancelling cancels all and waits."""
    out(await asyncbis.gather(value(1), value(2)))
    sibling = asyncbis.create_task(value("late", 0.02))
    out(await raised(asyncbis.gather(fail(ValueError("x")), asyncbis.shield(sibling))))
    out("sibling ran on", await sibling == "late")
    first, second = asyncbis.create_task(forever()), asyncbis.create_task(forever())
    gathering = asyncbis.gather(first, second)
    await settle()
    gathering.cancel()
    await raised(gathering)
    out("cancelled", first.cancelled(), second.cancelled())


@prints("RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_task_passed_to_gather_is_still_a_background_task(out: Out) -> None:
    """Clauses 6.6, 9.10: gather() owns the errors of the coroutines it wraps, not of tasks that are passed in."""
    await asyncbis.gather(asyncbis.create_task(fail(ValueError("x"))), return_exceptions=True)
    await sleep(0)


@prints("tasks alive True / 1 of 2 / 2 then 1 / async 2 then 1 / TimeoutError")
async def test_wait_and_as_completed(out: Out) -> None:
    """Clause 9.11: asyncio's; cancelling the waiter leaves the tasks alone; both forms of as_completed()."""
    waiting = [asyncbis.create_task(sleep(0.05)), asyncbis.create_task(sleep(0.4))]
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await asyncbis.wait(waiting)
    out("tasks alive", not any(waiting_task.done() for waiting_task in waiting))
    done, pending = await asyncbis.wait(waiting, return_when=asyncbis.FIRST_COMPLETED)
    out(len(done), "of", len(done) + len(pending))
    await asyncbis.wait(waiting)
    order = [await earliest for earliest in asyncbis.as_completed([value(1, 0.03), value(2)])]
    out(*order[:1], "then", *order[1:])
    order = []
    async for earliest in asyncbis.as_completed([value(1, 0.03), value(2)]):
        order.append(await earliest)
    out("async", *order[:1], "then", *order[1:])
    slow = asyncbis.create_task(value(1, 0.3))
    for late in asyncbis.as_completed([slow], timeout=0.01):
        out(await raised(late))
    await slow


@prints("result 6 / cancelled natively True / main ok")
async def test_run_coroutine_threadsafe(out: Out) -> None:
    """Clause 9.11: cancelling its concurrent future cancels the task natively."""
    loop = asyncio.get_running_loop()
    cancelled: list[bool] = []

    async def body() -> None:
        try:
            await forever()
        except CancelledError:
            cancelled.append(task().cancelling() == 1)
            raise

    def thread() -> int:
        endless = asyncbis.run_coroutine_threadsafe(body(), loop)
        result = asyncbis.run_coroutine_threadsafe(value(6), loop).result(5)
        endless.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            endless.result(5)
        return result  # type: ignore[return-value]

    out("result", await loop.run_in_executor(None, thread))
    await settle()
    out("cancelled natively", *cancelled)
    await probe(out, "main")


@prints("woken in order [1, 2, 3] / permits 1 / queue [2]")
async def test_nothing_is_lost_under_cancellation(out: Out) -> None:
    """Clauses 9.12, 10.21: no permit and no item is lost whatever the order of wakeup and cancellation."""
    semaphore = asyncbis.Semaphore(0)
    woken: list[int] = []

    async def acquirer(number: int) -> None:
        async with semaphore:
            woken.append(number)

    async with TaskGroup() as group:
        for number in (1, 2, 3):
            group.create_task(acquirer(number))
        await settle()
        semaphore.release()
    out("woken in order", woken)
    out("permits", semaphore._value)
    queue: asyncio.Queue[int] = asyncbis.Queue()
    async with TaskGroup() as group:
        first = group.create_task(queue.get())
        second = group.create_task(queue.get())
        await settle()
        queue.put_nowait(1)
        first.cancel()
        second.cancel()
        queue.put_nowait(2)
    assert not first.cancelled() and first.result() == 1
    out("queue", [queue.get_nowait() for _ in range(queue.qsize())])


@prints("True / True True / past ok True / none ok / RuntimeError")
async def test_move_on(out: Out) -> None:
    """Clause 9.13: a CancelScope with that deadline, single use, silent."""
    with asyncbis.move_on_after(0.01) as scope:
        await sleep(1)
    out(scope.cancelled_caught)
    with asyncbis.move_on_at(now() + 0.01) as scope:
        await sleep(1)
    out(scope.cancelled_caught, isinstance(scope, CancelScope))
    with asyncbis.move_on_after(-1) as scope:
        await sleep(0)
    out("past ok", scope.cancelled_caught)
    with asyncbis.move_on_after(None, shield=True) as scope:
        await sleep(0)
    assert scope.shield is True
    out("none ok")
    try:
        with scope:
            pass
    except RuntimeError as error:
        out(type(error).__name__)


@prints("TimeoutError / TimeoutError / scope True / no error / none ok / RuntimeError / ExceptionGroup[ValueError(x)]")
async def test_fail(out: Out) -> None:
    """Clause 9.14: TimeoutError when its own deadline cancelled it, by the rule of clause 9.4; single use."""
    try:
        with asyncbis.fail_after(0.01):
            await sleep(1)
    except TimeoutError as error:
        out(type(error).__name__)
    try:
        with asyncbis.fail_at(now() + 0.01, shield=True) as scope:
            assert scope.shield
            await sleep(1)
    except TimeoutError as error:
        out(type(error).__name__)
    with asyncbis.fail_after(1) as scope:
        out("scope", isinstance(scope, CancelScope))
        scope.cancel()
        await sleep(0)
    out("no error")
    context = asyncbis.fail_after(None)
    with context:
        await sleep(0)
        out("none ok")
    try:
        with context:
            pass
    except RuntimeError as error:
        out(type(error).__name__)
    try:
        with asyncbis.fail_after(0.01):
            try:
                await sleep(1)
            except CancelledError as error:
                raise BaseExceptionGroup("both", [ValueError("x"), error]) from None
    except BaseException as error:
        out(described(error))


@prints("inf / True / inner wins True / shield True / -inf / inf")
async def test_current_effective_deadline(out: Out) -> None:
    """Clause 9.15: the nearest deadline through unshielded scopes; -inf when cancelled."""
    out(asyncbis.current_effective_deadline())
    far, near = now() + 100, now() + 50
    with CancelScope(deadline=near):
        with CancelScope():
            out(asyncbis.current_effective_deadline() == near)
        with CancelScope(deadline=far):
            assert asyncbis.current_effective_deadline() == near
        with CancelScope(deadline=near - 10):
            out("inner wins", asyncbis.current_effective_deadline() == near - 10)
        with CancelScope(deadline=far, shield=True):
            out("shield", asyncbis.current_effective_deadline() == far)
    with CancelScope() as scope:
        scope.cancel()
        out(asyncbis.current_effective_deadline())
        with CancelScope(shield=True):
            out(asyncbis.current_effective_deadline())


@prints(
    "forever raised C / checkpoint True / if cancelled True / shielded (1, False)"
    " / (1, False) / (0, False) / (1, False)"
)
async def test_checkpoints(out: Out) -> None:
    """Clause 9.16: sleep_forever() and the checkpoints of asyncbis.lowlevel."""

    async def others(checkpoint: object) -> tuple[int, bool]:
        """How many other callbacks ran meanwhile, and whether it raised."""
        ran: list[int] = []
        asyncio.get_running_loop().call_soon(ran.append, 1)
        try:
            await checkpoint()  # type: ignore[operator]
        except CancelledError:
            return len(ran), True
        return len(ran), False

    with CancelScope() as scope:
        scope.cancel()
        try:
            await asyncbis.sleep_forever()
        except CancelledError:
            out("forever raised C")
        out("checkpoint", (await others(lowlevel.checkpoint))[1])
        out("if cancelled", (await others(lowlevel.checkpoint_if_cancelled))[1])
        out("shielded", await others(lowlevel.cancel_shielded_checkpoint))
    for checkpoint in (lowlevel.checkpoint, lowlevel.checkpoint_if_cancelled, lowlevel.cancel_shielded_checkpoint):
        out(await others(checkpoint))


@prints("True / True True / waited True / own cancellation kept: True / self RuntimeError")
async def test_cancel_and_wait(out: Out) -> None:
    """Clause 9.17: cancels one or several tasks and waits; the caller's own cancellation is not eaten."""
    one = asyncbis.create_task(forever())
    await sleep(0)
    await asyncbis.cancel_and_wait(one)
    out(one.cancelled())
    several = [asyncbis.create_task(forever()) for _ in range(2)]
    await asyncbis.cancel_and_wait(several, "message")
    out(*(each.cancelled() for each in several))

    async def slow() -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.02)

    slow_task = asyncbis.create_task(slow())
    await sleep(0)
    await asyncbis.cancel_and_wait(slow_task)
    out("waited", slow_task.done())
    slow_task = asyncbis.create_task(slow())
    await sleep(0)
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await asyncbis.cancel_and_wait(slow_task)
        await sleep(0)
        out("own cancellation was eaten")
    out("own cancellation kept:", scope.cancelled_caught)
    out("self", (await raised(asyncbis.cancel_and_wait(task()))).split("(")[0])


@prints("True")
async def test_to_thread_passes_the_context(out: Out) -> None:
    """Clause 9.12: to_thread() runs in another thread in a copy of the context."""
    out(await asyncbis.to_thread(threading.get_ident) != threading.get_ident())
