"""websockets, server and client, unmodified on asyncbis."""

from __future__ import annotations

import pytest
from conftest import RunProgram

pytest.importorskip("websockets", reason="websockets is not installed (tests/conformance/requirements.txt)")


def test_websockets(program: RunProgram) -> None:
    """Echo, a timeout of recv(), a client that vanishes, a server that closes with open connections."""
    assert (
        program("""
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

closed = []

async def echo(socket):
    try:
        async for message in socket:
            await socket.send("echo " + message)
    finally:
        closed.append(1)

async def main(out):
    async with serve(echo, "127.0.0.1", 0) as server:
        url = "ws://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        async with connect(url, proxy=None) as socket:
            await socket.send("1")
            out(await socket.recv())
            out(await raised(asyncio.wait_for(socket.recv(), 0.05)))
            with asyncbis.move_on_after(0.05) as scope:
                await socket.recv()
            out(scope.cancelled_caught)
            await socket.send("2")
            out(await socket.recv())
        sockets = await asyncio.gather(*(connect(url, proxy=None) for _ in range(10)))
        replies = []
        async with asyncbis.TaskGroup() as group:
            for number, socket in enumerate(sockets):
                async def talk(socket=socket, number=number):
                    await socket.send(str(number))
                    replies.append(await socket.recv())
                group.create_task(talk())
        out(len(replies))
        sockets[0].transport.abort()
        out(await raised(sockets[0].recv()) != "nothing")
    out(type((await asyncio.gather(sockets[1].recv(), return_exceptions=True))[0]).__name__, len(closed))
    await asyncio.gather(*(socket.close() for socket in sockets))
report(main)
""")
        == "echo 1 / TimeoutError / True / echo 2 / 10 / True / ConnectionClosedOK 11"
    )
