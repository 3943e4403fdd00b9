"""A connection pool that loses a connection with every request that times out.

`query()` borrows a connection and gives it back in `finally`. Before that the
server has to forget the unfinished query, and asking it to is an `await`.

Under asyncio the cancellation has been delivered by then, so the `finally` runs to
its end: this program prints that both connections are back.

Under level cancellation the `await` in the `finally` raises at once, because the
request is still cancelled. The line that gives the connection back never runs, and
after as many timeouts as there are connections the pool is empty and `acquire()`
waits for ever.
"""

import asyncio


class Connection:
    """Stands for a connection to a database."""

    async def execute(self, statement: str) -> str:
        await asyncio.sleep(0.1)
        return f"rows of {statement!r}"

    async def reset(self) -> None:
        await asyncio.sleep(0.01)


class Pool:
    def __init__(self, size: int) -> None:
        self.idle: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(size):
            self.idle.put_nowait(Connection())

    async def acquire(self) -> Connection:
        return await self.idle.get()

    async def release(self, connection: Connection) -> None:
        await connection.reset()
        self.idle.put_nowait(connection)

    async def query(self, statement: str) -> str:
        connection = await self.acquire()
        try:
            return await connection.execute(statement)
        finally:
            await self.release(connection)


async def main() -> None:
    pool = Pool(size=2)
    for attempt in range(2):
        try:
            async with asyncio.timeout(0.02):
                print(await pool.query("SELECT 1"))
        except TimeoutError:
            print(f"request {attempt} timed out, {pool.idle.qsize()} connections idle")


if __name__ == "__main__":
    asyncio.run(main())
