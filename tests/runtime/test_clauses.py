"""Every clause of docs/semantics.md is cited by a test: `Clause 5.7` in its docstring."""

from __future__ import annotations

import ast
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
SEMANTICS = HERE.parent.parent / "docs" / "semantics.md"
CLAUSE = re.compile(r"\d+\.\d+b?")
CITATION = re.compile(r"\b[Cc]lauses? (\d+\.\d+b?(?:(?:, | and |, and )\d+\.\d+b?)*)")


def clauses() -> set[str]:
    """The numbers of all clauses: paragraphs of the specification that begin with a bold number."""
    return set(re.findall(r"^\*\*(\d+\.\d+b?)\*\*", SEMANTICS.read_text(encoding="utf-8"), re.MULTILINE))


def cited() -> dict[str, list[str]]:
    """For each clause the tests that cite it in their docstring."""
    tests: dict[str, list[str]] = {}
    for path in sorted(HERE.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
                continue
            for citation in CITATION.findall(ast.get_docstring(node) or ""):
                for number in CLAUSE.findall(citation):
                    tests.setdefault(number, []).append(f"{path.name}::{node.name}")
    return tests


def test_there_are_clauses() -> None:
    assert len(clauses()) > 100


def test_every_clause_has_a_test() -> None:
    missing = clauses() - set(cited())
    assert not missing, f"no test cites {sorted(missing)}"


def test_only_existing_clauses_are_cited() -> None:
    unknown = {number: tests for number, tests in cited().items() if number not in clauses()}
    assert not unknown
