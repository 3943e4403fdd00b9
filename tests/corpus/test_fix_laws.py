"""`fix_laws.py` notices a linter that breaks a law."""

from __future__ import annotations

import stat
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from fix_laws import Linter, line_ends, try_package

PROGRAM = "import asyncio\n\n\nasync def main():\n    await asyncio.sleep(1)\n"

# A linter that finds what its environment says, and "fixes" by running a statement.
FAKE = """\
#!{python}
import json, os, sys
from pathlib import Path
path = Path("a.py")
text = path.read_text() if path.exists() else ""
if sys.argv[1] == "check":
    print(json.dumps([{{"filename": str(path.resolve())}}] * text.count("FINDING")))
else:
{statement}
"""


class Laws(unittest.TestCase):
    def broken(self, statement: str, program: str = PROGRAM) -> list[str]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            package = folder / "package-1.0"
            package.mkdir()
            (package / "a.py").write_text(program)
            binary = folder / "linter"
            body = textwrap.indent(statement, "    ")
            binary.write_text(FAKE.format(python=sys.executable, statement=body))
            binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
            return try_package(Linter(binary), package, []).broken

    def test_a_good_fix_is_fine(self) -> None:
        good = 'path.write_text(text.replace("asyncio", "asyncbis"))'
        self.assertEqual(self.broken(good), [])
        self.assertEqual(self.broken("pass"), [])

    def test_each_law_can_be_broken(self) -> None:
        table = [
            ('path.write_text("x = = 1")', "a.py: does not compile any more"),
            ('path.write_text(text + "# more\\n")', "a.py: changed again"),
            ('path.write_text("asyncio = FINDING = 1\\n")', "a.py: 0 findings became 1"),
            ('path.write_bytes(b"asyncio = 1\\r\\n")', "a.py: the line ends changed"),
            ('path.write_text("1\\n"); path.chmod(0o600)', "a.py: the mode 100644 became 100600"),
            ("path.unlink(missing_ok=True)", "a.py: is gone"),
            ('Path(".left").write_text("")', ".left: is new"),
            ("sys.exit(2)", "the exit code is 2: "),
            ('path.write_text("1\\n"); sys.exit("sleep" in text)', "the second exit code is 0, not 1"),
        ]
        for statement, law in table:
            with self.subTest(law):
                found = self.broken(statement)
                self.assertTrue(any(it.startswith(law) for it in found), found)

    def test_a_file_without_anything_to_do_stays(self) -> None:
        found = self.broken('path.write_text("x = 2\\n")', "x = 1\n")
        self.assertEqual(found, ["a.py: changed, and there was nothing to do"])

    def test_line_ends_are_told_apart(self) -> None:
        self.assertEqual(line_ends(b"a\r\nb\nc\r"), (True, True, True))
        self.assertEqual(line_ends(b"a\r\n"), (True, False, False))


if __name__ == "__main__":
    unittest.main()
