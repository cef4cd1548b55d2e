//! Text from files, fit to be shown.

use mapping::Escaped;

/// Text from a file, fit for a terminal and to be a part of a line; tabs are blanks.
pub fn printable(text: &str) -> String {
    Escaped::new(&text.replace('\t', " ")).to_string()
}
