//! The names of the functions and classes around a place: `Pool.close` of an `await` in a method.
//!
//! Such a name stays the same when code above it changes, and people find the place by it.
//!
//! Not here: what the place contains.

use ruff_text_size::{TextRange, TextSize};

use crate::Settings;
use crate::model::{File, Parsed};
use crate::nesting;
use crate::source::SourceFile;

/// What is called the name of a place outside of every function and class.
pub const MODULE: &str = "<module>";

/// For each offset the names around it, joined by dots; for the module itself [`MODULE`].
///
/// A decorator stands outside of what it decorates, a `def` line inside.
#[must_use]
pub fn enclosing(source: &SourceFile, offsets: &[TextSize]) -> Vec<String> {
    if offsets.is_empty() || nesting::too_deep(source.text()).is_some() {
        return vec![MODULE.to_owned(); offsets.len()];
    }
    let settings = Settings::default();
    let parsed = Parsed::new(source);
    let file = File::new(source, &parsed, &settings);
    let named = named(&file);
    let name = |offset: &TextSize| {
        let around: Vec<&str> = named
            .iter()
            .filter(|(range, _)| range.contains_inclusive(*offset))
            .map(|(_, name)| *name)
            .collect();
        if around.is_empty() {
            MODULE.to_owned()
        } else {
            around.join(".")
        }
    };
    offsets.iter().map(name).collect()
}

/// Every function and class without its decorators, the outer ones before those inside.
fn named<'a>(file: &File<'a>) -> Vec<(TextRange, &'a str)> {
    let functions = file.tree.function_ids().filter_map(|id| {
        let def = file.tree.function(id).def()?;
        let start = def
            .decorator_list
            .last()
            .map_or(def.range.start(), |last| last.range.end());
        Some((TextRange::new(start, def.range.end()), def.name.as_str()))
    });
    let classes = file.tree.class_ids().map(|id| {
        let class = file.tree.class(id).node;
        let start = class
            .decorator_list
            .last()
            .map_or(class.range.start(), |last| last.range.end());
        (
            TextRange::new(start, class.range.end()),
            class.name.as_str(),
        )
    });
    let mut named: Vec<_> = functions.chain(classes).collect();
    named.sort_by_key(|(range, _)| (range.start(), std::cmp::Reverse(range.end())));
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name around every `HERE` of a text.
    fn names(text: &str) -> Vec<String> {
        let offsets: Vec<TextSize> = text
            .match_indices("HERE")
            .map(|(at, _)| TextSize::try_from(at).unwrap())
            .collect();
        enclosing(&SourceFile::python("a.py", text), &offsets)
    }

    #[test]
    fn names_are_those_of_python() {
        let table: &[(&str, &[&str])] = &[
            ("HERE\n", &["<module>"]),
            ("def f(): HERE\nHERE\n", &["f", "<module>"]),
            (
                "class A:\n    HERE\n    async def m(self):\n        HERE\n    HERE\n",
                &["A", "A.m", "A"],
            ),
            (
                "def f():\n    def g():\n        HERE\n    HERE\n",
                &["f.g", "f"],
            ),
            (
                "def f():\n    if x:\n        \"\"\"\nHERE\n\"\"\"\n",
                &["f"],
            ),
            ("@HERE\ndef f(a=HERE): pass\n", &["<module>", "f"]),
            ("@d\n@HERE\nclass A(HERE): pass\n", &["<module>", "A"]),
            ("def f():\n    x = lambda: HERE\n", &["f"]),
            ("def f(:\n    HERE\n", &["f"]),
        ];
        for (text, expected) in table {
            assert_eq!(names(text), *expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_too_deep_is_not_parsed() {
        let text = format!("def f(): {}HERE", "(".repeat(100_000));
        assert_eq!(names(&text), [MODULE]);
    }
}
