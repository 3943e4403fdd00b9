"""Nothing of asyncbis keeps itself alive: what was left dies by reference counting, without the garbage collector."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep
from harness import forever, now, settle


class Witness(ValueError):
    """An exception that can be referred to weakly."""


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """The collector is off, so that what dies does so by its reference count."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def garbage_of(program: Callable[[], Coroutine[Any, Any, object]]) -> list[object]:
    """What only the garbage collector can free after the second of two runs of the program."""
    asyncbis.run(program())
    gc.collect()
    asyncbis.run(program())
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return [thing for thing in gc.garbage if type(thing).__module__.split(".")[0] in ("asyncbis", "test_refcycles")
                or isinstance(thing, BaseException | asyncio.Task)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


async def scope_swallows() -> None:
    with CancelScope() as scope:
        scope.cancel("why")
        await sleep(1)


async def scope_expires() -> None:
    with CancelScope(deadline=now() + 0.001):
        await forever()


async def scope_splits_a_group() -> None:
    try:
        with CancelScope() as scope:
            scope.cancel()
            try:
                await sleep(0)
            except CancelledError as error:
                raise BaseExceptionGroup("both", [Witness(), error]) from None
    except ExceptionGroup:
        pass


async def timeout_expires() -> None:
    try:
        async with asyncbis.timeout(0.001):
            await forever()
    except TimeoutError:
        pass


async def wait_for_expires() -> None:
    try:
        await asyncbis.wait_for(forever(), 0.001)
    except TimeoutError:
        pass


async def fail() -> None:
    raise Witness


async def group_fails() -> None:
    try:
        async with TaskGroup() as group:
            group.create_task(forever())
            group.create_task(fail())
    except ExceptionGroup:
        pass


async def group_body_fails() -> None:
    try:
        async with TaskGroup() as group:
            group.create_task(forever())
            await sleep(0)
            raise Witness
    except ExceptionGroup:
        pass


async def group_is_cancelled() -> None:
    async with TaskGroup() as group:
        group.create_task(forever())
        await settle()
        group.cancel()


async def task_is_cancelled() -> None:
    waiting = asyncbis.create_task(forever())
    await settle()
    waiting.cancel()
    await asyncbis.wait([waiting])


async def gather_fails() -> None:
    try:
        await asyncbis.gather(fail(), sleep(0))
    except Witness:
        pass


async def shield_passes() -> None:
    with CancelScope() as scope:
        scope.cancel()
        await asyncbis.shield(sleep(0.001))
        await sleep(0)


async def child_is_started() -> None:
    async def child(*, task_status: asyncbis.TaskStatus[None]) -> None:
        task_status.started()

    async with TaskGroup() as group:
        await group.start(child)


async def background_is_left() -> None:
    asyncbis.create_task(forever())
    await sleep(0)


PROGRAMS = [
    scope_swallows,
    scope_expires,
    scope_splits_a_group,
    timeout_expires,
    wait_for_expires,
    group_fails,
    group_body_fails,
    group_is_cancelled,
    task_is_cancelled,
    gather_fails,
    shield_passes,
    child_is_started,
    background_is_left,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_no_cycles_are_left(program: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Clause 1.18: after a run nothing of it is left for the garbage collector."""
    assert garbage_of(program) == []


def test_no_cycles_are_left_by_a_failing_run() -> None:
    """Clause 1.18: the error that run() raises is not part of a cycle."""

    async def main() -> None:
        asyncbis.create_task(fail())
        await forever()

    def failing_run() -> weakref.ref[BaseException]:
        try:
            asyncbis.run(main())
        except ExceptionGroup as error:
            return weakref.ref(error.exceptions[0])
        raise AssertionError("it did not fail")

    assert failing_run()() is None


def test_error_of_a_group_dies_with_its_handler() -> None:
    """Clause 1.18: group, host and children do not keep the error, as Trio's and AnyIO's tests check."""

    async def handled() -> weakref.ref[BaseException]:
        try:
            async with TaskGroup() as group:
                group.create_task(fail())
        except ExceptionGroup as error:
            return weakref.ref(error.exceptions[0])
        raise AssertionError("it did not fail")

    async def main() -> bool:
        return (await handled())() is None

    assert asyncbis.run(main())


def test_error_of_the_body_of_a_group_dies_with_its_handler() -> None:
    """Clause 1.18: likewise an error of the body."""

    async def handled() -> weakref.ref[BaseException]:
        try:
            async with TaskGroup():
                raise Witness
        except ExceptionGroup as error:
            return weakref.ref(error.exceptions[0])
        raise AssertionError("it did not fail")

    async def main() -> bool:
        return (await handled())() is None

    assert asyncbis.run(main())


def test_exception_that_passed_a_scope_dies_with_its_handler() -> None:
    """Clause 1.18: a scope does not keep what left it."""

    async def main() -> tuple[bool, bool]:
        scope = CancelScope()

        async def handled() -> weakref.ref[BaseException]:
            try:
                with scope:
                    raise Witness
            except Witness as error:
                return weakref.ref(error)
            raise AssertionError("it did not fail")

        reference = await handled()
        return reference() is None, scope.cancel_called

    assert asyncbis.run(main()) == (True, False)


def test_scope_does_not_keep_its_host() -> None:
    """Clause 1.18: a scope that was left keeps neither its task nor the coroutine's frame."""

    class Local:
        pass

    async def main() -> tuple[bool, bool]:
        scopes: list[CancelScope] = []
        references: list[weakref.ref[Any]] = []

        async def host() -> None:
            local = Local()
            references.append(weakref.ref(local))
            with CancelScope() as scope:
                scopes.append(scope)
                scope.cancel()
                await sleep(0)

        host_task = asyncbis.create_task(host())
        references.append(weakref.ref(host_task))
        await asyncbis.wait([host_task])
        del host_task
        await settle()
        return references[0]() is None, references[1]() is None

    assert asyncbis.run(main()) == (True, True)


def test_finished_task_dies_at_once() -> None:
    """Clause 1.18: a task that nobody refers to dies when it has ended, cancelled or not."""

    async def main() -> list[bool]:
        references = []
        for cancel in (False, True):
            ended = asyncbis.create_task(sleep(0))
            if cancel:
                ended.cancel()
            await asyncbis.wait([ended])
            references.append(weakref.ref(ended))
            del ended
        async with TaskGroup() as group:
            references.append(weakref.ref(group.create_task(sleep(0))))
        await settle()
        return [reference() is None for reference in references]

    assert asyncbis.run(main()) == [True, True, True]


def test_loop_dies_after_run() -> None:
    """Clause 1.18: run() leaves neither its loop nor its root group behind."""

    async def main() -> list[weakref.ref[Any]]:
        return [weakref.ref(asyncio.get_running_loop()), weakref.ref(asyncbis.root_task_group())]

    references = asyncbis.run(main())
    assert [reference() for reference in references] == [None, None]


def test_pending_futures_of_a_closed_loop_are_collected() -> None:
    """Clause 1.18: a cycle of task and future can be collected, with what its coroutine holds."""

    class Local:
        pass

    references: list[weakref.ref[Any]] = []

    async def waiter(loop: asyncio.AbstractEventLoop) -> None:
        local = Local()
        references.append(weakref.ref(local))
        future = loop.create_future()
        future.add_done_callback(functools.partial(print, asyncio.current_task()))
        await future

    loop = asyncbis.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.create_task(waiter(loop))
    loop.run_until_complete(sleep(0))
    loop.close()
    del loop
    gc.collect()
    assert references[0]() is None
