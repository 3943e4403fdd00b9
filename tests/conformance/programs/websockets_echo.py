"""websockets: an echo server, a receive that is cut off and goes on, a ping, and both ways to close."""

import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "close":
            await connection.close()
        else:
            await connection.send(message)


async def talk(url: str, name: str) -> int:
    async with connect(url) as connection:
        for number in range(20):
            await connection.send(f"{name} {number}")
            assert await connection.recv() == f"{name} {number}"
        return number + 1


async def main() -> None:
    # No pings by themselves: one that is under way when the connection closes gets its exception on
    # asyncbis, by clause 2.5, and is logged, where asyncio replaces the exception by a cancellation.
    async with serve(echo, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}"
        print("messages", sum(await asyncio.gather(*(talk(url, f"client{i}") for i in range(10)))))

        async with connect(url, ping_interval=None) as connection:
            for _ in range(3):
                try:
                    await asyncio.wait_for(connection.recv(), 0.05)
                except TimeoutError:
                    print("silence")
            try:
                async with asyncio.timeout(0.05):
                    await connection.recv()
            except TimeoutError:
                print("more silence")
            await connection.send("hello")
            print(await connection.recv())
            print("pong", await (await connection.ping()) >= 0)
            await connection.send("close")
            try:
                await connection.recv()
            except ConnectionClosed as error:
                print(type(error).__name__)

        waiting = await connect(url)
        task = asyncio.create_task(waiting.recv())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        print("cancelled", task.cancelled())
        await waiting.send("again")
        print(await waiting.recv())
        await waiting.close()
    print("down")


# prints: messages 200
# prints: silence
# prints: silence
# prints: silence
# prints: more silence
# prints: hello
# prints: pong True
# prints: ConnectionClosedOK
# prints: cancelled True
# prints: again
# prints: down
