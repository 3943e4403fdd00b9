"""The event loops: asyncbis's own, and the subclass that makes any other asyncio loop level-cancelling.

`EventLoop` is asyncio's selector loop with the ready queue, the timers and the stepping of tasks in
Rust (`LoopCore`); selectors, transports, servers and subprocesses are inherited.
`asyncbis_loop_class()` derives from a loop class that somebody else wrote (uvloop): it gives that
loop's programs the same tasks and scopes, and leaves its queue alone.

Invariant: what clauses 7, 8 and 10 demand of a loop is in `LevelLoop`, once, for both of them.
Deliberately not here: the root task group and the order of a shutdown (`_run.py`).
"""

import asyncio
import functools
import sys
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

from . import _stdlib
from ._core import Future, LoopCore, State, Task
from ._executor import ExecutorMixin, OwnExecutorMixin
from ._factories import TaskFactory, task_from_factory
from ._servers import ServerMixin
from ._signals import Signals
from ._sniffio import DEFAULT_NAME, library_name
from ._subprocess import SubprocessMixin
from ._supervision import spawn_supervised

_T = TypeVar("_T")


class LevelLoop(SubprocessMixin, AbstractEventLoop):
    """What asyncbis changes in every event loop; `isinstance(loop, LevelLoop)` asks for it."""

    _asyncbis_factory: TaskFactory | None = None
    _asyncbis_signals: Signals | None = None
    _asyncbis_sniffio: str = DEFAULT_NAME

    if TYPE_CHECKING:
        _asyncbis_state: State

        def create_future(self) -> Future[Any]: ...  # type: ignore[override]
        async def shutdown_default_executor(self, timeout: float | None = None) -> None: ...

    # Tasks. Where no factory is set, EventLoop's create_task() is the core's, without a detour.

    def set_task_factory(self, factory: TaskFactory | None) -> None:
        """Let `factory(loop, coro, ...)` make the tasks of this loop; None sets the default again.

        A factory must return asyncbis tasks: `create_task()` raises NotImplementedError otherwise.
        asyncio's own `eager_task_factory` stands for asyncbis's.
        """
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._asyncbis_factory = factory
        vars(self).pop("create_task", None)
        if factory is not None:
            vars(self)["create_task"] = functools.partial(task_from_factory, self, factory)

    def get_task_factory(self) -> TaskFactory | None:
        """The task factory that was set, or None."""
        return self._asyncbis_factory

    # Signals (clause 7.1).

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's; during `run()` the signal then cancels the root group again."""
        removed = super().remove_signal_handler(sig)
        if removed and self._asyncbis_signals is not None:
            self._asyncbis_signals.take_back(sig)
        return removed

    # Asynchronous generators (clause 8.3).

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        open_generators = getattr(self, "_asyncgens", None)
        if open_generators is not None:
            open_generators.discard(agen)
        if not self.is_closed():
            # The garbage collector calls this, in whatever thread it runs.
            self.call_soon_threadsafe(self._finalize_asyncgen, agen)

    def _finalize_asyncgen(self, agen: AsyncGenerator[Any, Any]) -> None:
        spawn_supervised(self, _close_asyncgen(self, agen), name="asyncgen finalizer")


async def _close_asyncgen(loop: AbstractEventLoop, agen: AsyncGenerator[Any, Any]) -> None:
    try:
        await agen.aclose()
    except (SystemExit, KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException as exc:
        loop.call_exception_handler(
            {
                "message": f"an error occurred during closing of asynchronous generator {agen!r}",
                "exception": exc,
                "asyncgen": agen,
            }
        )


class EventLoop(  # type: ignore[misc]  # the core's handles and futures are not asyncio's
    LevelLoop, ExecutorMixin, ServerMixin, LoopCore, asyncio.SelectorEventLoop
):
    """asyncbis's event loop: asyncio's selector loop on a Rust queue, with level cancellation.

    Everything that asyncio's loop offers works: sockets, servers, subprocesses, signals, executors,
    `call_soon_threadsafe()`, debug mode. Use it through `asyncbis.run()`, or by hand like any other
    loop; without `run()` there is no root task group, and nobody cancels the tasks that are left
    (clause 6.10).
    """

    if TYPE_CHECKING:
        _debug: bool
        _stopping: bool
        _thread_id: int | None

        def _check_closed(self) -> None: ...
        def _check_running(self) -> None: ...
        def _set_coroutine_origin_tracking(self, enabled: bool) -> None: ...
        def _asyncgen_firstiter_hook(self, agen: Any) -> None: ...

    def run_forever(self) -> None:
        """Run until `stop()` is called."""
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        hooks = sys.get_asyncgen_hooks()
        try:
            self._thread_id = threading.get_ident()
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
            )
            _stdlib._set_running_loop(self)
            with library_name(self._asyncbis_sniffio):
                self._run_until_stopped()
        finally:
            self._stopping = False
            self._thread_id = None
            _stdlib._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)

    def close(self) -> None:
        """Close the loop; it must not be running. Tasks that are left stay unfinished (clause 8.5)."""
        super().close()
        self._clear()


class ForeignLoop(OwnExecutorMixin, LevelLoop):
    """The mixin that `asyncbis_loop_class()` puts before somebody else's loop class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asyncbis_state = State.of(self)

    def create_task(  # type: ignore[override]  # a Task of asyncbis, which is no subclass of asyncio's
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool | None = None,
    ) -> Task[Any]:
        """Schedule a coroutine as a task of the root group of the running `run()` (clause 6.2)."""
        return State.of(self).create_task(
            coro, name=name, context=context, eager_start=eager_start
        )

    def create_future(self) -> Future[Any]:  # type: ignore[override]  # no subclass of asyncio's
        """A future of asyncbis that belongs to this loop."""
        return State.of(self).create_future()

    def run_forever(self) -> None:
        """Run until `stop()` is called."""
        with library_name(self._asyncbis_sniffio):
            super().run_forever()

    def close(self) -> None:
        """Close the loop; it must not be running."""
        super().close()
        # The state refers to the loop, which should not have to wait for the garbage collector.
        vars(self).pop("_asyncbis_state", None)

    # A callback remembers which task created it, so that a timeout which a library starts inside
    # a shield works inside that shield (clause 3.6).

    def call_soon(  # type: ignore[override]  # typeshed ties args to the callback
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """As the loop's own."""
        state, origin = self._origin()
        if state is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(state.call_with_origin, origin, callback, *args, context=context)

    def call_later(  # type: ignore[override]  # typeshed ties args to the callback
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """As the loop's own; `delay` is in seconds."""
        state, origin = self._origin()
        if state is None:
            return super().call_later(delay, callback, *args, context=context)
        call = state.call_with_origin
        return super().call_later(delay, call, origin, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # typeshed ties args to the callback
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """As the loop's own; `when` is in the loop's time."""
        state, origin = self._origin()
        if state is None:
            return super().call_at(when, callback, *args, context=context)
        call = state.call_with_origin
        return super().call_at(when, call, origin, callback, *args, context=context)

    def _origin(self) -> tuple[State, object] | tuple[None, None]:
        state: State | None = vars(self).get("_asyncbis_state")
        origin = None if state is None else state.origin()
        return (None, None) if state is None or origin is None else (state, origin)


class _ForeignAsyncioLoop(ExecutorMixin, ServerMixin, ForeignLoop):
    """The same for a class that derives from asyncio's own loop: what that one does, we can mend."""


_classes: weakref.WeakKeyDictionary[type[Any], type[Any]] = weakref.WeakKeyDictionary()


def asyncbis_loop_class(loop_class: type[Any]) -> type[Any]:
    """The subclass of an asyncio loop class whose tasks are asyncbis tasks.

    `loop_class` may be any class that implements asyncio's loop, such as `uvloop.Loop`; a class that
    is asyncbis's already is returned as it is. The same argument gives the same class.
    """
    if issubclass(loop_class, LevelLoop):
        return loop_class
    made = _classes.get(loop_class)
    if made is None:
        bases: tuple[type[Any], ...] = (ForeignLoop, loop_class)
        if issubclass(loop_class, asyncio.BaseEventLoop):
            bases = (_ForeignAsyncioLoop, loop_class)
        made = type(f"Asyncbis{loop_class.__name__}", bases, {"__module__": __name__})
        _classes[loop_class] = made
    return made


def adapt_loop(loop: AbstractEventLoop) -> LevelLoop:
    """Make an existing, not yet running loop create asyncbis tasks, and return it."""
    if isinstance(loop, LevelLoop):
        return loop
    try:
        loop.__class__ = asyncbis_loop_class(type(loop))
    except TypeError as exc:
        raise TypeError(
            f"a loop of type {type(loop).__qualname__!r} can't be given asyncbis tasks afterwards; "
            "pass loop_factory=asyncbis_loop_class(its class)"
        ) from exc
    assert isinstance(loop, ForeignLoop)
    loop._asyncbis_state = State.of(loop)
    return loop


def new_event_loop() -> EventLoop:
    """Make a new asyncbis event loop; close it with `close()` when it is not needed any more."""
    return EventLoop()


def create_task(
    coro: Coroutine[Any, Any, _T],
    *,
    name: str | None = None,
    context: Context | None = None,
    eager_start: bool | None = None,
) -> Task[_T]:
    """Start a coroutine in the background, as a task of the root task group (clause 6.2).

    If it raises, the root group is cancelled and `run()` raises an ExceptionGroup (clause 6.4);
    a task that should fail together with the code around it belongs into a `TaskGroup`.
    `context` is the `contextvars.Context` to run in (default: a copy of the current one).
    `eager_start=True` runs it up to its first suspension before this returns.
    Returns the task. Raises RuntimeError if no loop is running in this thread.
    """
    loop: Any = asyncio.get_running_loop()
    if name is None and context is None and eager_start is None:
        return loop.create_task(coro)  # type: ignore[no-any-return]
    options: dict[str, Any] = {}
    if name is not None:
        options["name"] = name
    if context is not None:
        options["context"] = context
    if eager_start is not None:
        options["eager_start"] = eager_start
    return loop.create_task(coro, **options)  # type: ignore[no-any-return]
