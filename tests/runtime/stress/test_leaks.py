"""A million tasks, scopes and timeouts, spawned and cancelled, leave memory flat."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable

import pytest

import asyncbis
from asyncbis import CancelScope, TaskGroup, sleep

MILLION = int(os.environ.get("ASYNCBIS_STRESS_COUNT", "1000000"))
# What is done in one round, and how much more memory the later rounds may take than the first.
ROUND = 10_000
ALLOWED_BYTES = 4 * 1024 * 1024


def resident() -> int:
    """The resident memory of this process in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def tasks_in_a_group() -> None:
    async with TaskGroup() as group:
        for _ in range(ROUND):
            group.create_task(forever())
        await sleep(0)
        group.cancel()


async def background_tasks() -> None:
    tasks = [asyncbis.create_task(forever()) for _ in range(ROUND)]
    await sleep(0)
    for each in tasks:
        each.cancel()
    await asyncbis.wait(tasks)


async def eager_tasks() -> None:
    async with TaskGroup() as group:
        for _ in range(ROUND):
            group.create_task(sleep(0), eager_start=True)


async def scopes() -> None:
    for _ in range(ROUND):
        with CancelScope() as outer, CancelScope(shield=True), CancelScope():
            outer.cancel("message")
        with CancelScope() as scope:
            scope.cancel()
            await sleep(0)


async def deadlines() -> None:
    now = asyncio.get_running_loop().time()
    for _ in range(ROUND // 2):
        with CancelScope(deadline=now + 100) as scope:
            scope.deadline = now + 200
    async with TaskGroup() as group:

        async def expire() -> None:
            with CancelScope(deadline=asyncio.get_running_loop().time() + 0.001):
                await forever()

        for _ in range(ROUND // 2):
            group.create_task(expire())


async def timeouts() -> None:
    for _ in range(ROUND // 2):
        async with asyncbis.timeout(100):
            pass
    for _ in range(ROUND // 2):
        try:
            async with asyncbis.timeout(0):
                await forever()
        except TimeoutError:
            pass


async def timers() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(ROUND):
        loop.call_later(100, print).cancel()
    await sleep(0)


async def futures() -> None:
    loop = asyncio.get_running_loop()

    async def wait(future: asyncio.Future[int]) -> None:
        await future

    async with TaskGroup() as group:
        for number in range(ROUND):
            future: asyncio.Future[int] = loop.create_future()
            group.create_task(wait(future))
            loop.call_soon(future.set_result, number)


async def errors() -> None:
    async def fail() -> None:
        raise ValueError

    for _ in range(ROUND // 10):
        try:
            async with TaskGroup() as group:
                group.create_task(forever())
                group.create_task(fail())
        except ExceptionGroup:
            pass


async def waits() -> None:
    for _ in range(ROUND // 10):
        await asyncbis.gather(sleep(0), sleep(0))
        await asyncbis.shield(sleep(0))
        try:
            await asyncbis.wait_for(forever(), 0)
        except TimeoutError:
            pass


KINDS = [tasks_in_a_group, background_tasks, eager_tasks, scopes, deadlines, timeouts, timers, futures, errors, waits]


@pytest.mark.limit(600)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_memory_stays_flat(kind: Callable[[], Awaitable[None]]) -> None:
    """Clause 1.18: nothing of what has ended is kept."""

    async def main() -> list[int]:
        seen = []
        for number in range(max(4, MILLION // ROUND)):
            await kind()
            # After some rounds all caches and arenas have their size.
            if number >= 3:
                gc.collect()
                seen.append(resident())
        return seen

    seen = asyncbis.run(main())
    assert max(seen[len(seen) // 2 :]) - seen[0] < ALLOWED_BYTES, seen


@pytest.mark.limit(300)
def test_memory_stays_flat_over_many_runs() -> None:
    """Clauses 1.18, 8.1: a run leaves nothing behind, whether it succeeds or fails."""

    async def main(number: int) -> None:
        asyncbis.create_task(forever())
        await sleep(0)
        if number % 2:
            raise ValueError

    seen = []
    for number in range(3000):
        try:
            asyncbis.run(main(number))
        except ValueError:
            pass
        if number >= 300 and number % 300 == 0:
            gc.collect()
            seen.append(resident())
    assert max(seen[len(seen) // 2 :]) - seen[0] < ALLOWED_BYTES, seen
