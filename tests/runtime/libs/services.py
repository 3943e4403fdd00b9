"""Servers that the library tests talk to: a Redis and a PostgreSQL on this machine, started for the tests.

What is not installed is installed from Debian where that is possible (as root, with apt-get);
otherwise `Unavailable` says why, and the tests are skipped with that reason.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator


class Unavailable(Exception):
    """Why a server can't be had on this machine."""


def run(*command: str) -> None:
    """Run a command; Unavailable with the end of its output if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stdout.strip()[-300:]}")


def installed(find: Callable[[], str | None], package: str) -> str:
    """The path that `find` gives, after installing the Debian package if need be."""
    if path := find():
        return path
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable(f"{package} is not installed, and installing it takes root and apt-get")
    run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package)
    if path := find():
        return path
    raise Unavailable(f"the package {package} does not bring what was looked for")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait up to ten seconds for a server to answer."""
    end = time.monotonic() + 10
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise Unavailable(f"{process.args!r} does not answer")
        time.sleep(0.02)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def redis() -> Iterator[int]:
    """The port of a Redis server that keeps nothing."""
    program = installed(lambda: shutil.which("redis-server"), "redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: answers(port), process)
            yield port
        finally:
            process.terminate()
            process.wait()


def _postgres_folder() -> str | None:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return str(pathlib.Path(found[-1]).parent) if found else None


@contextlib.contextmanager
def postgres() -> Iterator[int]:
    """The port of a PostgreSQL server with the user `tests`, who needs no password."""
    folder = pathlib.Path(installed(_postgres_folder, "postgresql"))
    port = free_port()
    # PostgreSQL refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as data:
        if user:
            shutil.chown(data, "postgres")
        run(*user, str(folder / "initdb"), "--pgdata", f"{data}/db", "--username", "tests", "--auth", "trust", "--no-sync")
        process = subprocess.Popen(
            [*user, str(folder / "postgres"), "-D", f"{data}/db", "-p", str(port), "-k", data, "-c", "fsync=off"]
            + ["-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ready = [str(folder / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        try:
            wait_until(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, process)
            yield port
        finally:
            subprocess.run([*user, str(folder / "pg_ctl"), "stop", "-D", f"{data}/db", "-m", "fast"],
                           capture_output=True, check=False)  # fmt: skip
            process.wait(10)
