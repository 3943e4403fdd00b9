//! Annotations of GitHub Actions: workflow commands on standard output.

use std::fmt::Write as _;

use linter::Severity;

use super::FileView;

pub fn file(view: &FileView<'_>) -> String {
    let mut text = String::new();
    for diagnostic in view.diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let start = view.source.location(diagnostic.range.start());
        let end = view.source.location(diagnostic.range.end());
        let code = diagnostic.rule.code();
        let title = format!("{code} {}", diagnostic.rule.name());
        write!(
            text,
            "::{level} title={},file={},line={},endLine={}",
            property(&title),
            property(view.shown),
            start.row,
            end.row,
        )
        .expect("writing to a string");
        // Columns are only allowed where the finding is on one line.
        if start.row == end.row {
            write!(text, ",col={},endColumn={}", start.column, end.column)
                .expect("writing to a string");
        }
        let cell = start
            .cell
            .map_or(String::new(), |cell| format!("cell {cell}: "));
        let help = diagnostic
            .help
            .as_ref()
            .map_or(String::new(), |help| format!("\n{help}"));
        let message = data(&format!("{cell}{}{help}", diagnostic.message));
        writeln!(text, "::{message}").expect("writing to a string");
    }
    text
}

/// The message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("100%\r\na:b,c"), "100%25%0D%0Aa:b,c");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }
}
