"""Many threads at once: call_soon_threadsafe(), run_coroutine_threadsafe() and loops of their own."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

import asyncbis
from asyncbis import CancelScope, TaskGroup, sleep
from harness import forever, settle

THREADS = 8


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads take turns often, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def started(count: int, target: object, *args: object) -> list[threading.Thread]:
    threads = [threading.Thread(target=target, args=(number, *args)) for number in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    return threads


def test_call_soon_threadsafe_under_eight_threads() -> None:
    """Clause 14.1: every callback runs once, those of one thread in their order."""
    per_thread = 2000
    seen: list[list[int]] = [[] for _ in range(THREADS)]

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def call(number: int) -> None:
            for count in range(per_thread):
                loop.call_soon_threadsafe(seen[number].append, count)

        threads = started(THREADS, call)
        while any(thread.is_alive() for thread in threads) or sum(map(len, seen)) < THREADS * per_thread:
            await sleep(0.001)

    asyncbis.run(main())
    assert seen == [list(range(per_thread))] * THREADS


def test_call_soon_threadsafe_wakes_an_idle_loop_each_time() -> None:
    """Clause 14.1: no wakeup is lost when the loop goes to sleep at the same moment."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        count = 0

        def ping(number: int) -> None:
            for _ in range(200):
                asyncio.run_coroutine_threadsafe(pong(), loop).result(10)

        async def pong() -> None:
            nonlocal count
            count += 1

        threads = started(THREADS, ping)
        done = asyncio.Event()

        def join(number: int) -> None:
            for thread in threads:
                thread.join()
            loop.call_soon_threadsafe(done.set)

        started(1, join)
        # Nothing wakes this loop but the threads: no timer is set.
        await done.wait()
        return count

    assert asyncbis.run(main()) == THREADS * 200


def test_cancellation_from_threads() -> None:
    """Clauses 1.4, 14.1: scopes and tasks that are cancelled through call_soon_threadsafe() by eight threads at once."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        caught = 0
        async with TaskGroup() as group:
            scopes: list[CancelScope] = []

            async def host() -> None:
                nonlocal caught
                with CancelScope() as scope:
                    scopes.append(scope)
                    await forever()
                caught += scope.cancelled_caught

            for _ in range(400):
                group.create_task(host())
            await settle()

            def cancel(number: int) -> None:
                for scope in scopes[number::2]:
                    loop.call_soon_threadsafe(scope.cancel, number)

            threads = started(THREADS, cancel)
            while any(thread.is_alive() for thread in threads):
                await sleep(0.001)
        return caught

    assert asyncbis.run(main()) == 400


def test_loops_in_eight_threads() -> None:
    """Clause 14.1: loops, tasks, timeouts and futures that pass values between threads."""
    results: list[int] = []

    async def work(number: int) -> int:
        total = 0
        for _ in range(20):
            async with TaskGroup() as group:
                tasks = [group.create_task(sleep(0, value)) for value in range(10)]
            total += sum(each.result() for each in tasks)
            with asyncbis.move_on_after(0):
                await sleep(1)
        return total

    def run(number: int) -> None:
        results.append(asyncbis.run(work(number)))

    for thread in started(THREADS, run):
        thread.join()
    assert results == [20 * 45] * THREADS


def test_futures_of_threads_are_chained() -> None:
    """Clause 9.11: wrap_future() and run_in_executor() deliver from many threads."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncbis.gather(*(loop.run_in_executor(None, abs, -number) for number in range(500)))

    assert asyncbis.run(main()) == list(range(500))


def test_call_soon_threadsafe_after_close() -> None:
    """Clause 14.1: RuntimeError when the loop is closed, as on asyncio, whatever the thread."""

    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loop = asyncbis.run(main())
    errors: list[str] = []

    def call(number: int) -> None:
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as error:
            errors.append(str(error))

    for thread in started(2, call):
        thread.join()
    assert errors == ["Event loop is closed"] * 2
