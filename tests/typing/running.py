"""What a type checker knows of run(), Runner, loops and patching."""

import asyncio
from typing import assert_type

import asyncbis
from asyncbis import EventLoop, Runner


async def answer() -> int:
    return 42


def runs() -> None:
    assert_type(asyncbis.run(answer()), int)
    assert_type(asyncbis.run(answer(), debug=True, loop_factory=EventLoop), int)
    assert_type(asyncbis.run(answer(), sniffio_name="asyncio"), int)
    assert_type(asyncbis.run(answer(), background_errors="unobserved"), int)
    with Runner(debug=None, loop_factory=None) as runner:
        assert_type(runner, Runner)
        assert_type(runner.run(answer()), int)
        assert_type(runner.get_loop(), asyncio.AbstractEventLoop)
        runner.close()


def patches() -> None:
    asyncbis.patch_asyncio()
    asyncbis.patch_asyncio(deprecated="warn")
    asyncbis.patch_asyncio(deprecated="raise")
    asyncbis.unpatch()


def a_loop_is_asyncios() -> asyncio.AbstractEventLoop:
    return asyncbis.new_event_loop()


async def the_rest_is_asyncios() -> None:
    assert_type(asyncbis.Queue[int](), asyncio.Queue[int])
    assert_type(asyncbis.Event(), asyncio.Event)
    assert_type(asyncbis.Lock(), asyncio.Lock)
    try:
        await asyncbis.sleep(1)
    except asyncbis.CancelledError as error:
        assert_type(error, asyncio.CancelledError)
        raise


def wrong() -> None:
    asyncbis.run(answer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    asyncbis.run(answer(), background_errors="some")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    asyncbis.patch_asyncio(deprecated="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    asyncbis.no_such_name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
