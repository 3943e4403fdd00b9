"""Task factories: they may decide how a task is started, but not what a task is (clause 4.1).

Deliberately not here: the default, which is the core's `State.create_task()` without any factory.
"""

import asyncio
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeAlias

from ._core import Task

TaskFactory: TypeAlias = Callable[..., Any]

# The standard library passes all keyword arguments on since Python 3.14; before, a factory got
# `context`, if there was one, and the name was set on its task afterwards.
_PASS_EVERYTHING = sys.version_info >= (3, 14)


def create_eager_task_factory(custom_task_constructor: Callable[..., Any]) -> TaskFactory:
    """Make a task factory for `loop.set_task_factory()` that starts tasks eagerly.

    `custom_task_constructor(coro, *, loop, eager_start, **kwargs)` makes the tasks; it must return
    asyncbis tasks (`asyncbis.Task` or a subclass of it). As `asyncio.create_eager_task_factory()`.
    """

    def factory(
        loop: AbstractEventLoop, coro: Any, *, eager_start: bool = True, **kwargs: Any
    ) -> Any:
        """A task factory for `loop.set_task_factory()` whose tasks take their first step at once."""
        return custom_task_constructor(coro, loop=loop, eager_start=eager_start, **kwargs)

    return factory


eager_task_factory: TaskFactory = create_eager_task_factory(Task)
_ASYNCIO_EAGER: Any = getattr(asyncio, "eager_task_factory", None)


def task_from_factory(
    loop: AbstractEventLoop,
    factory: TaskFactory,
    coro: Any,
    *,
    name: str | None = None,
    context: Context | None = None,
    eager_start: bool | None = None,
) -> Task[Any]:
    """Call a task factory in the way of this Python version, and refuse a foreign task."""
    if factory is _ASYNCIO_EAGER:
        # It would run the first step in a foreign task before it could be refused.
        factory = eager_task_factory
    given = {"name": name, "context": context, "eager_start": eager_start}
    kwargs = {key: value for key, value in given.items() if value is not None}
    if not _PASS_EVERYTHING:
        kwargs.pop("name", None)
    task = factory(loop, coro, **kwargs)
    if not isinstance(task, Task):
        _discard(task, coro)
        raise NotImplementedError(
            f"the task factory {factory!r} returned a {type(task).__qualname__} of {type(task).__module__}, "
            "not an asyncbis task: tasks of another class can't be level-cancelled. Let the factory return asyncbis.Task, "
            "or call loop.set_task_factory(None) (lint rule BIS401)"
        )
    if name is not None and not _PASS_EVERYTHING:
        task.set_name(name)
    return task


def _discard(task: Any, coro: Any) -> None:
    """Close the coroutine, and keep the foreign task from complaining that it can't run it."""
    close = getattr(coro, "close", None)
    if close is not None:
        close()
    if asyncio.isfuture(task) and not task.done():
        task.add_done_callback(_look_at_error)
        task.cancel()


def _look_at_error(task: Any) -> None:
    if not task.cancelled():
        task.exception()
