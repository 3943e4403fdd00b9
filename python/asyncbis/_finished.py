"""Waiting for a future without being entangled in it: one private waiter per caller (clause 2.8)."""

import asyncio
from typing import Any


async def finished(future: Any) -> None:
    """Wait until `future` is done, however it ends; cancelling the caller leaves it alone."""
    if future.done():
        return
    waiter = asyncio.get_running_loop().create_future()

    def wake(_: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        future.remove_done_callback(wake)
