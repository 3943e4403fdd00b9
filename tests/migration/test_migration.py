"""The migration of real packages, tried on a package that is made here: what differs is noticed and must be explained.

The real packages are downloaded and run by `make migration` only.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
from pathlib import Path

import compare
import packages
import pytest
import report
import runs
from compare import Difference, Explanation
from environments import Environment, interpreter
from packages import HERE, ROOT, Failure, Package
from runs import Edits, Outcome, Run

SOURCE = """
import asyncio


async def swallow():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        return "went on"
"""
TESTS = """
import asyncio
import sys
import threading
import unittest

import example


class Tests(unittest.IsolatedAsyncioTestCase):
    async def test_same(self):
        await asyncio.sleep(0)

    async def test_level(self):
        task = asyncio.create_task(example.swallow())
        await asyncio.sleep(0.01)
        task.cancel()
        self.assertEqual(await task, "went on")

    def test_other_loop(self):
        module = sys.modules["asyn" + "cio"]
        module.run(module.sleep(0))

    def test_hangs(self):
        if asyncio.__name__ != "asyn" + "cio":
            threading.Event().wait()

    def test_after_that(self):
        pass

    def test_fails_anyway(self):
        self.fail()
"""
# What `asyncbis-lint fix --rewrite-imports` does, as far as this package needs it.
LINTER = """#!{python}
import pathlib, sys
for name in sys.argv[1:]:
    for path in pathlib.Path(name).rglob("*.py") if not name.startswith("-") else []:
        path.write_text(path.read_text().replace("import asyncio", "import asyncbis as asyncio"))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setattr(packages, "WORK", tmp_path / "work")
    monkeypatch.setattr(runs, "PATIENCE", 3.0)
    folder = tmp_path / "work" / "sdists"
    folder.mkdir(parents=True)
    files = {"example/__init__.py": SOURCE, "example/broken.py": "import no_such", "tests/test_it.py": TESTS}
    with tarfile.open(folder / "example-1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"example-1/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    digest = packages.sha256_of(folder / "example-1.tar.gz")
    one = Package("example", "1", "example-1.tar.gz", digest, ("example",), ("tests",))
    one.folder.mkdir()
    return one


def test_a_package_before_and_after(package: Package, tmp_path: Path) -> None:
    linter = tmp_path / "linter"
    linter.write_text(LINTER.format(python=sys.executable))
    linter.chmod(0o755)
    # The tests of asyncbis run where asyncbis and pytest are installed, which is all that this one needs.
    made = Environment(interpreter(sys.executable), Path(sys.prefix))
    found = {way: runs.run(package, way, made, linter) for way in ("before", "safe")}

    before, safe = found["before"], found["safe"]
    name = "tests/test_it.py::Tests::test_"
    assert {test.removeprefix(name): result.outcome for test, result in before.tests.items()} == {
        "same": "passed",
        "level": "passed",
        "other_loop": "passed",
        "hangs": "passed",
        "after_that": "passed",
        "fails_anyway": "failed",
    }
    assert before.edits == Edits()
    assert safe.edits == Edits(files=2, lines=2)
    assert safe.tests[f"{name}same"].loops == ["asyncbis"]
    assert list(before.modules) == ["example", "example.broken"]
    assert before.modules["example"] is None
    texts = {
        difference.what.removeprefix(name): difference.text.split(":")[0]
        for difference in compare.differences("example", found)
    }
    assert texts.pop("level") == "call"
    assert texts.pop("other_loop").startswith("ran on asyncio")
    assert texts == {"hangs": runs.HUNG}
    assert Run.load(package.folder / "safe.json") == safe


def test_another_source_is_refused(package: Package) -> None:
    (packages.WORK / "sdists" / package.sdist).write_bytes(b"something else")
    with pytest.raises(Failure, match="SHA-256"):
        packages.unpack(package, "before")


def a_run(**outcomes: str) -> Run:
    return Run(tests={name: Outcome(outcome, ["asyncbis"]) for name, outcome in outcomes.items()})


def test_what_counts_as_a_difference() -> None:
    before = a_run(good="passed", bad="failed", skipped="skipped", gone="passed", silent="passed")
    before.modules = {"fine": None, "never": "ImportError", "lost": None}
    after = a_run(good="passed", bad="failed", skipped="failed", silent="passed")
    after.tests["silent"].loops = []
    after.modules = {"fine": None, "never": "ImportError", "lost": "NameError: x"}
    after.uncompiled = ["a.py:3: invalid syntax"]
    after.complaints = ["fixed again"]
    found = compare.differences("p", {"before": before, "unsafe": after})
    assert {(one.what, one.text) for one in found} == {
        ("rewrite", "fixed again"),
        ("a.py", "does not compile: a.py:3: invalid syntax"),
        ("lost", "can't be imported: NameError: x"),
        ("gone", "was not run"),
        ("silent", "ran on no loop"),
    }
    # As it is, a package may run its own loops.
    assert "silent" not in {one.what for one in compare.differences("p", {"before": before, "unchanged": after})}


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("t.py::test_a", "t.py::test_a", True),
        ("t.py::test_a", "t.py::test_ab", False),
        ("t.py::test_a[*", "t.py::test_a[1-x]", True),
        ("t.py::test_a[*]", "t.py::test_a1", False),
    ],
)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert compare.matches(pattern, text) is fits


def test_explanations_are_needed_and_must_be() -> None:
    explanation = Explanation("p", ("safe", "unsafe"), ("a*",), "design", "reason")
    flaky = Explanation("p", ("safe",), ("f",), "design", "reason", sometimes=True)
    first, second = (Difference("p", way, "ab", "") for way in ("safe", "unsafe"))
    other = Difference("p", "unchanged", "ab", "")
    judged = compare.judge([first, second, other], [explanation, flaky], runs.WAYS)
    assert judged.explained == [(explanation, [first, second])]
    assert judged.unexplained == [other]
    assert judged.stale == []
    # In one way it does not happen any more.
    assert compare.judge([first], [explanation], runs.WAYS).stale == [explanation]
    with pytest.raises(ValueError, match="no such cause"):
        compare.read_explanations(
            '[[difference]]\npackage = "p"\nways = []\nwhat = []\ncause = "weather"\nreason = ""'
        )


def test_the_page() -> None:
    package = Package("p", "1", "", "", (), ())
    of = {way: a_run(a="passed", b="passed") for way in runs.WAYS}
    of["safe"].tests["b"].outcome = "failed"
    of["safe"].edits = Edits(2, 7)
    found = compare.differences("p", of)
    explanation = Explanation("p", ("safe",), ("b",), "design", "it is so.", rule="BIS303", at="p.py")
    judged = compare.judge(found, [explanation], runs.WAYS)
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    page = report.page(text, "3.13.0", [package], {"p": of}, judged)
    assert page.startswith("before\n") and page.endswith("\nafter\n") and "old" not in page
    assert "| p 1 | 2 | 2 | 2 | 1 | 2 | 7 in 2 files | 0 in 0 files | 0 | 0 |" in page
    assert "- `b` (rewritten): it is so. [BIS303](../rules/BIS303.md) finds it in `p.py`." in page
    assert report.page(page, "3.13.0", [package], {"p": of}, judged) == page


def test_the_checked_in_files_agree() -> None:
    listed = packages.read()
    names = [package.name for package in listed]
    assert len(set(names)) == len(names) >= 10
    locks = {path.stem for path in (HERE / "requirements").glob("*.txt")}
    assert locks == set(names)
    for package in listed:
        assert re.fullmatch("[0-9a-f]{64}", package.sha256)
        pins = [line for line in (ROOT / package.requirements).read_text().splitlines() if line[:1] != "#"]
        assert all("==" in pin for pin in pins)
        assert any(pin.lower().replace("_", "-") == f"{package.name}=={package.version}" for pin in pins)
        if package.by_hand:
            assert (HERE / "by_hand" / f"{package.by_hand}.py").exists()
    for one in compare.read_explanations((HERE / "expected.toml").read_text()):
        assert one.package in names
        assert set(one.ways) < set(runs.WAYS)
        assert one.reason.endswith(".")
        assert bool(one.rule) == bool(one.at)
        assert not one.rule or (ROOT / "rules" / f"{one.rule}.md").exists()


def test_the_page_has_every_package() -> None:
    text = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z-]+) \S+ \| \d", text.split(report.BEGIN)[1].split(report.END)[0], re.M)
    assert rows == [package.name for package in packages.read()]
