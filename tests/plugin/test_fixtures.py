"""Async fixtures of the pytest plugin: their scopes, their order, and how they meet the tests."""

import pytest
from test_plugin import AUTO, run


def test_kinds_and_order(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest
        log = []

        @pytest.fixture
        async def outer():
            await asyncbis.sleep(0)
            log.append("outer up")
            yield "outer"
            await asyncbis.sleep(0)
            log.append("outer down")

        @pytest.fixture
        def middle(outer):
            log.append("middle up")
            yield outer + "/middle"
            log.append("middle down")

        @pytest.fixture
        async def inner(middle):
            await asyncbis.sleep(0)
            log.append("inner up")
            return middle + "/inner"

        async def test_async(inner):
            await asyncbis.sleep(0)
            assert inner == "outer/middle/inner"
            log.append("test")

        def test_order():
            assert log == ["outer up", "middle up", "inner up", "test", "middle down", "outer down"]

        def test_sync_tests_may_use_them(inner):
            assert inner == "outer/middle/inner"
        """
    )
    run(pytester).assert_outcomes(passed=3)


def test_fixture_and_test_share_task_loop_and_context(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, asyncio, contextvars, pytest
        variable = contextvars.ContextVar("variable")

        @pytest.fixture
        async def fixture():
            variable.set("by the fixture")
            task, loop = asyncbis.current_task(), asyncio.get_running_loop()
            yield task, loop
            assert variable.get() == "by the test"
            assert asyncbis.current_task() is task

        async def test(fixture):
            assert fixture == (asyncbis.current_task(), asyncio.get_running_loop())
            assert variable.get() == "by the fixture"
            variable.set("by the test")
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_a_scope_of_a_fixture_is_around_the_test(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        @pytest.fixture
        async def limit():
            with asyncbis.move_on_after(0.05) as scope:
                yield
            assert scope.cancel_called

        @pytest.fixture
        async def group():
            async with asyncbis.TaskGroup() as group:
                yield group

        async def fail():
            raise ValueError("in the group")

        async def test_too_slow(limit):
            await asyncbis.sleep(60)

        async def test_group(group):
            assert await group.create_task(asyncbis.sleep(0, "value")) == "value"

        async def test_failing_group(group):
            group.create_task(fail())
            await asyncbis.sleep(60)
        """
    )
    result = run(pytester)
    # A test that is cut off fails with CancelledError; the group raises its error in the teardown.
    result.assert_outcomes(passed=1, failed=2, errors=1)
    result.stdout.fnmatch_lines(["*ValueError: in the group*", "*CancelledError: deadline exceeded*"])
    result.stdout.no_fnmatch_line("*internal*")


def test_wide_fixtures_share_a_loop(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, asyncio, pytest
        log = []

        @pytest.fixture(scope="session")
        async def session():
            log.append("session up")
            yield asyncio.get_running_loop()
            await asyncbis.sleep(0)
            log.append("session down")

        @pytest.fixture(scope="module")
        async def module(session):
            log.append("module up")
            yield asyncio.get_running_loop()
            await asyncbis.sleep(0)
            log.append("module down")

        @pytest.fixture(scope="class")
        async def shared(module):
            log.append("class up")
            yield asyncio.get_running_loop()
            log.append("class down")

        class TestClass:
            async def test_one(self, shared, module, session):
                assert asyncio.get_running_loop() is shared is module is session

            async def test_two(self, shared):
                assert asyncio.get_running_loop() is shared
                assert log == ["session up", "module up", "class up"]

        async def test_after(session):
            assert asyncio.get_running_loop() is session
            assert log == ["session up", "module up", "class up", "class down"]
        """
    )
    run(pytester).assert_outcomes(passed=3)


def test_a_background_task_of_a_wide_fixture_lives_as_long(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        @pytest.fixture(scope="module")
        async def counter():
            counts = []
            async def count():
                while True:
                    counts.append(1)
                    await asyncbis.sleep(0)
            task = asyncbis.create_task(count())
            yield counts
            assert not task.done()

        async def test_one(counter):
            before = len(counter)
            await asyncbis.sleep(0.01)
            assert len(counter) > before

        async def test_two(counter):
            before = len(counter)
            await asyncbis.sleep(0.01)
            assert len(counter) > before
        """
    )
    run(pytester).assert_outcomes(passed=2)


def test_a_failing_background_task_of_a_fixture_is_told(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        @pytest.fixture
        async def fixture():
            async def fail():
                await asyncbis.sleep(0.01)
                raise ValueError("of the fixture")
            asyncbis.create_task(fail())
            yield

        async def test_waiting(fixture):
            await asyncbis.sleep(60)
        """
    )
    result = run(pytester)
    assert result.parseoutcomes().get("failed") == 1
    result.stdout.fnmatch_lines(["*ValueError: of the fixture*"])


def test_errors_in_setup_and_teardown_are_errors(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        async def no_setup():
            raise ValueError("setup")

        @pytest.fixture
        async def no_teardown():
            yield
            raise ValueError("teardown")

        @pytest.fixture
        async def skipping():
            pytest.skip("not here")

        @pytest.fixture
        async def two_yields():
            yield 1
            yield 2

        @pytest.fixture
        async def no_yield():
            if False:
                yield

        async def test_setup(no_setup): pass
        async def test_teardown(no_teardown): pass
        async def test_skipped(skipping): pass
        async def test_two_yields(two_yields): pass
        async def test_no_yield(no_yield): pass
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=2, errors=4, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "*ValueError: setup*",
            "*ValueError: teardown*",
            "*fixture two_yields has more than one `yield`*",
            "*fixture no_yield did not yield a value*",
        ]
    )


def test_methods_and_classes(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import pytest

        class TestClass:
            @pytest.fixture
            async def fixture(self):
                self.value = 1
                return self

            async def test(self, fixture):
                assert fixture is self and self.value == 1
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_strict_mode_needs_a_marked_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        async def fixture(): return 1

        @pytest.mark.asyncbis
        async def test_async(fixture): assert fixture == 1

        @pytest.mark.asyncbis
        def test_sync(fixture): assert fixture == 1

        def test_unmarked(fixture): pass
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*requested an async fixture 'fixture'*"])


def test_other_loops(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makeconftest(
        """
        import asyncbis, pytest, uvloop

        @pytest.fixture(scope="session", params=[asyncbis.EventLoop, uvloop.new_event_loop], ids=["ours", "uvloop"])
        def asyncbis_loop_factory(request):
            return request.param
        """
    )
    pytester.makepyfile(
        """
        import asyncbis, asyncio, pytest

        @pytest.fixture(scope="session")
        async def wide():
            yield asyncio.get_running_loop()

        @pytest.fixture
        async def narrow():
            yield asyncio.get_running_loop()

        async def test_loop(wide, narrow, request):
            loop = asyncio.get_running_loop()
            assert loop is wide is narrow
            assert ("[ours]" in request.node.name) == isinstance(loop, asyncbis.EventLoop)
            with asyncbis.move_on_after(0) as scope:
                await asyncbis.sleep(1)
            assert scope.cancelled_caught

        async def test_without_fixtures(request):
            loop = asyncio.get_running_loop()
            assert ("[ours]" in request.node.name) == isinstance(loop, asyncbis.EventLoop)

        def test_sync(): pass
        """
    )
    run(pytester).assert_outcomes(passed=5)


def test_options_of_the_run(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, asyncio, pytest, sniffio

        @pytest.fixture
        def asyncbis_options():
            return {"debug": True, "sniffio_name": "asyncio"}

        @pytest.fixture
        async def fixture():
            return sniffio.current_async_library()

        async def test_without_fixture():
            assert asyncio.get_running_loop().get_debug()
            assert sniffio.current_async_library() == "asyncio"

        async def test_with_fixture(fixture):
            assert fixture == "asyncio"
            assert asyncio.get_running_loop().get_debug()
            assert sniffio.current_async_library() == "asyncio"
        """
    )
    run(pytester).assert_outcomes(passed=2)


def test_an_async_fixture_cannot_be_asked_for_in_a_running_test(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        async def fixture(): return 1

        async def test(request):
            request.getfixturevalue("fixture")
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*fixture fixture*while the event loop is running*parameter*"])


def test_sync_test_may_ask_dynamically(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        async def fixture():
            yield 1

        def test(request):
            assert request.getfixturevalue("fixture") == 1
        """
    )
    run(pytester).assert_outcomes(passed=1)
