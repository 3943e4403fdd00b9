"""Scenarios F: asyncio's queues, locks, streams and subprocesses (scenario table of docs/semantics.md)."""

from __future__ import annotations

import asyncio
import sys
import time

import asyncbis
from asyncbis import CancelScope, TaskGroup, sleep
from harness import Out, in_child, now, prints, probe, raised, settle


@prints("rounds < 10 True / caught True")
async def test_f01_condition_does_not_spin_while_the_lock_is_held(out: Out) -> None:
    """Clause 10.1: a cancelled Condition.wait() waits for its lock without being woken again and again."""
    condition = asyncbis.Condition()
    lock = condition._lock  # type: ignore[attr-defined]
    rounds = 0
    acquire = lock.acquire

    async def counted() -> bool:
        nonlocal rounds
        rounds += 1
        return bool(await acquire())

    scope = CancelScope()

    async def waiter() -> None:
        with scope:
            async with condition:
                await condition.wait()

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        async with condition:
            lock.acquire = counted
            scope.cancel()
            await sleep(0.05)
    out("rounds < 10", rounds < 10)
    out("caught", scope.cancelled_caught)


@prints("size 1")
async def test_f02_queue_get_cancelled_then_item_put(out: Out) -> None:
    """Clause 9.12: an item that is put after the cancellation stays in the queue."""
    queue: asyncio.Queue[int] = asyncbis.Queue()
    scope = CancelScope()

    async def getter() -> None:
        with scope:
            out("got", await queue.get())

    async with TaskGroup() as group:
        group.create_task(getter())
        await settle()
        scope.cancel()
        queue.put_nowait(1)
    out("size", queue.qsize())


@prints("got 1 / size 0")
async def test_f03_item_put_then_getter_cancelled(out: Out) -> None:
    """Clauses 2.5, 9.12: an item that is on its way is delivered."""
    queue: asyncio.Queue[int] = asyncbis.Queue()
    scope = CancelScope()

    async def getter() -> None:
        with scope:
            out("got", await queue.get())

    async with TaskGroup() as group:
        group.create_task(getter())
        await settle()
        queue.put_nowait(1)
        scope.cancel()
    out("size", queue.qsize())


@prints("in lock / locked False")
async def test_f04_lock_handed_over_then_cancelled(out: Out) -> None:
    """Clauses 2.5, 9.12: a lock that is on its way is delivered, and released by its `async with`."""
    lock = asyncbis.Lock()
    scope = CancelScope()
    await lock.acquire()

    async def waiter() -> None:
        with scope:
            async with lock:
                out("in lock")
                await sleep(0)

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        lock.release()
        scope.cancel()
    out("locked", lock.locked())


@prints("h in")
async def test_f05_semaphore_waiter_cancelled_and_others_proceed(out: Out) -> None:
    """Clause 9.12: a cancelled waiter does not keep the permit from the next one."""
    semaphore = asyncbis.Semaphore(1)
    scope = CancelScope()
    await semaphore.acquire()

    async def cancelled_waiter() -> None:
        with scope:
            async with semaphore:
                out("cancelled waiter in")

    async def heir() -> None:
        async with semaphore:
            out("h in")

    async with TaskGroup() as group:
        group.create_task(cancelled_waiter())
        group.create_task(heir())
        await settle()
        scope.cancel()
        semaphore.release()


@prints("left 0")
async def test_f06_barrier_waiter_cancelled(out: Out) -> None:
    """Clauses 9.12, 10.2: a cancelled waiter leaves the barrier while another task holds its lock; nothing hangs."""
    barrier = asyncbis.Barrier(3)
    scope = CancelScope()

    async def waiter() -> None:
        with scope:
            await barrier.wait()

    async def holder() -> None:
        async with barrier._cond:
            scope.cancel()
            await sleep(0.02)

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        group.create_task(holder())
    out("left", barrier.n_waiting)


@prints("second wait_closed() ok")
async def test_f07_wait_closed_in_a_cancelled_scope(out: Out) -> None:
    """Clause 10.12: a cancelled wait_closed() does not cancel the future that others wait for."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncbis.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    reader, writer = await asyncbis.open_connection(host, port)
    with CancelScope() as scope:
        scope.cancel()
        writer.close()
        await writer.wait_closed()
    await writer.wait_closed()
    out("second wait_closed() ok")
    server.close()
    await server.wait_closed()


@prints("b'hi\\n'")
async def test_f08_streams(out: Out) -> None:
    """Clause 10.22: open_connection() and start_server() work."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async with await asyncbis.start_server(echo, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        reader, writer = await asyncbis.open_connection(host, port)
        writer.write(b"hi\n")
        out(await reader.readline())
        writer.close()
        await writer.wait_closed()


@prints("[asynciolog: Unhandled exception in client_connected_cb] / main ok")
async def test_f09_failing_connection_handler_is_logged(out: Out) -> None:
    """Clauses 6.5, 10.14: an error of a connection handler is logged and does not end the run."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        raise ValueError("in handler")

    async with await asyncbis.start_server(handler, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        reader, writer = await asyncbis.open_connection(host, port)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        await sleep(0.01)
    out("main ok")


@prints("b'x\\n'")
async def test_f11_subprocess(out: Out) -> None:
    """Clause 10.16: create_subprocess_exec() and communicate() work."""
    process = await asyncbis.create_subprocess_exec(
        sys.executable, "-c", "print('x')", stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    out(stdout)


@prints("True / caught False")
async def test_f13_set_event_in_a_cancelled_scope(out: Out) -> None:
    """Clause 2.1: waiting for an event that is set is no yield point."""
    event = asyncbis.Event()
    event.set()
    with CancelScope() as scope:
        scope.cancel()
        out(await event.wait())
    out("caught", scope.cancelled_caught)


@prints("handler done / serving False / waited True")
async def test_f14_cancelled_serve_forever_waits_for_its_connections(out: Out) -> None:
    """Clause 10.10: serve_forever() closes the server and waits for live connections under a shield."""
    finished = 0.0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal finished
        with CancelScope(shield=True):
            await reader.read()
            await sleep(0.03)
        finished = now()
        out("handler done")
        writer.close()

    server = await asyncbis.start_server(handler, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    reader, writer = await asyncbis.open_connection(host, port)
    await sleep(0.01)
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        asyncio.get_running_loop().call_soon(writer.close)
        await server.serve_forever()
    out("serving", server.is_serving())
    out("waited", 0 < finished <= now())


def test_f01b_condition_of_asyncio_does_not_spin_after_patching() -> None:
    """Clause 10.1: asyncio.locks.Condition.wait is patched in place."""
    program = """
        from asyncio import Condition   # A name that was captured before patching.
        asyncbis.patch_asyncio()

        async def waiter(condition, scope):
            with scope:
                async with condition:
                    await condition.wait()

        async def main(out):
            condition, scope = Condition(), asyncbis.CancelScope()
            async with asyncio.TaskGroup() as group:
                group.create_task(waiter(condition, scope))
                await settle()
                async with condition:
                    scope.cancel()
                    before = time.process_time()
                    await asyncio.sleep(0.3)
                    out("idle" if time.process_time() - before < 0.1 else "BUSY")
            out("caught", scope.cancelled_caught)

        report(main)
    """
    assert in_child(program) == "idle / caught True"


@prints("TimeoutError / timely True / continue ok")
async def test_f12_gather_waits_for_its_cancelled_children(out: Out) -> None:
    """Clauses 2.4, 9.10: a cancelled gather() waits until its children are done; the host is not woken in between."""

    async def slow_cleanup() -> None:
        try:
            await sleep(1)
        finally:
            with CancelScope(shield=True):
                await sleep(0.03)

    start = time.monotonic()
    cpu = time.process_time()
    out(await raised(asyncbis.wait_for(asyncbis.gather(slow_cleanup(), slow_cleanup()), 0.01)))
    out("timely", 0.04 <= time.monotonic() - start < 0.5 and time.process_time() - cpu < 0.03)
    await probe(out, "continue")
