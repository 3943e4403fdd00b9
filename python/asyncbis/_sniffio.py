"""What sniffio is told while an asyncbis loop runs (clause 15.1).

The name is thread-local: it is set while the loop runs and put back when the loop stops.
sniffio's context variable is deliberately not used: contexts are copied into tasks, callbacks and
worker threads, and would carry the name into places where no asyncbis loop runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DEFAULT_NAME = "asyncbis"


@contextmanager
def library_name(name: str) -> Iterator[None]:
    """Make `sniffio.current_async_library()` answer `name` in this thread, if sniffio is installed."""
    local = _thread_local()
    if local is None:
        yield
        return
    before = local.name
    local.name = name
    try:
        yield
    finally:
        local.name = before


def _thread_local() -> Any:
    # Imported when the first loop runs, not when asyncbis is: a program may run without sniffio, and
    # `sys.modules` alone would miss the library that imports it later, inside the loop.
    try:
        from sniffio import thread_local
    except ImportError:
        return None
    return thread_local
