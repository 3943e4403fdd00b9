"""Sections 10 and 11 of docs/semantics.md: asyncio's own code under level cancellation."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import types

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import Out, forever, in_child, now, prints, probe, settle


@prints("held again True / notified others / caught True")
async def test_condition_wait_takes_its_lock_back(out: Out) -> None:
    """Clause 10.1: a cancelled wait() raises with the lock held; a notification is not lost."""
    condition = asyncbis.Condition()
    scope = CancelScope()

    async def cancelled() -> None:
        with scope:
            async with condition:
                try:
                    await condition.wait()
                finally:
                    out("held again", condition.locked())

    async def other() -> None:
        async with condition:
            await condition.wait()
            out("notified others")

    async with TaskGroup() as group:
        group.create_task(cancelled())
        group.create_task(other())
        await settle()
        scope.cancel()
        await settle()
        async with condition:
            condition.notify(1)
    out("caught", scope.cancelled_caught)


@prints("got it / True / caught True")
async def test_condition_wait_for_and_barrier(out: Out) -> None:
    """Clause 10.2: both build on Condition.wait() and need nothing else."""
    condition = asyncbis.Condition()
    state: list[int] = []

    async def waiter() -> None:
        async with condition:
            await condition.wait_for(lambda: bool(state))
            out("got it")

    async with TaskGroup() as group:
        group.create_task(waiter())
        await settle()
        async with condition:
            state.append(1)
            condition.notify_all()
    barrier = asyncbis.Barrier(2)
    async with TaskGroup() as group:
        group.create_task(barrier.wait())
        await barrier.wait()
    out(barrier.n_waiting == 0 and not barrier.broken)
    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await barrier.wait()
    out("caught", scope.cancelled_caught)


@prints("child cleaned up / caught True / next ok")
async def test_unpatched_asyncio_group_in_a_cancelled_scope(out: Out) -> None:
    """Clauses 10.3, 12.1: it works; it may spin until its children have ended."""

    async def child() -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.01)
            out("child cleaned up")

    with CancelScope() as scope:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            await settle()
            scope.cancel()
    out("caught", scope.cancelled_caught)
    await probe(out, "next")


@prints("TimeoutError / next ok / outer wins True / next ok")
async def test_unpatched_asyncio_timeout_and_an_outer_scope(out: Out) -> None:
    """Clause 10.4: the standard library's Timeout works by clauses 3.3 and 3.6."""
    try:
        async with asyncio.timeout(0.01):
            await forever()
    except TimeoutError:
        out("TimeoutError")
    await probe(out, "next")
    with CancelScope() as scope:
        async with asyncio.timeout(5):
            asyncio.get_running_loop().call_soon(scope.cancel)
            await forever()
    out("outer wins", scope.cancelled_caught)
    await probe(out, "next")


@prints("ensure_future ok / sibling cancelled")
async def test_ensure_future_and_gather_wait_correctly(out: Out) -> None:
    """Clause 10.6: what they wrap is cancelled and waited for."""

    async def child() -> str:
        return "ok"

    out("ensure_future", await asyncbis.ensure_future(child()))

    async def sibling() -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.01)
            out("sibling cancelled")

    with CancelScope() as scope:
        asyncio.get_running_loop().call_later(0.01, scope.cancel)
        await asyncio.gather(sibling())


@prints("host interrupted / inner done / main ok")
async def test_unpatched_asyncio_shield(out: Out) -> None:
    """Clauses 10.7, 12.1: asyncio.shield() protects the inner task only; that lives on in the root group."""

    async def inner() -> None:
        await sleep(0.02)
        out("inner done")

    with CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await asyncio.shield(inner())
    out("host interrupted")
    await sleep(0.04)
    out("main ok")


@prints("two waiters left True / waiter cancelled True")
async def test_server_wait_closed(out: Out) -> None:
    """Clause 10.11: each caller of wait_closed() has a future of its own."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncbis.start_server(handler, "127.0.0.1", 0)
    reader, writer = await asyncbis.open_connection(*server.sockets[0].getsockname()[:2])
    await sleep(0.01)
    server.close()
    left: list[int] = []

    async def waiter() -> None:
        await server.wait_closed()
        left.append(1)

    with CancelScope() as scope:
        asyncio.get_running_loop().call_later(0.01, scope.cancel)
        # Before Python 3.12 a closed server is not waited for.
        await server.wait_closed()
        await forever()
    async with TaskGroup() as group:
        group.create_task(waiter())
        group.create_task(waiter())
        await sleep(0)
        writer.close()
    out("two waiters left", len(left) == 2)
    out("waiter cancelled", scope.cancelled_caught)


@prints("drain ok / closing raised C")
async def test_drain(out: Out) -> None:
    """Clause 10.13: drain() of a closing connection is a yield point; of an open one that is not full it is none."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncbis.start_server(handler, "127.0.0.1", 0) as server:
        reader, writer = await asyncbis.open_connection(*server.sockets[0].getsockname()[:2])
        with CancelScope() as scope:
            scope.cancel()
            writer.write(b"x")
            await writer.drain()
            out("drain ok")
            writer.close()
            try:
                await writer.drain()
            except (CancelledError, ConnectionError) as error:
                out("closing raised", "C" if isinstance(error, CancelledError) else error)
        await writer.wait_closed()


@prints("supervised handler logged / server lives b'ok'")
async def test_server_survives_a_failing_handler(out: Out) -> None:
    """Clause 10.14: handlers are supervised; the next connection is served."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: out("supervised handler logged"))
    served = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        if served == 1:
            writer.close()
            raise ValueError("in handler")
        writer.write(b"ok")
        writer.close()

    async with await asyncbis.start_server(handler, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()[:2]
        reader, writer = await asyncbis.open_connection(*address)
        await reader.read()
        writer.close()
        reader, writer = await asyncbis.open_connection(*address)
        out("server lives", await reader.read())
        writer.close()


@prints("killed True / b'out' 3")
async def test_communicate_under_cancellation(out: Out) -> None:
    """Clause 10.16: cancelled communicate() leaves the process; killing it takes a shielded wait."""
    process = await asyncbis.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(20)", stdout=asyncio.subprocess.PIPE
    )
    with asyncbis.move_on_after(0.05):
        try:
            await process.communicate()
        finally:
            process.kill()
            with CancelScope(shield=True):
                await process.wait()
    out("killed", process.returncode == -signal.SIGKILL)
    process = await asyncbis.create_subprocess_exec(
        sys.executable, "-c", "import sys; print('out', end=''); sys.exit(3)", stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    out(stdout, process.returncode)


@prints("b'out' None 3 True / all of asyncio's names True")
async def test_subprocess_module(out: Out) -> None:
    """Clause 10.16: `asyncbis.subprocess` offers what code imports from asyncio.subprocess."""
    from asyncbis.subprocess import DEVNULL, PIPE, Process

    process = await asyncbis.subprocess.create_subprocess_exec(
        sys.executable, "-c", "import sys; print('out', end=''); sys.exit(3)", stdout=PIPE, stderr=DEVNULL
    )
    out(*await process.communicate(), process.returncode, isinstance(process, Process))
    public = {name for name in vars(asyncio.subprocess) if not name.startswith("_")}
    modules = {name for name, value in vars(asyncio.subprocess).items() if isinstance(value, types.ModuleType)}
    out("all of asyncio's names", public - modules - {"logger"} <= set(asyncbis.subprocess.__all__))


@prints("sent 100000 True")
async def test_sendfile(out: Out) -> None:
    """Clause 10.17: sendfile() and its fallback work."""
    received = bytearray()
    done = asyncbis.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(-1))
        done.set()
        writer.close()

    loop = asyncio.get_running_loop()
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 50_000)
        async with await asyncbis.start_server(handler, "127.0.0.1", 0) as server:
            reader, writer = await asyncbis.open_connection(*server.sockets[0].getsockname()[:2])
            for _ in range(2):
                file.seek(0)
                await loop.sendfile(writer.transport, file)
            writer.write_eof()
            await done.wait()
            writer.close()
    out("sent", len(received), received == b"x" * 100_000)


@prints("accepted 20 / main ok")
async def test_tasks_of_asyncio_itself(out: Out) -> None:
    """Clause 10.18: accepting connections works in tasks of the root group; a refused one disturbs nobody."""
    accepted = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.close()

    async with await asyncbis.start_server(handler, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()[:2]
        for _ in range(20):
            with socket.create_connection(address):
                pass
        await sleep(0.05)
    out("accepted", accepted)
    await probe(out, "main")


def test_staggered_race() -> None:
    """Clause 10.20: happy eyeballs: one winner, no loser starts after it; all failing gives no winner."""
    program = """
        asyncbis.patch_asyncio()
        import asyncio.staggered
        started = []

        async def loser():
            started.append(0)
            raise OSError("refused")

        async def slow_loser():
            started.append(1)
            try:
                await asyncio.sleep(10)
            finally:
                started.append("cancelled")

        async def winner():
            started.append(2)
            await asyncio.sleep(0.02)
            return "connected"

        async def late():
            started.append(3)

        async def main(out):
            race = asyncio.staggered.staggered_race
            result, index, errors = (await race([loser, slow_loser, winner, late], 0.1))[:3]
            out(result, index, started, type(errors[0]).__name__)
            result, index, errors = (await race([loser, loser], 0.01))[:3]
            out(result, index, [type(error).__name__ for error in errors])
            await probe(out, "continue")
        report(main)
    """
    assert in_child(program) == (
        "connected 2 [0, 1, 2, 'cancelled'] OSError / None None ['OSError', 'OSError'] / continue ok"
    )


@prints("connected b'hi'")
async def test_happy_eyeballs(out: Out) -> None:
    """Clause 10.20: create_connection(happy_eyeballs_delay=...) runs on staggered_race()."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi")
        writer.close()

    async with await asyncbis.start_server(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncbis.open_connection("localhost", port, happy_eyeballs_delay=0.05)
        out("connected", await reader.read())
        writer.close()


@prints("free True / order [0, 1, 2]")
async def test_lock_and_semaphore_under_random_cancellation(out: Out) -> None:
    """Clauses 10.21, 11.1: whatever is cancelled, the lock ends up free and is handed on in order."""
    lock = asyncbis.Lock()
    order: list[int] = []

    async def user(number: int) -> None:
        async with lock:
            order.append(number)
            await sleep(0)

    async with TaskGroup() as group:
        tasks = [group.create_task(user(number)) for number in range(6)]
        await sleep(0)
        for number in (3, 4, 5):
            tasks[number].cancel()
    out("free", not lock.locked())
    out("order", order)


@prints("['bad address', 'echo']")
async def test_transports_and_protocols(out: Out) -> None:
    """Clause 10.22: protocols, transports and name resolution work as on asyncio."""
    seen: list[str] = []
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Client(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.set_result(data)

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = transport

        def data_received(self, data: bytes) -> None:
            self._transport.write(data)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    try:
        await loop.create_connection(Client, "127.0.0.1", 1)
    except OSError:
        seen.append("bad address")
    transport, _ = await loop.create_connection(Client, *server.sockets[0].getsockname()[:2])
    transport.write(b"echo")
    seen.append((await received).decode())
    transport.close()
    server.close()
    await server.wait_closed()
    out(seen)


def test_isolated_asyncio_test_case_after_patching() -> None:
    """Clause 10.24: unittest.IsolatedAsyncioTestCase runs on asyncbis."""
    program = """
        asyncbis.patch_asyncio()
        import unittest

        class Case(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                self.set_up_loop = asyncio.get_running_loop()

            async def test_loop(self):
                self.assertIsInstance(asyncio.get_running_loop(), asyncbis.EventLoop)
                self.assertIs(asyncio.get_running_loop(), self.set_up_loop)
                with asyncbis.CancelScope() as scope:
                    scope.cancel()
                    await asyncio.sleep(1)
                self.assertTrue(scope.cancelled_caught)

            async def test_failure(self):
                self.fail("shown")

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
        print(result.testsRun, len(result.failures), result.errors)
    """
    assert in_child(program) == "2 1 []"


def test_asyncbis_exports_the_classes_of_asyncio() -> None:
    """Clause 11.1: Lock, Event, Semaphore and the queues are asyncio's; Condition and Barrier are subclasses."""
    for name in "Lock Event Semaphore BoundedSemaphore Queue LifoQueue PriorityQueue QueueEmpty QueueFull".split():
        assert getattr(asyncbis, name) is getattr(asyncio, name)
    for name in ("Condition", "Barrier"):
        ours = getattr(asyncbis, name)
        assert ours is not getattr(asyncio, name) and issubclass(ours, getattr(asyncio, name))


@prints("datagram b'ping' / unix b'hello'")
async def test_datagrams_and_unix_sockets(out: Out) -> None:
    """Clause 10.22: futures that asyncio's transports make belong to the running loop."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[bytes] = loop.create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: object) -> None:
            received.set_result(data)

    receiver, _ = await loop.create_datagram_endpoint(Receiver, ("127.0.0.1", 0))
    sender, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=receiver.get_extra_info("sockname")
    )
    sender.sendto(b"ping")
    out("datagram", await received)
    sender.close()
    receiver.close()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        async with await asyncio.start_unix_server(greet, f"{folder}/socket"):
            reader, writer = await asyncio.open_unix_connection(f"{folder}/socket")
            out("unix", await reader.read())
            writer.close()


@prints("timely True / files b'read'")
async def test_pipes_and_signals(out: Out) -> None:
    """Clause 10.22: pipes, add_reader() and add_signal_handler() work as on asyncio."""
    loop = asyncio.get_running_loop()
    start = now()
    got = asyncbis.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    loop.remove_signal_handler(signal.SIGUSR1)
    out("timely", now() - start < 2)
    reading, writing = os.pipe()
    ready = asyncbis.Event()
    loop.add_reader(reading, ready.set)
    os.write(writing, b"read")
    await ready.wait()
    loop.remove_reader(reading)
    out("files", os.read(reading, 10))
    os.close(reading)
    os.close(writing)
