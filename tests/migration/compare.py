"""What differs between a package's runs, and which differences `expected.toml` explains.

A difference is a test that passed on asyncio and does not pass now, a test of the rewritten package
that ran on another loop than asyncbis's, a module that can't be imported any more, a file that no
longer compiles, and anything that is wrong with the rewrite itself.

Values in, values out. Every explanation must explain something: one that nothing needs any more is
reported, so that the file can't grow stale.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runs import FIX, Run

OURS = "asyncbis"
CAUSES = {
    "design": "asyncbis is meant to do that",
    "tests": "the test looks at something that is asyncio's own",
    "by hand": "somebody has to decide",
    "linter": "a bug of asyncbis-lint",
    "runtime": "a bug of asyncbis",
}


@dataclass(frozen=True)
class Difference:
    """One thing that was right before and isn't now."""

    package: str
    way: str
    # A test, a module, a file, or "rewrite".
    what: str
    text: str


@dataclass(frozen=True)
class Explanation:
    """One entry of `expected.toml`."""

    package: str
    ways: tuple[str, ...]
    # What they explain, with `*` for anything.
    what: tuple[str, ...]
    cause: str
    reason: str
    # The rule that finds the code, and the file in which it does before the rewrite.
    rule: str = ""
    at: str = ""
    # It happens in some runs only.
    sometimes: bool = False

    def explains(self, difference: Difference) -> bool:
        """Whether this is the entry for that."""
        return (
            difference.package == self.package
            and difference.way in self.ways
            and any(matches(pattern, difference.what) for pattern in self.what)
        )


def matches(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern, in which only `*` is special."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.S) is not None


def differences(package: str, runs: Mapping[str, Run]) -> list[Difference]:
    """Everything that differs from the run called "before"."""
    before, found = runs["before"], []
    for way, run in runs.items():
        if way == "before":
            continue

        def add(what: str, text: str, way: str = way) -> None:
            found.append(Difference(package, way, what, text))

        for complaint in run.complaints:
            add("rewrite", complaint)
        for line in run.uncompiled:
            if line not in before.uncompiled:
                add(line.split(":")[0], f"does not compile: {line}")
        for module, error in run.modules.items():
            if error is not None and before.modules.get(module, "new") is None:
                add(module, f"can't be imported: {error}")
        for name, test in before.tests.items():
            if test.outcome != "passed":
                continue
            after = run.tests.get(name)
            if after is None:
                add(name, "was not run")
            elif after.outcome != "passed":
                add(name, first_line(after.error) or after.outcome)
            elif way in FIX and (stray := set(after.loops) - {OURS}):
                add(name, f"ran on {', '.join(sorted(stray))}")
            elif way in FIX and test.loops and not after.loops:
                add(name, "ran on no loop")
    return found


def first_line(text: str) -> str:
    """The first line, which says what happened."""
    return text.strip().splitlines()[0] if text.strip() else ""


def read_explanations(text: str) -> list[Explanation]:
    """The entries of `expected.toml`."""
    found = []
    for entry in tomllib.loads(text).get("difference", []):
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        explanation = Explanation(**values)
        if explanation.cause not in CAUSES:
            raise ValueError(f"{explanation.package}: no such cause: {explanation.cause!r}")
        found.append(explanation)
    return found


@dataclass(frozen=True)
class Judgement:
    """Differences with their explanations, those without, and explanations that explain nothing."""

    explained: list[tuple[Explanation, list[Difference]]]
    unexplained: list[Difference]
    stale: list[Explanation]


def judge(
    found: Sequence[Difference], explanations: Iterable[Explanation], ways: Iterable[str]
) -> Judgement:
    """Put differences and explanations together; the first that fits a difference explains it."""
    groups = [(explanation, list[Difference]()) for explanation in explanations]
    unexplained = []
    for difference in found:
        for explanation, members in groups:
            if explanation.explains(difference):
                members.append(difference)
                break
        else:
            unexplained.append(difference)
    ran = set(ways)
    stale = [
        explanation
        for explanation, members in groups
        if not explanation.sometimes
        and {member.way for member in members} != ran.intersection(explanation.ways)
    ]
    return Judgement([group for group in groups if group[1]], unexplained, stale)
