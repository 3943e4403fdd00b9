"""aiohttp inside cancel scopes: cut off by a deadline and by a group, and requests in shielded cleanup."""

import asyncio

import aiohttp
from aiohttp import web

import asyncbis


async def quick(request: web.Request) -> web.Response:
    return web.Response(text="quick")


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def client(session: aiohttp.ClientSession) -> None:
    async def get(path: str, total: float | None = None) -> str:
        limit = aiohttp.ClientTimeout(total=total)
        async with session.get(path, timeout=limit) as response:
            return await response.text()

    with asyncbis.move_on_after(0.1) as scope:
        await get("/slow")
    print("moved on", scope.cancelled_caught)

    async with asyncbis.TaskGroup() as group:
        for _ in range(20):
            group.create_task(get("/slow"))
        await asyncio.sleep(0.1)
        group.cancel()
    print("group ended", len(group.tasks))

    # The timeout that aiohttp starts inside of the shield works inside of the shield.
    with asyncbis.CancelScope() as scope:
        scope.cancel()
        try:
            await get("/quick")
        finally:
            with asyncbis.CancelScope(shield=True):
                print("in the shield:", await get("/quick"))
                try:
                    await get("/slow", total=0.1)
                except TimeoutError as error:
                    print(type(error).__name__)
    print("after", scope.cancelled_caught, await get("/quick"))


async def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/quick", quick), web.get("/slow", slow)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            await client(session)
    finally:
        with asyncbis.CancelScope(shield=True):
            await runner.cleanup()
    print("down")


# prints: moved on True
# prints: group ended 0
# prints: in the shield: quick
# prints: TimeoutError
# prints: after True quick
# prints: down
