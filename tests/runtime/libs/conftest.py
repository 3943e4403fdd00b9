"""Fixtures of the library tests: the servers, and both ways to run a program."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import services  # noqa: E402
from harness import in_child  # noqa: E402

RunProgram = Callable[..., str]


@pytest.fixture(params=["unpatched", "patched"])
def program(request: pytest.FixtureRequest) -> RunProgram:
    """Run a program text in a process of its own: on asyncio as it is, and after patch_asyncio(deprecated="warn")."""
    prefix = 'asyncbis.patch_asyncio(deprecated="warn")\n' if request.param == "patched" else ""

    def run(text: str, **options: Any) -> str:
        return in_child(prefix + text, timeout=30, **options)

    return run


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """The port of a Redis server; skips with the reason where there is none."""
    try:
        server = services.redis()
        port = server.__enter__()
    except services.Unavailable as reason:
        pytest.skip(str(reason))
    yield port
    server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """The port of a PostgreSQL server; skips with the reason where there is none."""
    try:
        server = services.postgres()
        port = server.__enter__()
    except services.Unavailable as reason:
        pytest.skip(str(reason))
    yield port
    server.__exit__(None, None, None)
