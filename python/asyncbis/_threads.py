"""`to_thread()`: run a blocking function in a thread (clauses 2.9, 9.12)."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def to_thread(func: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `func(*args, **kwargs)` in a thread of the loop's default executor and wait for it.

    Context variables are passed on. A cancelled caller stops waiting at once; the thread can't be
    stopped, its result is dropped, and `run()` waits for it when it shuts down. The function is
    handed to the executor before the first suspension, so it runs even if the caller is cancelled
    already (clause 2.9). `await shield(to_thread(...))` waits for the thread in any case.
    Returns what `func` returns, or raises what it raises.
    """
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    call = functools.partial(context.run, func, *args, **kwargs)
    return await loop.run_in_executor(None, call)
