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


ANYIO_SHIELDS = """
    import anyio

    async def cleaned_up(out, name):
        try:
            await anyio.sleep(10)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.001)
                await anyio.lowlevel.checkpoint()
                out(name)

    async def fail_later():
        await anyio.sleep(0.001)
        raise ValueError("x")

    async def main(out):
        with anyio.move_on_after(0.01):
            await cleaned_up(out, "the host cleans up")
        async with anyio.create_task_group() as group:
            group.start_soon(cleaned_up, out, "a child cleans up")
            await anyio.sleep(0.001)
            group.cancel_scope.cancel()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(fail_later)
                await cleaned_up(out, "the body cleans up")
        except ExceptionGroup as error:
            out(described(error))
        out(task().cancelling())
        await probe(out, "continue")
"""


@pytest.mark.parametrize("name", ["asyncio", "asyncbis"])
def test_shields_of_anyio(name: str) -> None:
    """Clause 15.2: what AnyIO's scopes cancel can clean up under AnyIO's shields, and no error is lost."""
    pytest.importorskip("anyio", reason="anyio is not installed")
    assert in_child(f"{ANYIO_SHIELDS}\n    report(main, sniffio_name={name!r})\n") == (
        "the host cleans up / a child cleans up / the body cleans up / ExceptionGroup[ValueError(x)]"
        " / 0 / continue ok"
    )


def test_scopes_of_anyio_and_ours() -> None:
    """Clause 15.2: AnyIO's cancellations wait for our shields, work inside them, and reach our groups."""
    pytest.importorskip("anyio", reason="anyio is not installed")
    program = """
        import anyio

        async def main(out):
            with anyio.move_on_after(0.01) as scope:
                with asyncbis.CancelScope(shield=True):
                    await anyio.sleep(0.03)
                    out("the shield holds")
                await anyio.sleep(10)
            out(scope.cancelled_caught)
            with asyncbis.CancelScope() as ours:
                ours.cancel()
                with asyncbis.CancelScope(shield=True):
                    with anyio.move_on_after(0.001) as scope:
                        await anyio.sleep(10)
                    out("inside it", scope.cancelled_caught)
            with anyio.move_on_after(0.01) as scope:
                async with asyncbis.TaskGroup() as group:
                    children = [group.create_task(asyncio.sleep(10)) for _ in range(2)]
                out("not reached")
            out(scope.cancelled_caught, *[child.cancelled() for child in children])
            with anyio.move_on_after(0.01) as scope:
                while True:
                    await asyncio.sleep(0)
            out("bare yields", scope.cancelled_caught)
            with anyio.move_on_after(0.01) as scope:
                await asyncio.create_task(asyncio.sleep(10))
            out("a task", scope.cancelled_caught)
            await probe(out, "continue")
        report(main)
    """
    assert in_child(program) == (
        "the shield holds / True / inside it True / True True True / bare yields True / a task True / continue ok"
    )


def test_native_requests_and_those_of_anyio() -> None:
    """Clause 15.2: cancelling() counts both, uncancel() takes back the latest, and a native one lasts."""
    pytest.importorskip("anyio", reason="anyio is not installed")
    program = """
        import anyio

        async def worker(out):
            me = task()
            with anyio.CancelScope() as scope:
                asyncio.get_running_loop().call_soon(scope.cancel)
                asyncio.get_running_loop().call_soon(me.cancel, "native")
                try:
                    await anyio.sleep(10)
                except asyncio.CancelledError:
                    out(me.cancelling() >= 2)
                    raise
                finally:
                    await probe(out, "it lasts")

        async def main(out):
            child = asyncio.create_task(worker(out))
            await asyncio.wait([child])
            out("cancelled", child.cancelled())
        report(main)
    """
    assert in_child(program) == "True / it lasts raised C / cancelled True"


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
