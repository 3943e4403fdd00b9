"""What a type checker knows of tasks, futures and task groups."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, assert_type

import asyncbis
from asyncbis import CancelScope, Future, Task, TaskGroup, TaskStatus


async def answer() -> int:
    return 42


async def serve(port: int, *, task_status: TaskStatus[str]) -> None:
    task_status.started(f"localhost:{port}")


async def wait_a_bit(*, task_status: TaskStatus[None]) -> None:
    task_status.started()


async def groups() -> None:
    async with TaskGroup() as group:
        assert_type(group, TaskGroup)
        task = group.create_task(answer(), name="a", context=contextvars.copy_context())
        assert_type(task, Task[int])
        assert_type(await task, int)
        assert_type(task.result(), int)
        assert_type(group.cancel_scope, CancelScope)
        assert_type(group.tasks, frozenset[Task[Any]])
        assert_type(group.all_tasks, frozenset[Task[Any]])
        assert_type(await group.start(serve, 80, name="server"), Any)
        await group.start(wait_a_bit)
        group.cancel()
        group.cancel("reason")
    assert_type(asyncbis.root_task_group(), TaskGroup)


async def tasks() -> None:
    task = asyncbis.create_task(answer(), name="a")
    assert_type(task, Task[int])
    assert_type(task.cancel("reason"), bool)
    assert_type(task.uncancel(), int)
    assert_type(task.cancelling(), int)
    assert_type(task.get_name(), str)
    assert_type(task.get_context(), contextvars.Context)
    assert_type(asyncbis.current_task(), Task[Any] | None)
    assert_type(asyncbis.all_tasks(), set[Task[Any]])
    await asyncbis.cancel_and_wait(task)
    await asyncbis.cancel_and_wait([task, task], msg="reason")
    await asyncbis.sleep_forever()


async def waiting() -> None:
    assert_type(await asyncbis.gather(answer(), name()), tuple[int, str])
    assert_type(
        await asyncbis.gather(answer(), name(), return_exceptions=True),
        tuple[int | BaseException, str | BaseException],
    )
    assert_type(await asyncbis.wait_for(answer(), 1), int)
    assert_type(await asyncbis.shield(answer()), int)
    task = asyncbis.create_task(answer())
    done, pending = await asyncbis.wait([task], timeout=1)
    assert_type(done, set[Task[int]])
    assert_type(pending, set[Task[int]])
    for earliest in asyncbis.as_completed([answer(), answer()]):
        assert_type(await earliest, int)
    assert_type(await asyncbis.to_thread(len, "text"), int)
    assert_type(await asyncbis.sleep(1, "done"), str)


async def futures() -> None:
    future: Future[int] = Future()
    future.set_result(1)
    assert_type(await future, int)
    future.add_done_callback(done)
    assert_type(future.remove_done_callback(done), int)
    assert_type(future.get_loop(), asyncio.AbstractEventLoop)


def done(future: Future[int]) -> None:
    assert_type(future.result(), int)


async def name() -> str:
    return "name"


def make() -> Coroutine[Any, Any, int]:
    return answer()


async def wrong() -> None:
    async with TaskGroup() as group:
        group.create_task(answer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        group.create_task(make)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        text: Task[str] = group.create_task(answer())  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
        group.cancel_scope = CancelScope()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with TaskGroup():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    future: Future[int] = Future()
    future.set_result("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.cancel_scope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await asyncbis.cancel_and_wait(answer())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
