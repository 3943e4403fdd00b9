"""asyncpg, unmodified on asyncbis, against a local PostgreSQL."""

from __future__ import annotations

import pytest
from conftest import RunProgram

pytest.importorskip("asyncpg", reason="asyncpg is not installed (tests/conformance/requirements.txt)")


def test_asyncpg(program: RunProgram, postgres_port: int) -> None:
    """Queries, transactions, a pool, timeouts and cancelled queries; the connection stays usable."""
    assert (
        program(f"""
import asyncpg

async def main(out):
    address = dict(host="127.0.0.1", port={postgres_port}, user="tests", database="postgres")
    connection = await asyncpg.connect(**address)
    out(await connection.fetchval("select 40 + $1", 2))
    await connection.execute("create temp table t (n int)")
    async with connection.transaction():
        await connection.executemany("insert into t values ($1)", [(1,), (2,)])
    try:
        async with connection.transaction():
            await connection.execute("insert into t values (3)")
            raise ValueError
    except ValueError:
        out(await connection.fetchval("select sum(n) from t"))
    out(await raised(connection.fetch("select pg_sleep(5)", timeout=0.1)))
    with asyncbis.move_on_after(0.1) as scope:
        await connection.fetch("select pg_sleep(5)")
    with asyncbis.CancelScope(shield=True):
        out(scope.cancelled_caught, await connection.fetchval("select 1"))
    await connection.close()
    async with asyncpg.create_pool(min_size=2, max_size=4, **address) as pool:
        async def worker(number):
            for count in range(5):
                with asyncbis.move_on_after(0.01):
                    await pool.execute("select pg_sleep(0.02)")
                assert await pool.fetchval("select $1::int", number) == number
        async with asyncbis.TaskGroup() as group:
            for number in range(8):
                group.create_task(worker(number))
    out("pool ok", asyncio.current_task().cancelling())
report(main)
""")
        == "42 / 3 / TimeoutError / True 1 / pool ok 0"
    )
