"""A websocket client that waits for the closing handshake longer than it wants to.

`close()` says goodbye and gives the peer 50 ms to answer. The reading task must not
be cancelled by that timeout, since it has to drain what is still coming in; so it
is shielded.

Under asyncio `shield()` means "stop waiting, let it go on": this program gives up
after 50 ms and aborts.

Under level cancellation `shield()` means "this must not be interrupted", for the one
who waits as well. The timeout can't take effect before the reader is done, and a
peer that never answers keeps `close()` waiting for ever.
"""

import asyncio


class Transport:
    """Stands for a socket whose peer is slow to answer the closing handshake."""

    def __init__(self) -> None:
        self.incoming = ["hello", "world"]

    async def receive(self) -> str | None:
        if self.incoming:
            await asyncio.sleep(0.01)
            return self.incoming.pop(0)
        await asyncio.sleep(0.3)
        return None

    def abort(self) -> None:
        self.incoming.clear()


class Client:
    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.messages: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while (message := await self.transport.receive()) is not None:
            self.messages.append(message)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(0.05):
                await asyncio.shield(self.reader)
        except TimeoutError:
            print("no closing handshake in time, aborting")
            self.transport.abort()


async def main() -> None:
    client = Client(Transport())
    await asyncio.sleep(0.03)
    await client.close()
    print(f"received {client.messages}")
    await client.reader


if __name__ == "__main__":
    asyncio.run(main())
