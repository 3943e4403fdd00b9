"""A pytest plugin that runs inside the tests of a migrated package: it chooses the loop and watches.

`MIGRATION_LOOP` says what the tests are to run on:

- "asyncio": plain asyncio; asyncbis is not imported;
- "patched": after `asyncbis.patch_asyncio()`;
- "asyncbis": nothing is patched; the runners of tests, which know nothing of asyncbis, are given its
  loop by the hooks that they have for it, as docs/testing.md says.

`MIGRATION_RESULTS` is a file of JSON lines: `{"start": test}` when a test begins and a result when
it is over, with the classes of the event loops that have run meanwhile. Because each line is written
at once, the file says which test hung or crashed the process.

Deliberately not here: judging the results.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest

LOOP = os.environ["MIGRATION_LOOP"]
RESULTS = os.environ["MIGRATION_RESULTS"]

# The loops that have run since the last look, by what they are.
_seen: set[str] = set()


def _watch(module: Any, describe: Callable[[Any], str]) -> None:
    """Note each loop that announces itself through this module's `_set_running_loop`."""
    original = module._set_running_loop

    def watched(loop: Any) -> None:
        if loop is not None:
            _seen.add(describe(loop))
        original(loop)

    module._set_running_loop = watched


def _class_name(loop: Any) -> str:
    return f"{type(loop).__module__}.{type(loop).__qualname__}"


def _give_loops_of_asyncio_away() -> None:
    _watch(asyncio.events, _class_name)


def _give_loops_of_asyncbis() -> None:
    import asyncbis
    from asyncbis import _loop, _stdlib

    def describe(loop: Any) -> str:
        return "asyncbis" if isinstance(loop, _loop.LevelLoop) else _class_name(loop)

    _watch(asyncio.events, describe)
    _watch(_stdlib, describe)
    if LOOP == "patched":
        asyncbis.patch_asyncio(deprecated="warn")
        return
    # unittest asks the class for the loop since Python 3.13; before, the class makes the runner itself.
    unittest.IsolatedAsyncioTestCase.loop_factory = staticmethod(asyncbis.EventLoop)
    if sys.version_info < (3, 13):
        unittest.IsolatedAsyncioTestCase._setupAsyncioRunner = _setup_runner
    _add_anyio_backend()


def _setup_runner(case: Any) -> None:
    case._asyncioRunner = asyncio.Runner(debug=True, loop_factory=case.loop_factory)


def _add_anyio_backend() -> None:
    """Let AnyIO's tests for each backend run on "asyncbis" where they ran on "asyncio"."""
    try:
        from anyio._core import _eventloop
    except ImportError:
        return
    from importlib import import_module

    backend = import_module("anyio._backends._asyncbis").backend_class
    # The name stays, because the names of the tests are made of it.
    _eventloop.loaded_backends["asyncio"] = _eventloop.loaded_backends["asyncbis"] = backend


if LOOP == "asyncio":
    _give_loops_of_asyncio_away()
else:
    _give_loops_of_asyncbis()


if LOOP == "asyncbis":

    @pytest.hookimpl(optionalhook=True)
    def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Any]:
        """pytest-asyncio's way to choose a loop."""
        import asyncbis

        return {"asyncbis": asyncbis.EventLoop}


class _Observer:
    def __init__(self) -> None:
        self.file = open(RESULTS, "w", encoding="utf-8")
        self.outcomes: list[str] = []
        self.error = ""

    def write(self, **line: object) -> None:
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.write(collected=[_test_name(item.nodeid) for item in session.items])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        _seen.clear()
        self.outcomes, self.error = [], ""
        self.write(start=_test_name(item.nodeid))
        try:
            return (yield)
        finally:
            self.write(
                test=_test_name(item.nodeid),
                outcome=_outcome(self.outcomes),
                loops=sorted(_seen),
                error=self.error,
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.outcomes.append("xfailed" if hasattr(report, "wasxfail") else report.outcome)
        if report.failed and not self.error:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else str(report.longrepr)
            self.error = f"{report.when}: {text}"[:2000]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            text = str(report.longrepr)
            self.write(test=f"{report.nodeid} (collection)", outcome="failed", loops=[], error=text[-2000:])


def _outcome(outcomes: list[str]) -> str:
    for outcome in ("failed", "xfailed", "skipped"):
        if outcome in outcomes:
            return outcome
    return "passed" if "passed" in outcomes else "failed"


def _test_name(nodeid: str) -> str:
    """The name without what the choice of a loop adds to it."""
    return nodeid.replace("[asyncbis-", "[").replace("[asyncbis]", "")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch."""
    config.pluginmanager.register(_Observer(), "migration_results")


def pytest_report_header() -> str:
    """Say which of the two this run is."""
    return f"migration: tests run on {LOOP}, Python {sys.version.split()[0]}"
