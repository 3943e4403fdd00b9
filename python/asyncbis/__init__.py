"""asyncbis: asyncio with cancel scopes and level cancellation.

Use it in the place of asyncio: everything in `asyncio.__all__` is here under the same name, and means
the same, except where level cancellation says otherwise. `run()` starts a program; `TaskGroup`,
`CancelScope` and `timeout()` structure it; `patch_asyncio()` makes `asyncio` itself mean asyncbis.

Importing asyncbis changes nothing in asyncio. Clause numbers in docstrings are those of
docs/semantics.md.
"""

import sys
from asyncio import (
    ALL_COMPLETED,
    AbstractEventLoop,
    AbstractServer,
    BaseEventLoop,
    BaseProtocol,
    BaseTransport,
    BoundedSemaphore,
    BrokenBarrierError,
    BufferedProtocol,
    CancelledError,
    DatagramProtocol,
    DatagramTransport,
    Event,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    Handle,
    IncompleteReadError,
    InvalidStateError,
    LifoQueue,
    LimitOverrunError,
    Lock,
    PriorityQueue,
    Protocol,
    Queue,
    QueueEmpty,
    QueueFull,
    ReadTransport,
    SelectorEventLoop,
    Semaphore,
    SendfileNotAvailableError,
    Server,
    StreamReader,
    StreamReaderProtocol,
    SubprocessProtocol,
    SubprocessTransport,
    TimeoutError,
    TimerHandle,
    Transport,
    WriteTransport,
    _enter_task,
    _get_running_loop,
    _leave_task,
    _register_task,
    _set_running_loop,
    _unregister_task,
    get_running_loop,
    iscoroutine,
    iscoroutinefunction,
    isfuture,
    set_event_loop,
    wrap_future,
)

from . import _anyio, _registry, lowlevel, subprocess as subprocess
from ._as_completed import as_completed
from ._core import (
    CancelScope,
    Future,
    Task,
    TaskGroup,
    Timeout,
    current_effective_deadline,
    fail_after,
    fail_at,
    move_on_after,
    move_on_at,
    sleep,
    sleep_forever,
    timeout,
    timeout_at,
)
from ._deprecated import get_event_loop, get_event_loop_policy, set_event_loop_policy
from ._factories import create_eager_task_factory, eager_task_factory
from ._gather import gather
from ._locks import Barrier, Condition
from ._loop import EventLoop, asyncbis_loop_class, create_task, new_event_loop
from ._patch import patch_asyncio, unpatch
from ._registry import all_tasks, current_task
from ._run import Runner, root_task_group, run
from ._shield import shield
from ._sleep import sleep_until
from ._start import TaskStatus
from ._streams import StreamWriter, open_connection, start_server
from ._subprocess import create_subprocess_exec, create_subprocess_shell
from ._threads import run_coroutine_threadsafe, to_thread
from ._waiting import cancel_and_wait, ensure_future, wait, wait_for

__all__ = [
    "ALL_COMPLETED",
    "AbstractEventLoop",
    "AbstractServer",
    "Barrier",
    "BaseEventLoop",
    "BaseProtocol",
    "BaseTransport",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "BufferedProtocol",
    "CancelScope",
    "CancelledError",
    "Condition",
    "DatagramProtocol",
    "DatagramTransport",
    "Event",
    "EventLoop",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "Future",
    "Handle",
    "IncompleteReadError",
    "InvalidStateError",
    "LifoQueue",
    "LimitOverrunError",
    "Lock",
    "PriorityQueue",
    "Protocol",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "ReadTransport",
    "Runner",
    "SelectorEventLoop",
    "Semaphore",
    "SendfileNotAvailableError",
    "Server",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "SubprocessProtocol",
    "SubprocessTransport",
    "Task",
    "TaskGroup",
    "TaskStatus",
    "Timeout",
    "TimeoutError",
    "TimerHandle",
    "Transport",
    "WriteTransport",
    "_enter_task",
    "_get_running_loop",
    "_leave_task",
    "_register_task",
    "_set_running_loop",
    "_unregister_task",
    "all_tasks",
    "as_completed",
    "asyncbis_loop_class",
    "cancel_and_wait",
    "create_eager_task_factory",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "create_task",
    "current_effective_deadline",
    "current_task",
    "eager_task_factory",
    "ensure_future",
    "fail_after",
    "fail_at",
    "gather",
    "get_event_loop",
    "get_event_loop_policy",
    "get_running_loop",
    "iscoroutine",
    "iscoroutinefunction",
    "isfuture",
    "lowlevel",
    "move_on_after",
    "move_on_at",
    "new_event_loop",
    "open_connection",
    "patch_asyncio",
    "root_task_group",
    "run",
    "run_coroutine_threadsafe",
    "set_event_loop",
    "set_event_loop_policy",
    "shield",
    "sleep",
    "sleep_forever",
    "sleep_until",
    "start_server",
    "timeout",
    "timeout_at",
    "to_thread",
    "unpatch",
    "wait",
    "wait_for",
    "wrap_future",
]

if sys.platform != "win32":
    from ._streams import open_unix_connection, start_unix_server

    __all__ += ["open_unix_connection", "start_unix_server"]

if sys.version_info >= (3, 13):
    from asyncio import QueueShutDown

    __all__ += ["QueueShutDown"]

if sys.version_info >= (3, 14):
    from asyncio import (
        FrameCallGraphEntry,
        FutureCallGraph,
        capture_call_graph,
        format_call_graph,
        future_add_to_awaited_by,
        future_discard_from_awaited_by,
        print_call_graph,
    )

    __all__ += [
        "FrameCallGraphEntry",
        "FutureCallGraph",
        "capture_call_graph",
        "format_call_graph",
        "future_add_to_awaited_by",
        "future_discard_from_awaited_by",
        "print_call_graph",
    ]
elif sys.platform != "win32":
    from asyncio import (
        AbstractChildWatcher,
        AbstractEventLoopPolicy,
        DefaultEventLoopPolicy,
        FastChildWatcher,
        MultiLoopChildWatcher,
        PidfdChildWatcher,
        SafeChildWatcher,
        ThreadedChildWatcher,
        get_child_watcher,
        set_child_watcher,
    )

    __all__ += [
        "AbstractChildWatcher",
        "AbstractEventLoopPolicy",
        "DefaultEventLoopPolicy",
        "FastChildWatcher",
        "MultiLoopChildWatcher",
        "PidfdChildWatcher",
        "SafeChildWatcher",
        "ThreadedChildWatcher",
        "get_child_watcher",
        "set_child_watcher",
    ]

_registry.install()
_anyio.install()
