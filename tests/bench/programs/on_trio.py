"""The benchmark's rows for Trio: the same work, said as one says it in Trio.

    python on_trio.py ROW COUNT
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from stopwatch import Memory, Stopwatch

CONNECTIONS = 10
MESSAGE = b"x" * 1024


async def nothing() -> None:
    pass


async def spawn_in_group(count: int) -> None:
    with Stopwatch():
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(nothing)


async def sleep_one(count: int) -> None:
    with Stopwatch():
        for _ in range(count):
            await trio.sleep(0)


async def sleep_many(count: int) -> None:
    async def sleeper() -> None:
        for _ in range(count // 1000):
            await trio.sleep(0)

    with Stopwatch():
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(sleeper)


async def events(count: int) -> None:
    # An event of Trio can't be cleared: each turn makes a new one.
    to_pong, to_ping = trio.Event(), trio.Event()

    async def ping() -> None:
        nonlocal to_ping
        for _ in range(count):
            to_pong.set()
            await to_ping.wait()
            to_ping = trio.Event()

    async def pong() -> None:
        nonlocal to_pong
        for _ in range(count):
            await to_pong.wait()
            to_pong = trio.Event()
            to_ping.set()

    with Stopwatch():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping)
            nursery.start_soon(pong)


async def queues(count: int) -> None:
    send_pong, get_pong = trio.open_memory_channel[int](1)
    send_ping, get_ping = trio.open_memory_channel[int](1)

    async def ping() -> None:
        for number in range(count):
            await send_pong.send(number)
            await get_ping.receive()

    async def pong() -> None:
        for _ in range(count):
            await send_ping.send(await get_pong.receive())

    with Stopwatch():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping)
            nursery.start_soon(pong)


async def cancel(count: int) -> None:
    watch = Stopwatch()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(trio.sleep, 3600)
        await trio.sleep(0)
        await trio.sleep(0)
        watch.start()
        nursery.cancel_scope.cancel()
    watch.stop()


async def timeouts(count: int) -> None:
    with Stopwatch():
        for _ in range(count):
            with trio.fail_after(60):
                pass


async def tcp_streams(count: int) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            while data := await stream.receive_some(4096):
                await stream.send_all(data)

    async def client(port: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for _ in range(count // CONNECTIONS):
                await stream.send_all(MESSAGE)
                received = 0
                while received < len(MESSAGE):
                    received += len(await stream.receive_some(4096))

    async with trio.open_nursery() as outer:
        listen = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        listeners: Any = await outer.start(listen)
        port = listeners[0].socket.getsockname()[1]
        with Stopwatch():
            async with trio.open_nursery() as nursery:
                for _ in range(CONNECTIONS):
                    nursery.start_soon(client, port)
        outer.cancel_scope.cancel()


async def memory(count: int) -> None:
    event = trio.Event()

    measured = Memory()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(event.wait)
        await trio.sleep(0)
        await trio.sleep(0)
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
    trio.run(ROWS[sys.argv[1]], int(sys.argv[2]))
