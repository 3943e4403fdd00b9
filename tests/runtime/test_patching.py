"""Section 12 of docs/semantics.md: asyncio's names under asyncbis.run(), unpatched and patched."""

from __future__ import annotations

import asyncio

import asyncbis
from asyncbis import CancelScope, sleep
from harness import Out, forever, in_child, is_ours, prints, probe, raised, registered, task


@prints("True True / slept / 5 / set / [1, 2] / RuntimeError / loop True")
async def test_unpatched_names(out: Out) -> None:
    """Clause 12.1: asyncio's functions work on asyncbis tasks without patching."""

    async def five() -> int:
        return 5

    created = asyncio.create_task(five())
    out(is_ours(created), registered(created))
    await asyncio.sleep(0.001)
    out("slept")
    out(await created)
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await event.wait()
    out("set")
    out(await asyncio.gather(*(asyncio.sleep(0, number) for number in (1, 2))))
    coro = forever()
    out((await raised(_run_inside(coro))).split("(")[0])
    coro.close()
    out("loop", asyncio.get_running_loop() is task().get_loop())


async def _run_inside(coro: object) -> None:
    asyncio.run(coro)  # type: ignore[arg-type]


@prints("TimeoutError / continue ok / cancelled True")
async def test_unpatched_wait_for(out: Out) -> None:
    """Clause 12.1: asyncio.wait_for() works by clauses 3.3 and 3.6."""
    inner = asyncbis.create_task(forever())
    out(await raised(asyncio.wait_for(inner, 0.01)))
    await probe(out, "continue")
    out("cancelled", inner.cancelled())


@prints("raised C / caught True")
async def test_asyncio_sleep_in_a_cancelled_scope(out: Out) -> None:
    """Clause 12.1: asyncio.sleep() is a yield point."""
    with CancelScope() as scope:
        scope.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            out("raised C")
        await asyncio.sleep(1)
    out("caught", scope.cancelled_caught)


def test_import_changes_nothing() -> None:
    """Clause 12.2: `import asyncbis` leaves asyncio as it was; only patch_asyncio() changes it."""
    program = """
        import asyncio, sys
        def snapshot():
            modules = [asyncio] + [module for name, module in sys.modules.items() if name.startswith("asyncio.")]
            classes = [asyncio.Task, asyncio.Future, asyncio.Condition, asyncio.TaskGroup, asyncio.StreamWriter,
                       asyncio.BaseEventLoop]
            return {(repr(thing), name): id(value) for thing in modules + classes
                    for name, value in vars(thing).items() if not name.startswith("__")
                    and not isinstance(value, (dict, set)) and name != "_event_loop_policy"}
        before = snapshot()
        import asyncbis
        async def main():
            await asyncbis.sleep(0)
        asyncbis.run(main())
        after = snapshot()
        print([key for key in before if before[key] != after.get(key)])
    """
    assert in_child(program, prelude=False) == "[]"


def test_patch_is_idempotent_and_reaches_the_submodules() -> None:
    """Clause 12.2: the same names in asyncio and where they are defined; a second call changes nothing; unpatch() undoes it."""
    program = """
        import asyncio.tasks, asyncio.taskgroups, asyncio.timeouts, asyncio.runners, asyncio.locks, asyncio.streams
        names = {
            "tasks": "Task wait_for gather as_completed shield wait create_task run_coroutine_threadsafe",
            "taskgroups": "TaskGroup", "timeouts": "Timeout timeout timeout_at", "runners": "Runner run",
        }
        before = {name: getattr(asyncio, name) for name in asyncio.__all__ if hasattr(asyncio, name)}
        wait = asyncio.locks.Condition.wait
        closed = asyncio.StreamWriter.wait_closed
        asyncbis.patch_asyncio()
        first = {name: getattr(asyncio, name) for name in asyncio.__all__}
        asyncbis.patch_asyncio()
        print("idempotent", first == {name: getattr(asyncio, name) for name in asyncio.__all__})
        wrong = [name for module, text in names.items() for name in text.split()
                 if not getattr(asyncio, name) is getattr(getattr(asyncio, module), name) is getattr(asyncbis, name)]
        print("wrong", wrong)
        print("in place", asyncio.locks.Condition.wait is not wait, asyncio.StreamWriter.wait_closed is not closed)
        asyncbis.unpatch()
        print("undone", before == {name: getattr(asyncio, name) for name in before},
              asyncio.locks.Condition.wait is wait, asyncio.StreamWriter.wait_closed is closed)
    """
    assert in_child(program) == "idempotent True / wrong [] / in place True True / undone True True True"


def test_everything_works_patched() -> None:
    """Clause 12.2: a program of plain asyncio gets level cancellation, shields and the root group."""
    program = """
        asyncbis.patch_asyncio()

        async def background():
            try:
                await asyncio.Event().wait()
            finally:
                print("background cancelled")

        async def cleanup():
            try:
                await asyncio.sleep(10)
            finally:
                await asyncio.shield(asyncio.sleep(0.01))
                print("shielded cleanup")

        async def main(out):
            out(type(asyncio.create_task(background())) is asyncio.Task is asyncbis.Task)
            try:
                async with asyncio.timeout(0.02):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(cleanup())
            except TimeoutError:
                out("TimeoutError")
            out(*await asyncio.gather(asyncio.sleep(0, 1), asyncio.to_thread(lambda: 2)))

        asyncio.run(main(print))
    """
    assert in_child(program) == "True / shielded cleanup / TimeoutError / 1 2 / background cancelled"


def test_isinstance_of_names_captured_before_patching() -> None:
    """Clauses 4.1, 12.2: whatever name was captured earlier."""
    program = """
        from asyncio import Task, Future
        asyncbis.patch_asyncio()
        async def main(out):
            current, future = asyncio.current_task(), asyncio.get_running_loop().create_future()
            out(isinstance(current, Task), isinstance(current, asyncio.Task), isinstance(current, Future),
                isinstance(future, Future), isinstance(future, asyncio.Future))
        report(main)
    """
    assert in_child(program, options=["-W", "ignore"]) == "True True True True True"


def test_warning_about_names_imported_earlier() -> None:
    """Clause 12.2: a warning names the modules that imported asyncio's names before patching."""
    program = """
        import sys, types, warnings
        early = types.ModuleType("early_bird")
        sys.modules["early_bird"] = early
        exec("from asyncio import wait_for, TaskGroup", vars(early))
        import asyncbis
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncbis.patch_asyncio()
        print(any("early_bird" in str(warning.message) for warning in caught))
    """
    assert in_child(program, prelude=False) == "True"


def test_deprecated_functions() -> None:
    """Clause 12.2: NotImplementedError that names the caller's file and line and the way out; "warn" keeps them working."""
    program = """
        import warnings
        calls = ["get_event_loop", "get_event_loop_policy", "set_event_loop_policy"]

        def call(module, name):
            try:
                return getattr(module, name)(*([None] if name.startswith("set") else []))
            except NotImplementedError as error:
                return error

        print("before", all(isinstance(call(asyncbis, name), NotImplementedError) for name in calls))
        asyncbis.patch_asyncio()
        errors = [call(module, name) for module in (asyncio, asyncbis) for name in calls]
        print("patched", all(isinstance(error, NotImplementedError) for error in errors))
        text = str(errors[0])
        print("<string>:" in text or "line" in text, "deprecated" in text)

        async def main(out):
            out("asyncio.events untouched", asyncio.events.get_event_loop() is asyncio.get_running_loop())
        report(main)

        asyncbis.patch_asyncio(deprecated="warn")

        async def warned(out):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                out(asyncio.get_event_loop() is asyncio.get_running_loop())
            out({warning.category.__name__ for warning in caught})
        report(warned)
    """
    assert in_child(program) == (
        "before True / patched True / True True / asyncio.events untouched True / True / {'DeprecationWarning'}"
    )


def test_patch_refuses_an_unknown_option() -> None:
    """Clause 12.2: deprecated="raise" or "warn"."""
    program = """
        try:
            asyncbis.patch_asyncio(deprecated="maybe")
        except ValueError as error:
            print(type(error).__name__)
        print(asyncio.run is asyncbis.run)
    """
    assert in_child(program) == "ValueError / False"


@prints("all there []")
async def test_every_name_of_asyncio_is_importable(out: Out) -> None:
    """Clause 12.3: from asyncbis, explicitly, so that type checkers see them."""
    missing = [name for name in asyncio.__all__ if not hasattr(asyncbis, name)]
    out("all there", missing)
    assert set(asyncio.__all__) <= set(asyncbis.__all__)
    await sleep(0)
