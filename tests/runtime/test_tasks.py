"""Sections 3 and 4 of docs/semantics.md: what the scenarios leave open about tasks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import re
import sys
import types
import weakref

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, closed, described, forever, in_child, is_ours, outcome, prints, probe, raised, registered, reports, settle, task
from test_scenarios_c_tasks import TimerContext


@prints("True True True / scope cancelled / next raised C")
async def test_cancel_returns_true_whatever_the_state(out: Out) -> None:
    """Clause 3.1: also if the task is shielded, already cancelled, or the one that is running."""

    async def body() -> None:
        with CancelScope() as scope:
            scope.cancel()
            with CancelScope(shield=True):
                out(task().cancel(), task().cancel(), task().cancel())
                await sleep(0)
            try:
                await sleep(0)
            except CancelledError:
                out("scope cancelled")
        await probe(out, "next")

    await asyncbis.create_task(body())


@prints("grandchild cancelled / child cancelled / cancelled True")
async def test_native_cancel_reaches_groups_opened_in_the_task(out: Out) -> None:
    """Clause 3.2: a native request cancels everything below the task, too."""

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

    child_task = asyncbis.create_task(child())
    await settle()
    child_task.cancel()
    await asyncbis.wait([child_task])
    out("cancelled", child_task.cancelled())


@prints("0 / 1 / scope stays raised C")
async def test_uncancel_never_touches_scopes(out: Out) -> None:
    """Clauses 3.3, 3.12: uncancel() undoes native requests only; nothing undoes CancelScope.cancel()."""
    out(task().uncancel())
    with CancelScope() as scope:
        scope.cancel()
        task().cancel()
        # One native request and one for the scope; taking the request back leaves the scope's.
        assert task().cancelling() == 2
        out(task().uncancel())
        task().uncancel()
        await probe(out, "scope stays")
    assert scope.cancel_called


@prints("uncancel 1 / cancel True / still 1 / after the scope 0 / next ok")
async def test_uncancel_and_cancel_in_one_step_leave_nothing_behind(out: Out) -> None:
    """Clause 3.3b: the pair undo each other when cancelling() is 1 because of a scope."""
    with CancelScope() as scope:
        scope.cancel()
        try:
            await sleep(0)
        except CancelledError:
            task().uncancel()
            out("uncancel", 1)
            out("cancel", task().cancel())
            out("still", task().cancelling())
            raise
    out("after the scope", task().cancelling())
    await probe(out, "next")


@prints("still 2 / cancelled True")
async def test_cancel_in_a_later_step_is_a_request_of_its_own(out: Out) -> None:
    """Clause 3.3b: the phantom lives until the end of the step; a cancel() in a later step counts."""

    async def body() -> None:
        with CancelScope() as scope:
            scope.cancel()
            task().uncancel()
            try:
                await sleep(0)
            except CancelledError:
                pass
            task().cancel()
            out("still", task().cancelling())
            await sleep(0)
        out("not cancelled")

    body_task = asyncbis.create_task(body())
    await asyncbis.wait([body_task])
    out("cancelled", body_task.cancelled())


@prints("0 / 1 / 2 / 1 in a shield 0")
async def test_cancelling_counts_requests_and_one_for_all_scopes(out: Out) -> None:
    """Clause 3.4: the number of requests, plus 1 if a scope makes the current scope effectively cancelled."""
    out(task().cancelling())
    with CancelScope() as outer, CancelScope() as inner:
        outer.cancel()
        inner.cancel()
        out(task().cancelling())
        task().cancel()
        out(task().cancelling())
        task().uncancel()
        with CancelScope(shield=True):
            in_shield = task().cancelling()
        out(task().cancelling(), "in a shield", in_shield)


@prints("cancelling 1 / 0")
async def test_cancelling_sees_the_scope_of_the_group_above(out: Out) -> None:
    """Clause 3.4: the scopes of the groups above a task count, too."""

    async def child() -> None:
        try:
            await forever()
        finally:
            out("cancelling", task().cancelling())

    async with TaskGroup() as group:
        child_task = group.create_task(child())
        await settle()
        group.cancel()
    out(child_task.cancelling())


@prints("request migrated: outside the shield raised C / task cancelled True")
async def test_request_of_a_timer_moves_out_of_its_shield(out: Out) -> None:
    """Clause 3.6: when the shield that holds a timer's request is left, the request goes to the next one above."""

    async def body() -> None:
        current = task()
        try:
            with CancelScope(shield=True):
                asyncio.get_running_loop().call_later(0.01, current.cancel)
                await forever()
        except CancelledError:
            pass
        await probe(out, "request migrated: outside the shield")
        assert current.cancelling() == 1
        await sleep(0)

    body_task = asyncbis.create_task(body())
    await asyncbis.wait([body_task])
    out("task cancelled", body_task.cancelled())


@prints("shield held True / cancelled True")
async def test_timer_of_another_task_does_not_pierce_the_shield(out: Out) -> None:
    """Clause 3.6: only a timer that the task started itself inside the shield counts inside it."""

    async def body() -> None:
        with CancelScope(shield=True):
            await sleep(0.03)
            held.append(True)
        await sleep(0)
        held.append(False)

    held: list[bool] = []
    body_task = asyncbis.create_task(body())
    await settle()
    asyncio.get_running_loop().call_later(0.01, body_task.cancel)
    await asyncbis.wait([body_task])
    out("shield held", *held)
    out("cancelled", body_task.cancelled())


@prints("shield held / next raised C")
async def test_timer_from_before_the_shield_does_not_pierce_it(out: Out) -> None:
    """Clause 3.6: a timer that was started outside of the shield counts for the whole task."""

    async def body() -> None:
        try:
            with TimerContext(0.01):
                with CancelScope(shield=True):
                    await sleep(0.03)
                    out("shield held")
                await probe(out, "next")
        except TimeoutError:
            out("TimeoutError")

    await asyncbis.create_task(body())


@prints("self-cancelled: no yield ok / next raised C")
async def test_task_cancels_itself(out: Out) -> None:
    """Clause 3.8: effective at the next yield point."""

    async def body() -> None:
        task().cancel()
        out("self-cancelled: no yield ok")
        await probe(out, "next")

    await asyncbis.create_task(body())


@prints("('second',) / True")
async def test_later_message_replaces_the_earlier(out: Out) -> None:
    """Clause 3.9: the message of the latest request is delivered at the next yield point."""
    seen: object = None

    async def body() -> None:
        nonlocal seen
        try:
            await forever()
        except CancelledError:
            task().cancel("second")
        try:
            await sleep(0)
        except CancelledError as error:
            seen = error.args
            raise

    body_task = asyncbis.create_task(body())
    await settle()
    body_task.cancel("first")
    await asyncbis.wait([body_task])
    out(seen)
    out(body_task.cancelled())


@prints("True True True True True / True True / True")
async def test_isinstance(out: Out) -> None:
    """Clause 4.1: tasks and futures count as asyncio's, although type() is asyncbis's; patched or not."""
    current = task()
    future = asyncio.get_running_loop().create_future()
    out(
        isinstance(current, asyncio.Task),
        isinstance(current, asyncio.Future),
        isinstance(future, asyncio.Future),
        asyncio.isfuture(current),
        asyncio.isfuture(future),
    )
    running: object = asyncio.current_task()
    out(is_ours(current), isinstance(future, asyncbis.Future))
    out(running is current and registered(current))


@prints("ok")
async def test_what_libraries_read(out: Out) -> None:
    """Clauses 4.1, 15.3: the attributes that libraries look at."""

    async def body() -> int:
        await future
        return 5

    loop = asyncio.get_running_loop()
    future = loop.create_future()
    coro = body()
    body_task = asyncbis.create_task(coro, name="given")
    assert body_task.get_coro() is coro and body_task._coro is coro
    assert body_task.get_name() == "given"
    body_task.set_name(7)
    assert body_task.get_name() == "7"
    assert body_task.get_loop() is loop and body_task._loop is loop
    assert isinstance(body_task.get_context(), contextvars.Context)
    assert body_task._must_cancel is False
    await settle()
    assert body_task._fut_waiter is future
    assert not future._asyncio_future_blocking
    assert [frame.f_code.co_name for frame in body_task.get_stack()] == ["body"]
    printed = io.StringIO()
    body_task.print_stack(file=printed)
    assert "body" in printed.getvalue()
    assert "<Task pending name='7' coro=<test_what_libraries_read.<locals>.body() running at" in repr(body_task)
    assert "wait_for=<Future pending" in repr(body_task)
    called: list[object] = []
    body_task.add_done_callback(called.append)
    body_task._note = "attributes can be set"  # type: ignore[attr-defined]
    assert registered(body_task)
    reference = weakref.ref(body_task)
    assert reference() is body_task
    future.set_result(None)
    assert await body_task == 5
    await settle()
    assert called == [body_task]
    assert not registered(body_task) and not body_task.get_stack()
    assert "<Task finished" in repr(body_task) and "result=5" in repr(body_task)
    assert isinstance(asyncbis.Task[int], types.GenericAlias)
    out("ok")


@prints("named True / different True / b")
async def test_names(out: Out) -> None:
    """Clause 4.1: tasks without a name are called Task-1, Task-2 and so on, in groups and in the background."""
    background = asyncbis.create_task(sleep(0))
    async with TaskGroup() as group:
        children = [background, group.create_task(sleep(0)), asyncbis.create_task(sleep(0))]
        names = [child.get_name() for child in children]
        out("named", all(re.fullmatch(r"Task-\d+", name) for name in names))
        out("different", len(set(names)) == 3)
        out(group.create_task(sleep(0), name="b").get_name())


@prints("asyncbis task: True / mine / raised C / mine raised C")
async def test_subclass_is_cancelled_by_level(out: Out) -> None:
    """Clause 4.1: Task may be subclassed; the stepping can't be overridden."""

    class Mine(asyncbis.Task[None]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            self.kind = "mine"

        def _Task__step(self) -> None:
            raise AssertionError("a subclass overrode the step")

    async def body() -> None:
        await forever_twice()

    async def forever_twice() -> None:
        for label in ("raised C", "mine raised C"):
            try:
                await forever()
            except CancelledError:
                out(label)

    loop = asyncio.get_running_loop()
    mine = Mine(body(), loop=loop)
    out("asyncbis task:", isinstance(mine, asyncbis.Task))
    out(mine.kind)
    await settle()
    mine.cancel()
    await mine


@prints("NotImplementedError / closed True / message True")
async def test_factory_of_foreign_tasks_closes_the_coroutine(out: Out) -> None:
    """Clause 4.1: the refused coroutine is closed; the message says why."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **options: asyncio.tasks._PyTask(coro, loop=loop))  # type: ignore
    child = forever()
    try:
        loop.create_task(child)
    except NotImplementedError as error:
        out(type(error).__name__)
        out("closed", closed(child))
        out("message", "BIS401" in str(error) and len(str(error)) > 40)
    finally:
        loop.set_task_factory(None)


@prints("eager True / eager True / not eager")
async def test_eager_task_factories(out: Out) -> None:
    """Clause 4.1: eager_task_factory and create_eager_task_factory() start asyncbis tasks eagerly."""
    loop = asyncio.get_running_loop()
    steps: list[int] = []

    async def body() -> None:
        steps.append(1)

    for factory in (asyncbis.eager_task_factory, asyncbis.create_eager_task_factory(asyncbis.Task)):
        loop.set_task_factory(factory)
        eager_task = loop.create_task(body())
        out("eager", steps == [1] and eager_task.done() and is_ours(eager_task))
        steps.clear()
    loop.set_task_factory(None)
    late = loop.create_task(body())
    out("eager" if steps else "not eager")
    await late


@prints("RuntimeError / foreign ok / cancelled once / second await ok")
async def test_foreign_task_runs_as_on_asyncio(out: Out) -> None:
    """Clause 4.2: it is cancelled once, by edge, and may not open asyncbis scopes; the text says what to do."""

    async def body() -> None:
        try:
            with CancelScope():
                out("entered")
        except RuntimeError as error:
            out(type(error).__name__ if "patch_asyncio" in str(error) else error)
        await asyncio.sleep(0)
        out("foreign ok")
        try:
            await forever()
        except CancelledError:
            out("cancelled once")
        await asyncio.sleep(0.01)
        out("second await ok")

    foreign = asyncio.Task(body(), loop=asyncio.get_running_loop())
    assert not is_ours(foreign)
    await sleep(0.01)
    assert not foreign.done()


@prints("True / done True 3 / current task outer True / next raised C")
async def test_eager_start(out: Out) -> None:
    """Clause 4.3: current_task() and the scopes are the new task's; a task that ends at once is done on return."""
    outer = task()
    seen: list[object] = []

    async def child() -> int:
        seen.append(asyncbis.current_task())
        scope = CancelScope()
        with scope:
            await nothing()
        return 3

    async def nothing() -> None:
        return None

    async with TaskGroup() as group:
        child_task = group.create_task(child(), eager_start=True)
        out(seen == [child_task])
        out("done", child_task.done(), child_task.result())
        out("current task outer", asyncbis.current_task() is outer)
    async with TaskGroup() as group:
        group.cancel()
        group.create_task(probe(out, "next"), eager_start=True)


@prints("not raised by create_task / ExceptionGroup[ValueError(x)]")
async def test_eager_failure_goes_to_the_group(out: Out) -> None:
    """Clause 4.3: the error of a task that fails in its eager step takes the normal way."""

    async def fail() -> None:
        raise ValueError("x")

    try:
        async with TaskGroup() as group:
            group.create_task(fail(), eager_start=True)
            out("not raised by create_task")
            await sleep(1)
    except BaseException as error:
        out(described(error))


@prints("scope of the group, not of the spawner: ok / context var copy")
async def test_eager_start_in_a_cancelled_scope_of_the_spawner(out: Out) -> None:
    """Clauses 1.13, 4.3, 4.4: the parent is the group's scope; the context is a copy."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def child() -> None:
        await sleep(0)
        variable.set("changed")
        out("scope of the group, not of the spawner: ok")

    async with TaskGroup() as group:
        variable.set("copy")
        with CancelScope() as scope:
            scope.cancel()
            group.create_task(child(), eager_start=True)
        await settle()
    out("context var", variable.get())


def test_interrupt_on_a_bare_loop_is_raised_through_it() -> None:
    """Clauses 4.5, 6.10: without a root group KeyboardInterrupt leaves run_forever(), as on asyncio."""
    loop = asyncbis.new_event_loop()

    async def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        interrupted = loop.create_task(interrupt())
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        assert isinstance(interrupted.exception(), KeyboardInterrupt)
    finally:
        loop.close()


def test_pending_task_that_is_dropped_is_reported() -> None:
    """Clause 4.1: "Task was destroyed but it is pending!" as on asyncio, also for subclasses."""
    program = """
        import gc
        class Mine(asyncbis.Task):
            pass
        loop = asyncbis.new_event_loop()
        loop.set_exception_handler(lambda loop, context: print(context["message"], type(context["task"]).__name__))
        for kind in (asyncbis.Task, Mine):
            waiting = kind(forever(), loop=loop)
            loop.run_until_complete(asyncio.sleep(0))
            del waiting
            gc.collect()
        loop.close()
    """
    assert in_child(program) == "Task was destroyed but it is pending! Task / Task was destroyed but it is pending! Mine"


def test_error_that_nobody_takes_is_logged_without_a_root_group() -> None:
    """Clauses 6.7, 6.10: "Task exception was never retrieved" where no group took the error."""
    collected: list[object] = []

    async def fail() -> None:
        raise ValueError("x")

    async def main() -> None:
        asyncio.get_running_loop().create_task(fail())
        await sleep(0.01)

    loop = asyncbis.new_event_loop()
    loop.set_exception_handler(lambda loop, context: collected.append(context["message"]))
    try:
        loop.run_until_complete(main())
        gc.collect()
    finally:
        loop.close()
    assert collected == ["Task exception was never retrieved"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the call graph is new in Python 3.14")
def test_call_graph() -> None:
    """Clause 4.1: tasks take part in asyncio.capture_call_graph()."""

    async def inner() -> str:
        graph = asyncio.capture_call_graph()  # type: ignore[attr-defined]
        assert graph is not None
        return ",".join(waiter.future.get_name() for waiter in graph.awaited_by)

    async def main(out: Out) -> None:
        task().set_name("outer")
        out(await asyncbis.create_task(inner()))

    assert outcome(main) == "outer"


@prints("reported 0 / ExceptionGroup[ValueError(x)]")
async def test_error_in_a_group_is_not_logged(out: Out) -> None:
    """Clause 6.7: errors that a group has taken are not "never retrieved"."""
    collected = reports()

    async def fail() -> None:
        raise ValueError("x")

    async def nested() -> None:
        async with TaskGroup() as group:
            group.create_task(fail())

    seen = await raised(nested())
    gc.collect()
    out("reported", len(collected))
    out(seen)
