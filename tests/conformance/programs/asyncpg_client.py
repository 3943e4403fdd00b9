"""asyncpg: a pool that many share, queries that are cut off, and a transaction that is rolled back."""
# needs: postgresql

import asyncio

import asyncpg


async def main(host: str) -> None:
    async with asyncpg.create_pool(
        host=host, user="tester", database="postgres", min_size=2, max_size=5
    ) as pool:
        squares = await asyncio.gather(
            *(pool.fetchval("select $1::int * $1::int", number) for number in range(50))
        )
        print("sum of squares", sum(squares))

        try:
            await pool.fetchval("select pg_sleep(30)", timeout=0.1)
        except TimeoutError:
            print("the query's timeout")
        try:
            async with asyncio.timeout(0.1):
                await pool.fetchval("select pg_sleep(30)")
        except TimeoutError:
            print("a timeout around it")
        try:
            await asyncio.wait_for(pool.fetchval("select pg_sleep(30)"), 0.1)
        except TimeoutError:
            print("wait_for()")

        await pool.execute("create table if not exists numbers (number int)")
        await pool.execute("truncate numbers")

        async def insert() -> None:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("insert into numbers values (1)")
                await asyncio.sleep(30)

        tasks = [asyncio.create_task(insert()) for _ in range(5)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        print("cancelled", all(task.cancelled() for task in tasks))
        print("rolled back", await pool.fetchval("select count(*) from numbers") == 0)

        heard: asyncio.Queue[str] = asyncio.Queue()
        async with pool.acquire() as connection:
            await connection.add_listener("channel", lambda *event: heard.put_nowait(event[-1]))
            await pool.execute("notify channel, 'news'")
            print(await asyncio.wait_for(heard.get(), 5))
            await connection.reset()
        print("still answers", await pool.fetchval("select 1"))
    print("closed")


# prints: sum of squares 40425
# prints: the query's timeout
# prints: a timeout around it
# prints: wait_for()
# prints: cancelled True
# prints: rolled back True
# prints: news
# prints: still answers 1
# prints: closed
