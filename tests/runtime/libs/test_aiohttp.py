"""aiohttp, server and client, unmodified on asyncbis: timeouts, disconnects, shields, WebSockets."""

from __future__ import annotations

import pytest
from conftest import RunProgram
from harness import in_child

pytest.importorskip("aiohttp", reason="aiohttp is not installed (tests/conformance/requirements.txt)")

SERVER = """
import aiohttp
from aiohttp import web

events = []

async def quick(request):
    return web.json_response({"got": await request.json()})

async def slow(request):
    events.append("slow started")
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        events.append("slow cancelled")
        raise
    return web.Response(text="late")

async def failing(request):
    raise ValueError("in handler")

async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(5):
        await response.write(b"x" * 1000)
        await asyncio.sleep(0.001)
    return response

async def echo(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str("echo " + message.data)
    events.append("websocket closed")
    return socket

class Serving:
    async def __aenter__(self):
        app = web.Application()
        app.add_routes([web.post("/quick", quick), web.get("/slow", slow), web.get("/failing", failing),
                        web.get("/stream", stream), web.get("/echo", echo)])
        self.runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, shutdown_timeout=0.2)
        await site.start()
        return "http://127.0.0.1:%d" % self.runner.addresses[0][1]

    async def __aexit__(self, *error):
        await self.runner.cleanup()

async def eventually(event):
    for _ in range(200):
        if event in events:
            return True
        await asyncio.sleep(0.01)
    return False
"""


def test_requests(program: RunProgram) -> None:
    """Requests, keep-alive, streams and a failing handler; main goes on and ends without an error."""
    assert (
        program(SERVER + """
async def main(out):
    async with Serving() as url, aiohttp.ClientSession() as session:
        for number in range(3):
            async with session.post(url + "/quick", json=number) as response:
                out(response.status, (await response.json())["got"])
        async with session.get(url + "/stream") as response:
            out(len(await response.read()))
        async with session.get(url + "/failing") as response:
            out(response.status)
        out(sum([response.status for response in await asyncio.gather(
            *(session.post(url + "/quick", json=1) for _ in range(20)))]))
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
report(main)
""")
        == "200 0 / 200 1 / 200 2 / 5000 / 500 / 4000"
    )


def test_client_timeout(program: RunProgram) -> None:
    """Clause 3.5: the client's total timeout raises TimeoutError, the task goes on, the server's handler is cancelled."""
    assert (
        program(SERVER + """
async def main(out):
    async with Serving() as url, aiohttp.ClientSession() as session:
        out(await raised(session.get(url + "/slow", timeout=aiohttp.ClientTimeout(total=0.1))) != "nothing")
        await probe(out, "continue")
        out(asyncio.current_task().cancelling(), await eventually("slow cancelled"))
        async with session.post(url + "/quick", json=1) as response:
            out(response.status)
report(main)
""")
        == "True / continue ok / 0 True / 200"
    )


def test_client_timeout_inside_a_shield(program: RunProgram) -> None:
    """Clause 3.6: in shielded cleanup of a cancelled task the client's total timeout works."""
    assert (
        program(SERVER + """
async def main(out):
    async with Serving() as url, aiohttp.ClientSession() as session:
        async def request():
            start = time.monotonic()
            try:
                await session.get(url + "/slow", timeout=aiohttp.ClientTimeout(total=0.1))
            except asyncio.TimeoutError:
                out("TimeoutError", time.monotonic() - start < 2)
        with asyncbis.CancelScope() as scope:
            scope.cancel()
            await asyncbis.shield(request())
            await probe(out, "next")
report(main)
""")
        == "TimeoutError True / next raised C"
    )


def test_request_is_cancelled(program: RunProgram) -> None:
    """A scope around a request: the connection is dropped, the handler is cancelled, the session stays usable."""
    assert (
        program(SERVER + """
async def main(out):
    async with Serving() as url, aiohttp.ClientSession() as session:
        with asyncbis.move_on_after(0.1) as scope:
            await session.get(url + "/slow")
        out(scope.cancelled_caught, await eventually("slow cancelled"))
        async with asyncbis.TaskGroup() as group:
            tasks = [group.create_task(session.get(url + "/slow")) for _ in range(10)]
            await asyncio.sleep(0.05)
            group.cancel()
        out(all(task.cancelled() for task in tasks))
        async with session.post(url + "/quick", json=1) as response:
            out(response.status)
report(main)
""")
        == "True True / True / 200"
    )


def test_client_disconnects(program: RunProgram) -> None:
    """A client that goes away in the middle of a request cancels its handler and nothing else."""
    assert (
        program(SERVER + """
async def main(out):
    async with Serving() as url, aiohttp.ClientSession() as session:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        writer.write(b"GET /slow HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        await writer.drain()
        out(await eventually("slow started"))
        writer.close()
        await writer.wait_closed()
        out(await eventually("slow cancelled"))
        async with session.post(url + "/quick", json=1) as response:
            out(response.status)
report(main)
""")
        == "True / True / 200"
    )


def test_websockets(program: RunProgram) -> None:
    """A WebSocket that is closed by the client, and one whose receive() is cancelled."""
    assert (
        program(SERVER + """
async def main(out):
    async with Serving() as url, aiohttp.ClientSession() as session:
        async with session.ws_connect(url + "/echo") as socket:
            await socket.send_str("1")
            out(await socket.receive_str())
            with asyncbis.move_on_after(0.05) as scope:
                await socket.receive()
            out(scope.cancelled_caught)
        out(await eventually("websocket closed"))
report(main)
""")
        == "echo 1 / True / True"
    )


SHUTDOWN = """
async def main(out):
    async with aiohttp.ClientSession() as session:
        async with Serving() as url:
            async def request():
                responses.append(await raised(session.get(url + "/slow")))
            responses = []
            task = asyncio.create_task(request())
            out(await eventually("slow started"))
            start = time.monotonic()
        out(time.monotonic() - start < 3, "slow cancelled" in events)
        await task
        out("answered" if responses == ["nothing"] else "disconnected")
report(main)
"""


def test_server_shuts_down_with_open_requests() -> None:
    """cleanup() with a request under way cancels its handler and ends in time."""
    assert in_child(SERVER + SHUTDOWN) == "True / True True / disconnected"


def test_patched_server_waits_for_open_requests() -> None:
    """Clause 9.1: aiohttp shields the wait for a handler, and a shield of asyncbis holds until the handler has ended."""
    server = SERVER.replace("asyncio.sleep(5)", "asyncio.sleep(0.6)")
    patched = 'asyncbis.patch_asyncio(deprecated="warn")\n'
    assert in_child(patched + server + SHUTDOWN) == "True / True False / answered"
