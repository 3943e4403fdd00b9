"""Scenarios D: task groups (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, TaskStatus, sleep
from harness import Out, closed, described, forever, in_child, now, prints, probe, settle


async def fail(error: BaseException, delay: float = 0) -> None:
    if delay:
        await sleep(delay)
    raise error


async def until_cancelled(out: Out, line: str) -> None:
    """Block; print the line when cancelled."""
    try:
        await forever()
    except CancelledError:
        out(line)
        raise


@prints("child started / child cancelled / after")
async def test_d01_cancel_of_a_group(out: Out) -> None:
    """Clause 5.3: cancel() cancels children and body, and nothing is raised."""

    async def child() -> None:
        out("child started")
        await until_cancelled(out, "child cancelled")

    async with TaskGroup() as group:
        group.create_task(child())
        await settle()
        group.cancel()
        await sleep(1)
        out("body was not cancelled")
    out("after")


@prints("started / after")
async def test_d02_spawn_into_a_cancelled_group(out: Out) -> None:
    """Clauses 2.2, 5.2: a task that is spawned after cancel() starts, and dies at its first yield point."""

    async def child() -> None:
        out("started")
        await sleep(0)
        out("finished")

    async with TaskGroup() as group:
        group.cancel()
        group.create_task(child())
    out("after")


@prints("RuntimeError / closed True")
async def test_d03_spawn_after_exit(out: Out) -> None:
    """Clause 5.2: create_task() of a finished group closes the coroutine and raises."""
    async with TaskGroup() as group:
        pass
    child = forever()
    try:
        group.create_task(child)
    except RuntimeError as error:
        out(type(error).__name__)
    out("closed", closed(child))


@prints("RuntimeError")
async def test_d04_spawn_before_entry(out: Out) -> None:
    """Clause 5.2: create_task() of a group that was not entered closes the coroutine and raises."""
    group = TaskGroup()
    child = forever()
    try:
        group.create_task(child)
    except RuntimeError as error:
        out(type(error).__name__)
    assert closed(child)


@prints("sibling cancelled / ExceptionGroup[ValueError(foo)] 'unhandled errors in a TaskGroup (1 sub-")
async def test_d05_failing_child_cancels_siblings_and_host(out: Out) -> None:
    """Clauses 5.4, 5.7: an error of a child cancels the group and comes out in an ExceptionGroup."""
    try:
        async with TaskGroup() as group:
            group.create_task(until_cancelled(out, "sibling cancelled"))
            await sleep(0)
            group.create_task(fail(ValueError("foo")))
            await sleep(1)
            out("host was not cancelled")
    except BaseExceptionGroup as error:
        out(described(error), repr(str(error))[:40])


@prints("ExceptionGroup[ValueError(host)]")
async def test_d06_body_fails_alone(out: Out) -> None:
    """Clause 5.7: an error of the body alone comes out in a group, too."""
    try:
        async with TaskGroup():
            raise ValueError("host")
    except BaseException as error:
        out(described(error))


@prints("ExceptionGroup[ValueError(host), KeyError('child')]")
async def test_d07_body_and_child_fail(out: Out) -> None:
    """Clauses 5.5, 5.7: the errors stand in the order in which they happened."""

    async def child() -> None:
        try:
            await forever()
        finally:
            raise KeyError("child")

    try:
        async with TaskGroup() as group:
            group.create_task(child())
            await sleep(0)
            raise ValueError("host")
    except BaseException as error:
        out(described(error))


@prints("2 ExceptionGroup")
async def test_d08_two_children_fail(out: Out) -> None:
    """Clause 5.4: every error of a child is collected."""
    try:
        async with TaskGroup() as group:
            group.create_task(fail(ValueError("1")))
            group.create_task(fail(ValueError("2")))
    except ExceptionGroup as error:
        out(len(error.exceptions), type(error).__name__)


@prints("ExceptionGroup[ValueError(parent), ExceptionGroup[ValueError(child)]]")
async def test_d09_nested_groups_keep_their_nesting(out: Out) -> None:
    """Clause 5.9: errors keep the shape of the groups; CancelledErrors are not among them."""

    async def child() -> None:
        try:
            await forever()
        finally:
            raise ValueError("child")

    try:
        async with TaskGroup() as outer:
            async with TaskGroup() as inner:
                inner.create_task(child())
                inner.create_task(forever())
                await sleep(0)
                outer.create_task(fail(ValueError("parent")))
                await sleep(1)
    except BaseException as error:
        out(described(error))


@prints("cancel_called False / next ok")
async def test_d10_child_that_raises_a_cancellation_of_its_own(out: Out) -> None:
    """Clause 5.4: a CancelledError that leaves a child is nobody's error, whatever its origin."""
    async with TaskGroup() as group:
        group.create_task(fail(CancelledError()))
        await settle()
        out("cancel_called", group.cancel_scope.cancel_called)
    await probe(out, "next")


@prints("sibling ok / end")
async def test_d11_cancelled_child_leaves_its_siblings_alone(out: Out) -> None:
    """Clause 5.4: Task.cancel() of one child does not cancel the group."""

    async def sibling() -> None:
        await sleep(0.01)
        out("sibling ok")

    async with TaskGroup() as group:
        child = group.create_task(forever())
        group.create_task(sibling())
        await sleep(0)
        child.cancel()
    out("end")


@prints("ran True")
async def test_d12_empty_group_is_a_schedule_point(out: Out) -> None:
    """Clause 5.6: leaving an empty group lets others run once."""
    ran = False

    def callback() -> None:
        nonlocal ran
        ran = True

    asyncio.get_running_loop().call_soon(callback)
    async with TaskGroup():
        pass
    out("ran", ran)


@prints("left / next raised C")
async def test_d13_empty_group_is_no_cancel_point(out: Out) -> None:
    """Clause 5.6: the yield of an empty group is shielded."""
    with CancelScope() as scope:
        scope.cancel()
        async with TaskGroup():
            pass
        out("left")
        await probe(out, "next")


@prints("end True")
async def test_d14_outer_cancelled_while_the_host_waits(out: Out) -> None:
    """Clause 5.7: when the outer cancellation became visible while waiting, the code after the group does not run."""
    with CancelScope() as outer:
        async with TaskGroup() as group:
            group.create_task(forever())
            asyncio.get_running_loop().call_soon(outer.cancel)
        out("AFTER GROUP")
    out("end", outer.cancelled_caught)


@prints("end True")
async def test_d15_outer_cancelled_while_a_shielded_child_finishes(out: Out) -> None:
    """Clause 5.7: the same when the child survived in a shield."""

    async def child() -> None:
        with CancelScope(shield=True):
            await sleep(0.02)

    with CancelScope() as outer:
        async with TaskGroup() as group:
            group.create_task(child())
            asyncio.get_running_loop().call_soon(outer.cancel)
        out("AFTER INNER GROUP")
    out("end", outer.cancelled_caught)


@prints("ExceptionGroup[ValueError(x)] / next raised C")
async def test_d17_errors_and_an_outer_cancellation(out: Out) -> None:
    """Clause 5.8: the errors come out as a group, the cancellation at the next yield point."""

    async def child() -> None:
        try:
            await forever()
        finally:
            raise ValueError("x")

    with CancelScope() as outer:
        try:
            async with TaskGroup() as group:
                group.create_task(child())
                await settle()
                outer.cancel()
        except BaseException as error:
            out(described(error))
        await probe(out, "next")


@prints("started 7 / body / child done / end")
async def test_d18_start_returns_the_value_and_the_child_runs_on(out: Out) -> None:
    """Clause 5.11: start() returns what started() was called with."""

    async def child(number: int, *, task_status: TaskStatus[int]) -> None:
        task_status.started(number)
        await sleep(0.01)
        out("child done")

    async with TaskGroup() as group:
        out("started", await group.start(child, 7))
        out("body")
    out("end")


@prints("ExceptionGroup[RuntimeError(child exited without calling task_status.started())]")
async def test_d19_child_exits_without_started(out: Out) -> None:
    """Clause 5.11: a child that ends without started() is an error of start()."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        pass

    try:
        async with TaskGroup() as group:
            await group.start(child)
    except BaseException as error:
        out(described(error))


@prints("start raised ValueError / group alive ok")
async def test_d20_child_fails_before_started(out: Out) -> None:
    """Clause 5.11: the error comes out of start() only; the group lives on."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        await sleep(0)
        raise ValueError("x")

    async with TaskGroup() as group:
        try:
            await group.start(child)
        except ValueError as error:
            out("start raised", type(error).__name__)
        await probe(out, "group alive")


@prints("started / end")
async def test_d21_start_in_a_cancelled_group(out: Out) -> None:
    """Clause 5.11: the child makes its first step and is cancelled; the group swallows."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        out("started")
        await sleep(2)
        out("finished")

    async with TaskGroup() as group:
        group.cancel()
        await group.start(child)
        out("start returned")
    out("end")


@prints("c / host alive True")
async def test_d22_start_cancelled_by_the_scope_of_its_caller(out: Out) -> None:
    """Clause 5.11: the child is cancelled and waited for; the group stays usable."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        await until_cancelled(out, "c")

    async with TaskGroup() as group:
        with CancelScope() as scope:
            asyncio.get_running_loop().call_later(0.01, scope.cancel)
            await group.start(child)
        await sleep(0)
        out("host alive", scope.cancelled_caught and not group.cancel_scope.cancel_called)


@prints("sibling cleanup / group raised KeyboardInterrupt / RUN RAISED KeyboardInterrupt")
async def test_d23_keyboard_interrupt_in_a_child(out: Out) -> None:
    """Clauses 4.5, 5.7: siblings are cancelled gracefully, then the interrupt itself comes out."""

    async def sibling() -> None:
        try:
            await forever()
        finally:
            out("sibling cleanup")

    try:
        async with TaskGroup() as group:
            group.create_task(sibling())
            await sleep(0)
            group.create_task(fail(KeyboardInterrupt()))
            await sleep(1)
    except BaseException as error:
        out("group raised", described(error))
        raise


@prints("ExceptionGroup[ValueError(x)]")
async def test_d25_host_awaits_the_failing_child(out: Out) -> None:
    """Clause 5.10: the same error from child and body is listed once."""
    try:
        async with TaskGroup() as group:
            await group.create_task(fail(ValueError("x")))
    except BaseException as error:
        out(described(error))


@prints("outside saw ValueError / ExceptionGroup[ValueError(x)]")
async def test_d26_task_of_another_group_awaits_the_failing_child(out: Out) -> None:
    """Clause 5.10: awaiting the failed task elsewhere does not mark its error handled."""

    async def outsider(child: asyncbis.Task[None]) -> None:
        try:
            await child
        except ValueError:
            out("outside saw ValueError")

    async with TaskGroup() as other:
        try:
            async with TaskGroup() as group:
                other.create_task(outsider(group.create_task(fail(ValueError("x"), 0.01))))
        except BaseException as error:
            await settle()
            out(described(error))


@prints("child was cancelled / end")
async def test_d27_child_is_cancelled_although_its_host_sits_in_a_shield(out: Out) -> None:
    """Clause 5.12: a shield of the host inside the group does not protect the group's children."""
    with CancelScope() as outer:
        async with TaskGroup() as group:
            group.create_task(until_cancelled(out, "child was cancelled"))
            with CancelScope(shield=True):
                await sleep(0)
                outer.cancel()
                await sleep(0.01)
    out("end")


@prints("sleeping / unshielding / cancelled / checked")
async def test_d28_shielded_group_is_unshielded(out: Out) -> None:
    """Clause 1.7: the shield of a group's scope protects its children until it is taken away."""

    async def child() -> None:
        out("sleeping")
        await until_cancelled(out, "cancelled")

    with CancelScope() as outer:
        async with TaskGroup() as group:
            outer.cancel()
            group.cancel_scope.shield = True
            group.create_task(child())
            await settle()
            out("unshielding")
            group.cancel_scope.shield = False
            await settle()
            out("checked")


@prints("leaf / end")
async def test_d29_spawn_from_a_child_while_the_host_waits(out: Out) -> None:
    """Clause 5.2: children may be spawned while the group waits for its children."""

    async def leaf() -> None:
        await sleep(0)
        out("leaf")

    async with TaskGroup() as group:

        async def child() -> None:
            await settle()
            group.create_task(leaf())

        group.create_task(child())
    out("end")


@prints("RuntimeError")
async def test_d30_reenter_a_group(out: Out) -> None:
    """Clause 5.1: a group is entered once."""
    async with TaskGroup() as group:
        pass
    try:
        async with group:
            out("entered")
    except RuntimeError as error:
        out(type(error).__name__)


@prints("handled ExceptionGroup[ValueError(x)] / continue ok")
async def test_d31_unpatched_asyncio_group_handles_its_own_errors(out: Out) -> None:
    """Clause 6.5: an error that the standard library's TaskGroup raises does not reach the root group."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(ValueError("x")))
            await sleep(1)
    except ExceptionGroup as error:
        out("handled", described(error))
    await probe(out, "continue")


def test_d31b_error_while_a_patched_asyncio_group_waits() -> None:
    """Clause 10.3: before Python 3.13 an unpatched group leaves a request of its own behind; a patched one does not."""
    program = """
        asyncbis.patch_asyncio()

        async def fail():
            raise ValueError("x")

        async def main(out):
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail())
            except ExceptionGroup as error:
                out("handled", described(error))
            await probe(out, "continue")
            out(asyncio.current_task().cancelling())

        report(main)
    """
    assert in_child(program) == "handled ExceptionGroup[ValueError(x)] / continue ok / 0"


def test_d32_asyncio_group_waits_idle_after_patching() -> None:
    """Clause 10.3: a cancelled host waits for the cleanup of a child without burning CPU."""
    program = """
        asyncbis.patch_asyncio()

        async def child():
            try:
                await forever()
            finally:
                with asyncbis.CancelScope(shield=True):
                    await asyncio.sleep(0.3)

        async def main(out):
            before = time.process_time()
            with asyncbis.CancelScope() as scope:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child())
                    await settle()
                    scope.cancel()
            out("idle" if time.process_time() - before < 0.15 else "BUSY", "cancelled" if scope.cancelled_caught else "")

        report(main)
    """
    assert in_child(program) == "idle cancelled"


@prints("not done / start returned / child ok / end True")
async def test_d33_pending_start_keeps_the_group_open(out: Out) -> None:
    """Clause 5.11: the group does not close before start() of another task has returned."""
    closed_at = 0.0
    started_at = 0.0

    async def child(*, task_status: TaskStatus[None]) -> None:
        await sleep(0.02)
        out("not done")
        task_status.started()
        await sleep(0)
        out("child ok")

    async def starter(group: TaskGroup) -> None:
        nonlocal started_at
        await group.start(child)
        started_at = now()
        out("start returned")

    async with TaskGroup() as helpers:
        async with TaskGroup() as group:
            helpers.create_task(starter(group))
            await sleep(0)
        closed_at = now()
    out("end", closed_at >= started_at > 0)
