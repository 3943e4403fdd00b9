"""Starts a Redis and a PostgreSQL server for the tests, far from any that the machine may have.

Redis is taken from the PATH, or unpacked from Debian's packages into `target/services`, without
installing anything; PostgreSQL is taken from where Debian installs it, or from the PATH. Where
there is neither, the tests that need it are skipped and say so.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

UNPACKED = Path(__file__).resolve().parent.parent.parent / "target" / "services"
REDIS_PACKAGES = ("redis-tools", "redis-server", "liblzf1", "libjemalloc2")


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis server."""
    server = redis_server()
    if server is None:
        pytest.skip("there is no redis-server, and Debian's package can't be unpacked")
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    libraries = UNPACKED / "usr/lib/x86_64-linux-gnu"
    process = subprocess.Popen(
        [server, "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_socket(path, process)
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait()


def redis_server() -> str | None:
    """The command, if there is one or it can be had."""
    unpacked = UNPACKED / "usr/bin/redis-server"
    found = shutil.which("redis-server")
    if found is not None or unpacked.exists():
        return found or str(unpacked)
    UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=UNPACKED.parent))
    try:
        subprocess.run(
            ["apt-get", "--quiet=2", "download", *REDIS_PACKAGES], cwd=folder, check=True
        )
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        folder.rename(UNPACKED)
    except (OSError, subprocess.CalledProcessError):
        # Another process may have been faster.
        shutil.rmtree(folder, ignore_errors=True)
    return str(unpacked) if unpacked.exists() else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server, whose superuser is `tester`."""
    initdb = postgresql_command("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        if user is not None:
            shutil.chown(home, user)
        data = home / "data"
        subprocess.run(
            [initdb, "--no-sync", "--username=tester", "--auth=trust", "--pgdata", data],
            check=True,
            user=user,
            cwd=home,
            stdout=subprocess.DEVNULL,
        )
        command = postgresql_command("postgres")
        assert command is not None
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}"]
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                [command, "-D", data, "-c", "fsync=off", *settings],
                user=user, cwd=home, stdout=log, stderr=log,
            )
        try:
            wait_for_socket(home / ".s.PGSQL.5432", process)
            yield str(home)
        finally:
            process.terminate()
            process.wait()


def postgresql_command(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else shutil.which(name)


def wait_for_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until something answers on a Unix socket."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, "the server has ended"
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
                return
            except OSError:
                time.sleep(0.05)
    raise TimeoutError(f"nothing answers on {path}")
