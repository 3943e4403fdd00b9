"""`staggered_race()` on a task group: attempts started one after another, the first to succeed wins.

asyncio's connection code uses it ("happy eyeballs"); `patch_asyncio()` puts it there. asyncio's own
may start another attempt after somebody has won, since a new task always runs its first step
(clause 10.20).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from . import _stdlib
from ._core import TaskGroup, current_task, move_on_after


async def staggered_race(
    coro_fns: Iterable[Callable[[], Awaitable[Any]]],
    delay: float | None,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> tuple[Any, int | None, list[BaseException | None]]:
    """Start `coro_fns` one after another until one succeeds, and cancel the others.

    The next one is started when the one before has failed, or `delay` seconds after it was started
    (None: only when it has failed). `loop` is accepted for asyncio's callers.
    Returns (result, index, exceptions) of the winner, or (None, None, exceptions) if all failed;
    `exceptions` has an entry for each that was started, None for the winner.
    """
    if current_task() is None:
        return await _stdlib.staggered_race(coro_fns, delay, loop=loop)  # type: ignore[return-value]
    race = _Race()
    async with TaskGroup() as group:
        for index, coro_fn in enumerate(coro_fns):
            failed = asyncio.Event()
            race.exceptions.append(None)
            group.create_task(race.attempt(group, index, coro_fn, failed))
            with move_on_after(delay):
                await failed.wait()
    exceptions, race.exceptions = race.exceptions, []
    try:
        return race.result, race.winner, exceptions
    finally:
        # Their tracebacks refer to this frame, and to the race.
        del exceptions


class _Race:
    """Who has won, and how the others have failed."""

    def __init__(self) -> None:
        self.result: Any = None
        self.winner: int | None = None
        self.exceptions: list[BaseException | None] = []

    async def attempt(
        self,
        group: TaskGroup,
        index: int,
        coro_fn: Callable[[], Awaitable[Any]],
        failed: asyncio.Event,
    ) -> None:
        if self.winner is not None:
            return
        try:
            result = await coro_fn()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.exceptions[index] = exc
            failed.set()
            return
        if self.winner is None:
            self.winner, self.result = index, result
            group.cancel("another attempt has won the race")
        else:
            # It was cancelled, but had its result already.
            self.exceptions[index] = asyncio.CancelledError()
            _release(result)


def _release(result: Any) -> None:
    """Close what a second winner brings, a connected socket for instance: nobody else can."""
    close = getattr(result, "close", None)
    if close is not None:
        close()
