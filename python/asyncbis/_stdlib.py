"""asyncio's own functions, as they were when asyncbis was imported.

Invariant: nothing here changes when `patch_asyncio()` replaces names in asyncio, so the rest of the
package can build on the originals without calling itself.
Deliberately not here: names that asyncbis never replaces; those are imported from asyncio where they
are used.
"""

import asyncio
import asyncio.staggered
from asyncio import iscoroutine, isfuture, locks, streams, tasks, timeouts
from asyncio.events import _get_running_loop, _set_running_loop, get_event_loop
from asyncio.taskgroups import TaskGroup

__all__ = [
    "Barrier",
    "Condition",
    "Future",
    "Runner",
    "StreamWriter",
    "Task",
    "TaskGroup",
    "Timeout",
    "_get_running_loop",
    "_set_running_loop",
    "condition_wait",
    "ensure_future",
    "gather",
    "get_event_loop",
    "iscoroutine",
    "isfuture",
    "open_connection",
    "run_coroutine_threadsafe",
    "shield",
    "staggered_race",
    "start_server",
    "stream_wait_closed",
    "task_group_exit",
    "wait",
]

Barrier = locks.Barrier
Condition = locks.Condition
Future = asyncio.Future
Runner = asyncio.Runner
StreamWriter = streams.StreamWriter
Task = asyncio.Task
Timeout = timeouts.Timeout
condition_wait = locks.Condition.wait
ensure_future = tasks.ensure_future
gather = tasks.gather
open_connection = streams.open_connection
run_coroutine_threadsafe = tasks.run_coroutine_threadsafe
shield = tasks.shield
staggered_race = asyncio.staggered.staggered_race
start_server = streams.start_server
stream_wait_closed = streams.StreamWriter.wait_closed
task_group_exit = TaskGroup.__aexit__
wait = tasks.wait
