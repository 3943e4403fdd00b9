"""A service that shuts down by cancelling every task it can find.

The recipe is in many articles: take `all_tasks()`, leave out the current one, cancel
the rest and wait for them.

Under asyncio that works as long as nobody else's task is among them: this program
prints that both workers have said goodbye.

Under level cancellation the goodbye of a worker is an `await` in a cancelled task, so
it is not sent. And the recipe itself is not needed where `run()` cancels what is left
when main ends, and waits for it.
"""

import asyncio


async def send(name: str, text: str) -> None:
    await asyncio.sleep(0.01)
    print(f"{name}: {text}")


async def worker(name: str) -> None:
    try:
        while True:
            await asyncio.sleep(0.02)
            await send(name, "working")
    except asyncio.CancelledError:
        await send(name, "goodbye")
        raise


async def shut_down() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(f"{len(tasks)} tasks have ended")


async def main() -> None:
    workers = [asyncio.create_task(worker(name)) for name in ("north", "south")]
    await asyncio.sleep(0.05)
    await shut_down()
    assert all(task.cancelled() for task in workers)


if __name__ == "__main__":
    asyncio.run(main())
