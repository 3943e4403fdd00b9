"""What the pages refer to exists: files, headings, clauses of the specification and scenarios.

Not here: whether what they say is true (`test_programs.py`, and the tests that cite the clauses).
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SPECIFICATION = ROOT / "docs/semantics.md"
SCENARIOS = ROOT / "docs/scenarios.md"

CODE = re.compile(r"^(```+).*?^\1$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CLAUSE = re.compile(r"^\*\*(\d+)\.(\d+)(b?)\*\* ", re.MULTILINE)
# A number as it is cited: a letter may name a part of the clause, as in 6.4b.
NUMBER = r"\d+\.\d+[a-f]?"
# "clause 5.7", "clauses 5.7 and 1.14", "clauses 3.1, 3.2".
CITED = re.compile(rf"\bclauses? ((?:{NUMBER}(?:, | and | or | to )?)+)")
SCENARIO = re.compile(r"\b[A-J]\d\d\b")


def pages() -> list[Path]:
    folders = [ROOT, ROOT / "docs", ROOT / "rules", ROOT / "examples", ROOT / "tests/corpus"]
    return sorted(page for folder in folders for page in folder.glob("*.md"))


def words(page: Path) -> str:
    """The page without its code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text(encoding="utf-8")), re.M)
    headings += re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def clauses() -> list[tuple[int, int, str]]:
    found = CLAUSE.findall(SPECIFICATION.read_text(encoding="utf-8"))
    return [(int(section), int(number), letter) for section, number, letter in found]


@functools.cache
def numbers() -> set[str]:
    return {f"{section}.{number}{letter}" for section, number, letter in clauses()}


def is_clause(cited: str) -> bool:
    return cited in numbers() or cited.rstrip("abcdef") in numbers()


def sources() -> Iterator[Path]:
    """Everything that may cite a clause."""
    for folder in ("python", "crates", "tests"):
        for suffix in ("*.py", "*.pyi", "*.rs", "*.md"):
            yield from sorted((ROOT / folder).rglob(suffix))


def test_links_lead_somewhere() -> None:
    broken = []
    for page in pages():
        for link in LINK.findall(words(page)):
            if link.startswith(("http://", "https://")):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []


def test_clauses_are_in_order_and_named_once() -> None:
    found = clauses()
    assert len(found) > 100
    assert found == sorted(set(found))


def test_clauses_that_are_cited_exist() -> None:
    """Citing a clause that is not there is as wrong as citing none."""
    unknown = []
    for path in sources():
        text = path.read_text(encoding="utf-8", errors="replace")
        for cited in CITED.findall(text):
            for number in re.findall(NUMBER, cited):
                if not is_clause(number):
                    unknown.append(f"{path.relative_to(ROOT)}: clause {number}")
    assert unknown == []


def test_numbers_in_parentheses_are_clauses() -> None:
    """In the specification and in the page about differences `(5.7)` is a clause."""
    for name in ("semantics.md", "compatibility.md"):
        text = words(ROOT / "docs" / name)
        for group in re.findall(rf"\(({NUMBER}(?:(?:, | and ){NUMBER})*)\)", text):
            for number in re.findall(NUMBER, group):
                assert is_clause(number), f"{name}: ({number})"


def test_every_scenario_belongs_to_a_clause() -> None:
    rows = set(re.findall(r"^\| ([A-J]\d\d) \|", SCENARIOS.read_text(encoding="utf-8"), re.M))
    # Appendix A numbers its choices C1 to C18, which look like scenarios from C10 on.
    cited = set(SCENARIO.findall(SPECIFICATION.read_text(encoding="utf-8").split("## Appendix A")[0]))
    # "F02 to F05" names two and means four.
    cited |= {"F03", "F04"}
    assert cited == rows


def test_every_module_of_the_core_is_described() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", text.split("### Three layers")[1].split("### How a step")[0]))
    modules = {path.stem for path in (ROOT / "crates/runtime/src").glob("*.rs")} - {"lib"}
    assert modules <= described


def scenario_tests() -> dict[str, list[str | None]]:
    """For each scenario what its tests print, as far as a test says it in `@prints("...")`."""
    found: dict[str, list[str | None]] = {}
    for path in sorted((ROOT / "tests/runtime").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if match := re.match(r"test_([a-j]\d\d)_", node.name):
                found.setdefault(match[1].upper(), []).append(printed(node))
    return found


def printed(test: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    for decorator in test.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name("prints"), args=[ast.Constant(str(line)), *_]):
                return line
    return None


def test_scenarios_print_what_the_table_says() -> None:
    """A row has a test; where the test names its lines, they are those of the column "asyncbis"."""
    tests, wrong = scenario_tests(), []
    for line in SCENARIOS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not SCENARIO.fullmatch(cells[0]):
            continue
        lines = tests.get(cells[0], [])
        if not lines or (any(lines) and cells[2] not in lines):
            wrong.append(f"{cells[0]}: the table says {cells[2]!r}, the tests {lines}")
    assert wrong == []
