"""`same_program.py` tells programs apart, and only programs."""

from __future__ import annotations

import unittest

from same_program import are_same

SAME = [
    ("import asyncbis\nasyncbis.run(x)", "import asyncbis as asyncio\nasyncio.run(x)"),
    (
        "import asyncio\nimport asyncbis\nasyncio.a\nasyncbis.b",
        "import asyncbis as asyncio\nimport asyncio as stdlib_asyncio\nstdlib_asyncio.a\nasyncio.b",
    ),
    ("import asyncbis\nx: 'asyncbis.Task'", "import asyncbis as asyncio\nx: 'asyncio.Task'"),
    (
        "def f():\n    import asyncbis\n    asyncbis.a",
        "def f():\n    import asyncbis as asyncio\n    asyncio.a",
    ),
    (
        "import asyncbis\ndef f(asyncio):\n    asyncio.a",
        "import asyncbis as asyncio\ndef f(asyncio):\n    asyncio.a",
    ),
]
DIFFERENT = [
    ("import asyncbis\nasyncbis.run(x)", "import asyncio\nasyncio.run(x)"),
    ("import asyncbis\nasyncbis.run(x)", "import asyncbis as asyncio\nasyncbis.run(x)"),
    ("import asyncbis\nasyncbis.run(x)", "import asyncbis as asyncio\nasyncio.run(y)"),
    ("import asyncbis\nx = 1", "import asyncbis\nx = 1\ny = 2"),
]


class Programs(unittest.TestCase):
    def test_the_same_program(self) -> None:
        for one, other in SAME:
            with self.subTest(one):
                self.assertTrue(are_same(one.encode(), other.encode()))

    def test_another_program(self) -> None:
        for one, other in DIFFERENT:
            with self.subTest(one):
                self.assertFalse(are_same(one.encode(), other.encode()))


if __name__ == "__main__":
    unittest.main()
