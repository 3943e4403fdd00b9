"""The functions that asyncbis does not have: the global loop and the loop policies.

They belong to a time when a loop could be current without running. asyncbis says so, and where.
"""

import asyncio
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

_ADVICE = {
    "get_event_loop": "use get_running_loop() inside coroutines and callbacks",
    "get_event_loop_policy": "pass loop_factory= to run() or Runner",
    "set_event_loop_policy": "pass loop_factory= to run() or Runner",
}
_originals: dict[str, Callable[..., Any]] = {name: getattr(asyncio, name) for name in _ADVICE}


def get_event_loop() -> NoReturn:
    """Always raises NotImplementedError, with the caller's place; use `get_running_loop()`."""
    _refuse("get_event_loop")


def get_event_loop_policy() -> NoReturn:
    """Always raises NotImplementedError, with the caller's place; use `run(loop_factory=...)`."""
    _refuse("get_event_loop_policy")


def set_event_loop_policy(policy: object) -> NoReturn:
    """Always raises NotImplementedError, with the caller's place; use `run(loop_factory=...)`."""
    _refuse("set_event_loop_policy")


def replacements(deprecated: str) -> dict[str, Callable[..., Any]]:
    """What `patch_asyncio(deprecated=...)` puts into asyncio, by name."""
    if deprecated == "raise":
        return {
            "get_event_loop": get_event_loop,
            "get_event_loop_policy": get_event_loop_policy,
            "set_event_loop_policy": set_event_loop_policy,
        }
    if deprecated == "warn":
        return {name: _warning(name) for name in _ADVICE}
    raise ValueError(f'deprecated must be "raise" or "warn", not {deprecated!r}')


def _refuse(name: str) -> NoReturn:
    caller = sys._getframe(2)
    raise NotImplementedError(
        f"{name}() does not exist in asyncbis: {_ADVICE[name]}. "
        f"Called from {caller.f_code.co_filename}:{caller.f_lineno}. "
        'For code that you can\'t change: asyncbis.patch_asyncio(deprecated="warn")'
    )


def _warning(name: str) -> Callable[..., Any]:
    original = _originals[name]

    def deprecated(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"asyncio.{name}() does not exist in asyncbis: {_ADVICE[name]}",
            DeprecationWarning,
            stacklevel=2,
        )
        return original(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = name
    deprecated.__doc__ = original.__doc__
    return deprecated
