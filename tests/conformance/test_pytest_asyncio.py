"""pytest-asyncio runs tests on asyncbis, by its hook for loop factories and after `patch_asyncio()`."""

import pytest

SUITE = """
    import asyncio

    import asyncbis
    import pytest
    import pytest_asyncio

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def queue():
        queue = asyncio.Queue()
        await queue.put("from the fixture")
        yield queue
        assert queue.empty()

    @pytest_asyncio.fixture(loop_scope="module", scope="module")
    async def loop():
        yield asyncio.get_running_loop()

    async def test_level_cancellation(queue):
        assert isinstance(asyncio.current_task(), asyncbis.Task)
        assert await queue.get() == "from the fixture"
        with asyncbis.move_on_after(0.01) as scope:
            for _ in range(2):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
        assert scope.cancel_called

    async def test_groups():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "value"))
        assert task.result() == "value"

    async def test_timeout():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)

    @pytest.mark.asyncio(loop_scope="module")
    async def test_module_loop(loop):
        assert loop is asyncio.get_running_loop()
        assert isinstance(loop, asyncbis.EventLoop)
"""


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:anyio")


def test_loop_factory_hook(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import asyncbis

        def pytest_asyncio_loop_factories(config, item):
            return {"asyncbis": asyncbis.EventLoop}
        """
    )
    pytester.makepyfile(SUITE)
    run(pytester).assert_outcomes(passed=4)


def test_patched(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import asyncbis

        asyncbis.patch_asyncio(deprecated="warn")
        """
    )
    pytester.makepyfile(SUITE)
    run(pytester).assert_outcomes(passed=4)
