"""The same work without the breakages: it means the same under both kinds of cancellation.

- The heartbeat catches what a broken connection raises and nothing else.
- The pool gives a connection back before anything is awaited, and resets it when it is
  borrowed again: no cancellation can come between.
- The client's timeout is around `asyncio.wait()`, which never cancels what it waits for
  and can be given up at any moment.
- Tasks belong to a task group, and shutting down is cancelling those that one started.
"""

import asyncio


class Connection:
    def __init__(self) -> None:
        self.dirty = False

    async def execute(self, statement: str) -> str:
        self.dirty = True
        await asyncio.sleep(0.1)
        self.dirty = False
        return f"rows of {statement!r}"

    async def reset(self) -> None:
        await asyncio.sleep(0.01)
        self.dirty = False


class Pool:
    def __init__(self, size: int) -> None:
        self.idle: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(size):
            self.idle.put_nowait(Connection())

    async def query(self, statement: str) -> str:
        connection = await self.idle.get()
        try:
            if connection.dirty:
                await connection.reset()
            return await connection.execute(statement)
        finally:
            self.idle.put_nowait(connection)


async def heartbeat(beats: list[float]) -> None:
    while True:
        try:
            await asyncio.sleep(0.02)
            beats.append(asyncio.get_running_loop().time())
        except ConnectionError as error:
            print(f"heartbeat failed: {error!r}")


async def wait_for_reader(reader: asyncio.Task[str], seconds: float) -> str | None:
    done, _ = await asyncio.wait([reader], timeout=seconds)
    return reader.result() if done else None


async def read() -> str:
    await asyncio.sleep(0.1)
    return "the last message"


async def main() -> None:
    pool = Pool(size=1)
    beats: list[float] = []
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(heartbeat(beats))
        for attempt in range(2):
            try:
                async with asyncio.timeout(0.02):
                    print(await pool.query("SELECT 1"))
            except TimeoutError:
                print(f"request {attempt} timed out, {pool.idle.qsize()} connection idle")
        print(await pool.query("SELECT 2"))

        reader = group.create_task(read())
        print(f"after 50 ms: {await wait_for_reader(reader, 0.05)}")
        beating.cancel()
    print(f"{len(beats)} beats, and the reader brought {reader.result()!r}")


if __name__ == "__main__":
    asyncio.run(main())
