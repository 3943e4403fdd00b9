"""Subprocesses under the names of `asyncio.subprocess`: the pipes' constants, `Process`, and how to start one."""

from asyncio.subprocess import SubprocessStreamProtocol
from subprocess import DEVNULL, PIPE, STDOUT

from ._subprocess import Process, create_subprocess_exec, create_subprocess_shell

__all__ = [
    "DEVNULL",
    "PIPE",
    "Process",
    "STDOUT",
    "SubprocessStreamProtocol",
    "create_subprocess_exec",
    "create_subprocess_shell",
]
