//! What the documents tell people to write: the boxes between their lines of three backticks.

use super::httpd::project;
use std::fs;

/// The boxes of a language in a document of the project's, without the line that opens them.
pub fn boxes(document: &str, language: &str) -> Vec<String> {
    let path = project().join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let opening = format!("{language}\n");
    let boxes = text.split("```").skip(1).step_by(2).filter_map(|text| text.strip_prefix(&opening));
    boxes.map(str::to_owned).collect()
}
