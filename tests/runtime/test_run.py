"""Section 6 of docs/semantics.md: what the scenarios leave open about run(), Runner and the root group."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from typing import Any

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, Runner, TaskGroup, sleep
from harness import Out, described, forever, in_child, outcome, prints, probe, raised, reports, settle


async def fail(error: BaseException) -> None:
    raise error


def test_run_refuses_what_is_no_coroutine() -> None:
    """Clause 6.1: ValueError for something that isn't a coroutine, with advice."""
    with pytest.raises(ValueError, match="coroutine"):
        asyncbis.run(forever)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="coroutine"):
        asyncbis.run(3)  # type: ignore[arg-type]


@prints("RuntimeError")
async def test_run_inside_a_running_loop(out: Out) -> None:
    """Clause 6.1: RuntimeError, and the coroutine is closed by its owner."""
    coro = forever()
    try:
        asyncbis.run(coro)
    except RuntimeError as error:
        out(type(error).__name__)
    finally:
        coro.close()


def test_run_with_options() -> None:
    """Clause 6.1: debug= and loop_factory= are honoured; the loop is closed at the end."""
    loops: list[asyncio.AbstractEventLoop] = []

    def factory() -> asyncio.AbstractEventLoop:
        loops.append(asyncbis.new_event_loop())
        return loops[0]

    async def main() -> tuple[bool, bool]:
        loop = asyncio.get_running_loop()
        return loop is loops[0], loop.get_debug()

    assert asyncbis.run(main(), loop_factory=factory, debug=True) == (True, True)
    assert loops[0].is_closed()
    assert asyncbis.run(main_type(), debug=False) is True


async def main_type() -> bool:
    return isinstance(asyncio.get_running_loop(), asyncbis.EventLoop)


def test_runner_has_the_rules_of_run() -> None:
    """Clauses 6.1, 10.8: several run() calls on one loop, each with a root group of its own."""
    collected: list[object] = []

    async def background() -> None:
        try:
            await forever()
        finally:
            collected.append("bg cancelled")

    async def main(number: int) -> int:
        asyncbis.create_task(background())
        await sleep(0)
        collected.append(asyncio.get_running_loop())
        return number

    async def failing() -> None:
        asyncbis.create_task(fail(ValueError("x")))
        await sleep(1)

    with Runner() as runner:
        assert runner.run(main(1)) == 1
        assert runner.run(main(2)) == 2
        with pytest.raises(ExceptionGroup) as caught:
            runner.run(failing())
        assert described(caught.value) == "ExceptionGroup[ValueError(x)]"
        assert runner.get_loop() is collected[0] is collected[2]
        assert runner.run(main(3)) == 3
    assert [line for line in collected if isinstance(line, str)] == ["bg cancelled"] * 3
    late = main(4)
    with pytest.raises(RuntimeError):
        runner.run(late)
    late.close()


def test_runner_context() -> None:
    """Clause 6.1: Runner.run(context=...) as asyncio's; one context for all runs otherwise."""


    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def count() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    with Runner() as runner:
        assert [runner.run(count()), runner.run(count())] == [1, 2]
        assert runner.run(count(), context=contextvars.copy_context()) == 1
    assert variable.get() == 0


@prints("True True True True / all cancelled 4")
async def test_everything_spawned_belongs_to_the_root_group(out: Out) -> None:
    """Clauses 6.2, 12.1: create_task() of asyncio, asyncbis and the loop, and ensure_future()."""
    cancelled = 0

    async def background() -> None:
        nonlocal cancelled
        try:
            await forever()
        finally:
            cancelled += 1
            if cancelled == 4:
                out("all cancelled", cancelled)

    loop = asyncio.get_running_loop()
    tasks: list[Any] = [
        loop.create_task(background()),
        asyncio.create_task(background()),
        asyncbis.create_task(background()),
        asyncio.ensure_future(background()),
    ]
    root = asyncbis.root_task_group()
    await sleep(0)
    out(*(background_task in root.all_tasks for background_task in tasks))


@prints("RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_deep_background_failure(out: Out) -> None:
    """Clauses 6.2, 6.4: a task that a background task spawned belongs to the root group as well."""

    async def background() -> None:
        asyncbis.create_task(fail(ValueError("x")))

    asyncbis.create_task(background())
    await sleep(1)


@prints("bg 0 raised C / bg 1 raised C / bg shielded ok / ret R")
async def test_leftover_tasks_are_cancelled_by_level(out: Out) -> str:
    """Clause 6.3: leftovers get level cancellation and are waited for."""

    async def background() -> None:
        await probe(out, "bg 0", 1)
        await probe(out, "bg 1", 1)
        with CancelScope(shield=True):
            await probe(out, "bg shielded", 0.02)

    asyncbis.create_task(background())
    await sleep(0)
    return "R"


@prints("RUN RAISED KeyboardInterrupt")
async def test_interrupt_wins_over_errors(out: Out) -> None:
    """Clause 6.4: KeyboardInterrupt from any task comes out itself, whatever else failed."""
    asyncbis.create_task(fail(ValueError("x")))
    asyncbis.create_task(fail(KeyboardInterrupt()))
    await sleep(1)


def test_text_of_the_root_group() -> None:
    """Clause 6.4: the group of background errors has the text of a TaskGroup's."""

    async def main() -> None:
        asyncbis.create_task(fail(ValueError("x")))
        await sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        asyncbis.run(main())
    assert caught.value.message == "unhandled errors in a TaskGroup"
    assert caught.value.__cause__ is None


@prints("shielded 3 / KeyError / main ok")
async def test_supervised_tasks(out: Out) -> None:
    """Clause 6.5: gather(), wait_for() and as_completed() on shield objects and wrapped coroutines own their errors."""

    async def three() -> int:
        return 3

    out("shielded", *await asyncbis.gather(asyncbis.shield(three())))
    out(type((await asyncbis.gather(asyncbis.shield(fail(KeyError())), return_exceptions=True))[0]).__name__)
    await sleep(0.01)
    out("main ok")


def _unobserved(lenient: bool, observe: str) -> str:
    async def main(out: Out) -> None:
        background = asyncbis.create_task(fail(ValueError("x")))
        if observe == "await":
            try:
                await background
            except ValueError:
                pass
        elif observe == "callback":
            background.add_done_callback(lambda done: done.exception())
        await probe(out, "main", 0.01)

    return outcome(main, **({"background_errors": "unobserved"} if lenient else {}))


def test_background_errors_unobserved() -> None:
    """Clause 6.6: the lenient mode spares the run from errors that an awaiter or a done-callback saw."""
    failed = "RUN RAISED ExceptionGroup[ValueError(x)]"
    for observe in ("await", "callback", "nobody"):
        assert _unobserved(False, observe).endswith(failed)
    assert _unobserved(True, "await") == "main ok"
    assert _unobserved(True, "callback") == "main ok"
    assert _unobserved(True, "nobody").endswith(failed)


def test_background_errors_takes_two_values() -> None:
    """Clause 6.6: anything else is a ValueError."""
    coro = forever()
    with pytest.raises(ValueError):
        asyncbis.run(coro, background_errors="some")  # type: ignore[arg-type]
    coro.close()


def test_errors_of_groups_are_not_logged() -> None:
    """Clause 6.7: "Task exception was never retrieved" does not follow an error that run() has raised."""

    async def main(out: Out) -> None:
        asyncbis.create_task(fail(ValueError("x")))
        await sleep(1)

    lines = outcome(main)
    gc.collect()
    assert lines == "RUN RAISED ExceptionGroup[ValueError(x)]"


def test_task_created_after_the_root_group_has_finished() -> None:
    """Clause 6.8: it runs outside of the group and is awaited, cancelled, before the loop is closed."""
    program = """
        async def late():
            print("late started")
            try:
                await asyncio.sleep(1)
                print("NOT CANCELLED")
            finally:
                print("late cancelled")

        async def numbers():
            try:
                yield 1
            finally:
                # The finaliser runs when the root group is gone.
                asyncio.get_running_loop().create_task(late())

        async def main(out):
            global kept
            kept = numbers()
            await anext(kept)
            return "R"
        report(main)
    """
    assert in_child(program) == "late started / late cancelled / ret R"


@prints("reported ValueError / main cleanup / RUN RAISED SystemExit(4)")
async def test_callbacks_that_fail(out: Out) -> None:
    """Clause 6.9: ordinary errors go to the handler; SystemExit cancels the run and is raised at its end."""
    collected = reports()
    loop = asyncio.get_running_loop()

    def exit_with_4() -> None:
        raise SystemExit(4)

    def divide() -> None:
        raise ValueError

    loop.call_soon(divide)
    await sleep(0.01)
    out("reported", *(type(context["exception"]).__name__ for context in collected))
    loop.call_later(0.01, exit_with_4)
    try:
        await forever()
    finally:
        with CancelScope(shield=True):
            await sleep(0.01)
        out("main cleanup")


def test_loop_without_a_root_group() -> None:
    """Clause 6.10: scopes, groups, timeouts and level cancellation work on a loop that somebody else runs."""
    lines: list[str] = []

    def out(*words: object) -> None:
        lines.append(" ".join(map(str, words)))

    async def swallower() -> None:
        await probe(out, "0", 1)
        await probe(out, "1", 1)

    async def main() -> int:
        with CancelScope() as scope:
            scope.cancel()
            await sleep(1)
        out("caught", scope.cancelled_caught)
        out(await raised(asyncbis.wait_for(forever(), 0.01)))
        async with TaskGroup() as group:
            swallower_task = group.create_task(swallower())
            await settle()
            swallower_task.cancel()
        background.append(asyncio.get_running_loop().create_task(forever()))
        return 5

    background: list[asyncio.Task[None]] = []
    loop = asyncbis.new_event_loop()
    try:
        assert loop.run_until_complete(main()) == 5
        # Nobody cancels what is left over.
        loop.run_until_complete(sleep(0.01))
        assert not background[0].done()
        background[0].cancel()
        loop.run_until_complete(asyncio.wait(background))
    finally:
        loop.close()
    assert lines == ["caught True", "TimeoutError", "0 raised C", "1 raised C"]


def test_failing_task_without_a_root_group_does_not_stop_others() -> None:
    """Clause 6.10: an error of a task concerns nobody else there."""

    async def main(out: Out) -> None:
        failing = asyncio.get_running_loop().create_task(fail(ValueError("x")))
        await probe(out, "main", 0.01)
        out(type(failing.exception()).__name__)

    lines: list[str] = []
    loop = asyncbis.new_event_loop()
    try:
        loop.run_until_complete(main(lambda *words: lines.append(" ".join(map(str, words)))))
    finally:
        loop.close()
    assert lines == ["main ok", "ValueError"]


def test_root_task_group_outside_of_run() -> None:
    """Clause 6.10: there is none, and asking for it says so."""

    async def main() -> str:
        try:
            return repr(asyncbis.root_task_group())
        except RuntimeError as error:
            return type(error).__name__

    loop = asyncbis.new_event_loop()
    try:
        assert loop.run_until_complete(main()) == "RuntimeError"
    finally:
        loop.close()


def test_main_cancelled_through_the_root_group() -> None:
    """Clause 6.4: main that is cancelled through the root group makes run() raise CancelledError."""

    async def main() -> None:
        asyncio.get_running_loop().call_soon(asyncbis.root_task_group().cancel)
        await sleep(1)

    with pytest.raises(CancelledError):
        asyncbis.run(main())
