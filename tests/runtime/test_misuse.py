"""Misuse is an exception with a text that helps, never a crash, and what comes after it works."""

from __future__ import annotations

import asyncio
import gc
import math
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

import asyncbis
from asyncbis import CancelScope, TaskGroup, TaskStatus, sleep
from harness import forever, now, settle, task

Misuse = Callable[[], Awaitable[Any]]


async def one() -> int:
    return 1


async def enter_twice() -> None:
    with CancelScope() as scope, scope:
        pass


async def reuse_a_scope() -> None:
    with CancelScope() as scope:
        pass
    with scope:
        pass


async def exit_before_entry() -> None:
    CancelScope().__exit__(None, None, None)


async def exit_in_the_wrong_order() -> None:
    outer, inner = CancelScope(), CancelScope()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)


async def exit_in_another_task() -> None:
    with CancelScope() as scope:

        async def stranger() -> None:
            scope.__exit__(None, None, None)

        await asyncbis.gather(stranger())


async def enter_in_a_thread() -> None:
    await asyncbis.to_thread(CancelScope().__enter__)


async def use_a_scope_with_async_with() -> None:
    async with CancelScope():  # type: ignore[attr-defined]
        pass


async def use_a_group_with_with() -> None:
    with TaskGroup():  # type: ignore[attr-defined]
        pass


async def use_a_timeout_with_with() -> None:
    with asyncbis.timeout(1):  # type: ignore[attr-defined]
        pass


async def nan_deadline() -> None:
    CancelScope(deadline=math.nan)


async def nan_deadline_set() -> None:
    with CancelScope() as scope:
        scope.deadline = math.nan


async def text_deadline() -> None:
    CancelScope(deadline="soon")  # type: ignore[arg-type]


async def text_delay() -> None:
    asyncbis.timeout("soon")  # type: ignore[arg-type]


async def nan_timeout() -> None:
    asyncbis.timeout(math.nan)


async def nan_timeout_at() -> None:
    asyncbis.timeout_at(math.nan)


async def nan_move_on() -> None:
    asyncbis.move_on_after(math.nan)


async def nan_fail() -> None:
    asyncbis.fail_after(math.nan)


async def nan_sleep() -> None:
    await asyncbis.sleep(math.nan)


async def text_sleep() -> None:
    await asyncbis.sleep("1")  # type: ignore[call-overload]


async def nan_reschedule() -> None:
    async with asyncbis.timeout(1) as context:
        context.reschedule(math.nan)


async def number_as_shield() -> None:
    CancelScope(shield=1)  # type: ignore[arg-type]


async def unknown_option() -> None:
    CancelScope(timeout=1)  # type: ignore[call-arg]


async def coroutine_function_as_task() -> None:
    asyncbis.create_task(one)  # type: ignore[arg-type]


async def coroutine_function_in_a_group() -> None:
    async with TaskGroup() as group:
        try:
            group.create_task(one)  # type: ignore[arg-type]
        finally:
            # The error is the body's; it should come out as it is.
            pass


async def coroutine_function_as_task_object() -> None:
    asyncbis.Task(one, loop=asyncio.get_running_loop())  # type: ignore[arg-type]


async def number_as_task() -> None:
    asyncbis.create_task(3)  # type: ignore[arg-type]


async def future_as_task() -> None:
    asyncbis.create_task(asyncio.get_running_loop().create_future())  # type: ignore[arg-type]


async def async_generator_as_task() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1

    asyncbis.create_task(numbers())  # type: ignore[arg-type]


async def coroutine_given_to_start() -> None:
    coro = one()
    try:
        async with TaskGroup() as group:
            await group.start(coro)  # type: ignore[arg-type]
    finally:
        coro.close()


async def start_of_a_function_without_status() -> None:
    async with TaskGroup() as group:
        await group.start(one)


async def started_twice() -> None:
    async def child(*, task_status: TaskStatus[None]) -> None:
        task_status.started()
        task_status.started()

    async with TaskGroup() as group:
        await group.start(child)


async def exits_without_started() -> None:
    async def child(*, task_status: TaskStatus[None]) -> None:
        pass

    async with TaskGroup() as group:
        await group.start(child)


async def create_task_before_entry() -> None:
    TaskGroup().create_task(one())


async def create_task_after_exit() -> None:
    async with TaskGroup() as group:
        pass
    group.create_task(one())


async def start_before_entry() -> None:
    await TaskGroup().start(one)


async def enter_a_group_twice() -> None:
    async with TaskGroup() as group:
        pass
    async with group:
        pass


async def leave_a_group_in_another_task() -> None:
    async with TaskGroup() as group:

        async def stranger() -> None:
            await group.__aexit__(None, None, None)

        await asyncbis.wait_for(asyncbis.gather(stranger()), 5)


async def leave_a_group_before_entry() -> None:
    await TaskGroup().__aexit__(None, None, None)


async def await_itself() -> None:
    await task()


async def await_its_own_group() -> None:
    async def child() -> None:
        await asyncio.current_task()  # type: ignore[misc]

    await asyncbis.gather(child())


async def await_a_coroutine_twice() -> None:
    coro = one()
    await coro
    await coro


async def await_a_timeout() -> None:
    await asyncbis.timeout(1)  # type: ignore[misc]


async def await_a_group() -> None:
    await TaskGroup()  # type: ignore[misc]


async def await_a_future_of_another_loop() -> None:
    other = asyncbis.new_event_loop()
    try:
        await other.create_future()
    finally:
        other.close()


async def enter_a_timeout_twice() -> None:
    async with asyncbis.timeout(1) as context:
        async with context:
            pass


async def reschedule_before_entry() -> None:
    asyncbis.timeout(1).reschedule(now())


async def reschedule_after_exit() -> None:
    async with asyncbis.timeout(1) as context:
        pass
    context.reschedule(now())


async def enter_fail_after_twice() -> None:
    context = asyncbis.fail_after(1)
    with context:
        pass
    with context:
        pass


async def await_a_shield_twice() -> None:
    shielded = asyncbis.shield(one())
    await shielded
    await shielded


async def shield_a_number() -> None:
    await asyncbis.shield(3)  # type: ignore[arg-type]


async def wait_for_a_number() -> None:
    await asyncbis.wait_for(3, 1)  # type: ignore[arg-type]


async def wait_for_nothing() -> None:
    await asyncbis.wait([])


async def wait_for_a_coroutine_in_wait() -> None:
    coro = one()
    try:
        await asyncbis.wait([coro])
    finally:
        coro.close()


async def gather_a_number() -> None:
    await asyncbis.gather(3)  # type: ignore[call-overload]


async def result_of_a_pending_task() -> None:
    waiting = asyncbis.create_task(forever())
    waiting.result()


async def set_result_of_a_task() -> None:
    asyncbis.create_task(forever()).set_result(None)


async def set_a_result_twice() -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_result(1)
    future.set_result(2)


async def set_an_exception_that_is_none() -> None:
    asyncio.get_running_loop().create_future().set_exception(3)  # type: ignore[arg-type]


async def run_inside_of_run() -> None:
    coro = one()
    try:
        asyncbis.run(coro)
    finally:
        coro.close()


async def run_the_running_loop() -> None:
    asyncio.get_running_loop().run_forever()


async def close_the_running_loop() -> None:
    asyncio.get_running_loop().close()


async def context_that_is_none() -> None:
    asyncbis.create_task(forever(), context=3)  # type: ignore[arg-type]


async def cancel_and_wait_for_itself() -> None:
    await asyncbis.cancel_and_wait(task())


async def future_without_a_loop_argument_that_fits() -> None:
    asyncbis.Future(loop=3)  # type: ignore[arg-type]


async def second_init_of_a_task() -> None:
    task().__init__(forever(), loop=asyncio.get_running_loop())  # type: ignore[misc]


async def unknown_policy_for_background_errors() -> None:
    coro = one()
    try:
        await asyncbis.to_thread(asyncbis.run, coro, background_errors="never")  # type: ignore[arg-type]
    finally:
        coro.close()


# What a group raises of its body is in a group (clause 5.7).
MISUSES: dict[Misuse, type[Exception]] = {
    enter_twice: RuntimeError,
    reuse_a_scope: RuntimeError,
    exit_before_entry: RuntimeError,
    exit_in_the_wrong_order: RuntimeError,
    exit_in_another_task: RuntimeError,
    enter_in_a_thread: RuntimeError,
    use_a_scope_with_async_with: TypeError,
    use_a_group_with_with: TypeError,
    use_a_timeout_with_with: TypeError,
    nan_deadline: ValueError,
    nan_deadline_set: ValueError,
    text_deadline: TypeError,
    text_delay: TypeError,
    nan_timeout: ValueError,
    nan_timeout_at: ValueError,
    nan_move_on: ValueError,
    nan_fail: ValueError,
    nan_sleep: ValueError,
    text_sleep: TypeError,
    nan_reschedule: ValueError,
    number_as_shield: TypeError,
    unknown_option: TypeError,
    coroutine_function_as_task: TypeError,
    coroutine_function_in_a_group: TypeError,
    coroutine_function_as_task_object: TypeError,
    number_as_task: TypeError,
    future_as_task: TypeError,
    async_generator_as_task: TypeError,
    coroutine_given_to_start: TypeError,
    start_of_a_function_without_status: TypeError,
    started_twice: RuntimeError,
    exits_without_started: RuntimeError,
    create_task_before_entry: RuntimeError,
    create_task_after_exit: RuntimeError,
    start_before_entry: RuntimeError,
    enter_a_group_twice: RuntimeError,
    leave_a_group_in_another_task: RuntimeError,
    leave_a_group_before_entry: RuntimeError,
    await_itself: RuntimeError,
    await_its_own_group: RuntimeError,
    await_a_coroutine_twice: RuntimeError,
    await_a_timeout: TypeError,
    await_a_group: TypeError,
    await_a_future_of_another_loop: RuntimeError,
    enter_a_timeout_twice: RuntimeError,
    reschedule_before_entry: RuntimeError,
    reschedule_after_exit: RuntimeError,
    enter_fail_after_twice: RuntimeError,
    await_a_shield_twice: RuntimeError,
    shield_a_number: TypeError,
    wait_for_a_number: TypeError,
    wait_for_nothing: ValueError,
    wait_for_a_coroutine_in_wait: TypeError,
    gather_a_number: TypeError,
    result_of_a_pending_task: asyncio.InvalidStateError,
    set_result_of_a_task: RuntimeError,
    set_a_result_twice: asyncio.InvalidStateError,
    set_an_exception_that_is_none: TypeError,
    run_inside_of_run: RuntimeError,
    run_the_running_loop: RuntimeError,
    close_the_running_loop: RuntimeError,
    context_that_is_none: TypeError,
    cancel_and_wait_for_itself: RuntimeError,
    future_without_a_loop_argument_that_fits: TypeError,
    second_init_of_a_task: RuntimeError,
    unknown_policy_for_background_errors: ValueError,
}


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group, however nested, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: misuse.__name__)
def test_misuse_raises_with_advice(misuse: Misuse, debug: bool) -> None:
    """Clauses 1.1, 2.10, 5.1, 9.3 and others: an exception of the right kind with a text, and the loop works on."""
    seen: list[BaseException] = []

    async def main() -> int:
        try:
            await misuse()
        except Exception as error:
            seen.extend(leaves(error))
        # Whatever went wrong, tasks, scopes and groups still work.
        with CancelScope() as scope:
            async with TaskGroup() as group:
                group.create_task(forever())
                await settle()
                scope.cancel()
        assert scope.cancelled_caught
        await sleep(0)
        return 5

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert asyncbis.run(main(), debug=debug) == 5
        gc.collect()
    assert [type(error) for error in seen] == [MISUSES[misuse]]
    assert len(str(seen[0])) >= 10, f"no advice: {seen[0]!r}"


@pytest.mark.parametrize(
    ("misuse", "advice"),
    [
        (enter_twice, "Each CancelScope may only be used for a single 'with' block"),
        (exit_before_entry, "enter"),
        (exit_in_the_wrong_order, "order|inner|current"),
        (exit_in_another_task, "task"),
        (enter_in_a_thread, "task"),
        (nan_deadline, "(?i)nan"),
        (number_as_shield, "bool"),
        (coroutine_function_as_task, "coroutine"),
        (coroutine_function_in_a_group, "coroutine"),
        (create_task_before_entry, "enter"),
        (create_task_after_exit, "finished"),
        (exits_without_started, "child exited without calling task_status.started()"),
        (await_itself, "itself"),
        (await_a_future_of_another_loop, "different loop"),
        (run_inside_of_run, "running event loop|running loop"),
        (leave_a_group_in_another_task, "task"),
        (await_a_shield_twice, "once|twice|already"),
        (cancel_and_wait_for_itself, "itself"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_advice(misuse: Misuse, advice: str) -> None:
    """Clauses 1.1, 5.2, 5.11: the text says what is wrong in words that help."""

    async def main() -> None:
        try:
            await misuse()
        except Exception as error:
            seen.extend(leaves(error))

    seen: list[BaseException] = []
    asyncbis.run(main())
    with pytest.raises(type(seen[0]), match=advice):
        raise seen[0]


def test_callbacks_are_checked_in_debug_mode() -> None:
    """Clause 13.1: what is no function, and a coroutine function, as on asyncio."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for callback in (3, one):
            with pytest.raises(TypeError, match="call_soon"):
                loop.call_soon(callback)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="call_later|call_at"):
                loop.call_later(0, callback)  # type: ignore[arg-type]

    asyncbis.run(main(), debug=True)


def test_stop_iteration_as_the_exception_of_a_future() -> None:
    """Clause 4.1: StopIteration can't leave an await; as on asyncio it is refused or becomes a RuntimeError."""

    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        try:
            future.set_exception(StopIteration())
            await future
        except (TypeError, RuntimeError) as error:
            return str(error)
        return "nothing"

    assert "StopIteration interacts badly with generators" in asyncbis.run(main())


def test_misuse_without_a_loop() -> None:
    """Clauses 1.2, 9.3: outside of a running loop."""
    with pytest.raises(RuntimeError, match="loop|task"):
        CancelScope().__enter__()
    for call in (
        lambda: asyncbis.timeout(1),
        lambda: asyncbis.move_on_after(1),
        lambda: asyncbis.fail_after(1),
        asyncbis.current_effective_deadline,
        asyncbis.root_task_group,
    ):
        with pytest.raises(RuntimeError, match="loop|task|run"):
            call()
    coro = one()
    with pytest.raises(RuntimeError, match="loop"):
        asyncbis.create_task(coro)
    coro.close()


def test_misuse_of_run() -> None:
    """Clause 6.1: with texts that say what to do."""
    with pytest.raises(ValueError, match="coroutine"):
        asyncbis.run(one)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="coroutine"):
        asyncbis.run(None)  # type: ignore[arg-type]


def test_final_classes_cannot_be_subclassed() -> None:
    """Clause 4.1: Task, TaskGroup and Timeout may be subclassed; scopes may not."""
    with pytest.raises(TypeError):
        type("Sub", (CancelScope,), {})
