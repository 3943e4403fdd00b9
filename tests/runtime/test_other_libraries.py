"""Section 15 of docs/semantics.md: sniffio, AnyIO and libraries that look into tasks."""

from __future__ import annotations

import asyncio

import pytest

import asyncbis
from harness import Out, in_child, prints, settle


def test_sniffio_name() -> None:
    """Clause 15.1: "asyncbis" in tasks and callbacks while the loop runs, sniffio_name= instead, nothing after it."""
    pytest.importorskip("sniffio", reason="sniffio is not installed")
    program = """
        import sniffio

        async def main(out):
            names = [sniffio.current_async_library()]
            asyncio.get_running_loop().call_soon(lambda: names.append(sniffio.current_async_library()))
            await asyncio.sleep(0.01)
            out(*names)
            out(await asyncio.to_thread(current))

        def current():
            try:
                return sniffio.current_async_library()
            except sniffio.AsyncLibraryNotFoundError:
                return "none"

        report(main)
        print(current())
        report(main, sniffio_name="asyncio")
        print(current())
    """
    assert in_child(program) == "asyncbis asyncbis / none / none / asyncio asyncio / none / none"


def test_anyio_on_its_asyncio_backend() -> None:
    """Clause 15.2: with sniffio_name="asyncio" AnyIO's own asyncio backend works through cancel() and uncancel()."""
    pytest.importorskip("anyio", reason="anyio is not installed")
    program = """
        import anyio

        async def child(out):
            try:
                await anyio.sleep(10)
            except anyio.get_cancelled_exc_class():
                out("child cancelled")
                raise

        async def main(out):
            with anyio.move_on_after(0.02) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(child, out)
                    await anyio.sleep(10)
            out(scope.cancelled_caught)
            try:
                with anyio.fail_after(0.01):
                    await anyio.sleep(10)
            except TimeoutError:
                out("TimeoutError")
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(fail)
            except ExceptionGroup as error:
                out(described(error))
            await probe(out, "continue")
            out(await anyio.to_thread.run_sync(lambda: 3))

        async def fail():
            raise ValueError("x")

        report(main, sniffio_name="asyncio")
    """
    assert (
        in_child(program)
        == "child cancelled / True / TimeoutError / ExceptionGroup[ValueError(x)] / continue ok / 3"
    )


@prints("waits for the future / hooked 1 / ok")
async def test_tasks_can_be_inspected_and_hooked(out: Out) -> None:
    """Clause 15.3: `_fut_waiter` and `_callbacks` can be read, and methods replaced on the instance."""
    future = asyncio.get_running_loop().create_future()

    async def body() -> None:
        await future

    body_task = asyncbis.create_task(body())
    await settle()
    if body_task._fut_waiter is future and future._callbacks:
        out("waits for the future")
    hooked: list[object] = []
    body_task.cancel = hooked.append  # type: ignore[method-assign, assignment]
    body_task.cancel(None)
    out("hooked", len(hooked))
    future.set_result(None)
    await body_task
    out("ok")
