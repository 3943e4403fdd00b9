//! The laws of a baseline, on programs made of functions with and without findings.

use std::path::Path;

use linter::{Diagnostic, Rule, RuleSet, Settings, SourceFile};
use proptest::prelude::*;

use super::format::{parse, text};
use super::*;

/// Functions with one finding each; `NAME` is replaced.
const FOUND: [&str; 4] = [
    "async def NAME(pool):\n    try:\n        await pool.run()\n    finally:\n        await pool.close()\n",
    "async def NAME():\n    while True:\n        try:\n            await asyncio.sleep(1)\n        except asyncio.CancelledError:\n            pass\n",
    "class NAME:\n    async def run(self, pool):\n        try:\n            await pool.run()\n        finally:\n            await pool.close()  # NAME\n",
    "async def NAME(self):\n    async with asyncio.timeout(1):\n        await asyncio.shield(self.lost)\n",
];

/// Lines that nothing is found in, wherever they stand between two functions.
const NOTHING: [&str; 4] = [
    "",
    "# A comment.",
    "VALUE = 'await pool.close()'",
    "def other(): return 1",
];

fn program(functions: &[String]) -> String {
    format!("import asyncio\n\n\n{}", functions.join("\n\n"))
}

fn functions() -> impl Strategy<Value = Vec<String>> {
    let function = (0..FOUND.len(), 0..3_usize)
        .prop_map(|(kind, name)| FOUND[kind].replace("NAME", ["f", "g", "Pool"][name]));
    proptest::collection::vec(function, 0..8)
}

fn check(program: &str) -> (SourceFile, Vec<Diagnostic>) {
    let source = SourceFile::python("a.py", program);
    let checked = linter::check(&source, &Settings::default());
    (source, checked.diagnostics)
}

/// A baseline that has just been written of a program, as it is read again.
fn baseline(program: &str) -> Baseline {
    let (source, diagnostics) = check(program);
    let found = entries(&source, &diagnostics);
    let written = text(&Entries::from([("a.py".to_owned(), found)]));
    Baseline {
        folder: PathBuf::from("/project"),
        entries: parse(&written).unwrap(),
    }
}

/// What is reported of a program, and the numbers.
fn reported(baseline: &Baseline, program: &str) -> (Vec<Diagnostic>, Counts) {
    let (source, mut diagnostics) = check(program);
    let path = Path::new("/project/a.py");
    let rules = RuleSet::all();
    let counts = baseline.hide(path, Some(&source), rules, |_| true, &mut diagnostics);
    (diagnostics, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_baseline_that_was_just_written_hides_everything(functions in functions()) {
        let program = program(&functions);
        let (found, counts) = reported(&baseline(&program), &program);
        prop_assert_eq!(found, vec![]);
        prop_assert_eq!(counts, Counts { hidden: check(&program).1.len(), gone: 0 });
        prop_assert_eq!(counts.hidden, functions.len());
    }

    #[test]
    fn lines_that_have_no_finding_change_nothing(
        functions in functions(),
        added in proptest::collection::vec((0..NOTHING.len(), any::<prop::sample::Index>()), 1..6),
    ) {
        let old = program(&functions);
        let mut functions = functions;
        for (line, at) in added {
            functions.insert(at.index(functions.len() + 1), format!("{}\n", NOTHING[line]));
        }
        let (found, counts) = reported(&baseline(&old), &program(&functions));
        prop_assert_eq!(found, vec![]);
        prop_assert_eq!(counts.gone, 0);
    }

    #[test]
    fn the_order_does_not_matter(functions in functions(), by in any::<prop::sample::Index>()) {
        let old = program(&functions);
        let mut functions = functions;
        let by = by.index(functions.len().max(1)).min(functions.len());
        functions.rotate_left(by);
        let new = program(&functions);
        let (found, counts) = reported(&baseline(&old), &new);
        prop_assert_eq!(found, vec![]);
        prop_assert_eq!(counts.gone, 0);
        prop_assert_eq!(text(&baseline(&old).entries), text(&baseline(&new).entries));
    }

    /// Also where it is the same code as an old one: then its name says which one is new.
    #[test]
    fn a_new_finding_is_reported(
        functions in functions(),
        kind in 0..FOUND.len(),
        at in any::<prop::sample::Index>(),
    ) {
        let old = program(&functions);
        let mut functions = functions;
        functions.insert(at.index(functions.len() + 1), FOUND[kind].replace("NAME", "added"));
        let new = program(&functions);
        let (found, counts) = reported(&baseline(&old), &new);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(counts.gone, 0);
        let source = SourceFile::python("a.py", new.as_str());
        let scope = &entries(&source, &found)[0].scope;
        prop_assert_eq!(scope.split('.').next(), Some("added"));
    }

    #[test]
    fn a_finding_that_was_mended_is_gone(
        functions in functions(),
        at in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!functions.is_empty());
        let old = program(&functions);
        let mut functions = functions;
        functions.remove(at.index(functions.len()));
        let (found, counts) = reported(&baseline(&old), &program(&functions));
        prop_assert_eq!(found, vec![]);
        prop_assert_eq!(counts, Counts { hidden: functions.len(), gone: 1 });
    }

    /// What is written is read again, whatever the code looks like.
    #[test]
    fn texts_are_read_as_they_were_written(
        codes in proptest::collection::vec(("([ -~]|[\\x00-\\x1f]|\\PC){0,250}", any::<prop::sample::Index>()), 0..5),
        names in proptest::collection::vec("[ #a-z./\t\n<=]{0,9}n", 1..4),
    ) {
        let mut entries = Entries::new();
        for (line, at) in codes {
            let file = Path::new("/project").join(names[at.index(names.len())].replace('/', "_"));
            let offset = line.char_indices().map(|(at, _)| at).next_back().unwrap_or(0);
            entries.entry(path_in(Path::new("/project"), &file)).or_default().push(Entry {
                rule: "BIS201".to_owned(),
                scope: "f.g".to_owned(),
                code: code_at(&line, offset),
            });
        }
        let written = text(&entries);
        let read = parse(&written);
        prop_assert!(read.is_ok(), "{:?}\n{}", read, written);
        let read = read.unwrap();
        prop_assert_eq!(text(&read), written);
        for (path, found) in &mut entries {
            found.sort();
            prop_assert_eq!(read.get(path), Some(&*found));
        }
    }
}

/// The examples of the rule pages, bad and good.
fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("BIS") {
            let page = fs::read_to_string(&path).unwrap();
            let blocks = page.split("\n```python").skip(1);
            let block = |block: &str| block.split_once('\n').unwrap().1.to_owned();
            found.extend(blocks.map(|text| block(text.split("\n```").next().unwrap())));
        }
    }
    found
}

#[test]
fn what_all_rules_find_is_hidden_however_the_lines_end() {
    let (mut hidden, mut programs) = (0, 0);
    for program in examples() {
        let program = program + "\n";
        let old = baseline(&program);
        for variant in [
            program.clone(),
            program.replace('\n', "\r\n"),
            program.replace("    ", "\t"),
        ] {
            let (found, counts) = reported(&old, &variant);
            let found: Vec<_> = found.iter().filter(|it| !is_syntax_error(it)).collect();
            assert!(found.is_empty(), "{variant}\n{found:#?}");
            let syntax = |it: &&Diagnostic| !is_syntax_error(it);
            let before = check(&program).1.iter().filter(syntax).count();
            assert_eq!((counts.hidden, counts.gone), (before, 0), "{variant}");
            hidden += counts.hidden;
            programs += 1;
        }
    }
    // Otherwise nothing was tested.
    assert!(programs > 300 && hidden > 300, "{hidden} of {programs}");
}

#[test]
fn the_code_is_the_line_without_comment_and_indentation() {
    let table = [
        ("x\n    await  a\t(b)  # why\ny", "await", "await a (b)"),
        ("await a('#')  # why", "await", "await a('#')"),
        (r"await a('\'#')  # why", "await", r"await a('\'#')"),
        (
            "await a  # noqa: BIS101",
            "BIS101",
            "await a # noqa: BIS101",
        ),
        ("a\r\nawait b\r\nc", "await", "await b"),
        ("a\rawait b\rc", "await", "await b"),
        ("# only a comment", "only", "# only a comment"),
        ("\u{1} await\u{1} \u{1} a", "await", "await a"),
    ];
    for (text, at, expected) in table {
        assert_eq!(code_at(text, text.find(at).unwrap()), expected, "{text:?}");
    }
    // What is cut off leaves no space at the end, which would not be read again.
    let long = format!("{} b", "a".repeat(LONGEST - 1));
    assert_eq!(code_at(&long, 0), "a".repeat(LONGEST - 1));
}

#[test]
fn paths_are_relative_and_have_forward_slashes() {
    let table = [
        ("/p", "/p/src/a.py", "src/a.py"),
        ("/p/ci", "/p/src/a.py", "../src/a.py"),
        ("/p/ci/x", "/a.py", "../../../a.py"),
        ("/", "/a.py", "a.py"),
        ("/p", "/p/ a.py", "./ a.py"),
        ("/p", "/p/#a.py", "./#a.py"),
        ("/p", "/p/a\nb.py", r"a\nb.py"),
    ];
    for (folder, file, expected) in table {
        assert_eq!(path_in(Path::new(folder), Path::new(file)), expected);
    }
}

/// The entries of `a.py` and a program; what is reported, as names, and what is gone.
#[test]
fn entries_go_to_the_finding_that_is_most_like_them() {
    let finding = |name: &str| FOUND[0].replace("NAME", name);
    // A function was renamed: its finding takes the entry that would be gone.
    let old = baseline(&program(&[finding("old"), finding("other")]));
    let (found, counts) = reported(&old, &program(&[finding("new"), finding("other")]));
    assert_eq!((found.len(), counts), (0, Counts { hidden: 2, gone: 0 }));
    // One was renamed and one added: as many are new as there are more than before.
    let (found, _) = reported(
        &old,
        &program(&[finding("a"), finding("b"), finding("other")]),
    );
    assert_eq!(found.len(), 1);
    // A file that has migrated keeps its entries.
    let spin = FOUND[1].replace("NAME", "f");
    let old = baseline(&program(&[spin]));
    let migrated = program(&[FOUND[1].replace("NAME", "f")]).replace("asyncio", "asyncbis");
    let (found, counts) = reported(&old, &migrated);
    assert_eq!((found.len(), counts), (0, Counts { hidden: 1, gone: 0 }));
}

#[test]
fn entries_are_gone_only_if_they_were_looked_for() {
    let program = program(&[FOUND[0].replace("NAME", "f")]);
    let old = baseline(&program);
    let path = Path::new("/project/a.py");
    let rule = |code| -> RuleSet { [Rule::from_code(code).unwrap()].into_iter().collect() };
    let gone = |rules| old.hide(path, None, rules, |_| true, &mut Vec::new()).gone;
    assert_eq!(gone(RuleSet::all()), 1);
    assert_eq!(gone(rule("BIS201")), 1);
    assert_eq!(gone(rule("BIS101")), 0);
    let other = Path::new("/project/b.py");
    let counts = old.hide(other, None, RuleSet::all(), |_| true, &mut Vec::new());
    assert_eq!(counts, Counts::default());
    // A finding that isn't shown today still exists, and is not counted as hidden.
    let (source, mut found) = check(&program);
    let counts = old.hide(path, Some(&source), RuleSet::all(), |_| false, &mut found);
    assert_eq!((found.len(), counts), (0, Counts::default()));
    // Of a text with a syntax error nobody knows.
    let (found, counts) = reported(
        &old,
        "import asyncio\nasync def f(:\n    await asyncio.shield(x)\n",
    );
    assert!(found.iter().any(is_syntax_error));
    assert_eq!(counts, Counts::default());
}

#[test]
fn what_is_no_baseline_is_told_with_its_line() {
    let title = "# asyncbis-lint baseline, format 1\n";
    let table = [
        (
            "",
            "1: not a baseline: write it again with --write-baseline",
        ),
        (
            "{}",
            "1: not a baseline: write it again with --write-baseline",
        ),
        (
            "# asyncbis-lint baseline, format 2\nx",
            "1: the baseline has format 2, and this version of asyncbis-lint reads format 1: \
             write it again with --write-baseline",
        ),
        (
            "TITLE\n  BIS201 f: x\n",
            "3: an entry before the first path",
        ),
        (
            "TITLE\na.py\n  BIS201\n",
            "4: expected an entry like `BIS201 function: code`; write it again with \
             --write-baseline",
        ),
        (
            "TITLE\na.py\n<<<<<<< HEAD\n  BIS201 f: x\n",
            "4: a merge conflict: resolve it, or write it again with --write-baseline",
        ),
    ];
    for (text, expected) in table {
        let text = text.replace("TITLE\n", &format!("{title}\n"));
        let (line, message) = parse(&text).unwrap_err();
        assert_eq!(format!("{line}: {message}"), expected);
    }
    // What editors and hooks do to a file does no harm.
    let text = format!("{title}\r\n# Comment\r\na.py\r\n\tBIS000 <module>:\r\n\n");
    let read = parse(&text).unwrap();
    assert_eq!(read["a.py"][0].code, "");
}
