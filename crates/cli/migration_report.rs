//! What a migration leaves to people: the report about a whole project after its imports were
//! rewritten.
//!
//! A file's part is a value, made where the file was worked on; [`summary`] and [`markdown`] are
//! functions of all of them. The report is a list of what to do, in the order in which to do it:
//! first what decides whether the program runs on asyncbis at all, then what is silently wrong,
//! then what fails with a message, then what the rules say about cancellation.
//!
//! Invariants: the report depends on the files' parts and their order only; each place in it is one
//! that the reader can go to; a step without places is left out.
//!
//! Not here: what is rewritten and noted (`linter::imports`), writing the file (`fix`).

mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use linter::imports::{Facts, Note, NoteKind};
use linter::{Diagnostic, Location, Rule, Severity, SourceFile};
use ruff_text_size::TextSize;

use crate::render::files;
use steps::Step;

/// What the report needs to know of a file, as it is after the rewrite.
#[derive(Debug, Clone, Default)]
pub struct FileReport {
    /// The path as messages name it.
    shown: String,
    rewritten: bool,
    uses_asyncio: bool,
    uses_asyncbis: bool,
    /// The names of asyncio that it still uses.
    asyncio_names: Vec<String>,
    /// Those of them that are different in asyncbis.
    changed_names: Vec<String>,
    /// Where the program starts.
    runs: Vec<Start>,
    notes: Vec<PlacedNote>,
    remaining: Vec<Finding>,
}

/// A place that runs an event loop.
#[derive(Debug, Clone)]
struct Start {
    place: Location,
    /// The first line of the call.
    code: String,
}

#[derive(Debug, Clone)]
struct PlacedNote {
    place: Location,
    kind: NoteKind,
    message: String,
    help: Option<String>,
}

#[derive(Debug, Clone)]
struct Finding {
    place: Location,
    rule: Rule,
    severity: Severity,
    message: String,
}

impl Start {
    /// Whether it is the loop that is run, not a program with a root task group.
    fn is_by_hand(&self) -> bool {
        [".run_until_complete(", ".run_forever("]
            .iter()
            .any(|method| self.code.contains(method))
    }
}

impl FileReport {
    /// The part of a file: its text after all fixes, and what remains of it.
    pub fn new(
        shown: &str,
        source: &SourceFile,
        facts: &Facts,
        notes: &[Note],
        remaining: &[Diagnostic],
        rewritten: bool,
    ) -> Self {
        let place = |offset: TextSize| source.location(offset);
        FileReport {
            shown: shown.to_owned(),
            rewritten,
            uses_asyncio: facts.uses_asyncio,
            uses_asyncbis: facts.uses_asyncbis,
            asyncio_names: facts.asyncio_names.clone(),
            changed_names: facts.changed_names.clone(),
            runs: facts
                .runs
                .iter()
                .map(|run| Start {
                    place: place(run.start()),
                    code: source.slice(*run).lines().next().unwrap_or("").to_owned(),
                })
                .collect(),
            notes: notes
                .iter()
                .map(|note| PlacedNote {
                    place: place(note.range.start()),
                    kind: note.kind,
                    message: note.message.clone(),
                    help: note.help.clone(),
                })
                .collect(),
            remaining: remaining
                .iter()
                .map(|found| Finding {
                    place: place(found.range.start()),
                    rule: found.rule,
                    severity: found.severity,
                    message: found.message.clone(),
                })
                .collect(),
        }
    }

    /// The part of a file that has nothing to do with asyncio.
    pub fn untouched(shown: &str) -> Self {
        FileReport {
            shown: shown.to_owned(),
            ..FileReport::default()
        }
    }

    /// `src/a.py:3:1`, of a notebook `a.ipynb:cell 1:3:1`.
    fn at(&self, place: Location) -> String {
        let cell = place
            .cell
            .map_or(String::new(), |cell| format!(":cell {cell}"));
        format!("{}{cell}:{}:{}", self.shown, place.row, place.column)
    }

    fn notes_of(&self, kind: NoteKind) -> impl Iterator<Item = &PlacedNote> {
        self.notes.iter().filter(move |note| note.kind == kind)
    }
}

/// A few lines for the end of the output; the report has the rest.
pub fn summary(reports: &[FileReport]) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    let runs = runs(reports);
    match &runs[..] {
        [] => line("Nothing here starts an event loop.".to_owned()),
        [(at, _)] => line(format!("The program starts at {at}.")),
        [(first, _), rest @ ..] => line(format!(
            "Event loops are started at {} places, the first is {first}.",
            rest.len() + 1
        )),
    }
    let still: Vec<&FileReport> = reports.iter().filter(|file| file.uses_asyncio).collect();
    if let Some(first) = still.first() {
        let import = if still.len() == 1 {
            "imports"
        } else {
            "import"
        };
        line(format!(
            "{} still {import} asyncio: {}{}.",
            files(still.len()),
            first.shown,
            if still.len() > 1 { ", .." } else { "" },
        ));
    }
    let steps: Vec<String> = Step::all(reports)
        .into_iter()
        .filter_map(|step| step.short)
        .collect();
    if !steps.is_empty() {
        line(format!("By hand: {}.", steps.join(", ")));
    }
    text
}

/// The whole report.
pub fn markdown(reports: &[FileReport]) -> String {
    let count = |has: fn(&FileReport) -> bool| reports.iter().filter(|file| has(file)).count();
    let rows = [
        ("files looked at", reports.len()),
        (
            "files whose imports this run rewrote",
            count(|it| it.rewritten),
        ),
        (
            "files that import asyncbis now",
            count(|it| it.uses_asyncbis),
        ),
        (
            "files that still import asyncio",
            count(|it| it.uses_asyncio),
        ),
        (
            "findings that remain",
            reports.iter().map(|it| it.remaining.len()).sum(),
        ),
    ];
    let mut text = String::from("# Migration to asyncbis\n\n| | number |\n|---|---:|\n");
    for (what, number) in rows {
        writeln!(text, "| {what} | {number} |").expect("writing to a string");
    }
    let steps = Step::all(reports);
    text.push_str("\n## What to do, in this order\n\n");
    for step in &steps {
        writeln!(text, "- [ ] {}", step.task).expect("writing to a string");
    }
    for step in &steps {
        step.section(&mut text);
    }
    still_on_asyncio(reports, &mut text);
    text
}

/// The files that import asyncio, the names, and why.
fn still_on_asyncio(reports: &[FileReport], text: &mut String) {
    let still: Vec<&FileReport> = reports.iter().filter(|file| file.uses_asyncio).collect();
    if still.is_empty() {
        return;
    }
    text.push_str(
        "\n## What still imports asyncio\n\n\
         Both can be used side by side: asyncio's names work on asyncbis's loop.\n\n\
         | file | names | why |\n|---|---|---|\n",
    );
    for file in still {
        let names: Vec<String> = file
            .asyncio_names
            .iter()
            .map(|it| format!("`{it}`"))
            .collect();
        let mut why: Vec<&str> = file
            .notes
            .iter()
            .filter(|note| {
                use NoteKind::{KeepsAsyncio, Monkeypatch, RaisingName, StarImport};
                matches!(
                    note.kind,
                    KeepsAsyncio | RaisingName | StarImport | Monkeypatch
                )
            })
            .map(|note| note.message.as_str())
            .collect();
        why.sort_unstable();
        why.dedup();
        let why = why.join("; ").replace('|', "\\|");
        writeln!(text, "| {} | {} | {why} |", file.shown, names.join(", "))
            .expect("writing to a string");
    }
}

/// Where event loops are started, with the places.
fn runs(reports: &[FileReport]) -> Vec<(String, &Start)> {
    let of_file = |file: &'_ FileReport| -> Vec<String> {
        file.runs.iter().map(|run| file.at(run.place)).collect()
    };
    let places = reports.iter().flat_map(of_file);
    places
        .zip(reports.iter().flat_map(|file| &file.runs))
        .collect()
}

/// The findings of a rule.
struct OfRule<'a> {
    rule: Rule,
    /// The worst of them.
    severity: Severity,
    /// With their places.
    found: Vec<(String, &'a Finding)>,
}

/// Findings by rule, the worst first: severity, then code.
fn by_rule(reports: &[FileReport]) -> Vec<OfRule<'_>> {
    let mut rules: BTreeMap<Rule, Vec<(String, &Finding)>> = BTreeMap::new();
    for file in reports {
        for finding in &file.remaining {
            let at = file.at(finding.place);
            rules.entry(finding.rule).or_default().push((at, finding));
        }
    }
    let worst = |found: &[(String, &Finding)]| {
        let severities = found.iter().map(|(_, finding)| finding.severity);
        severities.max().unwrap_or(Severity::Info)
    };
    let mut rows: Vec<_> = rules
        .into_iter()
        .map(|(rule, found)| OfRule {
            rule,
            severity: worst(&found),
            found,
        })
        .collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.severity), row.rule));
    rows
}
