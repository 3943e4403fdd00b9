"""What a type checker knows of cancel scopes, timeouts and the functions that make them."""

from types import TracebackType
from typing import Any, assert_type

import asyncbis
from asyncbis import CancelScope, Timeout, lowlevel


async def scopes() -> None:
    with CancelScope() as scope:
        assert_type(scope, CancelScope)
    with CancelScope(deadline=12.5, shield=True) as scope:
        scope.cancel()
        scope.cancel("reason")
        scope.cancel(msg={"any": "object"})
    assert_type(scope.deadline, float | None)
    scope.deadline = None
    scope.deadline = 3
    assert_type(scope.shield, bool)
    scope.shield = False
    assert_type(scope.cancel_called, bool)
    assert_type(scope.cancelled_caught, bool)
    assert_type(scope.effectively_cancelled, bool)
    assert_type(scope.deadline_expired, bool)
    assert_type(scope.cancel_message, Any | None)
    assert_type(asyncbis.current_effective_deadline(), float)


async def a_scope_may_swallow() -> int:
    # Without the last line a checker has to complain: the body of the scope may end early.
    with CancelScope():
        return await answer()
    return 0


async def deadlines() -> None:
    with asyncbis.move_on_after(1.5) as scope:
        assert_type(scope, CancelScope)
    with asyncbis.move_on_after(None, shield=True) as scope:
        assert_type(scope, CancelScope)
    with asyncbis.move_on_at(100.0) as scope:
        assert_type(scope, CancelScope)
    with asyncbis.fail_after(1) as scope:
        assert_type(scope, CancelScope)
    with asyncbis.fail_at(None) as scope:
        assert_type(scope, CancelScope)


async def timeouts() -> None:
    async with asyncbis.timeout(1) as limit:
        assert_type(limit, Timeout)
        assert_type(limit.when(), float | None)
        limit.reschedule(20.0)
        limit.reschedule(None)
    assert_type(limit.expired(), bool)
    async with asyncbis.timeout_at(None, shield=True) as limit:
        assert_type(limit, Timeout)


async def checkpoints() -> None:
    assert_type(await lowlevel.checkpoint(), None)
    assert_type(await lowlevel.checkpoint_if_cancelled(), None)
    assert_type(await lowlevel.cancel_shielded_checkpoint(), None)


async def wrong() -> None:
    CancelScope(1.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CancelScope(deadline="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with CancelScope() as scope:
        scope.cancel_called = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
        scope.deadline = "soon"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    async with CancelScope():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    asyncbis.move_on_after()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    asyncbis.move_on_after(1, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with asyncbis.timeout(1):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


class Subclass(CancelScope):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    """A scope can't be subclassed."""


class Guard:
    """A context manager that delegates to a scope is typed without a cast."""

    def __init__(self) -> None:
        self.scope = CancelScope()

    def __enter__(self) -> CancelScope:
        return self.scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return self.scope.__exit__(kind, error, trace)


async def answer() -> int:
    return 42
