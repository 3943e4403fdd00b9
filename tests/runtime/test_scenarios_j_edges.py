"""Scenarios J: edges (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import unittest.mock
from typing import Any

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, TaskStatus, sleep
from harness import Child, Out, forever, in_child, now, outcome, prints, probe, raised, settle
from test_scenarios_c_tasks import TimerContext


@prints("TimeoutError after 0.1 s")
async def test_j02_library_total_timeout_inside_shield(out: Out) -> None:
    """Clause 3.6: a request with a total timeout that runs under shield() is stopped by its timeout."""

    async def request() -> None:
        with TimerContext(0.1):
            await forever()

    start = time.monotonic()
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        out(await raised(asyncbis.shield(request())), f"after {time.monotonic() - start:.1f} s")


def test_j03_direct_construction_of_a_task() -> None:
    """Clause 4.2: asyncbis.Task(...) joins the root group; an asyncio.Task made unpatched is a foreign task."""
    text = """
        if {patched}:
            asyncbis.patch_asyncio()

        async def body(out):
            try:
                await forever()
            except asyncio.CancelledError:
                out("cancelled at shutdown")
                try:
                    with asyncbis.CancelScope():
                        out("asyncbis task")
                except RuntimeError as error:
                    out("patch_asyncio" in str(error))
                raise

        async def main(out):
            loop = asyncio.get_running_loop()
            options = dict(eager_start=True) if sys.version_info >= (3, 12) else dict()
            body_task = asyncio.Task(body(out), loop=loop, **options)
            await asyncio.sleep(0)
            out("ours", type(body_task) is asyncbis.Task)

        report(main)
    """
    assert in_child(text.replace("{patched}", "True")) == "ours True / cancelled at shutdown / asyncbis task"
    assert in_child(text.replace("{patched}", "False")) == "ours False / cancelled at shutdown / True"


@prints("RUN RAISED ExceptionGroup[ValueError(x)]")
async def test_j03b_directly_constructed_task_fails(out: Out) -> None:
    """Clause 4.2: the error of a task that was constructed directly is an error of the root group."""

    async def fail() -> None:
        raise ValueError("x")

    asyncbis.Task(fail(), loop=asyncio.get_running_loop())
    await sleep(1)


def test_j04_cancel_from_another_thread() -> None:
    """Clauses 1.4, 13: in debug mode cancel() from a foreign thread raises RuntimeError."""

    async def main(out: Out) -> None:
        loop = asyncio.get_running_loop()
        with CancelScope() as scope:
            out(await raised(loop.run_in_executor(None, scope.cancel)))
            await sleep(0)
        assert not scope.cancel_called

    assert outcome(main, debug=True).startswith("RuntimeError(")


@prints("killed and reaped True / CancelledError")
async def test_j07_subprocess_creation_in_a_cancelled_scope(out: Out) -> None:
    """Clause 10.15: the process is killed and reaped under a shield, then the CancelledError comes out."""
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    with CancelScope() as scope, unittest.mock.patch("subprocess.Popen", Recorded):
        scope.cancel()
        error = await raised(asyncbis.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(5)"))
    try:
        os.waitpid(started[0].pid, os.WNOHANG)
        out("the child is left")
    except ChildProcessError:
        out("killed and reaped", len(started) == 1)
    out(error)


@prints("first True second True / end")
async def test_j08_cancel_of_a_future_cancels_a_sibling_scope(out: Out) -> None:
    """Clause 1.6: a Future.cancel() override may change the scope tree while it is walked."""
    scopes: list[CancelScope] = []

    class Meddler(asyncio.Future[None]):
        def cancel(self, msg: object = None) -> bool:
            for scope in scopes:
                scope.cancel()
            return super().cancel(msg)

    async def child() -> None:
        with CancelScope() as scope:
            scopes.append(scope)
            await Meddler(loop=asyncio.get_running_loop())

    async with TaskGroup() as group:
        group.create_task(child())
        group.create_task(child())
        await settle()
        scopes[0].cancel()
    out("first", scopes[0].cancelled_caught, "second", scopes[1].cancelled_caught)
    out("end")


@prints("group open / started / child ok / closed")
async def test_j10_start_keeps_the_group_open(out: Out) -> None:
    """Clause 5.11: a pending start() of another task keeps the group open."""

    async def child(*, task_status: TaskStatus[None]) -> None:
        await sleep(0.02)
        out("started")
        task_status.started()
        await sleep(0.01)
        out("child ok")

    async with TaskGroup() as outside:
        async with TaskGroup() as group:
            outside.create_task(group.start(child))
            await settle()
            out("group open")
        out("closed")


@prints("no TimeoutError")
async def test_j11_scope_of_a_timeout_cancelled_before_it_expires(out: Out) -> None:
    """Clauses 1.12, 9.4: a deadline that passes later does not change why the scope was cancelled."""
    with asyncbis.fail_after(0.01) as scope:
        scope.cancel("reason")
        time.sleep(0.02)
        await sleep(1)
    assert scope.cancelled_caught and not scope.deadline_expired
    out("no TimeoutError")


def test_j12_sigterm_while_run_is_in_a_worker_thread() -> None:
    """Clause 7.1: outside of the main thread no signal handler is installed."""
    child = Child("""
        async def main():
            print("READY", flush=True)
            await asyncio.sleep(10)
        thread = threading.Thread(target=lambda: asyncbis.run(main()), daemon=True)
        thread.start()
        thread.join()
    """)
    child.wait_for("READY")
    child.kill(signal.SIGTERM)
    assert child.finish() == "(silent)"
    assert child.status == -signal.SIGTERM


@prints("finally had its time / ExceptionGroup[ValueError(x)] / next ok")
async def test_j13_shielded_timeout_in_the_finally_of_a_parent(out: Out) -> None:
    """Clause 9.6: a finally with timeout(shield=True) gets its time when a child of its group failed."""

    async def fail() -> None:
        raise ValueError("x")

    async def parent() -> None:
        async with TaskGroup() as group:
            group.create_task(fail())
            try:
                await forever()
            finally:
                async with asyncbis.timeout(1, shield=True):
                    await sleep(0.02)
                    out("finally had its time")

    out(await raised(parent()))
    await probe(out, "next")
