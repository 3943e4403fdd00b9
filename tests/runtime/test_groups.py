"""Section 5 of docs/semantics.md: what the scenarios leave open about task groups."""

from __future__ import annotations

import asyncio
import contextvars

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, TaskStatus, sleep
from harness import Out, closed, described, forever, prints, probe, raised, reports, settle, task


async def fail(error: BaseException) -> None:
    raise error


async def leave(group: TaskGroup) -> None:
    """Use a group in the usual way, so that its outcome can be described."""
    async with group:
        pass


@prints("named / 7 / frozenset frozenset True / set")
async def test_surface(out: Out) -> None:
    """Clause 5.1: create_task() with name and context, cancel_scope, tasks and all_tasks."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    context = contextvars.copy_context()
    context.run(variable.set, "set")

    async def seven() -> int:
        assert variable.get() == "set"
        return 7

    async with TaskGroup() as group:
        child = group.create_task(seven(), name="named", context=context)
        out(child.get_name())
        out(await child)
        waiting = group.create_task(forever())
        out(
            type(group.tasks).__name__,
            type(group.all_tasks).__name__,
            waiting in group.tasks and child not in group.tasks,
        )
        assert isinstance(group.cancel_scope, CancelScope)
        group.cancel()
    out(context[variable])
    assert not group.tasks


@prints("RuntimeError / RuntimeError / closed True")
async def test_create_task_before_and_after(out: Out) -> None:
    """Clause 5.2: the coroutine is closed, so that no "never awaited" warning follows."""
    group = TaskGroup()
    coros = [forever(), forever()]
    try:
        group.create_task(coros[0])
    except RuntimeError as error:
        out(type(error).__name__)
    async with group:
        pass
    try:
        group.create_task(coros[1])
    except RuntimeError as error:
        out(type(error).__name__)
    out("closed", all(closed(coro) for coro in coros))


@prints("child started / ExceptionGroup[ValueError(x)]")
async def test_create_task_after_an_error(out: Out) -> None:
    """Clause 5.2: allowed while the group is being cancelled; the task makes its first step."""

    async def child() -> None:
        out("child started")
        await sleep(0)
        out("NOT CANCELLED")

    try:
        async with TaskGroup() as group:
            group.create_task(fail(ValueError("x")))
            try:
                await forever()
            finally:
                group.create_task(child())
    except BaseException as error:
        out(described(error))


@prints("body raised C / left / left again")
async def test_cancel_before_entry_and_after_exit(out: Out) -> None:
    """Clause 5.3: the body of a group that was cancelled before is cancelled on entry; later calls do nothing."""
    group = TaskGroup()
    group.cancel()
    group.cancel("again")
    async with group:
        await probe(out, "body")
    out("left")
    group.cancel()
    await sleep(0)
    out("left again")


@prints("('reason',)")
async def test_message_of_cancel(out: Out) -> None:
    """Clause 5.3: cancel(msg) is cancel_scope.cancel(msg)."""
    async with TaskGroup() as group:
        group.cancel("reason")
        try:
            await sleep(0)
        except CancelledError as error:
            out(error.args)


@prints("ExceptionGroup[ValueError(shared)] / ExceptionGroup[ValueError(1), ValueError(2), ValueError(3)]")
async def test_errors_in_order_and_once(out: Out) -> None:
    """Clause 5.4: in the order of occurrence, whatever the order of spawning; each object once."""
    shared = ValueError("shared")

    async def same() -> None:
        async with TaskGroup() as group:
            group.create_task(fail(shared))
            group.create_task(fail(shared))

    async def late(number: int, delay: float) -> None:
        with CancelScope(shield=True):
            await sleep(delay)
        raise ValueError(number)

    async def ordered() -> None:
        async with TaskGroup() as group:
            group.create_task(late(3, 0.02))
            group.create_task(late(1, 0))
            group.create_task(late(2, 0.01))

    out(await raised(same()))
    out(await raised(ordered()))


@prints("child cancelled / CancelledError / child cancelled / ExceptionGroup[ValueError(body)]")
async def test_body_that_fails_cancels_the_group(out: Out) -> None:
    """Clause 5.5: also a CancelledError of the body cancels the scope; it is not added to the errors."""

    async def child() -> None:
        try:
            await forever()
        finally:
            out("child cancelled")

    async def body(error: BaseException) -> None:
        async with TaskGroup() as group:
            group.create_task(child())
            await sleep(0)
            raise error

    out(await raised(body(CancelledError())))
    out(await raised(body(ValueError("body"))))


@prints("wakeups < 5 True / caught True")
async def test_host_is_not_woken_while_it_waits(out: Out) -> None:
    """Clause 5.6: one wait under an internal shield: an outer cancellation does not wake the host again and again."""
    steps = 0

    class Counting:
        """Counts how often the host is resumed, by standing between the host and what it awaits."""

        def __init__(self, group: TaskGroup) -> None:
            self._group = group

        def __await__(self):  # type: ignore[no-untyped-def]
            nonlocal steps
            inner = self._group.__aexit__(None, None, None).__await__()
            error: BaseException | None = None
            while True:
                steps += 1
                try:
                    value = next(inner) if error is None else inner.throw(error)
                except StopIteration as stop:
                    return stop.value
                error = None
                try:
                    yield value
                except BaseException as thrown:
                    error = thrown

    async def child() -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.03)

    with CancelScope() as scope:
        group = TaskGroup()
        await group.__aenter__()
        group.create_task(child())
        asyncio.get_running_loop().call_soon(scope.cancel)
        await Counting(group)
    out("wakeups < 5", steps < 5)
    out("caught", scope.cancelled_caught)


@prints("ok None / KeyboardInterrupt / BaseExceptionGroup[GeneratorExit, ValueError(x)]")
async def test_outcome(out: Out) -> None:
    """Clause 5.7: KeyboardInterrupt bare before all else; BaseExceptionGroup where not all are Exceptions; no cause."""

    async def fail_with(*errors: BaseException) -> None:
        async with TaskGroup() as group:
            for error in errors:
                group.create_task(fail(error))

    try:
        await fail_with(ValueError("x"))
    except ExceptionGroup as error:
        assert error.message == "unhandled errors in a TaskGroup"
        out("ok", error.__cause__)
    try:
        await fail_with(ValueError("x"), KeyboardInterrupt())
    except BaseException as error:
        out(described(error))

    try:
        await fail_with(GeneratorExit(), ValueError("x"))
    except BaseException as error:
        out(described(error))


@prints("swallowed / next ok")
async def test_outcome_passes_the_own_scope(out: Out) -> None:
    """Clause 5.7: after cancel() a CancelledError of the body is swallowed by the group's own scope."""
    async with TaskGroup() as group:
        group.cancel()
        raise CancelledError
    out("swallowed")
    await probe(out, "next")


@prints("ValueError(x) / ExceptionGroup[ValueError(x)]")
async def test_awaiter_and_group_get_the_same_error(out: Out) -> None:
    """Clause 5.10: the host that awaits and handles the error does not keep the group from raising it."""
    try:
        async with TaskGroup() as group:
            child = group.create_task(fail(ValueError("x")))
            out(await raised(child))
    except BaseException as error:
        out(described(error))


@prints("RuntimeError / 1 / body went on")
async def test_started_twice(out: Out) -> None:
    """Clause 5.11: the second started() raises RuntimeError in the child."""

    async def child(*, task_status: TaskStatus[int]) -> None:
        task_status.started(1)
        try:
            task_status.started(2)
        except RuntimeError as error:
            out(type(error).__name__)

    async with TaskGroup() as group:
        out(await group.start(child))
        out("body went on")


@prints("named True / None / error after started: ExceptionGroup[ValueError(late)]")
async def test_start_names_and_hands_over(out: Out) -> None:
    """Clause 5.11: after started() the child belongs to the group, and so does its error."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        out("named", task().get_name() == "starter")
        task_status.started()
        await sleep(0)
        raise ValueError("late")

    try:
        async with TaskGroup() as group:
            out(await group.start(child, name="starter"))
            await forever()
    except BaseException as error:
        out("error after started:", described(error))


@prints("child shielded cleanup / start raised C / group ok")
async def test_cancelled_start_waits_for_its_child(out: Out) -> None:
    """Clause 5.11: start() waits under a shield for the cleanup of the child, then the CancelledError comes out."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.02)
                out("child shielded cleanup")

    async with TaskGroup() as group:
        with CancelScope() as scope:
            asyncio.get_running_loop().call_later(0.01, scope.cancel)
            try:
                await group.start(child)
            except CancelledError:
                out("start raised C")
                raise
        await probe(out, "group", 0.01)


@prints("child of the caller's scope: cancelled / after started: ok")
async def test_scope_of_a_starting_child(out: Out) -> None:
    """Clause 5.11: until started() the child is under the caller's scope, afterwards under the group's."""

    async def never_started(*, task_status: TaskStatus[None]) -> None:
        try:
            await forever()
        finally:
            out("child of the caller's scope: cancelled")

    async def started(*, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await probe(out, "after started:", 0.02)

    async with TaskGroup() as group:
        with CancelScope() as scope:
            await group.start(started)
            asyncio.get_running_loop().call_soon(scope.cancel)
            await group.start(never_started)


@prints("reported True / child cancelled")
async def test_host_ends_without_leaving_the_group(out: Out) -> None:
    """Clause 5.13: the group is cancelled, and that is reported through the exception handler."""
    collected = reports()

    async def child() -> None:
        try:
            await forever()
        finally:
            children.append("child cancelled")

    async def host() -> None:
        group = TaskGroup()
        await group.__aenter__()
        group.create_task(child())
        await sleep(0)

    children: list[str] = []
    await asyncbis.create_task(host())
    await settle()
    out("reported", bool(collected))
    out(*children)


@prints("mine / child ok / RuntimeError")
async def test_group_may_be_subclassed(out: Out) -> None:
    """Clause 4.1: TaskGroup may be subclassed, as CPython's own tests do."""

    class Mine(TaskGroup):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind = kind

    async with Mine("mine") as group:
        out(group.kind)
        group.create_task(probe(out, "child"))
    try:
        await leave(group)
    except RuntimeError as error:
        out(type(error).__name__)
