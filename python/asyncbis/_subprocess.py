"""Subprocesses: a cancelled start leaves no process behind (clause 10.15), streams close safely (10.12)."""

import asyncio.subprocess
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from . import _stdlib
from ._core import checkpoint_if_cancelled, current_scope_cancelled, current_task
from ._shield import shielded
from ._streams import StreamWriter
from ._supervision import outside_cancelled_root

_create_exec = asyncio.subprocess.create_subprocess_exec
_create_shell = asyncio.subprocess.create_subprocess_shell


class SubprocessMixin:
    """For all loops: starting a process is not cut off half-way."""

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """As the loop's own; a cancelled caller leaves no process behind."""
        return await _start(super().subprocess_exec(*args, **kwargs))  # type: ignore[misc]

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        """As the loop's own; a cancelled caller leaves no process behind."""
        return await _start(super().subprocess_shell(*args, **kwargs))  # type: ignore[misc]

    # asyncio's transport connects its pipes in a background task, which the root group may cancel;
    # the process would then be left half-connected, and never be seen to end.

    async def connect_read_pipe(self, *args: Any, **kwargs: Any) -> Any:
        """As the loop's own; the moment that it takes is shielded."""
        return await _shielded_in_ours(super().connect_read_pipe(*args, **kwargs))  # type: ignore[misc]

    async def connect_write_pipe(self, *args: Any, **kwargs: Any) -> Any:
        """As the loop's own; the moment that it takes is shielded."""
        return await _shielded_in_ours(super().connect_write_pipe(*args, **kwargs))  # type: ignore[misc]


async def _shielded_in_ours(connecting: Coroutine[Any, Any, Any]) -> Any:
    return await (connecting if current_task() is None else shielded(connecting))


async def _start(starting: Coroutine[Any, Any, Any]) -> Any:
    if current_task() is None:
        return await starting
    # asyncio's clean-up awaits, and would be cut off with the process running. Starting takes
    # a moment only, so it is shielded as a whole, and undone where it was not wanted any more.
    transport, protocol = await shielded(starting)
    if current_scope_cancelled():
        transport.close()
        await shielded(transport._wait())
        await checkpoint_if_cancelled()
    return transport, protocol


class Process(asyncio.subprocess.Process):
    """asyncio's process; `communicate()` works in shielded cleanup as well."""

    if TYPE_CHECKING:
        _loop: asyncio.AbstractEventLoop

    async def communicate(self, input: Any = None) -> tuple[Any, Any]:
        """Send `input`, read the output to its end, wait for the process; as asyncio's."""
        outcome: tuple[Any, Any] = await _Communication(self._loop, super().communicate(input))
        return outcome


class _Communication:
    """Awaits asyncio's `communicate()`, which starts its tasks in the first step (clause 10.16)."""

    def __init__(self, loop: Any, coro: Coroutine[Any, Any, Any]) -> None:
        self._loop = loop
        self._coro = coro

    def __await__(self) -> Generator[Any, Any, Any]:
        coro = self._coro
        try:
            with outside_cancelled_root(self._loop):
                waited_for = coro.send(None)
            while True:
                try:
                    value = yield waited_for
                except BaseException as exc:
                    waited_for = coro.throw(exc)
                else:
                    waited_for = coro.send(value)
        except StopIteration as stop:
            return stop.value


async def create_subprocess_exec(program: Any, *args: Any, **kwargs: Any) -> Process:
    """Start `program` with `args`; as `asyncio.create_subprocess_exec()`.

    If the caller is cancelled meanwhile, the process is killed and reaped before CancelledError
    leaves this function (clause 10.15).
    """
    return _ours(await _create_exec(program, *args, **kwargs))


async def create_subprocess_shell(cmd: Any, **kwargs: Any) -> Process:
    """Start the shell command `cmd`; as `asyncio.create_subprocess_shell()`, cancelled as above."""
    return _ours(await _create_shell(cmd, **kwargs))


def _ours(process: Any) -> Process:
    # asyncio makes both objects in functions without a hook; the subclasses add no state.
    if type(process) is asyncio.subprocess.Process:
        process.__class__ = Process
    if type(process.stdin) is _stdlib.StreamWriter:
        process.stdin.__class__ = StreamWriter
    return process  # type: ignore[no-any-return]
