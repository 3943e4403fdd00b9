"""Tracebacks name the line that failed: in groups, in what run() raises, in awaiters, and in reports."""

from __future__ import annotations

import asyncio
import gc
import traceback

import asyncbis
from asyncbis import TaskGroup, sleep
from harness import reports


async def inner() -> None:
    await sleep(0)
    raise ValueError("x")  # the failing line


async def failing() -> None:
    await inner()


def places(error: BaseException | None) -> list[str]:
    """The functions and the source lines of a traceback."""
    assert error is not None
    return [f"{frame.name}: {frame.line}" for frame in traceback.extract_tb(error.__traceback__)]


FAILED = ["failing: await inner()", 'inner: raise ValueError("x")  # the failing line']


def test_error_in_a_group() -> None:
    """Clause 5.7: the errors in the group keep the traceback of their task."""

    async def main() -> BaseException:
        try:
            async with TaskGroup() as group:
                group.create_task(failing())
        except ExceptionGroup as error:
            return error.exceptions[0]
        raise AssertionError("it did not fail")

    assert places(asyncbis.run(main()))[-2:] == FAILED


def test_error_of_a_background_task() -> None:
    """Clause 6.4: likewise what run() raises, and the group itself leads to run()."""

    async def main() -> None:
        asyncbis.create_task(failing())
        await sleep(1)

    try:
        asyncbis.run(main())
    except ExceptionGroup as error:
        group = error
    assert places(group.exceptions[0])[-2:] == FAILED
    assert any("asyncbis.run(main())" in place for place in places(group))


def test_error_of_main() -> None:
    """Clause 6.4: main's own error has its whole traceback."""

    async def main() -> None:
        await failing()

    try:
        asyncbis.run(main())
    except ValueError as error:
        seen = places(error)
    assert seen[-3:] == ["main: await failing()", *FAILED]


def test_error_of_an_awaited_future_again_and_again() -> None:
    """Clause 5.10: the first awaiter gets the task's traceback; the lines of several awaiters do not pile up."""

    async def main() -> list[list[str]]:
        async def awaiter() -> list[str]:
            try:
                await failed
            except ValueError as error:
                return places(error)
            return []

        failed = asyncbis.gather(failing())
        return [await awaiter() for _ in range(5)]

    seen = asyncbis.run(main())
    assert seen[0] == ["awaiter: await failed", *FAILED]
    assert all(set(later) <= set(seen[0]) and len(later) <= len(seen[0]) for later in seen)


def test_error_in_a_report() -> None:
    """Clause 6.10: the exception handler gets the task's traceback."""
    contexts: list[dict[str, object]] = []

    async def main() -> None:
        contexts_of_loop = reports()
        failed = asyncio.get_running_loop().create_task(failing())
        await asyncbis.wait([failed])
        del failed
        gc.collect()
        contexts.extend(contexts_of_loop)

    loop = asyncbis.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    (context,) = contexts
    error = context["exception"]
    assert isinstance(error, ValueError)
    assert places(error)[-2:] == FAILED


def test_error_of_a_callback_in_a_report() -> None:
    """Clause 6.9: likewise for a callback."""

    def divide() -> None:
        raise ValueError("x")

    async def main() -> list[dict[str, object]]:
        contexts = reports()
        asyncio.get_running_loop().call_soon(divide)
        await sleep(0.001)
        return contexts

    (context,) = asyncbis.run(main())
    error = context["exception"]
    assert isinstance(error, ValueError)
    assert places(error)[-1].startswith("divide:")


def test_cancelled_error_names_where_it_was_raised() -> None:
    """Clause 1.16: a CancelledError that leaves a task has the lines that it passed."""

    async def main() -> BaseException | None:
        async def body() -> None:
            await asyncbis.sleep_forever()

        waiting = asyncbis.create_task(body())
        await sleep(0)
        waiting.cancel()
        try:
            await waiting
        except asyncio.CancelledError as error:
            return error
        return None

    assert any(place == "body: await asyncbis.sleep_forever()" for place in places(asyncbis.run(main())))
