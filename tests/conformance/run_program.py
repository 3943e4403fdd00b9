"""Runs `main()` of a program in one of several ways: `python run_program.py WAY PROGRAM ARGUMENT...`.

asyncio: on asyncio itself, to show that the program is right.
asyncbis: on `asyncbis.run()`, with asyncio left as it is.
patched: the same after `patch_asyncio()`, before the program and its library are imported.
uvloop: on `asyncbis.run()` with uvloop's event loop.
"""

import importlib.util
import sys
from collections.abc import Callable, Coroutine
from typing import Any

WAYS = ("asyncio", "asyncbis", "patched", "uvloop")


def main(way: str, path: str, *arguments: str) -> None:
    run: Callable[[Coroutine[Any, Any, None]], None]
    if way == "asyncio":
        import asyncio

        run = asyncio.run
    else:
        run = asyncbis_runner(way)
    run(imported(path).main(*arguments))


def asyncbis_runner(way: str) -> Callable[[Coroutine[Any, Any, None]], None]:
    import asyncbis

    # The libraries know asyncio and Trio only.
    options: dict[str, Any] = {"sniffio_name": "asyncio"}
    if way == "patched":
        asyncbis.patch_asyncio(deprecated="warn")
    elif way == "uvloop":
        import uvloop

        options["loop_factory"] = uvloop.new_event_loop
    return lambda coro: asyncbis.run(coro, **options)


def imported(path: str) -> Any:
    specification = importlib.util.spec_from_file_location("program", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
