//! The steps of a migration that are done by hand, in their order, each with its places.

use std::fmt::Write as _;

use linter::imports::NoteKind;
use linter::{Rule, Severity};

use super::{FileReport, OfRule, Start, by_rule, runs};

/// How many places of a rule are listed.
const LISTED: usize = 50;

const TESTING: &str = "https://github.com/asyncbis/asyncbis/blob/main/docs/testing.md";

/// A step.
#[derive(Debug, Default)]
pub struct Step {
    /// For one line of output: `2 monkeypatches`; of a step that is always there nothing.
    pub short: Option<String>,
    /// What to do, for the check list.
    pub task: String,
    title: String,
    /// Why, and how.
    text: String,
    lines: Vec<String>,
}

impl Step {
    /// The steps of a project.
    pub fn all(reports: &[FileReport]) -> Vec<Step> {
        let mut steps = vec![start(reports)];
        let kinds = [
            NoteKind::StarImport,
            NoteKind::Monkeypatch,
            NoteKind::RaisingName,
            NoteKind::PatchTarget,
            NoteKind::NoCounterpart,
            NoteKind::Decision,
        ];
        steps.extend(mixed(reports));
        steps.extend(kinds.into_iter().filter_map(|kind| noted(kind, reports)));
        steps.extend(found(reports));
        steps.push(Step {
            task: format!("Run the tests on asyncbis: [how to]({TESTING})."),
            ..Step::default()
        });
        steps
    }

    /// Its section, where it has one.
    pub fn section(&self, text: &mut String) {
        if self.title.is_empty() {
            return;
        }
        write!(text, "\n## {}\n\n{}\n", self.title, self.text).expect("writing to a string");
        if !self.lines.is_empty() {
            write!(text, "\n{}\n", self.lines.join("\n")).expect("writing to a string");
        }
    }
}

/// Where event loops start.
fn start(reports: &[FileReport]) -> Step {
    let runs = runs(reports);
    let line = |(at, run): &(String, &Start)| format!("- {at}: `{}`", run.code);
    let (hands, programs): (Vec<_>, Vec<_>) = runs.iter().partition(|(_, run)| run.is_by_hand());
    let by_hand = hands.len();
    let mut lines: Vec<String> = hands.into_iter().map(line).collect();
    if !lines.is_empty() && !programs.is_empty() {
        lines.insert(0, "By hand:\n".to_owned());
        lines.push("\nBy `run()` or `Runner`:\n".to_owned());
    }
    lines.extend(programs.into_iter().map(line));
    let mut step = Step {
        title: "Where the program starts".to_owned(),
        lines,
        ..Step::default()
    };
    step.task = match (&runs[..], by_hand) {
        ([], _) => "Find out who starts the event loop: nothing here does.".to_owned(),
        ([(at, _)], 0) => format!("Look at {at}: there the program starts."),
        ([..], 0) => format!("Look at the {} places that start a program.", runs.len()),
        ([..], _) => format!(
            "Let `asyncbis.run()` run the event loop: {}.",
            counted(by_hand, "place", "places")
        ),
    };
    if runs.is_empty() {
        step.text = "A library has nothing to do: it runs on the loop of its users.\n\
                     A program has to be started by `asyncbis.run(main())`.\n\
                     Where a server or framework starts the loop, give it `asyncbis.EventLoop` \
                     as its loop, or start it inside of `asyncbis.run()`."
            .to_owned();
        return step;
    }
    step.text = "`asyncbis.run()` makes the loop, with a root task group: there an error of a \
                 background task ends the program, and Ctrl-C and SIGTERM cancel it."
        .to_owned();
    if by_hand > 0 {
        step.short = Some(counted(by_hand, "loop run by hand", "loops run by hand"));
        step.text.push_str(
            "\nOn a loop that is run by hand there is no root task group: everything else works, \
             and nobody cancels what is left over.",
        );
    }
    if runs.len() - by_hand > 1 {
        step.text.push_str(
            "\nEach `run()` is a program of its own; none may start while another one runs in the \
             same thread.",
        );
    }
    step
}

/// Files that use names of asyncio that are different in asyncbis, beside files that use asyncbis.
fn mixed(reports: &[FileReport]) -> Option<Step> {
    if !reports.iter().any(|file| file.uses_asyncbis) {
        return None;
    }
    let lines: Vec<String> = reports
        .iter()
        .filter(|file| file.uses_asyncio && !file.changed_names.is_empty())
        .map(|file| {
            let names: Vec<String> = file
                .changed_names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            format!("- {}: {}", file.shown, names.join(", "))
        })
        .collect();
    let count = lines.len();
    (count > 0).then(|| Step {
        short: Some(counted(count, "file left behind", "files left behind")),
        task: format!(
            "Move {} to asyncbis's names.",
            counted(
                count,
                "file that is left behind",
                "files that are left behind"
            )
        ),
        title: "Names that are different in asyncbis, but come from asyncio".to_owned(),
        text: "They work on asyncbis's loop, with asyncio's behaviour: a `timeout()` has no \
               shield, and a `shield()` does not protect who waits for it."
            .to_owned(),
        lines,
    })
}

/// What was noted while the imports were rewritten.
fn noted(kind: NoteKind, reports: &[FileReport]) -> Option<Step> {
    // What is said of many places is said once.
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    let mut count = 0;
    for file in reports {
        for note in file.notes_of(kind) {
            let help = note.help.as_ref();
            let help = help.map_or(String::new(), |help| format!(". {help}"));
            let words = format!("{}{help}", note.message);
            let at = file.at(note.place);
            count += 1;
            match said.iter_mut().find(|(known, _)| *known == words) {
                Some((_, places)) => places.push(at),
                None => said.push((words, vec![at])),
            }
        }
    }
    let lines: Vec<String> = said
        .into_iter()
        .map(|(words, places)| match &places[..] {
            [place] => format!("- {place}: {words}"),
            places => format!("- {words}:\n  - {}", places.join("\n  - ")),
        })
        .collect();
    let [one, many, task, title, text] = words(kind)?;
    (count > 0).then(|| Step {
        short: Some(counted(count, one, many)),
        task: format!("{task}: {}.", counted(count, "place", "places")),
        title: title.to_owned(),
        text: text.to_owned(),
        lines,
    })
}

/// A step's words: one place and several, the task, the title, the text.
///
/// Files that keep asyncio for what asyncbis lacks are in the table of what still imports asyncio,
/// and need no work.
fn words(kind: NoteKind) -> Option<[&'static str; 5]> {
    Some(match kind {
        NoteKind::StarImport => [
            "star import",
            "star imports",
            "Name what `from asyncio import *` imports",
            "Star imports of asyncio",
            "Only names that are written down can be rewritten.",
        ],
        NoteKind::Monkeypatch => [
            "monkeypatch",
            "monkeypatches",
            "Remove what changes asyncio from outside",
            "Monkeypatches",
            "They change asyncio's modules and classes, and asyncbis's code does not look there.",
        ],
        NoteKind::RaisingName => [
            "function that only raises",
            "functions that only raise",
            "Replace the functions that asyncbis has only to say that they are gone",
            "Functions that only raise in asyncbis",
            "Inside of a coroutine `asyncbis.get_running_loop()` takes their place, outside of \
             one `asyncbis.run()`.\n\
             For libraries that call them there is `asyncbis.patch_asyncio(deprecated=\"warn\")`.",
        ],
        NoteKind::PatchTarget => [
            "mock target",
            "mock targets",
            "Let the tests patch what the code uses now",
            "Mock targets",
            "A test that patches what nobody looks up any more passes or fails for the wrong \
             reason.",
        ],
        NoteKind::NoCounterpart => [
            "name without counterpart",
            "names without counterpart",
            "Decide what becomes of names of other libraries that asyncbis has nothing for",
            "Names without a counterpart in asyncbis",
            "The libraries go on working as far as they work on asyncio; mixing their scopes \
             with asyncbis's is where to look first.",
        ],
        NoteKind::Decision => [
            "decision",
            "decisions",
            "Decide where two ways are right",
            "Decisions",
            "Both ways are correct programs, and only the author knows which one is meant.",
        ],
        NoteKind::KeepsAsyncio => return None,
    })
}

/// The findings that remain: first what hangs, loses data or raises.
fn found(reports: &[FileReport]) -> Vec<Step> {
    let rules = by_rule(reports);
    let total = |severity| -> usize {
        let all = rules.iter().flat_map(|row| &row.found);
        all.filter(|(_, finding)| finding.severity == severity)
            .count()
    };
    let tasks = [
        (
            Severity::Error,
            ("Mend 1 error", "it hangs, loses data or raises"),
            ("Mend {} errors", "they hang, lose data or raise"),
        ),
        (
            Severity::Warning,
            ("Read 1 warning", "it means something else on asyncbis"),
            ("Read {} warnings", "they mean something else on asyncbis"),
        ),
        (
            Severity::Info,
            ("Look at 1 info", "it could be simpler"),
            ("Look at {} infos", "they could be simpler"),
        ),
    ];
    let mut steps: Vec<Step> = tasks
        .into_iter()
        .filter(|(severity, ..)| total(*severity) > 0)
        .map(|(severity, one, many)| {
            let count = total(severity);
            let (what, why) = if count == 1 { one } else { many };
            let word = severity.as_str();
            Step {
                short: Some(counted(count, word, &format!("{word}s"))),
                task: format!("{}: {why}.", what.replace("{}", &count.to_string())),
                ..Step::default()
            }
        })
        .collect();
    if let Some(first) = steps.first_mut() {
        first.title = "Findings that remain".to_owned();
        first.text = "`asyncbis-lint check` shows them with the code around them, and \
                      `asyncbis-lint rule CODE` explains a rule.\n\
                      [A baseline](https://github.com/asyncbis/asyncbis/blob/main/docs/ci.md) \
                      lets only new ones fail."
            .to_owned();
        for OfRule { rule, found, .. } in &rules {
            first.lines.push(heading(*rule, found.len()));
            let listed = found.iter().take(LISTED);
            first
                .lines
                .extend(listed.map(|(at, finding)| format!("- {at}: {}", finding.message)));
            if found.len() > LISTED {
                let more = found.len() - LISTED;
                first.lines.push(format!(
                    "- {more} more: `asyncbis-lint check --select {}`",
                    rule.code()
                ));
            }
        }
        // The first heading has an empty line before it already.
        let heading = first.lines[0].trim_start().to_owned();
        first.lines[0] = heading;
    }
    steps
}

fn heading(rule: Rule, count: usize) -> String {
    let (code, name) = (rule.code(), rule.name());
    if rule == Rule::SYNTAX_ERROR {
        return format!("\n### {code} {name}: {count}\n");
    }
    format!("\n### [{code}]({}) {name}: {count}\n", rule.url())
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
