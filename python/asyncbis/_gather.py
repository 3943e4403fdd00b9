"""`gather()`: run awaitables concurrently and collect their results (clause 9.10).

Invariants: a coroutine becomes a supervised task, its error belongs to who waits (clause 6.5); a task
that was passed in keeps reporting to its group (clause 6.6); what is inside a shield is never
cancelled (clause 9.2).
"""

from typing import TYPE_CHECKING, Any

from . import _stdlib
from ._shield import Shielded, detached, target_future

__all__ = ["gather"]

if TYPE_CHECKING:
    # The overloads of typeshed, which know the results of up to six awaitables one by one.
    from asyncio import gather
else:

    def gather(*coros_or_futures: Any, return_exceptions: bool = False) -> Any:
        """Run awaitables concurrently and collect their results; as `asyncio.gather()` (clause 9.10).

        Coroutines become supervised tasks of the root group: an error comes out of gather(), not out of
        `run()`. The first error is passed on at once, and does not cancel the others; with
        `return_exceptions=True` errors stand among the results. Cancelling the returned future cancels
        everything that was given, shields excepted, and waits for it to end.
        Returns a future of the list of results, in the order of the arguments.
        """
        loop = _stdlib._get_running_loop()
        children: dict[Any, Any] = {}
        for item in coros_or_futures:
            if item not in children:
                children[item] = _child(item, loop)
        return _stdlib.gather(
            *[children[item] for item in coros_or_futures], return_exceptions=return_exceptions
        )


def _child(item: Any, loop: Any) -> Any:
    future = target_future(item, loop)
    if isinstance(item, Shielded):
        return detached(future)
    if future is not item:
        # The caller has no hands on this task, so need not be told when it is never finished.
        future._log_destroy_pending = False
    return future
