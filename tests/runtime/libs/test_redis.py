"""redis-py's asyncio client, unmodified on asyncbis, against a local Redis."""

from __future__ import annotations

import pytest
from conftest import RunProgram

pytest.importorskip("redis", reason="redis is not installed (tests/conformance/requirements.txt)")


def test_redis(program: RunProgram, redis_port: int) -> None:
    """Commands, pipelines, publish/subscribe, blocking commands under timeouts and scopes; no reply is mixed up."""
    assert (
        program(f"""
import redis.asyncio as redis

async def main(out):
    client = redis.Redis(port={redis_port}, decode_responses=True)
    await client.flushall()
    await client.set("key", "value")
    out(await client.get("key"))
    async with client.pipeline() as pipe:
        out(await pipe.incr("n").incr("n").execute())
    out(await raised(asyncio.wait_for(client.blpop("empty"), 0.1)))
    with asyncbis.move_on_after(0.1) as scope:
        await client.blpop("empty")
    out(scope.cancelled_caught, await client.get("key"))
    async def worker(number):
        for count in range(20):
            with asyncbis.move_on_after(0.0005 * (count % 4)):
                await client.incr("attempts")
            assert await client.echo(f"{{number}} {{count}}") == f"{{number}} {{count}}"
    async with asyncbis.TaskGroup() as group:
        for number in range(10):
            group.create_task(worker(number))
    out("no reply mixed up")
    pubsub = client.pubsub()
    await pubsub.subscribe("channel")
    await client.publish("channel", "news")
    async for message in pubsub.listen():
        if message["type"] == "message":
            out(message["data"])
            break
    await pubsub.aclose()
    await client.aclose()
report(main)
""")
        == "value / [1, 2] / TimeoutError / True value / no reply mixed up / news"
    )
