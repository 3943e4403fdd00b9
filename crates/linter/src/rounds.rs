//! The fixes of a file, round after round until none is left.
//!
//! A round is the import rewrite, where it is wanted and has something to do, or else the fixes of
//! what a check finds; then the text is parsed again. A fix follows its finding: what a comment
//! suppresses, or the selection leaves out, isn't fixed.
//!
//! Invariants: a text that parsed still parses; a fix that would break it is left out and named; the
//! result has nothing left to fix, or it is the text as it was; it has no more findings at or above
//! warning than the text had, so that a fix that uncovers others is withheld; a file with a syntax
//! error, or one on which a rule panics, is left alone.
//!
//! Not here: applying one round (`fix.rs`), reading and writing files.

use std::panic::{self, AssertUnwindSafe};

use rustc_hash::FxHashSet;

use crate::Settings;
use crate::apply::Applied;
use crate::check::{Checked, RulePanic, check, panic_message};
use crate::diagnostic::{Applicability, Edit, Fix, Severity};

use crate::imports::{self, Facts, Note, Rewrite};
use crate::model::{File, Parsed};
use crate::nesting;
use crate::prefilter;
use crate::registry::{Rule, RuleSet};
use crate::source::SourceFile;

/// Which fixes are wanted.
#[derive(Debug, Clone)]
pub struct FixOptions {
    /// Also those that may change what the program does.
    pub unsafe_fixes: bool,
    /// Also the import rewrite; then the code targets asyncbis.
    pub rewrite: Option<imports::Options>,
    /// How many rounds there are at most.
    pub limit: usize,
}

impl Default for FixOptions {
    fn default() -> Self {
        FixOptions {
            unsafe_fixes: false,
            rewrite: None,
            limit: 10,
        }
    }
}

/// What came of a file.
pub struct Rounds {
    /// The file as it is now.
    pub source: SourceFile,
    pub outcome: Outcome,
    /// How many fixes of each rule were applied, by code.
    pub applied: Vec<(Rule, usize)>,
    /// Whether the import rewrite changed something.
    pub rewritten: bool,
    /// What is found in the file as it is now.
    pub checked: Checked,
    /// Whether there is more than before.
    is_worse: bool,
    /// What the import rewrite leaves to the reader, in the file as it is now.
    pub notes: Vec<Note>,
    pub facts: Facts,
    /// The rules, or the import rewrite, with a fix that breaks the text: bugs of the linter.
    pub broken: Vec<Broken>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to fix.
    Unchanged,
    Fixed,
    /// The fixes had no end; the file is as it was.
    NoFixpoint,
    /// Something panicked (`checked.panics`); the file is as it was.
    Panicked,
}

/// Whose fix breaks the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Rule(Rule),
    Rewrite,
}

impl Rounds {
    /// Whether the file was left alone, whatever was found in it.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        let found = self.checked.diagnostics.iter();
        matches!(self.outcome, Outcome::NoFixpoint | Outcome::Panicked)
            || found.map(|it| it.rule).any(|it| it == Rule::SYNTAX_ERROR)
    }
}

/// Whether a text can change, judged by its words.
///
/// It may be asked about bytes before they are decoded.
#[must_use]
pub fn wanted(text: &[u8], settings: &Settings, options: &FixOptions) -> bool {
    prefilter::wanted(text, settings.shown_rules())
        || options
            .rewrite
            .as_ref()
            .is_some_and(|options| imports::wanted(text, options))
}

/// Fixes a file.
#[must_use]
pub fn fix(source: SourceFile, settings: &Settings, options: &FixOptions) -> Rounds {
    let settings = &Settings {
        rewrites_imports: options.rewrite.is_some(),
        other_loops: options.rewrite.as_ref().is_some_and(|it| it.other_loops),
        ..settings.clone()
    };
    let all = run(source.clone(), settings, options, RuleSet::EMPTY);
    if !all.is_worse || all.applied.is_empty() {
        return all;
    }
    let rules: Vec<Rule> = all.applied.iter().map(|(rule, _)| *rule).collect();
    for rule in &rules {
        let others = run(
            source.clone(),
            settings,
            options,
            RuleSet::from_iter([*rule]),
        );
        if !others.is_worse {
            return others;
        }
    }
    run(source, settings, options, rules.into_iter().collect())
}

/// The rounds without the fixes of some rules.
fn run(source: SourceFile, settings: &Settings, options: &FixOptions, without: RuleSet) -> Rounds {
    let mut run = Run {
        settings,
        options,
        applied: Vec::new(),
        rewritten: false,
        broken: Vec::new(),
        barred: without,
        before: 0,
    };
    let first = run.look(&source);
    run.before = harms(&first.checked);
    if first.is_left_alone() {
        return run.end(source, first, Outcome::Unchanged);
    }
    // An earlier text that comes back never ends either.
    let mut seen = FxHashSet::from_iter([source.file_text().to_owned()]);
    let mut current: Option<(SourceFile, Look)> = None;
    for _ in 0..=options.limit {
        let (now, look) = current
            .as_ref()
            .map_or((&source, &first), |(now, look)| (now, look));
        let Some(next) = run.round(now, look) else {
            return match current {
                None => run.end(source, first, Outcome::Unchanged),
                Some((source, look)) => run.end(source, look, Outcome::Fixed),
            };
        };
        if !seen.insert(next.file_text().to_owned()) {
            break;
        }
        let look = run.look(&next);
        if !look.checked.panics.is_empty() {
            let mut first = first;
            first.checked.panics = look.checked.panics;
            return run.undone(source, first, Outcome::Panicked);
        }
        current = Some((next, look));
    }
    run.undone(source, first, Outcome::NoFixpoint)
}

/// What is to be seen in a text.
#[derive(Default)]
struct Look {
    checked: Checked,
    rewrite: Rewrite,
}

impl Look {
    fn is_left_alone(&self) -> bool {
        let is_error = |rule: Rule| rule == Rule::SYNTAX_ERROR;
        !self.checked.panics.is_empty()
            || self.checked.diagnostics.iter().any(|it| is_error(it.rule))
    }
}

struct Run<'a> {
    settings: &'a Settings,
    options: &'a FixOptions,
    applied: Vec<(Rule, usize)>,
    rewritten: bool,
    broken: Vec<Broken>,
    /// The rules whose fixes are left out.
    barred: RuleSet,
    /// How many findings there were at or above warning.
    before: usize,
}

/// How many findings there are at or above warning.
fn harms(checked: &Checked) -> usize {
    let found = checked.diagnostics.iter();
    found.filter(|it| it.severity >= Severity::Warning).count()
}

impl Run<'_> {
    fn look(&self, source: &SourceFile) -> Look {
        let mut look = Look {
            checked: check(source, self.settings),
            ..Look::default()
        };
        let Some(options) = &self.options.rewrite else {
            return look;
        };
        let is_wanted =
            !self.settings.prefilter || imports::wanted(source.text().as_bytes(), options);
        if look.is_left_alone() || !is_wanted {
            return look;
        }
        match rewrite(source, self.settings, options) {
            Ok(rewrite) => look.rewrite = rewrite,
            Err(message) => look.checked.panics.push(RulePanic {
                rule: None,
                message,
            }),
        }
        look
    }

    /// The text after one round; `None` where nothing is left to do.
    fn round(&mut self, source: &SourceFile, look: &Look) -> Option<SourceFile> {
        if !self.broken.contains(&Broken::Rewrite)
            && let Some(fix) = &look.rewrite.fix
        {
            match after(source, &fix.edits) {
                Some(next) => {
                    self.rewritten = true;
                    return Some(next);
                }
                None => self.broken.push(Broken::Rewrite),
            }
        }
        let fixes: Vec<(Rule, &Fix)> = look
            .checked
            .diagnostics
            .iter()
            .filter(|found| !self.barred.contains(found.rule))
            .filter_map(|found| Some((found.rule, found.fix.as_ref()?)))
            .filter(|(_, fix)| self.is_applied(fix.applicability))
            .collect();
        let mut chosen = fixes;
        while !chosen.is_empty() {
            let all: Vec<&Fix> = chosen.iter().map(|(_, fix)| *fix).collect();
            let applied = Applied::new(&all);
            let Some(next) = after(source, &applied.edits) else {
                let culprit = culprit(source, &chosen)?;
                self.broken.push(Broken::Rule(culprit));
                self.barred = self.barred.union([culprit].into_iter().collect());
                chosen.retain(|(rule, _)| *rule != culprit);
                continue;
            };
            for ((rule, _), applied) in chosen.iter().zip(&applied.applied) {
                if *applied {
                    self.count(*rule);
                }
            }
            return Some(next);
        }
        None
    }

    fn is_applied(&self, applicability: Applicability) -> bool {
        match applicability {
            Applicability::Safe => true,
            Applicability::Unsafe => self.options.unsafe_fixes,
            Applicability::DisplayOnly => false,
        }
    }

    fn count(&mut self, rule: Rule) {
        match self.applied.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += 1,
            None => self.applied.push((rule, 1)),
        }
    }

    fn end(mut self, source: SourceFile, look: Look, outcome: Outcome) -> Rounds {
        self.applied.sort_by_key(|(rule, _)| *rule);
        Rounds {
            source,
            outcome: if look.checked.panics.is_empty() {
                outcome
            } else {
                Outcome::Panicked
            },
            applied: self.applied,
            rewritten: self.rewritten,
            is_worse: harms(&look.checked) > self.before,
            checked: look.checked,
            notes: look.rewrite.notes,
            facts: look.rewrite.facts,
            broken: self.broken,
        }
    }

    /// The file as it was, because the rounds came to no good end.
    fn undone(mut self, source: SourceFile, first: Look, outcome: Outcome) -> Rounds {
        self.applied.clear();
        self.rewritten = false;
        self.end(source, first, outcome)
    }
}

/// The import rewrite of a file without syntax errors; the text of its panic where it has one.
fn rewrite(
    source: &SourceFile,
    settings: &Settings,
    options: &imports::Options,
) -> Result<Rewrite, String> {
    panic::catch_unwind(AssertUnwindSafe(|| {
        if nesting::too_deep(source.text()).is_some() {
            return Rewrite::default();
        }
        let parsed = Parsed::new(source);
        let file = File::new(source, &parsed, settings);
        if !file.syntax_errors().is_empty() {
            return Rewrite::default();
        }
        imports::rewrite(&file, options)
    }))
    .map_err(|payload| panic_message(payload.as_ref()))
}

/// The file after edits; `None` where it can't be parsed then, or not be compiled as well as before.
fn after(source: &SourceFile, edits: &[Edit]) -> Option<SourceFile> {
    let next = source.with_edits(edits).ok()?;
    if nesting::too_deep(next.text()).is_some() {
        return None;
    }
    let parsed = Parsed::new(&next);
    let compiles = || {
        let before = Parsed::new(source);
        parsed.compile_errors(&next) <= before.compile_errors(source)
    };
    (parsed.is_valid() && compiles()).then_some(next)
}

/// The rule of the first fix that breaks the text when it comes to those before it.
fn culprit(source: &SourceFile, fixes: &[(Rule, &Fix)]) -> Option<Rule> {
    (1..=fixes.len()).find_map(|count| {
        let first: Vec<&Fix> = fixes[..count].iter().map(|(_, fix)| *fix).collect();
        let edits = Applied::new(&first).edits;
        after(source, &edits).is_none().then(|| fixes[count - 1].0)
    })
}
