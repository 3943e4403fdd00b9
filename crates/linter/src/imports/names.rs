//! What asyncbis makes of each of asyncio's names.
//!
//! The table `names.txt` is generated from the runtime, with a column for each Python version; a
//! test of the runtime keeps it true. A name counts as what it is on the Pythons together: it is
//! taken from asyncbis only if asyncbis has it wherever asyncio does.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

const TABLE: &str = include_str!("names.txt");

/// What asyncbis makes of a name of asyncio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same object.
    Same,
    /// Something of asyncbis's own under the same name.
    Changed,
    /// A function that only raises.
    Raises,
    /// Nothing, at least on one Python or platform that has it in asyncio.
    Absent,
}

impl Kind {
    /// Whether a file can take the name from asyncbis.
    #[must_use]
    pub fn is_offered(self) -> bool {
        matches!(self, Kind::Same | Kind::Changed)
    }
}

static KINDS: LazyLock<FxHashMap<&'static str, Kind>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .filter_map(|line| {
            let (name, words) = line.split_once(' ')?;
            Some((name, kind_of_row(words)))
        })
        .collect()
});

/// Whether asyncbis has a name on every Python.
#[must_use]
pub fn is_everywhere(name: &str) -> bool {
    static PARTIAL: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let rows = TABLE.lines().filter_map(|line| line.split_once(' '));
        rows.filter(|(_, words)| {
            words
                .split_whitespace()
                .any(|word| matches!(word, "-" | "absent"))
        })
        .map(|(name, _)| name)
        .collect()
    });
    KINDS.contains_key(name) && !PARTIAL.contains(&name)
}

/// Whether asyncio has a name on every Python.
#[must_use]
pub fn is_always_in_asyncio(name: &str) -> bool {
    let mut rows = TABLE.lines().filter_map(|line| line.split_once(' '));
    let row = rows.find(|(found, _)| *found == name);
    row.is_some_and(|(_, words)| {
        let mut words = words.split_whitespace();
        words.all(|word| !matches!(word, "new" | "-"))
    })
}

fn kind_of_row(words: &str) -> Kind {
    let has = |word: &str| words.split_whitespace().any(|found| found == word);
    if has("absent") {
        Kind::Absent
    } else if has("raises") {
        Kind::Raises
    } else if has("changed") || has("new") {
        Kind::Changed
    } else {
        Kind::Same
    }
}

/// What a dotted name below asyncio means in asyncbis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterpart {
    pub kind: Kind,
    /// How many parts of the name this is about: of `Task.cancel` one, of `tasks.Task` two.
    pub parts: usize,
    /// What these parts are below asyncbis: `tasks.Task` is `Task`.
    pub path: String,
}

/// What asyncbis makes of a dotted name below asyncio: `sleep`, `tasks.Task`, `Task.cancel`.
#[must_use]
pub fn counterpart(path: &[&str]) -> Counterpart {
    let absent = |parts: usize| Counterpart {
        kind: Kind::Absent,
        parts,
        path: path[..parts].join("."),
    };
    let (Some(first), second) = (path.first(), path.get(1)) else {
        return absent(0);
    };
    if !is_submodule(first) {
        return Counterpart {
            kind: kind(first),
            parts: 1,
            path: (*first).to_owned(),
        };
    }
    let own_module = kind(first);
    let Some(second) = second else {
        return Counterpart {
            kind: own_module,
            ..absent(1)
        };
    };
    let row = kind(&format!("{first}.{second}"));
    if own_module.is_offered() {
        return Counterpart {
            kind: row,
            ..absent(2)
        };
    }
    // What asyncbis lacks on some Python it lacks however it is reached.
    let kind = match kind(second) {
        Kind::Absent => Kind::Absent,
        _ => row,
    };
    Counterpart {
        kind,
        parts: 2,
        path: (*second).to_owned(),
    }
}

/// Whether a name of asyncio's is a submodule, as far as it has names that asyncbis has, too.
#[must_use]
pub fn is_submodule(name: &str) -> bool {
    static SUBMODULES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let mut found: Vec<&str> = KINDS
            .keys()
            .filter_map(|name| name.split_once('.').map(|(module, _)| module))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    });
    SUBMODULES.binary_search(&name).is_ok()
}

/// The public names of asyncio, as `from asyncio import *` brings them.
pub fn public() -> impl Iterator<Item = &'static str> {
    KINDS
        .keys()
        .copied()
        .filter(|name| !name.contains('.') && !name.starts_with('_') && !is_submodule(name))
}

fn kind(name: &str) -> Kind {
    KINDS.get(name).copied().unwrap_or(Kind::Absent)
}

#[cfg(test)]
mod tests {
    use super::{Kind, counterpart};

    #[track_caller]
    fn check(name: &str, kind: Kind, parts: usize, path: &str) {
        let found = counterpart(&name.split('.').collect::<Vec<_>>());
        assert_eq!(
            (found.kind, found.parts, found.path.as_str()),
            (kind, parts, path),
            "{name}"
        );
    }

    #[test]
    fn names_are_what_the_runtime_has() {
        check("sleep", Kind::Changed, 1, "sleep");
        check("Task.cancel", Kind::Changed, 1, "Task");
        check("Event", Kind::Same, 1, "Event");
        check("QueueShutDown", Kind::Same, 1, "QueueShutDown");
        check("get_event_loop", Kind::Raises, 1, "get_event_loop");
        check("events.get_event_loop", Kind::Raises, 2, "get_event_loop");
        check("tasks.Task", Kind::Changed, 2, "Task");
        check("exceptions.CancelledError", Kind::Same, 2, "CancelledError");
        check("subprocess", Kind::Changed, 1, "subprocess");
        check("subprocess.PIPE", Kind::Same, 2, "subprocess.PIPE");
        check("subprocess.logger", Kind::Absent, 2, "subprocess.logger");
        check("_get_running_loop", Kind::Same, 1, "_get_running_loop");
    }

    #[test]
    fn what_some_python_lacks_is_absent() {
        check("ProactorEventLoop", Kind::Absent, 1, "ProactorEventLoop");
        check(
            "DefaultEventLoopPolicy",
            Kind::Absent,
            1,
            "DefaultEventLoopPolicy",
        );
        check(
            "events.AbstractEventLoopPolicy",
            Kind::Absent,
            2,
            "AbstractEventLoopPolicy",
        );
        check("coroutine", Kind::Absent, 1, "coroutine");
        check("tasks", Kind::Absent, 1, "tasks");
        check("tasks._all_tasks", Kind::Absent, 2, "_all_tasks");
        check("log.logger", Kind::Absent, 1, "log");
    }
}
