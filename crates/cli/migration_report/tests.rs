//! Reports of small projects, compared with what they have to say.

use super::*;

fn place(row: usize, column: usize) -> Location {
    Location {
        cell: None,
        row,
        column,
    }
}

fn file(shown: &str) -> FileReport {
    FileReport {
        shown: shown.to_owned(),
        uses_asyncbis: true,
        rewritten: true,
        ..FileReport::default()
    }
}

fn start(row: usize, column: usize, code: &str) -> Start {
    Start {
        place: place(row, column),
        code: code.to_owned(),
    }
}

fn note(kind: NoteKind, row: usize, message: &str, help: Option<&str>) -> PlacedNote {
    PlacedNote {
        place: place(row, 1),
        kind,
        message: message.to_owned(),
        help: help.map(str::to_owned),
    }
}

fn finding(code: &str, severity: Severity, row: usize) -> Finding {
    Finding {
        place: place(row, 5),
        rule: Rule::from_code(code).unwrap(),
        severity,
        message: format!("found {code}"),
    }
}

/// A project with one of everything.
fn everything() -> Vec<FileReport> {
    let kinds = [
        (NoteKind::Decision, "a decision"),
        (NoteKind::NoCounterpart, "`anyio.Path` has no counterpart"),
        (
            NoteKind::PatchTarget,
            "`patch(\"asyncio.sleep\")` reaches nobody",
        ),
        (
            NoteKind::RaisingName,
            "`get_event_loop()` only raises | here",
        ),
        (NoteKind::Monkeypatch, "`asyncio.sleep` is replaced"),
        (NoteKind::StarImport, "`from asyncio import *` stays"),
        (NoteKind::KeepsAsyncio, "asyncbis has no `unix_events`"),
    ];
    let mut old = file("src/old.py");
    old.rewritten = false;
    old.uses_asyncbis = false;
    old.uses_asyncio = true;
    old.asyncio_names = vec!["sleep".to_owned(), "timeout".to_owned()];
    old.changed_names = vec!["timeout".to_owned()];
    old.notes = (1..)
        .zip(kinds)
        .map(|(row, (kind, message))| note(kind, row, message, (row == 1).then_some("Choose")))
        .collect();
    let mut app = file("src/app.py");
    app.runs = vec![start(9, 5, "asyncbis.run(main())")];
    app.remaining = vec![
        finding("BIS201", Severity::Warning, 3),
        finding("BIS204", Severity::Error, 4),
        finding("BIS201", Severity::Warning, 6),
    ];
    vec![app, old, file("tests/test_app.py")]
}

#[test]
fn the_summary_is_a_few_lines() {
    let expected = "\
The program starts at src/app.py:9:5.
1 file still imports asyncio: src/old.py.
By hand: 1 file left behind, 1 star import, 1 monkeypatch, 1 function that only raises, \
1 mock target, 1 name without counterpart, 1 decision, 1 error, 2 warnings.
";
    assert_eq!(summary(&everything()), expected);
    assert_eq!(
        summary(&[file("a.py")]),
        "Nothing here starts an event loop.\n"
    );
    let mut app = file("a.py");
    app.runs = vec![
        start(1, 1, "asyncbis.run(a())"),
        start(2, 1, "asyncbis.run(b())"),
    ];
    let expected = "Event loops are started at 2 places, the first is a.py:1:1.\n";
    assert_eq!(summary(&[app]), expected);
}

#[test]
fn the_report_lists_what_to_do_in_its_order() {
    let report = markdown(&everything());
    let tasks: Vec<&str> = report
        .lines()
        .filter_map(|line| line.strip_prefix("- [ ] "))
        .collect();
    let expected = [
        "Look at src/app.py:9:5: there the program starts.",
        "Move 1 file that is left behind to asyncbis's names.",
        "Name what `from asyncio import *` imports: 1 place.",
        "Remove what changes asyncio from outside: 1 place.",
        "Replace the functions that asyncbis has only to say that they are gone: 1 place.",
        "Let the tests patch what the code uses now: 1 place.",
        "Decide what becomes of names of other libraries that asyncbis has nothing for: 1 place.",
        "Decide where two ways are right: 1 place.",
        "Mend 1 error: it hangs, loses data or raises.",
        "Read 2 warnings: they mean something else on asyncbis.",
        "Run the tests on asyncbis: \
         [how to](https://github.com/asyncbis/asyncbis/blob/main/docs/testing.md).",
    ];
    assert_eq!(tasks, expected);
    for line in [
        "| files looked at | 3 |",
        "| files whose imports this run rewrote | 2 |",
        "| files that import asyncbis now | 2 |",
        "| files that still import asyncio | 1 |",
        "| findings that remain | 3 |",
        "- src/old.py: `timeout`",
        "- src/old.py:1:1: a decision. Choose",
        "- src/old.py:5:1: `asyncio.sleep` is replaced",
        "### [BIS204](https://github.com/asyncbis/asyncbis/blob/main/rules/BIS204.md) \
         cleanup-after-unshielded-await: 1",
        "- src/app.py:6:5: found BIS201",
    ] {
        assert!(
            report.lines().any(|found| found == line),
            "{line}\n{report}"
        );
    }
    // The table says why, once each and without breaking its columns.
    let row = report
        .lines()
        .find(|line| line.starts_with("| src/old.py"))
        .unwrap();
    assert!(
        row.starts_with("| src/old.py | `sleep`, `timeout` | "),
        "{row}"
    );
    assert!(
        row.contains(r"`get_event_loop()` only raises \| here; "),
        "{row}"
    );
    assert!(!row.contains("decision"), "{row}");
    // Errors come before warnings.
    assert!(report.find("[BIS204]") < report.find("[BIS201]"));
}

#[test]
fn a_clean_project_has_no_more_than_needs_to_be_said() {
    let mut app = file("app.py");
    app.runs = vec![start(3, 1, "asyncbis.run(main())")];
    let expected = "\
# Migration to asyncbis

| | number |
|---|---:|
| files looked at | 1 |
| files whose imports this run rewrote | 1 |
| files that import asyncbis now | 1 |
| files that still import asyncio | 0 |
| findings that remain | 0 |

## What to do, in this order

- [ ] Look at app.py:3:1: there the program starts.
- [ ] Run the tests on asyncbis: [how to](https://github.com/asyncbis/asyncbis/blob/main/docs/testing.md).

## Where the program starts

`asyncbis.run()` makes the loop, with a root task group: there an error of a background task \
ends the program, and Ctrl-C and SIGTERM cancel it.

- app.py:3:1: `asyncbis.run(main())`
";
    assert_eq!(markdown(&[app]), expected);
}

#[test]
fn files_are_mixed_only_beside_asyncbis() {
    let mut old = everything().remove(1);
    old.notes.clear();
    assert!(!markdown(std::slice::from_ref(&old)).contains("left behind"));
    assert!(markdown(&[old.clone(), file("new.py")]).contains("left behind"));
    // Names that are the same in both may come from either.
    old.changed_names.clear();
    assert!(!markdown(&[old, file("new.py")]).contains("left behind"));
}

#[test]
fn many_findings_of_a_rule_are_not_all_listed() {
    let mut app = file("app.py");
    app.remaining = (1..=60)
        .map(|row| finding("BIS201", Severity::Warning, row))
        .collect();
    let report = markdown(&[app]);
    assert!(report.contains("- app.py:50:5: found"));
    assert!(!report.contains("- app.py:51:5: found"));
    assert!(report.contains("- 10 more: `asyncbis-lint check --select BIS201`"));
}

#[test]
fn places_are_those_of_the_text() {
    let source = SourceFile::python("a.py", "import asyncbis\n\n  asyncbis.run(x)\n");
    let run = ruff_text_size::TextRange::at(19.into(), 12.into());
    let facts = Facts {
        uses_asyncbis: true,
        runs: vec![run],
        ..Facts::default()
    };
    let notes = [Note {
        range: run,
        kind: NoteKind::Decision,
        message: "which".to_owned(),
        help: None,
    }];
    let report = FileReport::new("src/a.py", &source, &facts, &notes, &[], true);
    assert!(
        summary(std::slice::from_ref(&report)).starts_with("The program starts at src/a.py:3:3.\n")
    );
    assert!(markdown(&[report]).contains("- src/a.py:3:3: which\n"));
}

#[test]
fn a_loop_that_is_run_by_hand_has_no_root_group() {
    let mut app = file("app.py");
    app.runs = vec![
        start(1, 1, "asyncbis.run(main())"),
        start(2, 1, "asyncbis.new_event_loop().run_until_complete(main())"),
    ];
    let one = markdown(std::slice::from_ref(&app));
    assert!(one.contains("- [ ] Let `asyncbis.run()` run the event loop: 1 place.\n"));
    assert!(one.contains("there is no root task group"));
    assert!(!one.contains("a program of its own"));
    let list = "\
By hand:

- app.py:2:1: `asyncbis.new_event_loop().run_until_complete(main())`

By `run()` or `Runner`:

- app.py:1:1: `asyncbis.run(main())`
";
    assert!(one.contains(list), "{one}");
    assert!(summary(std::slice::from_ref(&app)).ends_with("By hand: 1 loop run by hand.\n"));
    app.runs = vec![
        start(1, 1, "asyncbis.run(a())"),
        start(2, 1, "asyncbis.run(b())"),
    ];
    let two = markdown(&[app]);
    assert!(two.contains("- [ ] Look at the 2 places that start a program.\n"));
    assert!(two.contains("a program of its own"));
    assert!(!two.contains("there is no root task group"));
}

#[test]
fn what_is_said_of_many_places_is_said_once() {
    let mut app = file("app.py");
    let raises = |row| note(NoteKind::RaisingName, row, "it raises", Some("Use another"));
    app.notes = vec![
        raises(1),
        note(NoteKind::RaisingName, 2, "so does this", None),
        raises(3),
    ];
    let report = markdown(&[app]);
    let list = "\
- it raises. Use another:
  - app.py:1:1
  - app.py:3:1
- app.py:2:1: so does this
";
    assert!(report.contains(list), "{report}");
    assert!(report.contains("only to say that they are gone: 3 places.\n"));
}
