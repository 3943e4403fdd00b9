//! What asyncbis has for names of other libraries: the one table of the migrations.
//!
//! A row is a name of a library, what asyncbis has for it, and how sure that is. To extend it when
//! the runtime grows, add a row, run the tests with `UPDATE_PAGES=1` (the page
//! `docs/migrating-from-other-libraries.md` is written from it), and add a program to
//! `tests/other_libraries`: a test compares each row with the runtime.
//!
//! Names that are not here stay what they are, without a word: most of these libraries go on
//! working on asyncbis.

use super::Library;

/// A name of a library.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub library: Library,
    /// The ways to reach it below the library: `timeout`, `timeouts.timeout`. The first is shown.
    pub names: &'static [&'static str],
    /// What replaces it, below asyncbis, as people read it; empty where there is nothing.
    pub target: &'static str,
    pub safety: Safety,
    pub form: Form,
    pub instance: Instance,
    /// Names of the library that keep this one as it is where the file has them.
    pub unless: &'static [&'static str],
    /// Names of the library without which this one stays: a class in annotations and `isinstance()`
    /// changes together with what makes its objects.
    pub only_with: &'static [&'static str],
    /// What is different afterwards, or why there is nothing; for the page and for notes.
    pub remark: &'static str,
}

/// How sure it is that the program means the same afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    Safe,
    /// Done only for a library that was asked for.
    Unsafe,
    /// Never done, reported.
    Flag,
}

/// What becomes of a use.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// The name, wherever it stands.
    Name,
    /// A call, which may have these arguments.
    Call(Signature),
    /// A class or function with these arguments; it may be named without being called, but not be
    /// derived from.
    Named(Signature),
    /// A call without arguments, which another text replaces: `{}` is the name of asyncbis.
    Text {
        name: &'static str,
        text: &'static str,
    },
    /// A call that is written anew; `forms` knows how.
    Special(Special),
    /// Nothing.
    Nothing,
}

/// The arguments that both sides understand.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    pub positional: usize,
    /// The keywords, and what they are called in asyncbis.
    pub keywords: &'static [(&'static str, &'static str)],
    /// How the block begins that the call makes.
    pub block: Block,
}

/// How a block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// As before.
    Same,
    /// `async with`, whatever it was.
    Async,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// aiotools' `ShieldScope()`.
    ShieldScope,
    /// aiotools' `move_on_after()`, an `async with` block.
    MoveOnAfter,
    /// AnyIO's `run(main, *args)`.
    Run,
    /// AnyIO's `to_thread.run_sync(function, *args)`.
    ToThread,
}

/// What the attributes of the made object become.
#[derive(Debug, Clone, Copy)]
pub enum Instance {
    /// They are the same, but for these, which keep a file as it is where it reads them.
    Free(&'static [&'static str]),
    /// Every use of the object has to be seen, because these change.
    Followed(&'static [(&'static str, Change)]),
}

/// What becomes of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Same,
    /// A property that is a method: `expired` is `expired()`. Where it is called already, as
    /// async_timeout 5 allows for `expired`, it stays.
    Property(&'static str),
    /// Another name of the method.
    Method(&'static str),
    /// `shift(delay)` is `reschedule(when() + delay)`.
    Shift,
    /// `reject()` is `reschedule(None)`.
    Reject,
    /// `start_soon(function, *args)` is `create_task(function(*args))`.
    StartSoon,
}

const ANY: Instance = Instance::Free(&[]);

const fn call(positional: usize, keywords: &'static [(&'static str, &'static str)]) -> Form {
    Form::Call(Signature {
        positional,
        keywords,
        block: Block::Same,
    })
}

const fn named(positional: usize, keywords: &'static [(&'static str, &'static str)]) -> Form {
    Form::Named(Signature {
        positional,
        keywords,
        block: Block::Same,
    })
}

const fn row(library: Library, names: &'static [&'static str], target: &'static str) -> Row {
    Row {
        library,
        names,
        target,
        safety: Safety::Safe,
        form: Form::Name,
        instance: ANY,
        unless: &[],
        only_with: &[],
        remark: "",
    }
}

const fn nothing(library: Library, names: &'static [&'static str], remark: &'static str) -> Row {
    Row {
        safety: Safety::Flag,
        form: Form::Nothing,
        remark,
        ..row(library, names, "")
    }
}

const TIMEOUT: Instance = Instance::Followed(&[
    ("expired", Change::Property("expired")),
    ("deadline", Change::Property("when")),
    ("shift", Change::Shift),
    ("update", Change::Method("reschedule")),
    ("shift_to", Change::Method("reschedule")),
    ("reject", Change::Reject),
    ("when", Change::Same),
    ("reschedule", Change::Same),
]);

const TASK_GROUP: Instance = Instance::Followed(&[
    ("start_soon", Change::StartSoon),
    ("start", Change::Same),
    ("cancel", Change::Same),
    ("cancel_scope", Change::Same),
]);

/// The rows of all libraries.
pub const ROWS: &[&[Row]] = &[ASYNC_TIMEOUT, AIOTOOLS, ASYNKIT, ANYIO];

const ASYNC_TIMEOUT: &[Row] = &[
    Row {
        form: Form::Call(Signature {
            positional: 1,
            keywords: &[("delay", "delay")],
            block: Block::Async,
        }),
        instance: TIMEOUT,
        remark: "`None` means no limit in both; a sync `with` becomes `async with`",
        ..row(Library::AsyncTimeout, &["timeout"], "timeout")
    },
    Row {
        form: Form::Call(Signature {
            positional: 1,
            keywords: &[("deadline", "when")],
            block: Block::Async,
        }),
        instance: TIMEOUT,
        remark: "the keyword `deadline` is called `when`",
        ..row(Library::AsyncTimeout, &["timeout_at"], "timeout_at")
    },
    Row {
        only_with: &["timeout", "timeout_at"],
        remark: "where all timeouts of the file become those of asyncbis",
        ..row(Library::AsyncTimeout, &["Timeout"], "Timeout")
    },
];

const AIOTOOLS: &[Row] = &[
    Row {
        form: named(0, &[]),
        instance: Instance::Free(&["get_name"]),
        unless: &["TaskGroupError", "MultiError", "current_taskgroup"],
        remark: "it raises a plain `ExceptionGroup`; a file that catches `TaskGroupError` is left alone",
        ..row(
            Library::Aiotools,
            &[
                "TaskGroup",
                "taskgroup.TaskGroup",
                "taskgroup.base.TaskGroup",
            ],
            "TaskGroup",
        )
    },
    Row {
        form: call(1, &[("delay", "delay")]),
        ..row(
            Library::Aiotools,
            &["timeout", "timeouts.timeout"],
            "timeout",
        )
    },
    Row {
        form: call(1, &[("when", "when")]),
        ..row(
            Library::Aiotools,
            &["timeout_at", "timeouts.timeout_at"],
            "timeout_at",
        )
    },
    Row {
        only_with: &["timeout", "timeout_at"],
        remark: "where all timeouts of the file become those of asyncbis",
        ..row(
            Library::Aiotools,
            &["Timeout", "timeouts.Timeout"],
            "Timeout",
        )
    },
    Row {
        form: call(2, &[("msg", "msg")]),
        remark: "a task that ends in spite of its cancellation is no error",
        ..row(
            Library::Aiotools,
            &["cancel_and_wait", "cancel.cancel_and_wait"],
            "cancel_and_wait",
        )
    },
    Row {
        form: Form::Special(Special::ShieldScope),
        remark: "`async with` becomes `with`; with a timeout it is `fail_after(t, shield=True)` or \
                 `timeout(t, shield=True)`; one whose object is used is left alone",
        ..row(
            Library::Aiotools,
            &["ShieldScope", "taskscope.ShieldScope"],
            "CancelScope(shield=True)",
        )
    },
    Row {
        safety: Safety::Unsafe,
        form: Form::Special(Special::MoveOnAfter),
        remark: "a `TimeoutError` of the block itself is no longer swallowed; a block that makes \
                 tasks with it is left alone",
        ..row(
            Library::Aiotools,
            &["move_on_after", "taskscope.move_on_after"],
            "move_on_after",
        )
    },
    row(
        Library::Aiotools,
        &["all_tasks", "compat.all_tasks"],
        "all_tasks",
    ),
    row(
        Library::Aiotools,
        &["get_running_loop", "compat.get_running_loop"],
        "get_running_loop",
    ),
    nothing(
        Library::Aiotools,
        &["TaskScope", "taskscope.TaskScope"],
        "it keeps the errors of its tasks from each other, which a task group does not",
    ),
    nothing(
        Library::Aiotools,
        &["Supervisor", "supervisor.Supervisor"],
        "it keeps the errors of its tasks from each other, which a task group does not",
    ),
    nothing(
        Library::Aiotools,
        &["PersistentTaskGroup", "taskgroup.PersistentTaskGroup"],
        "it keeps the errors of its tasks from each other, which a task group does not",
    ),
    nothing(
        Library::Aiotools,
        &["as_completed_safe", "utils.as_completed_safe"],
        "write it with a `TaskGroup` and a queue",
    ),
    nothing(
        Library::Aiotools,
        &["gather_safe", "utils.gather_safe"],
        "write it with a `TaskGroup`",
    ),
    nothing(
        Library::Aiotools,
        &["race", "utils.race"],
        "write it with a `TaskGroup` that the first result cancels",
    ),
    nothing(
        Library::Aiotools,
        &["create_timer", "timer.create_timer"],
        "its tasks take a cancellation for a wish to stop",
    ),
    nothing(
        Library::Aiotools,
        &["VirtualClock", "timer.VirtualClock"],
        "it patches the selector of the loop",
    ),
    nothing(
        Library::Aiotools,
        &["start_server", "server.start_server"],
        "it makes its own loops and handles signals itself",
    ),
];

const ASYNKIT: &[Row] = &[
    Row {
        form: call(
            1,
            &[
                ("name", "name"),
                ("context", "context"),
                ("eager_start", "eager_start"),
            ],
        ),
        remark: "with `eager_start=True` the result is always a task",
        ..row(
            Library::Asynkit,
            &["create_task", "coroutine.create_task"],
            "create_task",
        )
    },
    row(
        Library::Asynkit,
        &["eager_task_factory", "coroutine.eager_task_factory"],
        "eager_task_factory",
    ),
    Row {
        form: call(1, &[]),
        remark: "the constructor it is given must make asyncbis tasks",
        ..row(
            Library::Asynkit,
            &[
                "create_eager_task_factory",
                "coroutine.create_eager_task_factory",
            ],
            "create_eager_task_factory",
        )
    },
    Row {
        form: Form::Call(Signature {
            positional: 1,
            keywords: &[("timeout", "delay")],
            block: Block::Same,
        }),
        ..row(
            Library::Asynkit,
            &[
                "experimental.task_timeout",
                "experimental.interrupt.task_timeout",
            ],
            "timeout",
        )
    },
    nothing(
        Library::Asynkit,
        &["compat.enable_eager_tasks"],
        "it patches asyncio; `asyncbis.create_task(.., eager_start=True)` starts one task at once",
    ),
    nothing(
        Library::Asynkit,
        &[
            "eager",
            "coroutine.eager",
            "coro_eager",
            "coroutine.coro_eager",
            "func_eager",
            "eager_ctx",
        ],
        "a first step that fails belongs to who awaits it; the nearest thing is \
         `create_task(.., eager_start=True)`",
    ),
    nothing(
        Library::Asynkit,
        &[
            "experimental.task_interrupt",
            "experimental.interrupt.task_interrupt",
        ],
        "a task of asyncbis is interrupted by cancelling a scope of it",
    ),
    nothing(
        Library::Asynkit,
        &[
            "experimental.task_throw",
            "experimental.interrupt.task_throw",
        ],
        "a task of asyncbis is interrupted by cancelling a scope of it",
    ),
    nothing(
        Library::Asynkit,
        &[
            "experimental.create_pytask",
            "experimental.interrupt.create_pytask",
        ],
        "tasks that are not asyncbis's can't be level-cancelled",
    ),
];

const ANYIO: &[Row] = &[
    Row {
        form: named(0, &[("deadline", "deadline"), ("shield", "shield")]),
        instance: Instance::Free(&["deadline"]),
        remark: "a scope without a deadline says `None`, not infinity; it is left alone where a file reads deadlines",
        ..row(
            Library::Anyio,
            &["CancelScope", "abc.CancelScope"],
            "CancelScope",
        )
    },
    Row {
        form: call(1, &[("delay", "delay"), ("shield", "shield")]),
        instance: Instance::Free(&["deadline"]),
        ..row(Library::Anyio, &["fail_after"], "fail_after")
    },
    Row {
        form: call(1, &[("delay", "delay"), ("shield", "shield")]),
        instance: Instance::Free(&["deadline"]),
        ..row(Library::Anyio, &["move_on_after"], "move_on_after")
    },
    Row {
        form: call(1, &[("deadline", "when"), ("shield", "shield")]),
        instance: Instance::Free(&["deadline"]),
        ..row(Library::Anyio, &["fail_at"], "fail_at")
    },
    Row {
        form: call(1, &[("deadline", "when"), ("shield", "shield")]),
        instance: Instance::Free(&["deadline"]),
        ..row(Library::Anyio, &["move_on_at"], "move_on_at")
    },
    row(
        Library::Anyio,
        &["current_effective_deadline"],
        "current_effective_deadline",
    ),
    Row {
        form: call(0, &[]),
        instance: TASK_GROUP,
        remark: "`start_soon(f, *args)` is `create_task(f(*args))`; a group that is handed on is left alone",
        ..row(Library::Anyio, &["create_task_group"], "TaskGroup")
    },
    Row {
        only_with: &["create_task_group"],
        remark: "where all task groups of the file become those of asyncbis",
        ..row(Library::Anyio, &["abc.TaskStatus"], "TaskStatus")
    },
    Row {
        form: Form::Text {
            name: "CancelledError",
            text: "{}",
        },
        ..row(
            Library::Anyio,
            &["get_cancelled_exc_class"],
            "CancelledError",
        )
    },
    Row {
        form: Form::Text {
            name: "get_running_loop",
            text: "{}().time()",
        },
        ..row(
            Library::Anyio,
            &["current_time"],
            "get_running_loop().time()",
        )
    },
    Row {
        form: named(1, &[("delay", "delay")]),
        ..row(Library::Anyio, &["sleep"], "sleep")
    },
    row(Library::Anyio, &["sleep_forever"], "sleep_forever"),
    Row {
        form: call(1, &[("deadline", "when")]),
        ..row(Library::Anyio, &["sleep_until"], "sleep_until")
    },
    row(
        Library::Anyio,
        &["lowlevel.checkpoint"],
        "lowlevel.checkpoint",
    ),
    row(
        Library::Anyio,
        &["lowlevel.checkpoint_if_cancelled"],
        "lowlevel.checkpoint_if_cancelled",
    ),
    row(
        Library::Anyio,
        &["lowlevel.cancel_shielded_checkpoint"],
        "lowlevel.cancel_shielded_checkpoint",
    ),
    Row {
        safety: Safety::Unsafe,
        form: named(0, &[]),
        instance: Instance::Free(&["statistics"]),
        remark: "made before a loop runs, it works in both",
        ..row(Library::Anyio, &["Event"], "Event")
    },
    Row {
        safety: Safety::Unsafe,
        form: named(0, &[]),
        instance: Instance::Free(&["statistics", "acquire_nowait"]),
        remark: "it may be released by another task, and waits for ever where AnyIO's raises because its task has it",
        ..row(Library::Anyio, &["Lock"], "Lock")
    },
    Row {
        safety: Safety::Unsafe,
        form: named(1, &[("initial_value", "value")]),
        instance: Instance::Free(&["statistics", "acquire_nowait", "max_value"]),
        remark: "its `value` is not an attribute",
        ..row(Library::Anyio, &["Semaphore"], "Semaphore")
    },
    Row {
        safety: Safety::Unsafe,
        form: Form::Special(Special::ToThread),
        remark: "with `abandon_on_cancel=True` it is `to_thread()` alone; a `limiter` keeps it as it is; \
                 the threads are those of the loop's executor",
        ..row(
            Library::Anyio,
            &["to_thread.run_sync"],
            "shield(to_thread(function, *args))",
        )
    },
    Row {
        safety: Safety::Unsafe,
        form: Form::Special(Special::Run),
        remark: "a backend other than asyncio, and options for it, keep it as it is",
        ..row(Library::Anyio, &["run"], "run(main(*args))")
    },
];
