//! The code with the places marked, the advice and the fix as a patch.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use linter::{Diagnostic, Edit, Fix, Severity};
use ruff_text_size::TextRange;

use super::window::Window;
use super::{FileView, fix_word, url};

pub fn file(view: &FileView<'_>) -> String {
    let renderer = if view.color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for diagnostic in view.diagnostics {
        text.push_str(renderer.render(&finding(view, diagnostic)).trim_end());
        text.push_str("\n\n");
    }
    text
}

fn finding<'a>(view: &FileView<'a>, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
    let mut title = level(diagnostic.severity)
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.rule.code());
    if let Some(url) = url(diagnostic.rule) {
        title = title.id_url(url);
    }
    let mut group = Group::with_title(title);
    for marks in by_cell(view, diagnostic) {
        group = group.element(snippet(view, &marks));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let mut groups = vec![group];
    if let Some(fix) = diagnostic.fix.as_ref().filter(|fix| !fix.edits.is_empty()) {
        groups.push(patch(view, fix));
    }
    groups
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    }
}

/// A marked range.
struct Mark<'a> {
    range: TextRange,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// The marks of a finding; those of another notebook cell apart, the primary one first.
fn by_cell<'a>(view: &FileView<'_>, diagnostic: &'a Diagnostic) -> Vec<Vec<Mark<'a>>> {
    let primary = Mark {
        range: diagnostic.range,
        kind: AnnotationKind::Primary,
        label: diagnostic.label.as_deref(),
    };
    let others = diagnostic.labels.iter().map(|label| Mark {
        range: label.range,
        kind: AnnotationKind::Context,
        label: Some(label.message.as_str()),
    });
    let cell = |mark: &Mark<'_>| view.source.location(mark.range.start()).cell;
    let mut cells: Vec<Vec<Mark<'a>>> = Vec::new();
    for mark in std::iter::once(primary).chain(others) {
        match cells
            .iter_mut()
            .find(|marks| cell(&marks[0]) == cell(&mark))
        {
            Some(marks) => marks.push(mark),
            None => cells.push(vec![mark]),
        }
    }
    cells
}

fn snippet<'a>(
    view: &FileView<'a>,
    marks: &[Mark<'a>],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let ranges: Vec<TextRange> = marks.iter().map(|mark| mark.range).collect();
    let window = Window::new(view.source, &ranges);
    let annotations: Vec<_> = marks
        .iter()
        .map(|mark| mark.kind.span(window.moved(mark.range)).label(mark.label))
        .collect();
    Snippet::source(window.text)
        .line_start(window.first_row)
        .path(path(view, marks[0].range))
        .annotations(annotations)
}

/// The fix as a patch; of a notebook one for each cell that it changes.
fn patch<'a>(view: &FileView<'a>, fix: &'a Fix) -> Group<'a> {
    let cell = |edit: &Edit| view.source.location(edit.range.start()).cell;
    let title = format!("{} ({})", fix.title, fix_word(fix.applicability));
    let mut group = Group::with_title(Level::HELP.secondary_title(title));
    for edits in fix.edits.chunk_by(|a, b| cell(a) == cell(b)) {
        let ranges: Vec<TextRange> = edits.iter().map(|edit| edit.range).collect();
        let window = Window::new(view.source, &ranges);
        let patches: Vec<_> = edits
            .iter()
            .map(|edit| Patch::new(window.moved(edit.range), edit.content.as_str()))
            .collect();
        let snippet = Snippet::source(window.text)
            .line_start(window.first_row)
            .path(path(view, ranges[0]))
            .patches(patches);
        group = group.element(snippet);
    }
    group
}

fn path(view: &FileView<'_>, range: TextRange) -> String {
    match view.source.location(range.start()).cell {
        Some(cell) => format!("{}:cell {cell}", view.shown),
        None => view.shown.to_owned(),
    }
}
