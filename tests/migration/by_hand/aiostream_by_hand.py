"""aiostream's tests make a loop of their own, with a clock of its own: asyncbis's tasks are put on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncbis
import pytest


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_asyncio_loop_factories(config: Any, item: Any) -> Iterator[Any]:
    """In tests/conftest.py: `return {"custom": asyncbis.asyncbis_loop_class(TimeTrackingTestLoop)}`."""
    factories = yield
    return {name: asyncbis.asyncbis_loop_class(factory) for name, factory in factories.items()}
