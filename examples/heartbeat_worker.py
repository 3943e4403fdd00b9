"""A worker whose heartbeat survives its own cancellation.

The heartbeat must not die of a broken connection, so its loop catches everything
that a beat can raise, the cancellation among it.

Under asyncio `stop()` gets away with that by luck: the cancellation is delivered
once, is logged as a failed beat, and the loop goes on beating for a worker that
is gone. This program runs into it and has to cancel a second time.

Under level cancellation the next `await` raises again, is caught again, and so on
without a pause: the loop takes a whole core, and `stop()` never returns.
"""

import asyncio


class Connection:
    """Stands for the connection to a broker."""

    def __init__(self) -> None:
        self.beats = 0

    async def send_heartbeat(self) -> None:
        await asyncio.sleep(0.05)
        self.beats += 1


class Worker:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.running = True
        self.heartbeat: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.heartbeat = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while self.running:
            try:
                await self.connection.send_heartbeat()
            except (ConnectionError, asyncio.CancelledError) as error:
                print(f"heartbeat failed: {error!r}")

    async def stop(self) -> None:
        self.heartbeat.cancel()
        done, _ = await asyncio.wait({self.heartbeat}, timeout=0.2)
        if not done:
            print(f"still beating after stop(): {self.connection.beats} beats")
            self.running = False
            self.heartbeat.cancel()
            await self.heartbeat


async def main() -> None:
    worker = Worker(Connection())
    worker.start()
    await asyncio.sleep(0.12)
    await worker.stop()


if __name__ == "__main__":
    asyncio.run(main())
