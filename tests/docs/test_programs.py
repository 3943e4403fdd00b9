"""The programs of the documentation do what the documentation says.

A block that opens with ```` ```python run ```` is a whole program followed by what it prints:

    # asyncio: a line that it prints on asyncio
    # asyncbis: a line that it prints on asyncbis

It is run as it stands on asyncio, and on asyncbis with `import asyncio` read as
`import asyncbis as asyncio`. A program that imports asyncbis by name has no asyncio half. It must end
by itself, successfully, and say nothing on standard error.

With ```` ```python run interrupt ```` the program gets a SIGINT, as by Ctrl-C, after its first line.

Not here: the examples of the rule pages that the linter checks (crates/linter/tests/rule_pages.rs).
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARIES = ("asyncio", "asyncbis")
FENCE = re.compile(r"^```(python run(?: interrupt)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^# (asyncio|asyncbis):(?: (.*))?$")
# A program takes well under a second; the rest is for a busy machine.
LIMIT = 30.0

# The rules about behaviour whose page has no program, and why.
WITHOUT_PROGRAM: dict[str, str] = {}


class Program(NamedTuple):
    """One block: where it is, its text, and for each library the lines that it must print."""

    place: str
    text: str
    interrupt: bool
    expected: dict[str, list[str]]

    @property
    def names_asyncbis(self) -> bool:
        return re.search(r"^(import|from) asyncbis\b", self.text, re.M) is not None

    @property
    def libraries(self) -> list[str]:
        return [name for name in LIBRARIES if name in self.expected]

    def on(self, library: str) -> str:
        """The text that is run; line numbers stay those of the block."""
        if library == "asyncio" or self.names_asyncbis:
            return self.text
        return re.sub(r"^import asyncio$", "import asyncbis as asyncio", self.text, flags=re.M)


def pages() -> list[Path]:
    folders = [ROOT, ROOT / "docs", ROOT / "rules"]
    return sorted(page for folder in folders for page in folder.glob("*.md"))


def programs_of(page: Path) -> list[Program]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        expected: dict[str, list[str]] = {}
        for output in map(OUTPUT.match, match[2].splitlines()):
            if output:
                expected.setdefault(output[1], []).append(output[2] or "")
        place = f"{page.relative_to(ROOT)}:{line}"
        found.append(Program(place, match[2], match[1].endswith("interrupt"), expected))
    return found


PROGRAMS = [program for page in pages() for program in programs_of(page)]
CASES = [(program, library) for program in PROGRAMS for library in program.libraries]


def run(program: Program, library: str) -> tuple[int, str, str]:
    """The exit code, and what is printed on standard output and standard error."""
    # Newer versions of Python warn of what some rules are about, such as a `return` in `finally`.
    warnings = ["-W", "ignore::SyntaxWarning"]
    command = [sys.executable, "-u", *warnings, "-c", program.on(library)]
    pipe = subprocess.PIPE
    # Without a buffer, the first line is read alone and `communicate()` gets all others.
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=ROOT, bufsize=0) as process:
        first = b""
        try:
            if program.interrupt:
                assert process.stdout is not None
                first = process.stdout.readline()
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"{program.place}: no end on {library} after {LIMIT:.0f} seconds")
    return process.returncode, (first + out).decode(), err.decode()


@pytest.mark.parametrize(
    ("program", "library"), CASES, ids=[f"{program.place}-{library}" for program, library in CASES]
)
def test_program_prints_what_the_page_says(program: Program, library: str) -> None:
    code, out, err = run(program, library)
    assert err == "", f"{program.place} on {library} says on standard error:\n{err}"
    assert out.splitlines() == program.expected[library], program.place
    assert code == 0, program.place


def test_every_program_says_what_it_prints() -> None:
    assert PROGRAMS
    for program in PROGRAMS:
        wanted = ["asyncbis"] if program.names_asyncbis else list(LIBRARIES)
        assert program.libraries == wanted, f"{program.place}: output lines of {wanted}"
        # Without this line the program would run on asyncio both times.
        assert program.names_asyncbis or "\nimport asyncio\n" in f"\n{program.text}", program.place


def test_every_rule_about_behaviour_shows_it() -> None:
    """BIS0 is about files and comments; every other page runs a program or is listed with a reason."""
    missing = []
    for page in sorted((ROOT / "rules").glob("BIS[1-9]*.md")):
        shown = bool(programs_of(page))
        if shown == (page.stem in WITHOUT_PROGRAM):
            missing.append(page.stem)
    assert missing == [], "no program, or a program and a reason why there is none"
