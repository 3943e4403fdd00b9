"""asyncbis's tasks in `asyncio.all_tasks()`, without any work per task.

asyncio keeps a WeakSet of foreign tasks. It is given a subclass that also iterates over the core's
list of live tasks; the set itself stays the same object with the same content.

Invariant: the root task of a `run()` is in no listing. It is the run itself: a program that cancels
and awaits "all other tasks" would wait for its own end.
"""

import asyncio
import itertools
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._core import Task, live_tasks

if TYPE_CHECKING:

    def current_task(loop: asyncio.AbstractEventLoop | None = None) -> Task[Any] | None: ...
    def all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> set[Task[Any]]: ...

else:
    # asyncio's own functions answer for asyncbis's tasks; a type checker can't know.
    from asyncio import all_tasks, current_task

__all__ = ["all_tasks", "current_task", "hide", "install", "visible_tasks"]

_hidden: weakref.WeakSet[Task[Any]] = weakref.WeakSet()


def hide(task: Task[Any]) -> None:
    """Leave a task out of `all_tasks()`."""
    _hidden.add(task)


def visible_tasks() -> Iterator[Task[Any]]:
    """All live tasks of all loops, root tasks excepted."""
    return (task for task in live_tasks() if task not in _hidden)


class _WithLiveTasks(weakref.WeakSet[Any]):
    """A WeakSet that seems to contain all live tasks of asyncbis."""

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain(super().__iter__(), visible_tasks())

    def __len__(self) -> int:
        return super().__len__() + sum(1 for _ in visible_tasks())


def install() -> None:
    """Let asyncio's listings include asyncbis's tasks; does nothing the second time."""
    known = _asyncio_task_set()
    if not isinstance(known, _WithLiveTasks):
        known.__class__ = _WithLiveTasks


def _asyncio_task_set() -> Any:
    if sys.version_info < (3, 12):
        return vars(asyncio.tasks)["_all_tasks"]
    if sys.version_info < (3, 14):
        return vars(asyncio.tasks)["_scheduled_tasks"]
    # Later versions hide the set; the weak reference that it keeps to a member leads to it.
    probe: Any = _Probe()
    asyncio._register_task(probe)
    try:
        (reference,) = weakref.getweakrefs(probe)
        return reference.__callback__.__defaults__[0]()
    finally:
        asyncio._unregister_task(probe)


class _Probe:
    """Something that can be registered as a task for a moment."""
