"""100,000 tasks in nested groups, cancelled at random points: nothing is lost, nothing hangs, every child is accounted for.

The seed is printed and can be given again: ASYNCBIS_STRESS_SEED. ASYNCBIS_STRESS_SECONDS is how long it goes on.
With a core that was built with the feature `oracle` the kernel checks its invariants after every operation.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter

import pytest

import asyncbis
from asyncbis import CancelledError, CancelScope, TaskGroup, sleep

SEED = int(os.environ.get("ASYNCBIS_STRESS_SEED", str(random.SystemRandom().randrange(2**32))))
SECONDS = float(os.environ.get("ASYNCBIS_STRESS_SECONDS", "60"))
TASKS = int(os.environ.get("ASYNCBIS_STRESS_TASKS", "100000"))


class Chaos:
    """One tree of tasks: who started, who ended and how, and what can be cancelled."""

    def __init__(self, seed: int, tasks: int) -> None:
        self.random = random.Random(seed)
        self.left = tasks
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.scopes: list[CancelScope] = []
        self.groups: list[TaskGroup] = []
        self.tasks: list[asyncbis.Task[None]] = []
        self.events = [asyncbis.Event() for _ in range(50)]
        self.queue: asyncio.Queue[int] = asyncbis.Queue(10)
        self.lock = asyncbis.Lock()
        self.put = self.got = 0
        self.shielded = 0
        self.shielded_to_the_end = 0

    async def leaf(self) -> None:
        """Wait in one of many ways."""
        match self.random.randrange(9):
            case 0:
                await sleep(0)
            case 1:
                await sleep(self.random.random() * 0.01)
            case 2:
                await asyncio.get_running_loop().create_future()
            case 3:
                await self.random.choice(self.events).wait()
            case 4:
                async with self.lock:
                    await sleep(0)
            case 5:
                await self.queue.put(1)
                self.put += 1
            case 6:
                await self.queue.get()
                self.got += 1
            case 7:
                with asyncbis.move_on_after(self.random.random() * 0.005) as scope:
                    self.scopes.append(scope)
                    await asyncbis.sleep_forever()
            case 8:
                self.shielded += 1
                with CancelScope(shield=True):
                    await sleep(0)
                    await sleep(0)
                self.shielded_to_the_end += 1

    async def node(self, depth: int) -> None:
        """A task: it opens a group with children, or waits; now and then it swallows its cancellation once."""
        self.started["task"] += 1
        try:
            if depth and self.left > 0 and self.random.random() < 0.7:
                await self.nest(depth)
            try:
                await self.leaf()
            except CancelledError:
                if self.random.random() < 0.1:
                    await sleep(0)
                raise
        except CancelledError:
            self.ended["cancelled"] += 1
            raise
        else:
            self.ended["returned"] += 1

    async def nest(self, depth: int) -> None:
        with CancelScope(shield=self.random.random() < 0.05) as scope:
            self.scopes.append(scope)
            async with TaskGroup() as group:
                self.groups.append(group)
                for _ in range(self.random.randrange(1, 40)):
                    if self.left <= 0:
                        break
                    self.left -= 1
                    self.tasks.append(
                        group.create_task(self.node(depth - 1), eager_start=self.random.random() < 0.2)
                    )

    def disturb(self) -> None:
        """Cancel something, or change a shield or a deadline."""
        match self.random.randrange(8):
            case 0 if self.scopes:
                self.random.choice(self.scopes[-500:]).cancel("disturbed")
            case 1 if self.groups:
                self.random.choice(self.groups[-100:]).cancel()
            case 2 | 3 if self.tasks:
                self.random.choice(self.tasks[-2000:]).cancel()
            case 4 if self.scopes:
                scope = self.random.choice(self.scopes[-100:])
                scope.shield = not scope.shield
            case 5 if self.scopes:
                deadline = asyncio.get_running_loop().time() + self.random.random() * 0.01
                self.random.choice(self.scopes[-100:]).deadline = deadline
            case 6:
                event = self.random.choice(self.events)
                event.set()
                event.clear()
            case 7 if self.tasks:
                self.random.choice(self.tasks[-2000:]).uncancel()

    async def main(self) -> None:
        """Grow the tree while disturbing it, then cancel all of it."""
        async with TaskGroup() as root:
            while self.left > 0:
                self.left -= 1
                self.tasks.append(root.create_task(self.node(5)))
                for _ in range(20):
                    self.disturb()
                await sleep(0)
            for scope in self.scopes:
                scope.shield = False
            root.cancel()
        await sleep(0)

    def check(self) -> None:
        """Every task that was spawned has started and ended once, and all that was held is free."""
        spawned = len(self.tasks)
        assert self.started["task"] == spawned, (self.started, spawned)
        assert self.ended.total() == spawned, (self.ended, spawned)
        assert all(task.done() for task in self.tasks)
        cancelled = sum(task.cancelled() for task in self.tasks)
        assert cancelled == self.ended["cancelled"], (cancelled, self.ended)
        assert self.shielded == self.shielded_to_the_end
        assert not self.lock.locked()
        assert self.put - self.got == self.queue.qsize()
        assert not any(group.tasks for group in self.groups)


@pytest.mark.limit(SECONDS + 240)
def test_random_cancellation() -> None:
    """Clauses 1.6, 2.2, 2.5, 5.6: at random, for a minute."""
    print(f"ASYNCBIS_STRESS_SEED={SEED}")
    end = time.monotonic() + SECONDS
    rounds = total = 0
    while rounds == 0 or time.monotonic() < end:
        # The first round has all tasks; later ones are small and many.
        chaos = Chaos(SEED + rounds, TASKS if rounds == 0 else TASKS // 50)
        asyncbis.run(chaos.main())
        chaos.check()
        rounds += 1
        total += len(chaos.tasks)
    print(f"{total} tasks in {rounds} rounds")
