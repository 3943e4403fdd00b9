"""httpx: many requests through a small pool, timeouts of its own and from outside, a cancelled request."""

import asyncio

import httpx


handlers: set[asyncio.Task[None]] = set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    task = asyncio.current_task()
    assert task is not None
    handlers.add(task)
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/slow" in head:
                # Until the client goes away.
                await reader.read()
                break
            body = head.split()[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = httpx.Limits(max_connections=5)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits) as client:
        answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(40)))
        print("answers", len({answer.text for answer in answers}))

        try:
            await client.get("/slow", timeout=0.1)
        except httpx.ReadTimeout as error:
            print(type(error).__name__)

        try:
            async with asyncio.timeout(0.1):
                await client.get("/slow")
        except TimeoutError:
            print("TimeoutError")

        tasks = [asyncio.create_task(client.get("/slow", timeout=None)) for _ in range(3)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        print("cancelled", sum(isinstance(result, asyncio.CancelledError) for result in results))
        print("still answers", (await client.get("/again")).text)
    server.close()
    # A handler that is still running at the end is cancelled, which asyncio up to 3.11 reports.
    await asyncio.wait(handlers)


# prints: answers 40
# prints: ReadTimeout
# prints: TimeoutError
# prints: cancelled 3
# prints: still answers /again
