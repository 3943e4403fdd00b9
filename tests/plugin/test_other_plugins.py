"""asyncbis under the pytest plugins of others.

Not here: asyncbis's own plugin (`test_plugin.py`, `test_fixtures.py`).
"""

import pytest


def test_anyio_finds_its_backend_although_pytest_rewrites_its_modules(pytester: pytest.Pytester) -> None:
    """Clause 15.2: AnyIO's plugin runs a test on the backend "asyncbis"."""
    pytester.makepyfile(
        """
        import anyio
        import asyncbis
        import pytest


        @pytest.fixture
        def anyio_backend():
            return "asyncbis"


        @pytest.mark.anyio
        async def test_timeout():
            assert type(asyncbis.current_task()) is asyncbis.Task
            with anyio.move_on_after(0.01) as scope:
                await anyio.sleep(10)
            assert scope.cancelled_caught
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
