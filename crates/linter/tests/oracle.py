"""Runs generated coroutines as a level-cancelled task, and says which of them spin.

Read from standard input: programs, separated by lines of `---`, each defining
`async def f()`. Written: one line for each, `spins` or `ends`.

The driver is level cancellation in its smallest form: from some suspension on, every
suspension outside a shield raises CancelledError. Conditions follow patterns, which
are tried one after the other; a program spins if one of them makes it take more
cancellations than any loop of bounded length can.
"""

import itertools
import random
import sys
from asyncio import CancelledError

MANY = 80
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

    def __init__(self, conditions):
        self.conditions = [itertools.cycle(pattern) for pattern in conditions]
        self.shields = 0
        self.steps = 0

    def step(self):
        self.steps += 1
        if self.steps > STEPS:
            raise Overrun

    def test(self, site):
        self.step()
        return next(self.conditions[site])

    def scope(self, *, shield):
        return Shield(self)

    async def wait(self):
        self.step()
        await Suspend()


def spins(code, conditions, first):
    control = Control(conditions)
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
            coroutine.throw(CancelledError())
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
    for conditions in itertools.chain(constant, mixed):
        for first in (0, 1, 2):
            if spins(code, conditions, first):
                return "spins"
    return "ends"


sys.unraisablehook = lambda _: None
for text in sys.stdin.read().split("---\n"):
    if text.strip():
        print(verdict(text))
