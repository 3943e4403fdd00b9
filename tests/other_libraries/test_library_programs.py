"""Programs of other libraries mean the same after the linter moved them to asyncbis.

A page of this folder is named like its library and has pairs of programs with what both print:
`python before` runs on the library and on asyncio, where the library is installed; `python after` runs
on asyncbis. That the linter makes the second of the first is tested with the linter
(crates/linter/tests/imports.rs).
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
PAGES = sorted(page for page in HERE.glob("*.md") if page.stem != "README")
BLOCK = re.compile(r"^```(python before|python after|text output)\n(.*?)^```$", re.M | re.S)
# All programs of a page together take about a second.
LIMIT = 60.0


class Program(NamedTuple):
    title: str
    before: str
    after: str
    output: str


def programs(page: Path) -> list[Program]:
    found = []
    for section in page.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = BLOCK.findall(section)
        assert [info for info, _ in blocks] == ["python before", "python after", "text output"]
        found.append(Program(section.splitlines()[0], *(code for _, code in blocks)))
    return found


def outputs(texts: list[str]) -> list[str]:
    command = [sys.executable, str(HERE / "run_programs.py")]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stderr) == (0, "")
    result: list[str] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_programs_print_the_same_on_asyncbis(page: Path) -> None:
    pairs = programs(page)
    assert pairs
    found = outputs([pair.after for pair in pairs])
    for pair, printed in zip(pairs, found, strict=True):
        assert printed == pair.output, f"{page.name}: {pair.title}"


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_programs_print_that_with_their_library(page: Path) -> None:
    if importlib.util.find_spec(page.stem) is None:
        pytest.skip(f"{page.stem} is not installed: `make conformance` has it")
    pairs = programs(page)
    found = outputs([pair.before for pair in pairs])
    for pair, printed in zip(pairs, found, strict=True):
        assert printed == pair.output, f"{page.name}: {pair.title}"
