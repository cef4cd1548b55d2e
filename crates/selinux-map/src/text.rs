//! Text from files, fit to be shown.

/// Text from a file, fit for a terminal and to be a part of a line: what is invisible or turns the
/// direction of writing is escaped.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| c.is_control() || unicode_width::UnicodeWidthChar::width(c) == Some(0);
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\t' => out.push(' '),
            c if escaped(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        out
    })
}
