"""Scenarios H: signals, shutdown and patching (scenario table of docs/semantics.md), most in a process of their own."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

import asyncbis
from asyncbis import CancelScope, sleep
from harness import Child, Out, closed, forever, in_child, prints


def test_h01_sigint_raises_keyboard_interrupt() -> None:
    """Clauses 6.4, 7.2, 7.5: main ends cancelled by the first SIGINT, run() raises KeyboardInterrupt."""
    child = Child("""
        async def main():
            try:
                print("READY", flush=True)
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                print("main cancelled")
                raise
        asyncbis.run(main())
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    assert child.finish() == "main cancelled"
    assert child.status == -signal.SIGINT
    assert "KeyboardInterrupt" in child.stderr


def test_h02_main_swallows_sigint() -> None:
    """Clauses 6.4, 7.6: main that finishes normally after the first signal returns its value."""
    child = Child("""
        async def main(out):
            out("READY")
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return 7
        report(main)
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    assert child.finish() == "ret 7"


def test_h03_sigint_while_the_loop_waits_without_timers() -> None:
    """Clause 7.2: the signal wakes a loop that waits in the selector."""
    child = Child("""
        async def main(out):
            out("READY")
            try:
                await forever()
            finally:
                out("main cleanup")
        report(main)
    """)
    child.wait_for("READY")
    time.sleep(0.1)
    child.kill(signal.SIGINT)
    assert child.finish() == "main cleanup / RUN RAISED KeyboardInterrupt"


def test_h04_second_sigint_leaves_at_once() -> None:
    """Clause 7.4: the second SIGINT leaves the loop without waiting for tasks."""
    child = Child("""
        async def main(out):
            out("READY")
            try:
                await forever()
            finally:
                with asyncbis.CancelScope(shield=True):
                    out("CLEANUP")
                    await asyncio.sleep(10)
                    out("cleanup ended")
        start = time.monotonic()
        report(main)
        print("at once", time.monotonic() - start < 5)
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    child.wait_for("CLEANUP")
    child.kill(signal.SIGINT)
    child.finish()
    # Clause 8.5: a task that is left behind may be reported when it is collected.
    lines = [line for line in child.lines if "Task was destroyed" not in line]
    assert lines == ["RUN RAISED KeyboardInterrupt", "at once True"]


def test_h05_shielded_code_finishes_after_the_first_signal() -> None:
    """Clause 7.3: shielded code runs to its end, the rest is cancelled then."""
    child = Child("""
        async def main(out):
            with asyncbis.CancelScope(shield=True):
                out("READY")
                await asyncio.sleep(0.3)
                out("shielded end")
            await asyncio.sleep(0)
            out("went on")
        report(main)
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    assert child.finish() == "shielded end / RUN RAISED KeyboardInterrupt"


def test_h06_sigterm_raises_system_exit() -> None:
    """Clauses 6.4, 7.5: after SIGTERM run() raises SystemExit(143)."""
    child = Child("""
        async def main():
            try:
                print("READY", flush=True)
                await asyncio.sleep(10)
            finally:
                print("main cleanup")
        asyncbis.run(main())
    """)
    child.wait_for("READY")
    child.kill(signal.SIGTERM)
    assert child.finish() == "main cleanup"
    assert child.status == 143


def test_h07_second_sigterm_during_shielded_cleanup_ends_the_process() -> None:
    """Clause 7.4: the second SIGTERM has its default action."""
    child = Child("""
        async def main(out):
            out("READY")
            try:
                await forever()
            finally:
                with asyncbis.CancelScope(shield=True):
                    out("CLEANUP")
                    await asyncio.sleep(10)
        report(main)
    """)
    child.wait_for("READY")
    child.kill(signal.SIGTERM)
    child.wait_for("CLEANUP")
    child.kill(signal.SIGTERM)
    assert child.finish() == "(silent)"
    assert child.status == -signal.SIGTERM


def test_h08_background_tasks_are_finalised_on_sigint() -> None:
    """Clause 7.3: the first SIGINT cancels background tasks, too, and waits for them."""
    child = Child("""
        async def background(out):
            try:
                await forever()
            finally:
                with asyncbis.CancelScope(shield=True):
                    await asyncio.sleep(0.05)
                out("bg cleanup")

        async def main(out):
            asyncbis.create_task(background(out))
            await asyncio.sleep(0)
            out("READY")
            await asyncio.sleep(10)
        report(main)
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    assert child.finish() == "bg cleanup / RUN RAISED KeyboardInterrupt"


def test_h09_handler_of_the_user_is_respected() -> None:
    """Clause 7.1: a SIGINT handler that was installed before run() stays in place."""
    program = """
        handler = lambda number, frame: print("user handler", flush=True)
        signal.signal(signal.SIGINT, handler)

        async def main(out):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.02)
            out("main ok")

        report(main)
        assert signal.getsignal(signal.SIGINT) is handler
    """
    assert in_child(program) == "user handler / main ok"


def test_h10_run_in_another_thread() -> None:
    """Clause 6.1: run() works in any thread, without signal handling there."""

    async def main() -> int:
        await sleep(0.01)
        return 3

    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(asyncbis.run(main())))
    thread.start()
    thread.join(10)
    assert str(results) == "[3]"


@prints("asyncbis")
async def test_h11_sniffio(out: Out) -> None:
    """Clause 15.1: sniffio names the library while the loop runs."""
    sniffio = pytest.importorskip("sniffio", reason="sniffio is not installed")
    out(sniffio.current_async_library())


@prints("agen finalised with await")
async def test_h12_unfinished_async_generator_is_closed_at_shutdown(out: Out) -> None:
    """Clauses 8.1, 8.3: the awaits in its finally work."""

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await sleep(0.01)
            out("agen finalised with await")

    _kept.append(numbers())
    await anext(_kept[-1])


_kept: list[AsyncGenerator[int, None]] = []


@prints("gc finalised")
async def test_h13_async_generator_is_collected_while_running(out: Out) -> None:
    """Clause 8.3: the finaliser hook closes it in a task of its own."""

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await sleep(0)
            out("gc finalised")

    generator = numbers()
    await anext(generator)
    del generator
    gc.collect()
    await sleep(0.01)


@prints("inner None outer set")
async def test_h14_scopes_are_not_kept_in_context_variables(out: Out) -> None:
    """Clause 4.4: the context is copied at creation; scopes live on the task and do not follow a context."""
    import contextvars

    variable: contextvars.ContextVar[str | None] = contextvars.ContextVar("variable", default=None)

    async def inner() -> str | None:
        await sleep(0)
        return variable.get()

    with CancelScope() as scope:
        context = contextvars.copy_context()
        variable.set("set")
        inner_task = asyncbis.create_task(inner(), context=context)
        scope.cancel()
        with CancelScope(shield=True):
            out("inner", await inner_task, "outer", variable.get())


def test_h15_asyncio_run_after_patching() -> None:
    """Clauses 10.8, 12.2: asyncio.run() is asyncbis.run() after patch_asyncio()."""
    program = """
        asyncbis.patch_asyncio()

        async def main():
            print(isinstance(asyncio.get_running_loop(), asyncbis.EventLoop), end=" ")
            print(type(asyncio.current_task()) is asyncbis.Task, asyncio.run is asyncbis.run)
        asyncio.run(main())
    """
    assert in_child(program) == "True True True"


def test_h16_deprecated_functions_and_wait_for_after_patching() -> None:
    """Clause 12.2: get_event_loop() raises NotImplementedError; the rest of asyncio works."""
    program = """
        asyncbis.patch_asyncio()

        async def main(out):
            try:
                asyncio.get_event_loop()
            except NotImplementedError as error:
                out(type(error).__name__)
            out("wait_for", await raised(asyncio.wait_for(asyncio.sleep(1), 0.01)))
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(1)
            except TimeoutError:
                await probe(out, "continue")
        report(main)
    """
    assert in_child(program) == "NotImplementedError / wait_for TimeoutError / continue ok"


def test_h17_anyio_on_its_asyncbis_backend() -> None:
    """Clause 15.2: AnyIO finds the asyncbis backend through sniffio."""
    pytest.importorskip("sniffio", reason="sniffio is not installed")
    pytest.importorskip("anyio", reason="anyio is not installed")
    program = """
        import anyio, sniffio

        async def main(out):
            with anyio.move_on_after(0.01) as scope:
                await anyio.sleep(1)
            out(sniffio.current_async_library(), scope.cancelled_caught)
        report(main)
    """
    assert in_child(program) == "asyncbis True"


@prints("eager True / late 1")
async def test_h18_eager_start(out: Out) -> None:
    """Clause 4.3: eager_start=True runs the first step inside create_task()."""

    async def child(steps: list[int]) -> None:
        steps.append(1)
        await sleep(0)
        steps.append(2)

    steps: list[int] = []
    async with asyncbis.TaskGroup() as group:
        group.create_task(child(steps), eager_start=True)
        out("eager", steps == [1])
        late: list[int] = []
        group.create_task(child(late), eager_start=False)
        assert late == []
        await sleep(0)
        out("late", *late)


def test_h19_module_attributes_are_the_versions_of_asyncbis() -> None:
    """Clause 12.3: what would be patched is exported by asyncbis itself, unpatched asyncio keeps its own."""
    names = (
        "shield wait_for gather as_completed wait run Runner TaskGroup Timeout timeout timeout_at Task Future "
        "create_task run_coroutine_threadsafe to_thread Condition Barrier new_event_loop"
    )
    program = f"""
        same = [name for name in {names.split()!r} if getattr(asyncbis, name) is getattr(asyncio, name)]
        missing = [name for name in asyncio.__all__ if not hasattr(asyncbis, name)]
        print("still asyncio's:", same, "missing:", missing)
    """
    assert in_child(program) == "still asyncio's: [] missing: []"


@prints("NotImplementedError BIS401 / asyncbis factory ok")
async def test_h20_task_factory_of_foreign_tasks(out: Out) -> None:
    """Clause 4.1: a factory that returns foreign tasks makes create_task() raise; one that returns ours works."""
    loop = asyncio.get_running_loop()

    def foreign(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return asyncio.tasks._PyTask(coro, loop=loop)  # type: ignore[attr-defined]

    def ours(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return asyncbis.Task(coro, loop=loop, **options)

    loop.set_task_factory(foreign)
    assert loop.get_task_factory() is foreign
    child = forever()
    try:
        loop.create_task(child)
    except NotImplementedError as error:
        out(type(error).__name__, "BIS401" if "BIS401" in str(error) else error)
    assert closed(child)
    loop.set_task_factory(ours)
    await loop.create_task(sleep(0))
    loop.set_task_factory(None)
    out("asyncbis factory ok")


@prints("job done")
async def test_h21_executor_job_is_waited_for_at_exit(out: Out) -> None:
    """Clause 8.1: run() joins the default executor."""

    def job() -> None:
        time.sleep(0.05)
        out("job done")

    asyncio.get_running_loop().run_in_executor(None, job)
