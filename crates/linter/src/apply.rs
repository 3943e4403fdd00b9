//! Several fixes at once: which of them go together, and the text then.
//!
//! Invariants: a fix is applied whole or not at all; the earlier place comes first; a fix that
//! reaches into the region of an applied one waits for another round, because it was made for the
//! text before (a line that one inserts must not miss the indentation that the other adds); an
//! import that several fixes need is added once.

use ruff_text_size::{TextRange, TextSize};

use crate::diagnostic::{Edit, Fix};

/// The fixes that go together.
pub struct Applied<'a> {
    /// Sorted, without overlap.
    pub edits: Vec<Edit>,
    /// Which of the fixes are among them, in the order given.
    pub applied: Vec<bool>,
    regions: Vec<TextRange>,
    imports: Vec<&'a Edit>,
}

impl<'a> Applied<'a> {
    #[must_use]
    pub fn new(fixes: &[&'a Fix]) -> Self {
        let mut all = Applied {
            edits: Vec::new(),
            applied: vec![false; fixes.len()],
            regions: Vec::new(),
            imports: Vec::new(),
        };
        let mut order: Vec<(TextRange, usize)> = fixes
            .iter()
            .enumerate()
            .map(|(index, fix)| (fix.region, index))
            .collect();
        order.sort_by_key(|(region, index)| (region.start(), region.end(), *index));
        for (region, index) in order {
            all.applied[index] = all.take(fixes[index], region);
        }
        all.edits
            .sort_by_key(|edit| (edit.range.start(), edit.range.end()));
        all
    }

    fn take(&mut self, fix: &'a Fix, region: TextRange) -> bool {
        // The regions come sorted, and those that were taken are apart: the last decides.
        if self.regions.last().is_some_and(|last| touch(*last, region)) {
            return false;
        }
        let new: Vec<&Edit> = fix
            .edits
            .iter()
            .filter(|edit| edit.is_import && !self.imports.contains(edit))
            .collect();
        // Another import at the same place, or one inside of what is replaced: the next round
        // sees where it goes then.
        let is_blocked = new.iter().any(|edit| {
            let at = |range: TextRange| touch(range, edit.range);
            self.imports.iter().any(|other| at(other.range))
                || self.regions.iter().any(|region| at(*region))
        });
        let covers = self.imports.iter().any(|edit| touch(region, edit.range));
        if is_blocked || covers {
            return false;
        }
        self.imports.extend(new.iter().copied());
        self.edits.extend(new.into_iter().cloned());
        let own = fix.edits.iter().filter(|edit| !edit.is_import);
        self.edits.extend(own.cloned());
        self.regions.push(region);
        true
    }
}

/// Whether two ranges overlap or meet.
fn touch(one: TextRange, other: TextRange) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}

/// A text after some fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    pub text: String,
    /// Which of the fixes were applied, in the order given.
    pub applied: Vec<bool>,
}

/// Applies the fixes that go together.
#[must_use]
pub fn apply(text: &str, fixes: &[&Fix]) -> Fixed {
    let applied = Applied::new(fixes);
    let mut result = String::with_capacity(text.len());
    let mut done = TextSize::new(0);
    for edit in &applied.edits {
        result.push_str(&text[TextRange::new(done, edit.range.start())]);
        result.push_str(&edit.content);
        done = edit.range.end();
    }
    result.push_str(&text[usize::from(done)..]);
    Fixed {
        text: result,
        applied: applied.applied,
    }
}
