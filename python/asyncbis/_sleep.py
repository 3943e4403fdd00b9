"""`sleep_until()`: sleep to a point in the loop's time."""

import asyncio

from ._core import sleep


async def sleep_until(when: float) -> None:
    """Sleep until `loop.time()` has reached `when`; in the past, let others run once."""
    await sleep(max(0.0, when - asyncio.get_running_loop().time()))
