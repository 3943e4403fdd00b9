"""The pytest plugin, seen from outside: small test suites and what pytest says about them."""

import pytest

AUTO = "[pytest]\nasyncbis_mode = auto\n"


# Hypothesis's own plugin would import all of Hypothesis in every suite.
LEFT_OUT = ("cacheprovider", "anyio", "asyncio", "hypothesispytest")
OTHER_PLUGINS = [option for name in LEFT_OUT for option in ("-p", f"no:{name}")]


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the suite without other plugins for async tests."""
    return pytester.runpytest_inprocess(*OTHER_PLUGINS, *options)


def test_a_marked_test_runs_on_asyncbis(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncbis, asyncio, pytest

        @pytest.mark.asyncbis
        async def test_loop():
            assert isinstance(asyncio.get_running_loop(), asyncbis.EventLoop)
            with asyncbis.move_on_after(0) as scope:
                await asyncbis.sleep(1)
            assert scope.cancelled_caught

        @pytest.mark.asyncbis
        async def test_fails():
            await asyncbis.sleep(0)
            assert 1 == 2
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2"])


def test_strict_mode_leaves_unmarked_tests_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_nobody(): pass")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_auto_mode_takes_every_async_test(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis

        async def test_function():
            assert asyncbis.current_task() is not None

        class TestMethods:
            async def test_method(self):
                assert asyncbis.current_task() is not None

            def test_sync(self):
                pass
        """
    )
    run(pytester).assert_outcomes(passed=3)


def test_the_mode_is_an_option_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test(): pass")
    run(pytester, "--asyncbis-mode=auto").assert_outcomes(passed=1)


def test_an_unknown_mode_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncbis_mode = automatic\n")
    pytester.makepyfile("def test(): pass")
    result = run(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*asyncbis_mode must be 'auto' or 'strict', not 'automatic'*"])


def test_marks_of_classes_and_modules_count(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_module="""
        import pytest
        pytestmark = pytest.mark.asyncbis

        async def test_async(): pass
        def test_sync(): pass
        """,
        test_class="""
        import pytest

        @pytest.mark.asyncbis
        class TestClass:
            async def test_async(self): pass
        """,
    )
    run(pytester).assert_outcomes(passed=3)


def test_an_error_of_a_background_task_fails_the_test(pytester: pytest.Pytester) -> None:
    """Clause 6.4: the root group of a test takes the errors of the tasks that the test leaves running."""
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        async def fail():
            raise ValueError("in the background")

        async def test_waiting():
            asyncbis.create_task(fail())
            await asyncbis.sleep(60)

        async def test_that_returns_first():
            asyncbis.create_task(fail())

        @pytest.fixture
        async def fixture():
            yield 1

        async def test_waiting_with_a_fixture(fixture):
            asyncbis.create_task(fail())
            await asyncbis.sleep(60)

        async def test_that_returns_first_with_a_fixture(fixture):
            asyncbis.create_task(fail())
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=4)
    assert result.stdout.str().count("ValueError: in the background") >= 4
    result.stdout.fnmatch_lines(["*unhandled errors in a TaskGroup*"])


def test_tasks_do_not_outlive_their_test(pytester: pytest.Pytester) -> None:
    """Clause 6.3: what is still running when a test returns is cancelled and waited for."""
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        ended = []

        async def background():
            try:
                await asyncbis.sleep_forever()
            finally:
                ended.append(True)

        @pytest.fixture(scope="module")
        async def wide():
            yield 1

        async def test_alone():
            asyncbis.create_task(background())
            await asyncbis.sleep(0)

        async def test_it_has_ended():
            assert len(ended) == 1

        async def test_with_a_wide_fixture(wide):
            asyncbis.create_task(background())
            await asyncbis.sleep(0)

        async def test_that_has_ended_too(wide):
            assert len(ended) == 2
            assert len(asyncbis.all_tasks()) == len([asyncbis.current_task()])
        """
    )
    run(pytester).assert_outcomes(passed=4)


def test_each_test_has_a_loop_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncio
        loops = []

        async def test_one(): loops.append(asyncio.get_running_loop())
        async def test_two(): loops.append(asyncio.get_running_loop())

        def test_they_differ():
            assert loops[0] is not loops[1]
            assert loops[0].is_closed() and loops[1].is_closed()
        """
    )
    run(pytester).assert_outcomes(passed=3)


def test_skip_fail_and_xfail_work_inside(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import pytest

        async def test_skip(): pytest.skip("not today")
        async def test_fail(): pytest.fail("on purpose")
        async def test_xfail(): pytest.xfail("as known")

        @pytest.mark.xfail(raises=ValueError)
        async def test_xfail_mark(): raise ValueError

        @pytest.fixture
        async def fixture(): return 1

        async def test_skip_with_fixture(fixture): pytest.skip("not today")
        async def test_fail_with_fixture(fixture): pytest.fail("on purpose")

        @pytest.mark.xfail(raises=ValueError)
        async def test_xfail_mark_with_fixture(fixture): raise ValueError
        """
    )
    result = run(pytester)
    result.assert_outcomes(skipped=2, failed=2, xfailed=3)


def test_parameters_and_sync_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        @pytest.fixture
        def ten(): return 10

        @pytest.fixture(params=[1, 2])
        async def number(request, ten):
            await asyncbis.sleep(0)
            return request.param + ten

        @pytest.mark.parametrize("more", [100, 200])
        async def test(number, more, tmp_path):
            assert number + more in (111, 112, 211, 212)
            assert tmp_path.exists()
        """
    )
    run(pytester).assert_outcomes(passed=4)


def test_a_test_that_cancels_itself_fails(pytester: pytest.Pytester) -> None:
    """Clause 6.4e: a cancellation that nobody swallowed is no success."""
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, pytest

        async def test_cancelled():
            asyncbis.current_task().cancel()
            await asyncbis.sleep(0)

        @pytest.fixture
        async def fixture(): yield

        async def test_cancelled_with_fixture(fixture):
            raise asyncbis.CancelledError
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*CancelledError*"])


def test_an_async_generator_is_no_test(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile("async def test_generator():\n    yield 1\n")
    result = run(pytester)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*test_generator is an async generator*remove the `yield`*"])


def test_two_runners_cannot_share_a_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncbis
        @pytest.mark.asyncio
        async def test(): pass
        """
    )
    pytester.makeini("[pytest]\nmarkers = asyncio\n")
    result = run(pytester)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*marked with both `asyncbis` and `asyncio`*"])


def test_auto_mode_leaves_tests_of_other_runners_alone(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO + "markers = trio\n")
    pytester.makepyfile("import pytest\n@pytest.mark.trio\nasync def test(): pass\n")
    result = run(pytester)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_unittest_has_a_runner_already(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, asyncio, unittest

        class Case(unittest.IsolatedAsyncioTestCase):
            async def test(self):
                assert not isinstance(asyncio.get_running_loop(), asyncbis.EventLoop)
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_a_mark_with_arguments_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncbis(debug=True)
        async def test(): pass
        """
    )
    result = run(pytester)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*`asyncbis` mark takes no arguments*asyncbis_options*"])


def test_hypothesis_examples_have_a_run_each(pytester: pytest.Pytester) -> None:
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, asyncio
        from hypothesis import given, settings, strategies

        loops = set()

        @settings(max_examples=5, database=None)
        @given(number=strategies.integers())
        async def test_examples(number):
            await asyncbis.sleep(0)
            loops.add(id(asyncio.get_running_loop()))
            assert isinstance(number, int)

        @settings(max_examples=50, database=None)
        @given(number=strategies.integers())
        async def test_a_failing_one(number):
            assert number < 10

        def test_they_ran():
            assert loops
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*number=10,*"])


def test_interrupt_ends_the_session_and_cleans_up(pytester: pytest.Pytester) -> None:
    """Clause 7.2: Ctrl-C cancels the test, its cleanup runs, and so do the fixtures' teardowns."""
    pytester.makeini(AUTO)
    pytester.makepyfile(
        """
        import asyncbis, os, pytest, signal, sys

        @pytest.fixture
        async def fixture():
            yield
            await asyncbis.sleep(0)
            print("FIXTURE CLEANED UP", file=sys.stderr)

        async def test(fixture):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncbis.sleep(60)
            finally:
                with asyncbis.CancelScope(shield=True):
                    await asyncbis.sleep(0)
                print("TEST CLEANED UP", file=sys.stderr)

        async def test_never(): pass
        """
    )
    result = pytester.runpytest_subprocess(*OTHER_PLUGINS, "-s")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stderr.fnmatch_lines(["*TEST CLEANED UP*", "*FIXTURE CLEANED UP*"])
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
    result.stdout.no_fnmatch_line("*2 passed*")
