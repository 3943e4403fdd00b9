"""The benchmark's rows for whatever has asyncio's interface: asyncio, asyncbis, and both on other loops.

    python on_asyncio.py MODULE LOOP ROW COUNT

MODULE is imported under the name `asyncio`, as a program does with `import asyncbis as asyncio`, so
that every peer runs the same code. LOOP is a module with `new_event_loop`, or `-` for the
module's own loop.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from stopwatch import Memory, Stopwatch

asyncio: Any = importlib.import_module(sys.argv[1])

CONNECTIONS = 10
MESSAGE = b"x" * 1024


async def nothing() -> None:
    pass


async def spawn_in_group(count: int) -> None:
    with Stopwatch():
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(nothing())


async def spawn_and_await(count: int) -> None:
    with Stopwatch():
        tasks = [asyncio.create_task(nothing()) for _ in range(count)]
        for task in tasks:
            await task


async def sleep_one(count: int) -> None:
    with Stopwatch():
        for _ in range(count):
            await asyncio.sleep(0)


async def sleep_many(count: int) -> None:
    async def sleeper() -> None:
        for _ in range(count // 1000):
            await asyncio.sleep(0)

    with Stopwatch():
        async with asyncio.TaskGroup() as group:
            for _ in range(1000):
                group.create_task(sleeper())


async def futures(count: int) -> None:
    loop = asyncio.get_running_loop()
    to_pong, to_ping = loop.create_future(), loop.create_future()

    async def ping() -> None:
        nonlocal to_ping
        for _ in range(count):
            to_pong.set_result(None)
            await to_ping
            to_ping = loop.create_future()

    async def pong() -> None:
        nonlocal to_pong
        for _ in range(count):
            await to_pong
            to_pong = loop.create_future()
            to_ping.set_result(None)

    with Stopwatch():
        async with asyncio.TaskGroup() as group:
            group.create_task(ping())
            group.create_task(pong())


async def events(count: int) -> None:
    to_pong, to_ping = asyncio.Event(), asyncio.Event()

    async def ping() -> None:
        for _ in range(count):
            to_pong.set()
            await to_ping.wait()
            to_ping.clear()

    async def pong() -> None:
        for _ in range(count):
            await to_pong.wait()
            to_pong.clear()
            to_ping.set()

    with Stopwatch():
        async with asyncio.TaskGroup() as group:
            group.create_task(ping())
            group.create_task(pong())


async def queues(count: int) -> None:
    to_pong: Any = asyncio.Queue(1)
    to_ping: Any = asyncio.Queue(1)

    async def ping() -> None:
        for number in range(count):
            await to_pong.put(number)
            await to_ping.get()

    async def pong() -> None:
        for _ in range(count):
            await to_ping.put(await to_pong.get())

    with Stopwatch():
        async with asyncio.TaskGroup() as group:
            group.create_task(ping())
            group.create_task(pong())


async def cancel(count: int) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(3600)) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with Stopwatch():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def timeouts(count: int) -> None:
    with Stopwatch():
        for _ in range(count):
            async with asyncio.timeout(60):
                pass


async def timers(count: int) -> None:
    loop = asyncio.get_running_loop()
    with Stopwatch():
        for number in range(count):
            loop.call_later(60 + number % 100, nothing).cancel()
            if number % 1000 == 0:
                await asyncio.sleep(0)


async def tcp_streams(count: int) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // CONNECTIONS):
            writer.write(MESSAGE)
            await writer.drain()
            await reader.readexactly(len(MESSAGE))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with Stopwatch():
            async with asyncio.TaskGroup() as group:
                for _ in range(CONNECTIONS):
                    group.create_task(client(port))


class Echo(asyncio.Protocol):  # type: ignore[misc]
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Client(asyncio.Protocol):  # type: ignore[misc]
    def __init__(self, rounds: int, done: Any) -> None:
        self.rounds, self.done, self.received = rounds, done, 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(MESSAGE)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.received < len(MESSAGE):
            return
        self.received = 0
        self.rounds -= 1
        if self.rounds:
            self.transport.write(MESSAGE)
        else:
            self.transport.close()
            self.done.set_result(None)


async def tcp_protocol(count: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ends = [loop.create_future() for _ in range(CONNECTIONS)]

    def connect(end: Any) -> Any:
        protocol = Client(count // CONNECTIONS, end)
        return loop.create_connection(lambda: protocol, "127.0.0.1", port)

    with Stopwatch():
        for end in ends:
            await connect(end)
        for end in ends:
            await end
    server.close()


async def memory(count: int) -> None:
    event = asyncio.Event()

    async def park() -> None:
        await event.wait()

    measured = Memory()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(park())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        measured.report(count)
        event.set()


ROWS: dict[str, Callable[[int], Any]] = {
    "spawn": spawn_in_group,
    "create_task": spawn_and_await,
    "sleep_one": sleep_one,
    "sleep_many": sleep_many,
    "futures": futures,
    "events": events,
    "queues": queues,
    "cancel": cancel,
    "timeouts": timeouts,
    "timers": timers,
    "tcp_streams": tcp_streams,
    "tcp_protocol": tcp_protocol,
    "memory": memory,
}


def main() -> None:
    _, _, loop, row, count = sys.argv
    factory = None if loop == "-" else importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ROWS[row](int(count)))


if __name__ == "__main__":
    main()
