"""Subprocesses: a cancelled start leaves no process behind (clause 10.15), streams close safely (10.12)."""

import asyncio.subprocess
from asyncio.subprocess import Process
from collections.abc import Coroutine
from typing import Any

from . import _stdlib
from ._core import checkpoint_if_cancelled, current_scope_cancelled, current_task
from ._shield import shielded
from ._streams import StreamWriter

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


async def create_subprocess_exec(program: Any, *args: Any, **kwargs: Any) -> Process:
    """Start `program` with `args`; as `asyncio.create_subprocess_exec()`.

    If the caller is cancelled meanwhile, the process is killed and reaped before CancelledError
    leaves this function (clause 10.15).
    """
    return _with_our_writer(await _create_exec(program, *args, **kwargs))


async def create_subprocess_shell(cmd: Any, **kwargs: Any) -> Process:
    """Start the shell command `cmd`; as `asyncio.create_subprocess_shell()`, cancelled as above."""
    return _with_our_writer(await _create_shell(cmd, **kwargs))


def _with_our_writer(process: Process) -> Process:
    if type(process.stdin) is _stdlib.StreamWriter:
        process.stdin.__class__ = StreamWriter
    return process
