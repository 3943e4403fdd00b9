"""`Condition` and `Barrier`: the two locks of asyncio that level cancellation would let spin (clause 10.1).

`Condition.wait()` must own the lock again before it may raise, and asyncio retries `acquire()` until
it is not cancelled any more: for ever, at full CPU. Here it is acquired once, under a shield.
The other locks and the queues are asyncio's own: they are correct (clauses 9.12, 10.21).
"""

import asyncio
import collections
from typing import TYPE_CHECKING, Any

from . import _stdlib
from ._core import current_task
from ._shield import shielded


class Condition(_stdlib.Condition):
    """asyncio's condition variable; a cancelled `wait()` takes the lock back under a shield."""

    if TYPE_CHECKING:
        _waiters: collections.deque[asyncio.Future[Any]]

        def _get_loop(self) -> asyncio.AbstractEventLoop: ...

    async def wait(self) -> bool:  # type: ignore[override]  # typeshed: Literal[True]
        """Release the lock, wait for a notification, take the lock again, return True.

        It may also return without a notification. If the caller is cancelled, the lock is taken
        again before CancelledError is raised, however long others hold it.
        Raises RuntimeError if the lock is not held.
        """
        return await condition_wait(self)


async def condition_wait(condition: Any) -> bool:
    """The body of `Condition.wait()`, also put into asyncio's class by `patch_asyncio()`."""
    if current_task() is None:
        # A foreign task is cancelled once, and has no scopes: asyncio's code is right for it.
        return await _stdlib.condition_wait(condition)
    if not condition.locked():
        raise RuntimeError("cannot wait on un-acquired lock")
    notified = condition._get_loop().create_future()
    condition.release()
    try:
        try:
            await _notification(condition, notified)
        except BaseException:
            await shielded(condition.acquire())
            raise
        try:
            await condition.acquire()
        except asyncio.CancelledError:
            await shielded(condition.acquire())
            raise
    except BaseException:
        # This task may have been notified and can't act on it any more: somebody else should.
        _notify_another(condition)
        raise
    return True


async def _notification(condition: Any, notified: Any) -> None:
    condition._waiters.append(notified)
    try:
        await notified
    finally:
        condition._waiters.remove(notified)


def _notify_another(condition: Any) -> None:
    for waiter in condition._waiters:
        if not waiter.done():
            waiter.set_result(False)
            return


class Barrier(_stdlib.Barrier):
    """asyncio's barrier on asyncbis's `Condition`."""

    if TYPE_CHECKING:
        _cond: asyncio.Condition

    def __init__(self, parties: int) -> None:
        """`parties`: the number of tasks that wait for each other; ValueError if it is below 1."""
        super().__init__(parties)
        self._cond = Condition()
