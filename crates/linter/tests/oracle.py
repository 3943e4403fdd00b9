"""Runs generated coroutines as level-cancelled tasks, and says what happened.

Read from standard input: programs, separated by lines of `---`, each defining
`async def f()`. Written: one line for each, of three words: `spins` or `ends`; the
steps that ran, each behind the suspension that was cancelled last, as `2>1,2>5`; the suspensions that were cancelled one
after the other, as `2>3,3>3`. A `-` stands for none.

The driver is level cancellation in its smallest form: from some suspension on, every
suspension outside a shield raises CancelledError. Conditions follow patterns, which
are tried one after the other; a program spins if one of them makes it take more
cancellations than any loop of bounded length can.
"""

import itertools
import random
import sys
from asyncio import CancelledError

MANY = 40
STEPS = 4000
PATTERNS = ((True,), (False,), (True, False), (False, True))
TRIES = 40


class Overrun(BaseException):
    """A loop without a suspension went on for too long."""


class Suspend:
    def __await__(self):
        yield


class Shield:
    def __init__(self, control):
        self.control = control

    def __enter__(self):
        self.control.shields += 1

    def __exit__(self, *_):
        self.control.shields -= 1


class Control:
    """What a program calls: conditions, suspensions, shields."""

    def __init__(self, conditions, history):
        self.conditions = [itertools.cycle(pattern) for pattern in conditions]
        self.history = history
        self.shields = 0
        self.steps = 0
        # The suspension where the task stands, and the one that was cancelled last.
        self.at = self.cancelled_at = None

    def step(self, number=None):
        self.steps += 1
        if self.steps > STEPS:
            raise Overrun
        if number is not None and self.cancelled_at is not None:
            self.history.ran.add((self.cancelled_at, number))

    def test(self, site):
        self.step()
        return next(self.conditions[site])

    def scope(self, *, shield):
        return Shield(self)

    async def wait(self, number):
        self.step()
        self.at = number
        await Suspend()

    def cancel(self):
        if self.cancelled_at is not None:
            self.history.pairs.add((self.cancelled_at, self.at))
        self.cancelled_at = self.at
        return CancelledError()


class History:
    """What happened in all runs of a program."""

    def __init__(self):
        self.ran = set()
        self.pairs = set()

    def __str__(self):
        return f"{written(self.ran)} {written(self.pairs)}"


def written(pairs):
    return ",".join(f"{first}>{then}" for first, then in sorted(pairs)) or "-"


def spins(code, conditions, first, history):
    control = Control(conditions, history)
    names = {
        "test": control.test,
        "step": control.step,
        "wait": control.wait,
        "scope": control.scope,
    }
    exec(code, names)
    coroutine = names["f"]()
    cancellations = 0
    try:
        coroutine.send(None)
        for suspension in range(STEPS):
            if suspension < first or control.shields:
                coroutine.send(None)
                continue
            cancellations += 1
            if cancellations > MANY:
                return True
            coroutine.throw(control.cancel())
    except (StopIteration, CancelledError, Exception, Overrun):
        return False
    finally:
        # A spinning coroutine can't be closed; its warnings say nothing here.
        control.steps = STEPS
    return False


def verdict(program):
    code = compile(program, "<program>", "exec")
    sites = program.count("test(")
    chance = random.Random(1)
    constant = itertools.product(PATTERNS[:2], repeat=sites)
    mixed = ([chance.choice(PATTERNS) for _ in range(sites)] for _ in range(TRIES))
    history = History()
    spinning = False
    for conditions in itertools.chain(constant, mixed):
        for first in (0, 1, 2):
            spinning = spins(code, conditions, first, history) or spinning
    return f"{'spins' if spinning else 'ends'} {history}"


sys.unraisablehook = lambda _: None
for text in sys.stdin.read().split("---\n"):
    if text.strip():
        print(verdict(text))
