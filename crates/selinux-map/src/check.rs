//! `selinux-map check`: all that is wrong with map files.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use mapping::{Case, Selector, fold};
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};
use crate::problem::{Level, Place, Problem};
use crate::source::{Source, nth_line, untrusted};

/// How many warnings are told of a file.
const MAX_WARNINGS: usize = 100;

/// Check map files: all errors at once, and lines that do not do what they seem to
#[derive(clap::Args)]
pub struct CheckArgs {
    /// Map files, text or compiled
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What was found.
#[derive(Serialize)]
pub struct Checked {
    good: bool,
    files: Vec<CheckedFile>,
}

#[derive(Serialize)]
struct CheckedFile {
    file: String,
    good: bool,
    /// How many rules it has; `None` where it has errors.
    rules: Option<usize>,
    /// Whether names ignore case.
    ignores_case: bool,
    problems: Vec<Problem>,
}

/// Checks each file.
pub fn run(args: &CheckArgs) -> Result<Checked, CommandError> {
    let files = args.files.iter().map(|path| {
        let bytes = fs::read(path).map_err(|error| CommandError::file("read", path, &error))?;
        let mut problems: Vec<_> = untrusted(path).into_iter().collect();
        let (mut rules, mut ignores_case) = (None, false);
        match Source::of(path, bytes) {
            Ok(source) => {
                rules = Some(source.lines.len());
                ignores_case = source.case == Case::Ignored;
                problems.extend(warnings(&source));
            }
            Err(errors) => problems.extend(errors),
        }
        let good = problems.iter().all(|problem| problem.level == Level::Warning);
        Ok(CheckedFile { file: path.display().to_string(), good, rules, ignores_case, problems })
    });
    let files = files.collect::<Result<Vec<_>, _>>()?;
    Ok(Checked { good: files.iter().all(|file| file.good), files })
}

/// Lines of a good map that do not do what they seem to.
fn warnings(source: &Source) -> Vec<Problem> {
    let file = source.path.display().to_string();
    let mut found = Vec::new();
    let mut anyone = None;
    let mut names: HashMap<Vec<u8>, usize> = HashMap::new();
    for line in &source.lines {
        let mut warn = |message: String| found.push((line.number, message));
        if let Some(number) = anyone {
            warn(format!("it never decides: line {number} is for anyone and stands before it; move it up"));
        }
        if line.spec.parts().0 == "*" {
            warn(
                "it keeps httpd's own type, which may do what httpd may, and which categories do not \
                 confine: name a type"
                    .to_owned(),
            );
        }
        match &line.who {
            Selector::Anyone => anyone = Some(line.number),
            Selector::User(name) => {
                let first = *names.entry(fold(name)).or_insert(line.number);
                if first != line.number {
                    warn(format!(
                        "line {first} has the same name in other letters, for another user; where case is to be \
                         ignored, write `ignore-case` before all rules"
                    ));
                }
            }
            Selector::Group(_) | Selector::Anonymous | Selector::Net(_) => {}
        }
    }
    let more = found.len().saturating_sub(MAX_WARNINGS);
    let shown = found.into_iter().take(MAX_WARNINGS).map(|(number, message)| {
        let text = source.text().and_then(|text| nth_line(text, number));
        Problem::at(&file, Level::Warning, number, Place::Line, message, text)
    });
    let mut problems: Vec<_> = shown.collect();
    if more > 0 {
        problems.push(Problem::whole(&file, Level::Warning, format!("{more} more warnings")));
    }
    problems
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            file.problems.iter().try_for_each(|problem| write!(f, "{problem}"))?;
            let name = printable(&file.file);
            let errors = file.problems.iter().filter(|problem| problem.level == Level::Error).count();
            match file.rules {
                Some(rules) if file.good => {
                    let case = if file.ignores_case { ", names ignore case" } else { "" };
                    writeln!(f, "{name}: good, {}{case}", count(rules, "rule"))?;
                }
                _ => writeln!(f, "{name}: {}", count(errors, "error"))?,
            }
        }
        Ok(())
    }
}

/// A number of things.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Answer for Checked {
    fn status(&self) -> u8 {
        u8::from(!self.good)
    }
}
