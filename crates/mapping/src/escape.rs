//! Text from outside, made fit to be shown.

/// How much of an offending text an error message repeats.
pub(super) const SHOWN: usize = 80;

/// `text` between backquotes, fit for a log line: control characters are escaped, so that text
/// from outside cannot forge a line of its own, and a long text is cut short.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
    format!("`{shown}{rest}`")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn text_from_outside_cannot_forge_a_log_line() {
        assert_eq!(quoted("a\nb\u{202e}"), r"`a\nb\u{202e}`");
        assert_eq!(quoted(&"x".repeat(5000)).len(), 80 + 5);
    }
}
