//! The page `docs/migrating-from-other-libraries.md` says what the table of the migrations says, and
//! each row has a program in `tests/other_libraries`.
//!
//! `UPDATE_PAGES=1 cargo test -p asyncbis-linter --test migration_table` writes the page's tables.

use std::fs;
use std::path::{Path, PathBuf};

use linter::imports::migrations::table::{Block, Change, Form, Instance, ROWS, Row, Safety};
use linter::imports::{Library, Migrations};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rows(library: Library) -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
        .flat_map(|rows| rows.iter())
        .filter(move |row| row.library == library)
}

/// The arguments that may be given, as `deadline` -> `when`.
fn arguments(row: &Row) -> String {
    let (Form::Call(signature) | Form::Named(signature)) = row.form else {
        return String::new();
    };
    let names: Vec<String> = signature
        .keywords
        .iter()
        .map(|(old, new)| match old == new {
            true => format!("`{old}`"),
            false => format!("`{old}` -> `{new}`"),
        })
        .collect();
    names.join(", ")
}

fn when(row: &Row) -> String {
    let by_default = Migrations::default().includes(row.library);
    match row.safety {
        Safety::Flag => "never".to_owned(),
        Safety::Safe if by_default => "by default".to_owned(),
        Safety::Safe | Safety::Unsafe => format!("`--migrate {}`", row.library.name()),
    }
}

fn change(old: &str, change: Change) -> String {
    let new = match change {
        Change::Same => format!("`.{old}`"),
        Change::Property(new) => format!("`.{new}()`"),
        Change::Method(new) => format!("`.{new}()`"),
        Change::Shift => "`.reschedule(cm.when() + delay)`".to_owned(),
        Change::Reject => "`.reschedule(None)`".to_owned(),
        Change::StartSoon => "`.create_task(function(*args))`".to_owned(),
    };
    let call = match change {
        Change::Same | Change::Property(_) => "",
        Change::Method(_) | Change::Reject => "()",
        Change::Shift => "(delay)",
        Change::StartSoon => "(function, *args)",
    };
    format!("| `.{old}{call}` | {new} |\n")
}

fn table(library: Library) -> String {
    let mut text =
        "| name | in asyncbis | arguments | rewritten | to know |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in rows(library) {
        let target = match row.target {
            "" => String::new(),
            target => format!("`{target}`"),
        };
        let line = format!(
            "| `{}` | {target} | {} | {} | {} |\n",
            row.names[0],
            arguments(row),
            when(row),
            row.remark
        );
        text.push_str(&line.replace("|  |", "| |").replace("|  |", "| |"));
    }
    let followed = rows(library).find_map(|row| match row.instance {
        Instance::Followed(changes) => Some(changes),
        Instance::Free(_) => None,
    });
    if let Some(changes) = followed {
        text.push_str("\n| attribute | in asyncbis |\n|---|---|\n");
        for (old, new) in changes {
            text.push_str(&change(old, *new));
        }
    }
    text
}

/// The page with the tables of the code behind its marks.
fn filled(page: &str) -> String {
    let mut result = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        result.push_str(line);
        result.push('\n');
        let name = line
            .strip_prefix("<!-- table: ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let Some(library) = name.and_then(Library::from_name) else {
            continue;
        };
        // The old tables, and the blank lines around and between them.
        while lines
            .peek()
            .is_some_and(|line| line.is_empty() || line.starts_with('|'))
        {
            lines.next();
        }
        result.push('\n');
        result.push_str(&table(library));
        if lines.peek().is_some() {
            result.push('\n');
        }
    }
    result
}

#[test]
fn the_page_says_what_the_table_says() {
    let path = root().join("docs/migrating-from-other-libraries.md");
    let page = fs::read_to_string(&path).expect("readable");
    let expected = filled(&page);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &expected).expect("writable");
    }
    for library in Library::ALL {
        let mark = format!("<!-- table: {} -->", library.name());
        assert!(page.contains(&mark), "no table of {}", library.name());
    }
    assert!(page == expected, "the page is out of date: UPDATE_PAGES=1");
}

#[test]
fn every_row_is_used_by_a_program() {
    for library in Library::ALL {
        let path = root().join(format!("tests/other_libraries/{}.md", library.name()));
        let page = fs::read_to_string(path).expect("readable");
        let before: Vec<&str> = page
            .split("```python before\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap_or_default())
            .collect();
        for row in rows(library).filter(|row| row.safety != Safety::Flag) {
            let last = row.names[0].rsplit('.').next().expect("never empty");
            let is_word = |text: &str| {
                text.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == last)
            };
            assert!(
                before.iter().any(|text| is_word(text)),
                "no program uses {}.{}",
                library.name(),
                row.names[0]
            );
        }
    }
}

#[test]
fn rows_are_well_formed() {
    let mut seen = Vec::new();
    for row in ROWS.iter().flat_map(|rows| rows.iter()) {
        for name in row.names {
            let key = (row.library, *name);
            assert!(!seen.contains(&key), "{key:?} is there twice");
            seen.push(key);
        }
        let has_nothing = matches!(row.form, Form::Nothing);
        assert_eq!(row.target.is_empty(), has_nothing, "{:?}", row.names);
        assert_eq!(row.safety == Safety::Flag, has_nothing, "{:?}", row.names);
        assert!(!has_nothing || !row.remark.is_empty(), "{:?}", row.names);
        if let Form::Call(signature) = row.form {
            // A block can only be made async where the target is an async context manager.
            let is_timeout = row.target.starts_with("timeout");
            assert!(
                signature.block == Block::Same || is_timeout,
                "{:?}",
                row.names
            );
        }
    }
}
