"""Section 7 of docs/semantics.md with real signals: what the scenarios leave open. Each program is a process."""

from __future__ import annotations

import signal

import pytest

from harness import Child, in_child


def test_default_handlers_are_restored() -> None:
    """Clause 7.1: the handlers of before are back after run(), in both outcomes."""
    program = """
        def handlers():
            return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        before = handlers()
        async def main(out):
            out("replaced", all(now is not then for now, then in zip(handlers(), before)))
        async def failing(out):
            raise ValueError("x")
        report(main)
        print("restored", handlers() == before)
        report(failing)
        print("restored", handlers() == before)
    """
    assert in_child(program) == "replaced True / restored True / RUN RAISED ValueError(x) / restored True"


def test_handlers_of_the_program_are_respected() -> None:
    """Clause 7.1: SIGTERM is left alone if it isn't SIG_DFL, SIGINT if it isn't the default handler."""
    program = """
        signal.signal(signal.SIGTERM, lambda *args: print("user SIGTERM"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        async def main(out):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.02)
            out("main ok", signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
        report(main)
    """
    assert in_child(program) == "user SIGTERM / main ok True"


def test_handler_that_was_replaced_during_the_run_stays() -> None:
    """Clause 7.1: restored only if it is still ours."""
    program = """
        mine = lambda *args: None
        async def main(out):
            signal.signal(signal.SIGINT, mine)
        report(main)
        print("kept", signal.getsignal(signal.SIGINT) is mine)
    """
    assert in_child(program) == "kept True"


def test_add_signal_handler_wins_and_ours_comes_back() -> None:
    """Clause 7.1: loop.add_signal_handler() replaces ours, loop.remove_signal_handler() reinstates it."""
    program = """
        async def main(out):
            loop = asyncio.get_running_loop()
            got = asyncio.Event()
            loop.add_signal_handler(signal.SIGINT, got.set)
            os.kill(os.getpid(), signal.SIGINT)
            await got.wait()
            out("own handler")
            out("removed", loop.remove_signal_handler(signal.SIGINT))
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(1)
            except asyncio.CancelledError as error:
                out(*error.args)
                raise
        report(main)
    """
    assert (
        in_child(program)
        == "own handler / removed True / Cancelled by signal SIGINT / RUN RAISED KeyboardInterrupt"
    )


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit(143)")],
    ids=["SIGINT", "SIGTERM"],
)
def test_first_signal_cancels_with_its_name(number: signal.Signals, outcome: str) -> None:
    """Clauses 6.4, 7.2: the message names the signal; the loop wakes from a poll without timers."""
    child = Child("""
        async def main(out):
            out("READY")
            try:
                await forever()
            except asyncio.CancelledError as error:
                out(*error.args)
                raise
        report(main)
    """)
    child.wait_for("READY")
    child.kill(number)
    assert child.finish() == f"Cancelled by signal {number.name} / RUN RAISED {outcome}"


def test_signal_does_not_interrupt_computing() -> None:
    """Clause 7.3: the first signal is delivered at a yield point, not in the middle of code that computes."""
    program = """
        async def main(out):
            os.kill(os.getpid(), signal.SIGINT)
            total = sum(range(200_000))
            out("computed")
            await asyncio.sleep(0.05)
            out("went on")
        report(main)
    """
    assert in_child(program) == "computed / RUN RAISED KeyboardInterrupt"


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_second_signal_may_be_of_the_other_kind(first: signal.Signals) -> None:
    """Clause 7.4: a second signal of either kind is the hard one; SIGINT is raised, SIGTERM ends the process."""
    second = signal.SIGTERM if first is signal.SIGINT else signal.SIGINT
    child = Child("""
        async def main(out):
            out("READY")
            try:
                await forever()
            finally:
                with asyncbis.CancelScope(shield=True):
                    out("CLEANUP")
                    await asyncio.sleep(10)
        report(main)
    """)
    child.wait_for("READY")
    child.kill(first)
    child.wait_for("CLEANUP")
    child.kill(second)
    lines = [line for line in child.finish().split(" / ") if "Task was destroyed" not in line]
    if second is signal.SIGTERM:
        assert (lines, child.status) == (["(silent)"], -signal.SIGTERM)
    else:
        assert (lines, child.status) == (["RUN RAISED KeyboardInterrupt"], 0)


def test_second_sigint_interrupts_computing_and_closes_the_loop() -> None:
    """Clauses 7.4, 8.5: it is raised from the handler wherever the program is; the loop is closed."""
    child = Child("""
        loops = []
        async def main():
            loops.append(asyncio.get_running_loop())
            try:
                print("READY", flush=True)
                await forever()
            finally:
                print("COMPUTING", flush=True)
                stop = time.monotonic() + 10
                while time.monotonic() < stop:
                    pass
        start = time.monotonic()
        try:
            asyncbis.run(main())
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - start < 5, loops[0].is_closed())
    """)
    child.wait_for("READY")
    child.kill(signal.SIGINT)
    child.wait_for("COMPUTING")
    child.kill(signal.SIGINT)
    assert child.finish() == "interrupted True True"


def test_runner_handles_the_signal_in_each_run() -> None:
    """Clauses 6.1, 7.1: after an interrupted run the Runner can run on, and handles the next signal alike."""
    program = """
        async def main(out):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(1)
        with asyncbis.Runner() as runner:
            for _ in range(2):
                try:
                    runner.run(main(print))
                except KeyboardInterrupt:
                    print("KeyboardInterrupt")
    """
    assert in_child(program) == "KeyboardInterrupt / KeyboardInterrupt"


def test_signal_that_main_swallows_leaves_nothing_behind() -> None:
    """Clause 7.6: the value is returned, and a later run is not affected."""
    program = """
        async def main(out):
            os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                return 7
        async def second(out):
            await asyncio.sleep(0.01)
            return 8
        report(main)
        report(second)
    """
    assert in_child(program) == "ret 7 / ret 8"


def test_exit_status_of_an_interrupted_program() -> None:
    """Clause 7.5: SystemExit(143) after SIGTERM."""
    child = Child("""
        async def main():
            print("READY", flush=True)
            await asyncio.sleep(10)
        asyncbis.run(main())
    """)
    child.wait_for("READY")
    child.kill(signal.SIGTERM)
    assert child.finish() == "(silent)"
    assert child.status == 143
