//! Tags of requests, which httpd's logs and the kernel's audit records have in common.
//!
//! Owns what one looks like. It must not know where numbers come from.

/// How many characters a tag has. The kernel takes 15 bytes for a thread's name.
const LENGTH: usize = 13;

/// Digits and small letters, without those that are taken for another (i, l, o, u).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The tag of this number, and a NUL: each number has its own.
#[must_use]
pub fn tag(number: u64) -> [u8; LENGTH + 1] {
    let mut text = [0; LENGTH + 1];
    for (place, character) in (0..LENGTH).rev().zip(&mut text) {
        *character = ALPHABET[(number >> (5 * place)) as usize % ALPHABET.len()];
    }
    text
}

/// Whether a word looks like a tag.
#[must_use]
pub fn is_tag(word: &str) -> bool {
    // The first character has what is left of 64 bits when the others have theirs.
    word.len() == LENGTH
        && word.bytes().all(|byte| ALPHABET.contains(&byte))
        && ALPHABET[..16].contains(&word.as_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(number: u64) -> String {
        let text = tag(number);
        assert_eq!(text[LENGTH], 0);
        String::from_utf8(text[..LENGTH].to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn each_number_has_a_tag_of_its_own(number in any::<u64>(), distance in 1..u64::MAX) {
            prop_assert!(is_tag(&text(number)));
            prop_assert_ne!(text(number), text(number.wrapping_add(distance)));
            prop_assert_eq!(text(number) < text(number ^ 1), number & 1 == 0);
        }
    }

    #[test]
    fn words_are_no_tags() {
        assert_eq!(text(u64::MAX), "fzzzzzzzzzzzz");
        for word in ["", "apache2", "gzzzzzzzzzzzz", "0123456789abi", "0123456789ABC", "0123456789abcd"] {
            assert!(!is_tag(word), "{word}");
        }
    }
}
