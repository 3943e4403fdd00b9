"""Streams: `StreamWriter.wait_closed()` with a waiter of its own, supervised client handlers.

asyncio's `wait_closed()` awaits a future that all callers share, so that a cancelled caller cancels
it for everybody, for ever (clause 10.12). Client handlers own their errors, which are logged, not
reported to the root group (clauses 6.5, 10.14).
Deliberately not here: `StreamReader`, which is right as it is.
"""

import asyncio
from asyncio import StreamReader
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from . import _stdlib
from ._finished import finished
from ._supervision import spawn_supervised

ClientConnected: TypeAlias = Callable[[StreamReader, "StreamWriter"], Any]


class StreamWriter(_stdlib.StreamWriter):
    """asyncio's stream writer, whose `wait_closed()` may be cancelled without harm."""

    async def wait_closed(self) -> None:
        """Wait until the stream is closed; raises the error that closed it, if there was one."""
        await wait_closed(self)


async def wait_closed(writer: _stdlib.StreamWriter) -> None:
    """The body of `StreamWriter.wait_closed()`, also put into asyncio's class by `patch_asyncio()`."""
    closed = writer._protocol._get_close_waiter(writer)  # type: ignore[attr-defined]
    await finished(closed)
    closed.result()


async def open_connection(
    host: Any = None, port: Any = None, **kwargs: Any
) -> tuple[StreamReader, StreamWriter]:
    """Connect to `host` and `port`; as `asyncio.open_connection()`. Returns (reader, writer)."""
    reader, writer = await _stdlib.open_connection(host, port, **kwargs)
    return reader, _ours(writer)


async def start_server(
    client_connected_cb: ClientConnected, host: Any = None, port: Any = None, **kwargs: Any
) -> asyncio.Server:
    """Serve stream connections on `host` and `port`; as `asyncio.start_server()`.

    `client_connected_cb(reader, writer)` is called for each client. If it is a coroutine function,
    its task belongs to the root group; an error in it is logged and closes the connection, and does
    not end the run (clause 6.5).
    """
    return await _stdlib.start_server(_handler(client_connected_cb), host, port, **kwargs)


def _handler(client_connected_cb: ClientConnected) -> Callable[[StreamReader, Any], None]:
    """A plain callback for asyncio's protocol, which starts the client's task itself."""

    def connected(reader: StreamReader, writer: Any) -> None:
        result = client_connected_cb(reader, _ours(writer))
        if asyncio.iscoroutine(result):
            _serve(writer, result)

    return connected


def _serve(writer: StreamWriter, handler: Coroutine[Any, Any, Any]) -> None:
    loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
    transport = writer.transport

    def ended(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            transport.close()
            return
        error = task.exception()
        if error is not None:
            loop.call_exception_handler(
                {
                    "message": "Unhandled exception in client_connected_cb",
                    "exception": error,
                    "transport": transport,
                }
            )
            transport.close()

    task = spawn_supervised(loop, handler)
    # asyncio's protocol keeps the task of its client alive like this.
    writer._protocol._task = task  # type: ignore[attr-defined]
    task.add_done_callback(ended)


def _ours(writer: Any) -> StreamWriter:
    # asyncio makes the writer inside its protocol; the subclass adds no state.
    if type(writer) is _stdlib.StreamWriter:
        writer.__class__ = StreamWriter
    return writer  # type: ignore[no-any-return]


if hasattr(asyncio, "open_unix_connection"):
    _open_unix_connection = asyncio.open_unix_connection
    _start_unix_server = asyncio.start_unix_server

    async def open_unix_connection(
        path: Any = None, **kwargs: Any
    ) -> tuple[StreamReader, StreamWriter]:
        """Connect to the Unix socket `path`; as `asyncio.open_unix_connection()`."""
        reader, writer = await _open_unix_connection(path, **kwargs)
        return reader, _ours(writer)

    async def start_unix_server(
        client_connected_cb: ClientConnected, path: Any = None, **kwargs: Any
    ) -> asyncio.Server:
        """Serve stream connections on the Unix socket `path`; handlers as in `start_server()`."""
        return await _start_unix_server(_handler(client_connected_cb), path, **kwargs)
