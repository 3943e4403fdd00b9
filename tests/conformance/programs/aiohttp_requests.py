"""aiohttp: a server and a client, with timeouts, disconnects and a WebSocket."""

import asyncio

import aiohttp
from aiohttp import web


class Handlers:
    def __init__(self) -> None:
        self.cut_off = asyncio.Event()

    async def add_one(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response(int(request.query["number"]) + 1)

    async def slow(self, request: web.Request) -> web.Response:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cut_off.set()
            raise
        return web.Response()

    async def drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"drop")
            await asyncio.sleep(0.01)

    async def shout(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket


async def requests(session: aiohttp.ClientSession, handlers: Handlers) -> None:
    async def add_one(number: int) -> int:
        async with session.get("/add", params={"number": number}) as response:
            answer: int = await response.json()
            return answer

    print("sum", sum(await asyncio.gather(*map(add_one, range(50)))))

    try:
        await session.get("/slow", timeout=aiohttp.ClientTimeout(total=0.1))
    except TimeoutError as error:
        print(type(error).__name__)
    await asyncio.wait_for(handlers.cut_off.wait(), 5)
    handlers.cut_off.clear()
    print("the server has noticed")

    try:
        async with asyncio.timeout(0.1), session.get("/drip") as response:
            await response.read()
    except TimeoutError:
        print("body cut off")

    task = asyncio.create_task(session.get("/slow"))
    await asyncio.sleep(0.1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
    await asyncio.wait_for(handlers.cut_off.wait(), 5)

    try:
        await asyncio.wait_for(session.get("/slow"), 0.1)
    except TimeoutError:
        print("waited long enough")
    print("still answers", await add_one(1))


async def websocket(session: aiohttp.ClientSession) -> None:
    async with session.ws_connect("/shout") as socket:
        for word in ("one", "two"):
            await socket.send_str(word)
            print((await socket.receive()).data)
        try:
            await socket.receive(timeout=0.05)
        except TimeoutError:
            print("silence")


async def main() -> None:
    handlers = Handlers()
    app = web.Application()
    app.add_routes(
        [
            web.get("/add", handlers.add_one),
            web.get("/slow", handlers.slow),
            web.get("/drip", handlers.drip),
            web.get("/shout", handlers.shout),
        ]
    )
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        await requests(session, handlers)
        await websocket(session)
    await runner.cleanup()
    print("down")


# prints: sum 1275
# prints: TimeoutError
# prints: the server has noticed
# prints: body cut off
# prints: cancelled
# prints: waited long enough
# prints: still answers 2
# prints: ONE
# prints: TWO
# prints: silence
# prints: down
