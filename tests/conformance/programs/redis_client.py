"""redis-py: a pool that many share, blocking commands that are cut off, pipelines and subscriptions."""
# needs: redis

import asyncio

import redis.asyncio


async def main(url: str) -> None:
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    await client.flushdb()
    values = await asyncio.gather(*(client.incr("counter") for _ in range(100)))
    print("counted to", max(values))

    async with client.pipeline(transaction=True) as pipeline:
        pipeline.set("key", "value").get("key").delete("counter")
        print(await pipeline.execute())

    try:
        await asyncio.wait_for(client.blpop(["queue"]), 0.1)
    except TimeoutError:
        print("nothing in the queue")
    try:
        async with asyncio.timeout(0.1):
            await client.blpop(["queue"])
    except TimeoutError:
        print("still nothing")
    await client.rpush("queue", "item")
    print("in the queue", await client.lrange("queue", 0, -1))
    print(await client.blpop(["queue"]))

    tasks = [asyncio.create_task(client.blpop([f"queue{number}"])) for number in range(10)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    print("cancelled", all(task.cancelled() for task in tasks))

    async with client.pubsub() as subscription:
        await subscription.subscribe("channel")
        received: list[str] = []

        async def listen() -> None:
            async for message in subscription.listen():
                if message["type"] == "message":
                    received.append(message["data"])

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0.05)
        for text in ("one", "two"):
            await client.publish("channel", text)
        while len(received) < 2:
            await asyncio.sleep(0.01)
        listener.cancel()
        await asyncio.wait([listener])
        print(received, listener.cancelled())
    print("still answers", await client.get("key"))
    await client.aclose()


# prints: counted to 100
# prints: [True, 'value', 1]
# prints: nothing in the queue
# prints: still nothing
# prints: in the queue ['item']
# prints: ('queue', 'item')
# prints: cancelled True
# prints: ['one', 'two'] True
# prints: still answers value
