//! The command `rule`: the pages of the rules, for people and as JSON.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;
use linter::{Rule, RuleInfo};
use serde::Serialize;

use crate::args::{RuleArgs, RuleFormat};
use crate::{output, select};

/// A rule as JSON.
#[derive(Serialize)]
struct RuleJson {
    code: &'static str,
    name: &'static str,
    summary: &'static str,
    severity: Vec<&'static str>,
    fix: &'static str,
    since: &'static str,
    url: String,
    /// The page without its front matter.
    explanation: &'static str,
}

pub fn run(args: &RuleArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.rule {
        Some(text) => {
            let rule = Rule::from_code(text).ok_or_else(|| anyhow!(select::unknown(text)))?;
            match args.output_format {
                RuleFormat::Text => page(rule),
                RuleFormat::Json => json(&as_json(rule))?,
            }
        }
        None => match args.output_format {
            RuleFormat::Text => list(),
            RuleFormat::Json => json(&Rule::all().map(as_json).collect::<Vec<_>>())?,
        },
    };
    output::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The page as it is written, with the front matter as a line of words.
fn page(rule: Rule) -> String {
    let info = rule.info();
    let severities = severities(info).join(" or ");
    let fix = match info.fix {
        "none" => "no fix".to_owned(),
        "safe, unsafe" => "a safe or an unsafe fix".to_owned(),
        kind => format!(
            "{} fix",
            if kind == "safe" {
                "a safe"
            } else {
                "an unsafe"
            }
        ),
    };
    let body = body(info);
    let (title, rest) = body.split_once('\n').unwrap_or((body, ""));
    format!(
        "{title}\n\n{}.\n\nSeverity: {severities}; {fix}; since {}.\n{}\n",
        info.summary,
        info.since,
        rest.trim_end(),
    )
}

fn list() -> String {
    let rows: Vec<[String; 4]> = Rule::all()
        .map(|rule| {
            let info = rule.info();
            [
                info.code.to_owned(),
                info.name.to_owned(),
                severities(info).join(", "),
                info.summary.to_owned(),
            ]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, severity) = (width(1), width(2));
    let mut text = String::new();
    for row in &rows {
        let line = format!(
            "{}  {:name$}  {:severity$}  {}",
            row[0], row[1], row[2], row[3]
        );
        writeln!(text, "{}", line.trim_end()).expect("writing to a string");
    }
    text
}

fn as_json(rule: Rule) -> RuleJson {
    let info = rule.info();
    RuleJson {
        code: info.code,
        name: info.name,
        summary: info.summary,
        severity: severities(info),
        fix: info.fix,
        since: info.since,
        url: rule.url(),
        explanation: body(info),
    }
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn severities(info: &RuleInfo) -> Vec<&'static str> {
    info.severities
        .iter()
        .map(|severity| severity.as_str())
        .collect()
}

/// What follows the front matter.
pub fn body(info: &RuleInfo) -> &'static str {
    info.page
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .map_or(info.page, |(_, body)| body)
        .trim()
}
