//! The model's answers on small programs, as tables: what it says about a program is compared as
//! text, so that a reader can check it against the code above it.

use linter::model::cleanup::CleanupKind;
use linter::model::fate::Fate;
use linter::model::handlers::{CatcherKind, Mode};
use linter::model::suspend::Cut;
use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};
use ruff_text_size::TextRange;

/// Asks the model about a program and returns its answer.
fn ask<T>(code: &str, question: impl FnOnce(&File) -> T) -> T {
    let source = SourceFile::python("example.py", code);
    let settings = Settings::default();
    let parsed = Parsed::new(&source);
    let file = File::new(&source, &parsed, &settings);
    assert_eq!(file.syntax_errors(), [], "the program must parse:\n{code}");
    question(&file)
}

/// The body of an async function `f` of a module that imports asyncio, each line indented.
fn in_function(body: &str) -> String {
    let mut code =
        "import asyncio\nfrom contextlib import suppress\nasync def f(self, t):\n".to_owned();
    for line in body.lines() {
        code.push_str("    ");
        code.push_str(line);
        code.push('\n');
    }
    code
}

fn text<'a>(file: &File<'a>, range: TextRange) -> &'a str {
    file.source.slice(range)
}

/// One line per catcher: what it catches, how it ends on both kinds of cancellation, whether it
/// spins, what is cut afterwards.
fn catchers(body: &str) -> String {
    ask(&in_function(body), |file| {
        let mut lines = Vec::new();
        for catcher in file.catchers() {
            let sources: Vec<_> = catcher
                .sources
                .iter()
                .map(|it| text(file, it.range))
                .collect();
            let mut line = format!("{:?} of [{}]:", catcher.catches, sources.join(", "));
            if let CatcherKind::Suppress(_) = catcher.kind {
                line.push_str(" suppress");
            }
            for (name, mode) in [("edge", Mode::Edge), ("level", Mode::Level)] {
                let exits = file.exits(catcher, mode);
                let mut ways = Vec::new();
                let ends = [
                    ("reraise", !exits.reraises.is_empty()),
                    ("raise", !exits.raises_other.is_empty()),
                    ("return", !exits.returns.is_empty()),
                    ("break", !exits.breaks.is_empty()),
                    ("continue", !exits.continues.is_empty()),
                    ("fall", exits.falls),
                    ("cut", !exits.cut.is_empty()),
                ];
                ways.extend(ends.iter().filter(|(_, is)| *is).map(|(way, _)| *way));
                line.push_str(&format!(" {name}={}", ways.join("+")));
            }
            if let Some(spin) = file.spin(catcher) {
                line.push_str(if spin.bounded {
                    " spins-bounded"
                } else {
                    " spins"
                });
            }
            let after: Vec<_> = file
                .cut_after(catcher)
                .iter()
                .map(|it| text(file, it.range))
                .collect();
            if !after.is_empty() {
                line.push_str(&format!(" then cut at [{}]", after.join(", ")));
            }
            lines.push(line);
        }
        lines.join("\n")
    })
}

/// One line per cleanup: where it is cut, what never runs.
fn cleanups(code: &str) -> String {
    ask(code, |file| {
        let mut lines = Vec::new();
        for cleanup in file.cleanups().iter().filter(|it| !it.cut.is_empty()) {
            let kind = match cleanup.kind {
                CleanupKind::Finally => "finally",
                CleanupKind::Handler(_) => "handler",
                CleanupKind::Exit => "exit",
            };
            let cut: Vec<_> = cleanup
                .cut
                .iter()
                .map(|it| text(file, it.suspension.range))
                .collect();
            let source = cleanup.source.map_or("nothing", |it| text(file, it.range));
            let skipped: Vec<_> = cleanup
                .skipped
                .iter()
                .map(|id| {
                    use ruff_text_size::Ranged;
                    text(file, file.tree.stmt(*id).node.range())
                        .lines()
                        .next()
                        .unwrap()
                })
                .collect();
            lines.push(format!(
                "{kind} after {source}: cut at [{}], skips [{}]",
                cut.join(", "),
                skipped.join(", ")
            ));
        }
        lines.join("\n")
    })
}

/// What becomes of each caught cancellation.
fn fates(body: &str) -> String {
    ask(&in_function(body), |file| {
        let answers: Vec<String> = file
            .fates()
            .map(|(_, fate)| match fate {
                Fate::GoesOn => "goes on".to_owned(),
                Fate::Foreign => "foreign".to_owned(),
                Fate::Drained => "drained".to_owned(),
                Fate::Spins(spin) if spin.bounded => "spins, bounded".to_owned(),
                Fate::Spins(_) => "spins".to_owned(),
                Fate::AwaitsAgain { at, in_loop } => {
                    let place = if *in_loop { "in the loop" } else { "after" };
                    format!("awaits again {place}: {}", text(file, at.range))
                }
                Fate::Replaced(_) => "replaced".to_owned(),
                Fate::Kept => "kept".to_owned(),
                Fate::Swallowed => "swallowed".to_owned(),
            })
            .collect();
        answers.join("; ")
    })
}

#[track_caller]
fn table(ask: impl Fn(&str) -> String, rows: &[(&str, &str)]) {
    for (program, answer) in rows {
        assert_eq!(ask(program), *answer, "for the program:\n{program}");
    }
}

#[test]
fn a_handler_ends_in_every_way_that_it_can() {
    table(
        catchers,
        &[
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    raise",
                "Cancelled of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    await t\nexcept BaseException as e:\n    raise e",
                "BaseException of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    await t\nexcept:\n    if isinstance(t, int):\n        return\n    raise ValueError",
                "Everything of [await t]: edge=raise+return level=raise+return",
            ),
            (
                "try:\n    await t\nexcept BaseException as e:\n    if isinstance(e, asyncio.CancelledError):\n        raise\n    print(e)",
                "BaseException of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    await t\nexcept BaseException as e:\n    if isinstance(e, Exception):\n        return\n    raise",
                "BaseException of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    if asyncio.current_task().cancelling() > 0:\n        raise",
                "Cancelled of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    await t.close()\n    return",
                "Cancelled of [await t]: edge=return level=cut",
            ),
            (
                "error = None\ntry:\n    await t\nexcept asyncio.CancelledError as e:\n    error = e\nif error:\n    raise error",
                "Cancelled of [await t]: edge=fall level=fall",
            ),
            // An earlier handler takes the cancellation; `except Exception` never does.
            (
                "try:\n    await t\nexcept Exception:\n    pass\nexcept asyncio.CancelledError:\n    raise\nexcept BaseException:\n    pass",
                "Cancelled of [await t]: edge=reraise level=reraise",
            ),
            ("try:\n    await t\nexcept Exception:\n    pass", ""),
            ("try:\n    print()\nexcept BaseException:\n    pass", ""),
            // Ways through every compound statement.
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    match t:\n        case 1:\n            raise\n        case _:\n            return",
                "Cancelled of [await t]: edge=reraise+return level=reraise+return",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    match t:\n        case 1:\n            raise",
                "Cancelled of [await t]: edge=reraise+fall level=reraise+fall",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    with open(t) as f:\n        for line in f:\n            if line:\n                break\n        else:\n            raise",
                "Cancelled of [await t]: edge=reraise+fall level=reraise+fall",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    try:\n        self.close()\n    finally:\n        raise",
                "Cancelled of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    try:\n        return\n    finally:\n        self.close()",
                "Cancelled of [await t]: edge=return level=return",
            ),
            // A `return` in the `finally` takes the exception's place.
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    try:\n        raise\n    finally:\n        return",
                "Cancelled of [await t]: edge=return level=return",
            ),
            // Helpers of the file that never return.
            (
                "def fail(): raise OSError\ntry:\n    await t\nexcept asyncio.CancelledError:\n    fail()",
                "Cancelled of [await t]: edge=raise level=raise",
            ),
            (
                "def fail():\n    try:\n        print()\n    finally:\n        raise OSError\ntry:\n    await t\nexcept asyncio.CancelledError:\n    fail()\n    return",
                "Cancelled of [await t]: edge=raise level=raise",
            ),
            (
                "def fail():\n    if t:\n        raise OSError\ntry:\n    await t\nexcept asyncio.CancelledError:\n    fail()",
                "Cancelled of [await t]: edge=fall level=fall",
            ),
            (
                "import sys\ntry:\n    await t\nexcept asyncio.CancelledError:\n    sys.exit(1)",
                "Cancelled of [await t]: edge=raise level=raise",
            ),
            // An inner try lets through what it doesn't catch.
            (
                "try:\n    try:\n        await t\n    except ValueError:\n        return\nexcept asyncio.CancelledError:\n    raise",
                "Cancelled of [await t]: edge=reraise level=reraise",
            ),
            (
                "try:\n    try:\n        await t\n    except asyncio.CancelledError:\n        raise\nexcept BaseException:\n    return",
                "BaseException of [await t]: edge=return level=return\nCancelled of [await t]: edge=reraise level=reraise",
            ),
            (
                "with suppress(asyncio.CancelledError):\n    await t\nawait self.bye()",
                "Cancelled of [await t]: suppress edge=fall level=fall then cut at [await self.bye()]",
            ),
        ],
    );
}

#[test]
fn a_loop_spins_only_if_a_cancelled_task_cannot_leave_it() {
    table(
        catchers,
        &[
            (
                "while True:\n    try:\n        await t\n    except asyncio.CancelledError:\n        print()",
                "Cancelled of [await t]: edge=fall level=fall spins",
            ),
            (
                "for i in range(3):\n    try:\n        await t\n    except asyncio.CancelledError:\n        continue",
                "Cancelled of [await t]: edge=continue level=continue spins-bounded",
            ),
            (
                "while True:\n    try:\n        await t\n    except asyncio.CancelledError:\n        break",
                "Cancelled of [await t]: edge=break level=break",
            ),
            // The await in the handler raises again, outside of the try.
            (
                "while True:\n    try:\n        await t\n    except asyncio.CancelledError:\n        await asyncio.sleep(1)",
                "Cancelled of [await t]: edge=fall level=cut",
            ),
            // The next await after the handler raises outside of the try.
            (
                "while True:\n    try:\n        await t\n    except asyncio.CancelledError:\n        pass\n    await asyncio.sleep(1)",
                "Cancelled of [await t]: edge=fall level=fall then cut at [await asyncio.sleep(1)]",
            ),
            // The handler sets what the loop asks.
            (
                "stop = False\nwhile not stop:\n    try:\n        await t\n    except asyncio.CancelledError:\n        stop = True",
                "Cancelled of [await t]: edge=fall level=fall",
            ),
            // A flag that both branches ignore doesn't leave the loop.
            (
                "seen = 0\nwhile True:\n    if seen:\n        print()\n    try:\n        await t\n    except asyncio.CancelledError:\n        seen = 1",
                "Cancelled of [await t]: edge=fall level=fall spins",
            ),
            // Shielded: nothing is raised in the loop.
            (
                "from anyio import CancelScope\nwith CancelScope(shield=True):\n    while True:\n        try:\n            await t\n        except asyncio.CancelledError:\n            pass",
                "",
            ),
        ],
    );
}

#[test]
fn a_caught_cancellation_has_one_fate() {
    table(
        fates,
        &[
            (
                "try:\n    await t.go()\nexcept asyncio.CancelledError:\n    print()",
                "swallowed",
            ),
            (
                "try:\n    await t.go()\nexcept asyncio.CancelledError:\n    await t.close()",
                "goes on",
            ),
            (
                "try:\n    await t\nexcept asyncio.CancelledError:\n    pass\nawait self.go()",
                "foreign",
            ),
            (
                "try:\n    await asyncio.wait([t])\nexcept asyncio.CancelledError:\n    pass\nawait self.go()",
                "awaits again after: await self.go()",
            ),
            (
                "t.cancel()\ntry:\n    await asyncio.wait_for(t, 5)\nexcept asyncio.CancelledError:\n    pass\nawait self.go()",
                "foreign",
            ),
            (
                "while not t.done():\n    try:\n        await asyncio.shield(t)\n    except asyncio.CancelledError:\n        pass",
                "",
            ),
            (
                "while not t.done():\n    with suppress(asyncio.CancelledError):\n        await asyncio.wait({t})",
                "drained",
            ),
            (
                "while True:\n    with suppress(asyncio.CancelledError):\n        await t.go()",
                "spins",
            ),
            (
                "while True:\n    job = await self.next()\n    try:\n        await job.run()\n    except asyncio.CancelledError:\n        pass",
                "awaits again in the loop: await self.next()",
            ),
            (
                "q = asyncio.Queue()\nwhile True:\n    job = await q.get()\n    try:\n        await job.run()\n    except asyncio.CancelledError:\n        pass",
                "awaits again in the loop: await q.get()",
            ),
            (
                "while True:\n    stop = False\n    try:\n        await t.go()\n    except asyncio.CancelledError:\n        stop = True\n    if stop:\n        await t.tell()\n        break\n    await t.rest()",
                "awaits again after: await t.tell()",
            ),
            (
                "stop = False\ntry:\n    await t.go()\nexcept asyncio.CancelledError:\n    stop = True\nif stop:\n    return\nawait t.rest()",
                "swallowed",
            ),
            (
                "try:\n    await t.go()\nexcept asyncio.CancelledError:\n    pass\nfinally:\n    await t.close()",
                "swallowed",
            ),
            (
                "try:\n    await t.go()\nexcept asyncio.CancelledError:\n    raise ValueError",
                "replaced",
            ),
            (
                "try:\n    await t.go()\nexcept BaseException as e:\n    raise self.convert(e)",
                "goes on",
            ),
            (
                "try:\n    await t.go()\nexcept BaseExceptionGroup as e:\n    raise ValueError from e",
                "",
            ),
            (
                "try:\n    await t.go()\nexcept BaseException as e:\n    print(e)",
                "swallowed",
            ),
            (
                "try:\n    await t.go()\nexcept BaseException as e:\n    self.failed(e)",
                "kept",
            ),
            (
                "try:\n    await t.go()\nexcept BaseException as e:\n    self.errors.append(ValueError(e))",
                "kept",
            ),
            (
                "while True:\n    try:\n        await t.go()\n    except BaseException as e:\n        self.errors.append(e)",
                "spins",
            ),
            (
                "while True:\n    try:\n        await t.go()\n    except BaseException as e:\n        t.throw(e)",
                "kept",
            ),
            (
                "try:\n    await t.go()\nexcept BaseException:\n    try:\n        await t.close()\n    except BaseException:\n        pass\n    raise",
                "goes on; goes on",
            ),
            (
                "while True:\n    try:\n        await t.go()\n    except asyncio.CancelledError:\n        asyncio.current_task().uncancel()",
                "kept",
            ),
        ],
    );
}

#[test]
fn a_cleanup_is_cut_at_its_first_suspension() {
    let in_class = "import asyncio\nclass C:\n    async def quiet(self):\n        self.x = 1\n    async def safe(self):\n        with asyncio.CancelScope(shield=True):\n            await self.io()\n    async def f(self):\n        try:\n            await self.go()\n        finally:\n            await self.quiet()\n            await self.safe()\n            self.done = True\n";
    table(
        cleanups,
        &[
            (
                "async def f(c):\n    try:\n        await c.go()\n    finally:\n        await c.close()\n        c.closed = True\n",
                "finally after await c.go(): cut at [await c.close()], skips [c.closed = True]",
            ),
            (
                "async def f(c):\n    try:\n        c.go()\n    finally:\n        await c.close()\n",
                "",
            ),
            (
                "async def f(c):\n    try:\n        await c.go()\n    finally:\n        try:\n            await c.close()\n        finally:\n            c.closed = True\n",
                "finally after await c.go(): cut at [await c.close()], skips []",
            ),
            (
                "import asyncio\nasync def f(c):\n    try:\n        await c.go()\n    except asyncio.CancelledError:\n        await c.bye()\n        raise\n",
                "handler after await c.go(): cut at [await c.bye()], skips [raise]",
            ),
            (
                "async def f(lock, c):\n    async with lock:\n        try:\n            await c.go()\n        finally:\n            with c.timeout(5, shield=True):\n                await c.close()\n",
                "",
            ),
            (in_class, ""),
            (
                "import asyncio\nasync def f(c, tasks):\n    try:\n        await c.go()\n    finally:\n        for t in tasks:\n            t.cancel()\n        await asyncio.gather(*tasks, return_exceptions=True)\n        c.closed = True\n",
                "finally after await c.go(): cut at [await asyncio.gather(*tasks, return_exceptions=True)], skips [c.closed = True]",
            ),
            (
                "import asyncio\nfrom contextlib import suppress\nasync def stop(t):\n    t.cancel()\n    with suppress(asyncio.CancelledError):\n        await t\nasync def f(c, t):\n    try:\n        await c.go()\n    finally:\n        await stop(t)\n        c.closed = True\n",
                "finally after await c.go(): cut at [await stop(t)], skips []",
            ),
            (
                "import asyncio\nasync def f(c):\n    items = asyncio.Queue()\n    try:\n        await c.go()\n    finally:\n        await items.put(None)\n",
                "",
            ),
            (
                "class C:\n    async def __aexit__(self, kind, error, traceback):\n        if kind is None:\n            await self.commit()\n            return\n        await self.rollback()\n        self.open = False\n",
                "exit after nothing: cut at [await self.rollback()], skips [self.open = False]",
            ),
        ],
    );
}

#[test]
fn a_suspension_knows_what_cuts_it() {
    let code = "import asyncio\nasync def stub(): ...\nasync def never():\n    print()\nasync def recursive(n):\n    await recursive(n - 1)\n    await never()\nasync def f(lock, x):\n    t = asyncio.create_task(x())\n    await asyncio.shield(t)\n    await stub()\n    await never()\n    await recursive(1)\n    t.cancel()\n    await t\n    async with lock:\n        await x()\n    async with asyncio.timeout(1):\n        pass\n";
    let answer = ask(code, |file| {
        let function = file.tree.function_ids().last().unwrap();
        let line = |it: &linter::model::suspend::Suspension| {
            let cut = match it.cut {
                Cut::Never => "never",
                Cut::Waits => "waits",
                Cut::WaitsThenRaises => "waits, then raises",
                Cut::Raises => "raises",
            };
            let maybe = if it.conditional { "?" } else { "" };
            format!("{}: {cut}{maybe}", text(file, it.range))
        };
        file.suspensions(function)
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    });
    assert_eq!(
        answer,
        "await asyncio.shield(t): never\nawait stub(): raises\nawait never(): never\n\
         await recursive(1): never\nawait t: waits\nlock: raises?\nlock: never\n\
         await x(): raises\nasyncio.timeout(1): never\nasyncio.timeout(1): never"
    );
}

#[test]
fn names_resolve_as_python_does() {
    let rows = [
        ("import asyncio\nasyncio.shield", "asyncio.shield"),
        ("import asyncio as aio\naio.shield", "asyncio.shield"),
        (
            "import asyncio.tasks\nasyncio.tasks.shield",
            "asyncio.shield",
        ),
        ("from asyncio.tasks import shield as s\ns", "asyncio.shield"),
        ("from asyncio import tasks\ntasks.shield", "asyncio.shield"),
        ("import asyncbis\nasyncbis.shield", "asyncio.shield"),
        ("from asyncio import *\nshield", "asyncio.shield"),
        (
            "try:\n    import asyncbis as a\nexcept ImportError:\n    import asyncio as a\na.shield",
            "asyncio.shield",
        ),
        ("import asyncio\ns = asyncio.shield\ns", "asyncio.shield"),
        (
            "import concurrent.futures\nconcurrent.futures.CancelledError",
            "concurrent.futures.CancelledError",
        ),
        (
            "from .compat import asyncio\nasyncio.shield",
            ".compat.asyncio.shield",
        ),
        ("import asyncio\ndef f(asyncio):\n    asyncio.shield", ""),
        (
            "import asyncio\ndef f():\n    asyncio = 1\n    def g():\n        asyncio.shield",
            "",
        ),
        (
            "class C:\n    from asyncio import shield\n    def f(self):\n        shield",
            "builtins.shield",
        ),
        (
            "class C:\n    from asyncio import shield\n    shield",
            "asyncio.shield",
        ),
        (
            "def f():\n    global a\n    import asyncio as a\ndef g():\n    a.shield",
            "asyncio.shield",
        ),
        (
            "a = None\ndef f():\n    global a\n    import asyncio as a\ndef g():\n    a.shield",
            "asyncio.shield",
        ),
        (
            "def f():\n    from asyncio import shield\n    def g():\n        nonlocal shield\n        shield",
            "asyncio.shield",
        ),
        ("import asyncio\n[asyncio.shield for asyncio in ()]", ""),
        ("BaseException", "builtins.BaseException"),
    ];
    for (code, expected) in rows {
        let answer = ask(code, |file| {
            let last = file.tree.stmt_ids().last().unwrap();
            let outer = file.tree.exprs_of(last).next().unwrap();
            let asked = file
                .tree
                .exprs_in(outer)
                .find(|expr| expr.is_attribute_expr() || expr.is_name_expr())
                .unwrap();
            let asked = match outer.as_list_comp_expr() {
                Some(comprehension) => &*comprehension.elt,
                None => asked,
            };
            file.qualified_names(asked).join("|")
        });
        assert_eq!(answer, expected, "for the program:\n{code}");
    }
}

#[test]
fn every_form_of_a_shield_is_known() {
    let rows = [
        ("with asyncbis.CancelScope(shield=True):", true),
        ("with asyncbis.CancelScope(shield=False):", false),
        ("with asyncbis.CancelScope():", false),
        ("with CancelScope(deadline=1, shield=True) as scope:", true),
        ("async with asyncbis.timeout(5, shield=True):", true),
        ("async with asyncio.timeout(5):", false),
        ("with asyncbis.move_on_after(5, shield=True):", true),
        ("with anyio.CancelScope(shield=True):", true),
        ("with anyio.move_on_after(5, shield=True):", true),
        ("with anyio.fail_after(5, shield=True):", true),
        ("with trio.CancelScope(shield=True):", true),
        ("with trio.move_on_after(5) as scope:", false),
        ("with open(x) as f, anyio.CancelScope(shield=True):", true),
        ("with self.scope:", true),
    ];
    for (header, shielded) in rows {
        let code = format!(
            "import asyncio, asyncbis, anyio, trio\nfrom anyio import CancelScope\nclass C:\n    def __init__(self):\n        self.scope = CancelScope(shield=True)\n    async def f(self, x):\n        {header}\n            await x()\n"
        );
        assert_eq!(await_is_shielded(&code), shielded, "{header}");
    }
    let set = "import anyio\nasync def f(x):\n    with anyio.CancelScope() as scope:\n        scope.shield = True\n        await x()\n";
    assert!(await_is_shielded(set));
    let nested_function = "import anyio\nasync def f(x):\n    with anyio.CancelScope(shield=True):\n        async def g():\n            await x()\n";
    assert!(
        !await_is_shielded(nested_function),
        "g runs where it is awaited"
    );
}

fn await_is_shielded(code: &str) -> bool {
    ask(code, |file| {
        let found = file
            .tree
            .function_ids()
            .flat_map(|id| file.suspensions(id).to_vec())
            .find(|it| text(file, it.range) == "await x()")
            .expect("the program awaits x()");
        found.shield.is_some()
    })
}
