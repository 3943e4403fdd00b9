//! Panics: remembered instead of printed, so that the run can go on and say which file it was.
//!
//! Invariant: the default hook never prints; whoever catches a panic takes its text from here.

use std::cell::RefCell;
use std::panic;

use linter::Rule;

const ISSUES: &str = "https://github.com/asyncbis/asyncbis/issues";

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Replaces the hook that prints panics by one that remembers them for [`take`].
pub fn keep_quiet() {
    panic::set_hook(Box::new(|info| {
        // With the environment variable RUST_BACKTRACE the text includes the backtrace.
        let backtrace = std::backtrace::Backtrace::capture();
        let mut text = info.to_string().replace('\n', " ");
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            text = format!("{text}\n{backtrace}");
        }
        SEEN.with(|seen| seen.borrow_mut().push(text));
    }));
}

/// The panics of this thread since the last call.
pub fn take() -> Vec<String> {
    SEEN.with(RefCell::take)
}

/// What to tell the user about a panic.
pub fn report(rule: Option<Rule>, file: Option<&str>, texts: &[String]) -> String {
    let rule = rule.map_or("the linter".to_owned(), |rule| {
        format!("rule {}", rule.code())
    });
    let place = file.map_or(String::new(), |file| format!(" on {file}"));
    let text = if texts.is_empty() {
        "panicked".to_owned()
    } else {
        texts.join("\n")
    };
    bug(&format!("{rule} failed{place}: {text}"))
}

/// What to tell the user about a bug of this program.
pub fn bug(text: &str) -> String {
    format!(
        "{text}\n  This is a bug in asyncbis-lint {}: please report it with the file at {ISSUES}",
        env!("CARGO_PKG_VERSION")
    )
}
