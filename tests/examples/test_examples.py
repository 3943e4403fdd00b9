"""The example programs run on plain asyncio, quickly, and print what their docstrings claim."""

from __future__ import annotations

import subprocess
import sys
import time
import unittest
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"

CLAIMS = {
    "connection_pool.py": "request 1 timed out, 2 connections idle",
    "done_right.py": "the reader brought 'the last message'",
    "graceful_shutdown.py": "south: goodbye",
    "heartbeat_worker.py": "still beating after stop()",
    "websocket_reader.py": "no closing handshake in time, aborting",
}


class ExamplesTest(unittest.TestCase):
    def test_every_example_has_a_claim_and_a_line_in_the_readme(self) -> None:
        names = sorted(path.name for path in EXAMPLES.glob("*.py"))
        self.assertEqual(names, sorted(CLAIMS))
        readme = (EXAMPLES / "README.md").read_text()
        for name in names:
            self.assertIn(f"`{name}`", readme)

    def test_every_example_does_what_it_says(self) -> None:
        for name, claim in CLAIMS.items():
            with self.subTest(name):
                started = time.monotonic()
                command = [sys.executable, str(EXAMPLES / name)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=30)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(claim, done.stdout)
                # They take half a second; the rest is for a busy machine.
                self.assertLess(time.monotonic() - started, 10)


if __name__ == "__main__":
    unittest.main()
