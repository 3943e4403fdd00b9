"""The benchmark's rows for AnyIO on asyncio: the same work, said as one says it in AnyIO.

    python on_anyio.py ROW COUNT
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

from stopwatch import Memory, Stopwatch

CONNECTIONS = 10
MESSAGE = b"x" * 1024


async def nothing() -> None:
    pass


async def spawn_in_group(count: int) -> None:
    with Stopwatch():
        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(nothing)


async def sleep_one(count: int) -> None:
    with Stopwatch():
        for _ in range(count):
            await anyio.sleep(0)


async def sleep_many(count: int) -> None:
    async def sleeper() -> None:
        for _ in range(count // 1000):
            await anyio.sleep(0)

    with Stopwatch():
        async with anyio.create_task_group() as group:
            for _ in range(1000):
                group.start_soon(sleeper)


async def events(count: int) -> None:
    # An event of AnyIO can't be cleared: each turn makes a new one.
    to_pong, to_ping = anyio.Event(), anyio.Event()

    async def ping() -> None:
        nonlocal to_ping
        for _ in range(count):
            to_pong.set()
            await to_ping.wait()
            to_ping = anyio.Event()

    async def pong() -> None:
        nonlocal to_pong
        for _ in range(count):
            await to_pong.wait()
            to_pong = anyio.Event()
            to_ping.set()

    with Stopwatch():
        async with anyio.create_task_group() as group:
            group.start_soon(ping)
            group.start_soon(pong)


async def queues(count: int) -> None:
    send_pong, get_pong = anyio.create_memory_object_stream[int](1)
    send_ping, get_ping = anyio.create_memory_object_stream[int](1)

    async def ping() -> None:
        for number in range(count):
            await send_pong.send(number)
            await get_ping.receive()

    async def pong() -> None:
        for _ in range(count):
            await send_ping.send(await get_pong.receive())

    with send_pong, get_pong, send_ping, get_ping, Stopwatch():
        async with anyio.create_task_group() as group:
            group.start_soon(ping)
            group.start_soon(pong)


async def cancel(count: int) -> None:
    watch = Stopwatch()
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(anyio.sleep, 3600)
        await anyio.sleep(0)
        await anyio.sleep(0)
        watch.start()
        group.cancel_scope.cancel()
    watch.stop()


async def timeouts(count: int) -> None:
    with Stopwatch():
        for _ in range(count):
            with anyio.fail_after(60):
                pass


async def tcp_streams(count: int) -> None:
    async def serve(stream: SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async def client(port: int) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for _ in range(count // CONNECTIONS):
                await stream.send(MESSAGE)
                received = 0
                while received < len(MESSAGE):
                    received += len(await stream.receive(4096))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with anyio.create_task_group() as outer:
        outer.start_soon(listener.serve, serve)
        with Stopwatch():
            async with anyio.create_task_group() as group:
                for _ in range(CONNECTIONS):
                    group.start_soon(client, port)
        outer.cancel_scope.cancel()
    await listener.aclose()


async def memory(count: int) -> None:
    event = anyio.Event()

    measured = Memory()
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(event.wait)
        await anyio.sleep(0)
        await anyio.sleep(0)
        measured.report(count)
        event.set()


ROWS: dict[str, Callable[[int], Any]] = {
    "spawn": spawn_in_group,
    "sleep_one": sleep_one,
    "sleep_many": sleep_many,
    "events": events,
    "queues": queues,
    "cancel": cancel,
    "timeouts": timeouts,
    "tcp_streams": tcp_streams,
    "memory": memory,
}

if __name__ == "__main__":
    anyio.run(ROWS[sys.argv[1]], int(sys.argv[2]))
