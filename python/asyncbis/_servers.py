"""`Server.serve_forever()` that waits for its connections when it is cancelled (clause 10.10).

asyncio closes the server and then waits for the open connections with a plain await, which level
cancellation cuts off at once; since Python 3.14 it closes the connections as well. Here that wait has
a shield, and connections end when their handlers do, on every version.
"""

import asyncio
from asyncio import CancelledError
from asyncio.base_events import Server as AsyncioServer
from typing import TYPE_CHECKING, Any

from ._core import current_task
from ._shield import shielded


class Server(AsyncioServer):
    """The server that `loop.create_server()` and `start_server()` return on asyncbis's loop."""

    if TYPE_CHECKING:
        _serving_forever_fut: asyncio.Future[Any] | None
        _sockets: list[Any] | None
        _waiters: list[Any] | None

        def _start_serving(self) -> None: ...

    async def serve_forever(self) -> None:
        """Accept connections until the task is cancelled; then close and wait for the open ones.

        The wait after a cancellation is shielded: only a second Ctrl-C ends it. `close_clients()`
        (Python 3.13) before it shortens it.
        Raises RuntimeError if the server is closed, or served by another task.
        """
        if current_task() is None:
            await super().serve_forever()
            return
        if self._serving_forever_fut is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        # close() cancels this future.
        self._serving_forever_fut = self.get_loop().create_future()
        try:
            await self._serving_forever_fut
        except CancelledError:
            self.close()
            await shielded(self._wait_for_connections())
            raise
        finally:
            self._serving_forever_fut = None

    async def _wait_for_connections(self) -> None:
        # wait_closed() of Python 3.11 returns at once after close(). The list of waiters is None
        # as soon as the last connection is gone, on every version.
        if self._waiters is not None:
            gone = self.get_loop().create_future()
            self._waiters.append(gone)
            await gone


class ServerMixin:
    """For loops that make asyncio's `Server`: they make asyncbis's instead."""

    async def create_server(self, *args: Any, **kwargs: Any) -> Server:
        """As asyncio's `loop.create_server()`."""
        return _ours(await super().create_server(*args, **kwargs))  # type: ignore[misc]

    async def create_unix_server(self, *args: Any, **kwargs: Any) -> Server:
        """As asyncio's `loop.create_unix_server()`."""
        return _ours(await super().create_unix_server(*args, **kwargs))  # type: ignore[misc]


def _ours(server: Any) -> Server:
    # asyncio's create_server() offers no hook for the class; the subclass adds no state.
    if type(server) is AsyncioServer:
        server.__class__ = Server
    assert isinstance(server, Server)
    return server
