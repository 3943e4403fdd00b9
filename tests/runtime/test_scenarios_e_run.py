"""Scenarios E: run(), its root task group and who owns an error (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from types import ModuleType

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, sleep
from harness import Out, described, forever, outcome, prints, probe, raised, settle


async def fail(error: BaseException, delay: float = 0) -> None:
    if delay:
        await sleep(delay)
    raise error


async def cleanup(out: Out, line: str) -> None:
    """Block; print the line at the end, which only a cancellation brings."""
    try:
        await forever()
    finally:
        out(line)


# The wait functions of the standard library and of asyncbis own the errors of what they wrap alike.
both = pytest.mark.parametrize("lib", [asyncbis, asyncio], ids=["asyncbis", "asyncio"])


@prints("RUN RAISED ValueError(m)")
async def test_e01_main_fails(out: Out) -> None:
    """Clause 6.4: main's own exception comes out bare."""
    raise ValueError("m")


@prints("main cancelled / RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_e02_background_task_fails(out: Out) -> None:
    """Clause 6.4: the failure of a background task cancels main and comes out in a group."""
    asyncbis.create_task(fail(ValueError("x")))
    try:
        await sleep(1)
        out("main slept through")
    except CancelledError:
        out("main cancelled")
        raise


@prints("RUN RAISED ExceptionGroup[ValueError(x), KeyError('main')]")
async def test_e03_background_task_fails_and_main_fails_in_reaction(out: Out) -> None:
    """Clause 6.4: background errors and main's own in the order in which they happened."""
    asyncbis.create_task(fail(ValueError("x")))
    try:
        await sleep(1)
    except CancelledError:
        raise KeyError("main") from None


@prints("bg cancelled / ret R")
async def test_e04_main_returns_before_a_background_task(out: Out) -> str:
    """Clause 6.3: when main finishes, the background tasks are cancelled and waited for."""

    async def background() -> None:
        try:
            await sleep(0.1)
            out("bg finished")
        except CancelledError:
            out("bg cancelled")
            raise

    asyncbis.create_task(background())
    await sleep(0)
    return "R"


@prints("shielded cleanup done / ret R")
async def test_e05_endless_background_task_does_not_keep_run_open(out: Out) -> str:
    """Clause 6.3: run() ends although a background task loops for ever; its shielded cleanup is waited for."""

    async def housekeeping() -> None:
        try:
            while True:
                await sleep(0.005)
        finally:
            with CancelScope(shield=True):
                await sleep(0.02)
                out("shielded cleanup done")

    asyncbis.create_task(housekeeping())
    await sleep(0.01)
    return "R"


@prints("handled / RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_e06_awaited_background_task_still_takes_the_run_down(out: Out) -> None:
    """Clauses 2.5, 6.6: the error is delivered to who awaits the task; handling it does not save the run."""
    background = asyncbis.create_task(fail(ValueError("x")))
    try:
        await background
    except ValueError:
        out("handled")
        await sleep(0)
        out("went on")


@both
def test_e07_gather_returns_exceptions(lib: ModuleType) -> None:
    """Clauses 6.5, 9.10: coroutines wrapped by gather() are supervised."""

    async def main(out: Out) -> None:
        results = await lib.gather(fail(ValueError("a")), fail(ValueError("b"), 0.01), return_exceptions=True)
        out([type(result).__name__ for result in results])
        await probe(out, "continue", 0.01)

    assert outcome(main) == "['ValueError', 'ValueError'] / continue ok"


@both
def test_e08_gather_fails_and_is_handled(lib: ModuleType) -> None:
    """Clauses 6.5, 9.10: an error that gather() raises belongs to its caller."""

    async def main(out: Out) -> None:
        try:
            await lib.gather(fail(ValueError("a")), sleep(0.01))
        except ValueError:
            out("handled")
        await probe(out, "continue", 0.02)

    assert outcome(main) == "handled / continue ok"


@both
def test_e09_wait_for_fails_and_is_handled(lib: ModuleType) -> None:
    """Clauses 6.5, 9.9: an error of a coroutine given to wait_for() belongs to the caller."""

    async def main(out: Out) -> None:
        try:
            await lib.wait_for(fail(ValueError("x"), 0.01), 1)
        except ValueError:
            out("handled")
        await probe(out, "continue", 0.01)

    assert outcome(main) == "handled / continue ok"


@both
def test_e10_wait_for_expires_and_the_caller_goes_on(lib: ModuleType) -> None:
    """Clauses 3.3, 9.9: after a timeout of wait_for() the task is not cancelled any more."""

    async def main(out: Out) -> None:
        out(await raised(lib.wait_for(sleep(1), 0.01)))
        await probe(out, "continue", 0.01)

    assert outcome(main) == "TimeoutError / continue ok"


@prints("started / TimeoutError / continue ok")
async def test_e11_wait_for_zero_starts_the_coroutine(out: Out) -> None:
    """Clause 9.9: with t <= 0 a coroutine runs up to its first yield point."""

    async def body() -> None:
        out("started")
        await sleep(0)
        out("went on")

    out(await raised(asyncbis.wait_for(body(), 0)))
    await probe(out, "continue")


@both
def test_e12_wait_for_a_task_is_cancelled_from_outside(lib: ModuleType) -> None:
    """Clause 9.9: the awaited task is cancelled, the caller gets a CancelledError."""

    async def main(out: Out) -> None:
        inner = asyncbis.create_task(forever())

        async def waiter() -> None:
            try:
                await lib.wait_for(inner, 5)
            except BaseException as error:
                out(described(error))
                raise

        waiter_task = asyncbis.create_task(waiter())
        await settle()
        waiter_task.cancel()
        await asyncbis.wait([waiter_task])
        out(inner.cancelled(), waiter_task.cancelled())

    assert outcome(main) == "CancelledError / True True"


@both
def test_e13_as_completed_with_a_failing_coroutine(lib: ModuleType) -> None:
    """Clauses 6.5, 9.11: coroutines wrapped by as_completed() are supervised."""

    async def seven() -> int:
        await sleep(0.01)
        return 7

    async def main(out: Out) -> None:
        for earliest in lib.as_completed([fail(ValueError("x")), seven()]):
            try:
                out(await earliest)
            except ValueError:
                out("handled")
        await probe(out, "continue")

    assert outcome(main) == "handled / 7 / continue ok"


@both
def test_e14_wait_retrieves_the_error_of_a_background_task(lib: ModuleType) -> None:
    """Clause 6.6: retrieving the error of a create_task() task does not save the run."""

    async def main(out: Out) -> None:
        background = asyncbis.create_task(fail(ValueError("x")))
        await lib.wait([background])
        out(type(background.exception()).__name__)
        await probe(out, "continue")

    assert outcome(main) == "RUN RAISED ExceptionGroup[ValueError(x)]"


@both
def test_e15_error_of_run_coroutine_threadsafe_goes_to_the_thread(lib: ModuleType) -> None:
    """Clauses 6.5, 9.11: the coroutine's error belongs to the thread that waits for it."""
    seen: list[str] = []

    async def main(out: Out) -> None:
        loop = asyncio.get_running_loop()

        def thread() -> None:
            future: concurrent.futures.Future[None] = lib.run_coroutine_threadsafe(fail(ValueError("x")), loop)
            try:
                future.result(5)
            except ValueError as error:
                seen.append(type(error).__name__)

        worker = threading.Thread(target=thread)
        worker.start()
        while worker.is_alive():
            await sleep(0.005)
        out("main ok")
        out(seen)

    assert outcome(main) == "main ok / ['ValueError']"


@prints("main ok / ret R")
async def test_e16_background_task_raises_a_cancellation(out: Out) -> str:
    """Clause 5.4: a CancelledError of a background task is nobody's error."""
    asyncbis.create_task(fail(CancelledError()))
    await sleep(0.01)
    out("main ok")
    return "R"


@prints("False / main ok / ret R")
async def test_e17_cancel_of_a_finished_background_task(out: Out) -> str:
    """Clause 3.1: cancelling a task that is done does nothing, in particular not to its group."""
    background = asyncbis.create_task(sleep(0))
    await background
    out(background.cancel())
    await sleep(0.01)
    out("main ok")
    return "R"


@prints("RUN RAISED CancelledError")
async def test_e19_main_raises_a_cancellation(out: Out) -> None:
    """Clause 6.4: main that ends cancelled makes run() raise CancelledError."""
    raise CancelledError


@prints("RUN RAISED ExceptionGroup[ValueError(in cleanup)]")
async def test_e20_background_task_fails_during_shutdown(out: Out) -> str:
    """Clause 6.4: an error in the cleanup after main has returned is raised; main's value is lost."""

    async def background() -> None:
        try:
            await forever()
        finally:
            raise ValueError("in cleanup")

    asyncbis.create_task(background())
    await sleep(0)
    return "R"


@prints("main cleanup / sibling cleanup / RUN RAISED KeyboardInterrupt")
async def test_e21_callback_raises_keyboard_interrupt(out: Out) -> None:
    """Clause 6.9: KeyboardInterrupt in a callback cancels everything gracefully, then comes out of run()."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    asyncbis.create_task(cleanup(out, "sibling cleanup"))
    await sleep(0)
    asyncio.get_running_loop().call_soon(interrupt)
    await cleanup(out, "main cleanup")
