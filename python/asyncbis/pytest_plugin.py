"""A pytest plugin: async tests and fixtures run on asyncbis.

pytest loads it by itself where asyncbis is installed::

    import asyncbis, pytest

    @pytest.fixture
    async def server():
        async with asyncbis.TaskGroup() as group:
            yield await group.start(serve)
            group.cancel()

    @pytest.mark.asyncbis
    async def test_answer(server):
        assert await ask(server) == 42

Which tests: those with the mark `asyncbis`, on the function, its class or its module. With
`asyncbis_mode = auto` in pytest's configuration, or `--asyncbis-mode=auto`, every async test that
is not marked for another runner (`asyncio`, `anyio`, `trio`). Default: `strict`.

Which fixtures: every async fixture of such a test, generator or not, in all of pytest's scopes. A
sync test may use them if it has the mark, or in auto mode.

How they run:

- Each test is a run with a root task group of its own: an error of a task that the test started in
  the background fails the test, and what is still running when the test returns is cancelled and
  waited for (clauses 6.2 to 6.4).
- A test and its fixtures run in one task, so a scope, timeout or task group that a fixture holds
  open over its `yield` is around the test. A test that is cut off by it fails with
  `CancelledError`; a task group raises its errors in the teardown of its fixture.
- Each test has an event loop of its own. While an async fixture of a wider scope is alive, it
  shares its loop with the tests; what a test starts in the background still ends with the test.
- Ctrl-C cancels the test, lets its cleanup and the teardown of the fixtures finish, and ends the
  session; a second one does not wait.

How to choose a loop or other options of the run: override one of two fixtures, in a module or in
conftest.py. `asyncbis_loop_factory` makes the loop, and may have parameters::

    @pytest.fixture(scope="session", params=[asyncbis.EventLoop, uvloop.new_event_loop])
    def asyncbis_loop_factory(request):
        return request.param

`asyncbis_options` is a dictionary of further keyword arguments of `asyncbis.Runner`, such as
`{"sniffio_name": "asyncio"}`. The scope of both must be as wide as that of the widest async fixture.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from ._stage import Stage

_MODES = ("auto", "strict")
_OTHER_RUNNERS = ("asyncio", "anyio", "trio")
_OPTION_FIXTURES = ("asyncbis_loop_factory", "asyncbis_options")
# The open stages of the session, each with the options of its run.
_stages = pytest.StashKey[list[tuple[dict[str, Any], Stage]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `asyncbis_mode` to the configuration and to the command line."""
    text = "which tests run on asyncbis: 'auto' for every async test, 'strict' for marked ones"
    parser.addini("asyncbis_mode", text, default="strict")
    parser.getgroup("asyncbis").addoption("--asyncbis-mode", choices=_MODES, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and check the mode."""
    config.addinivalue_line("markers", "asyncbis: run the async test, or the async fixtures, on asyncbis")
    config.stash[_stages] = []
    if _mode(config) not in _MODES:
        raise pytest.UsageError(f"asyncbis_mode must be 'auto' or 'strict', not {_mode(config)!r}")


@pytest.fixture(scope="session")
def asyncbis_loop_factory() -> Callable[[], Any] | None:
    """The function that makes the event loop of async tests and fixtures; None for asyncbis's own."""
    return None


@pytest.fixture(scope="session")
def asyncbis_options() -> dict[str, Any]:
    """Further keyword arguments of `asyncbis.Runner`, for async tests and fixtures."""
    return {}


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Give each test that is ours the options, so that their parameters apply to it."""
    if not collector.istestfunction(obj, name):
        return
    marks = {mark.name: mark for mark in [*collector.iter_markers(), *getattr(obj, "pytestmark", ())]}
    function = _innermost(obj)
    others = [other for other in _OTHER_RUNNERS if other in marks]
    if "asyncbis" not in marks:
        if _mode(collector.config) != "auto" or others or not _is_async(function):
            return
    elif marks["asyncbis"].args or marks["asyncbis"].kwargs:
        raise collector.CollectError(
            f"{name}: the `asyncbis` mark takes no arguments; "
            "options of the run come from the fixture asyncbis_options"
        )
    elif others:
        raise collector.CollectError(
            f"{name} is marked with both `asyncbis` and `{others[0]}`: one runner can have it"
        )
    if inspect.isasyncgenfunction(function):
        raise collector.CollectError(
            f"{name} is an async generator, which can't be a test: remove the `yield`"
        )
    pytest.mark.usefixtures(*_OPTION_FIXTURES)(obj)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test."""
    test: Any = pyfuncitem.obj
    ours = _OPTION_FIXTURES[0] in pyfuncitem.fixturenames or pyfuncitem.get_closest_marker("asyncbis")
    if not ours or not inspect.iscoroutinefunction(_innermost(test)):
        return None
    request: pytest.FixtureRequest = pyfuncitem._request
    if hasattr(test, "hypothesis"):
        # Hypothesis calls its inner test once per example; each of them is a run of its own.
        inner = _innermost(test)

        def example(**arguments: Any) -> None:
            _run_test(request, inner(**arguments))

        example._asyncbis_inner = inner  # type: ignore[attr-defined]
        test.hypothesis.inner_test = example
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _run_test(request, test(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let pytest see a sync generator in place of an async fixture that is ours."""
    function: Any = fixturedef.func
    if not _is_async(function) or not _fixture_is_ours(request):
        return (yield)
    definition: Any = fixturedef
    definition.func = _sync_fixture(function, request)
    for name in _OPTION_FIXTURES:
        # When the options change, what lives on the old loop goes first.
        option: pytest.FixtureDef[Any] = request._get_active_fixturedef(name)
        option.addfinalizer(functools.partial(definition.finish, request=request))
    try:
        return (yield)
    finally:
        definition.func = function


def _sync_fixture(function: Any, request: pytest.FixtureRequest) -> Callable[..., Generator[Any]]:
    """A generator function that sets the async fixture up, yields its value and tears it down."""
    name = request.fixturename

    def fixture(**arguments: Any) -> Generator[Any]:
        if (
            inspect.ismethod(function)
            and request.instance is not None
            and isinstance(request.instance, type(function.__self__))
        ):
            # pytest collected the method of another instance than the one that this test has.
            bound = function.__func__.__get__(request.instance)
        else:
            bound = function
        stage = _lease(request)
        try:
            if stage.running:
                pytest.fail(
                    f"the async fixture {name} is requested while the event loop is running; "
                    "make it a parameter of the test",
                    pytrace=False,
                )
            if not inspect.isasyncgenfunction(bound):
                yield stage.call(bound(**arguments))
                return
            generator = bound(**arguments)
            try:
                value = stage.call(anext(generator))
            except StopAsyncIteration:
                raise ValueError(f"the fixture {name} did not yield a value") from None
            yield value
            try:
                stage.call(anext(generator))
            except StopAsyncIteration:
                return
            stage.call(generator.aclose())
            pytest.fail(f"the fixture {name} has more than one `yield`", pytrace=False)
        finally:
            _release(request, stage)

    return fixture


def _run_test(request: pytest.FixtureRequest, coro: Coroutine[Any, Any, object]) -> None:
    stage = _lease(request)
    try:
        stage.run(coro)
    finally:
        _release(request, stage)


def _lease(request: pytest.FixtureRequest) -> Stage:
    """The stage for the options of this test or fixture; it stays open until it is released."""
    options = {"loop_factory": request.getfixturevalue("asyncbis_loop_factory")}
    options |= request.getfixturevalue("asyncbis_options")
    stages = request.config.stash[_stages]
    for known, stage in stages:
        if known == options:
            break
    else:
        stage = Stage(options)
        stages.append((options, stage))
    stage.users += 1
    return stage


def _release(request: pytest.FixtureRequest, stage: Stage) -> None:
    stage.users -= 1
    if stage.users == 0:
        stages = request.config.stash[_stages]
        stages[:] = [entry for entry in stages if entry[1] is not stage]
        stage.close()


def _fixture_is_ours(request: pytest.FixtureRequest) -> bool:
    if _OPTION_FIXTURES[0] in request.fixturenames:
        return True
    return _mode(request.config) == "auto" and "anyio_backend" not in request.fixturenames


def _mode(config: pytest.Config) -> str:
    mode: str = config.getoption("asyncbis_mode") or config.getini("asyncbis_mode")
    return mode


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _innermost(function: Any) -> Any:
    """The function that the author wrote: Hypothesis puts a sync one around it."""
    if hasattr(function, "hypothesis"):
        inner = function.hypothesis.inner_test
        return getattr(inner, "_asyncbis_inner", inner)
    return function
