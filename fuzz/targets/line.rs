//! What a worker and the broker say to each other: nothing but whole lines of the grammar is taken, however they arrive.
#![no_main]

use apps::{Answer, Line, MAX_LINE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Line::read(bytes) {
        Line::Whole(question) => {
            assert_eq!(question.to_string().as_bytes(), bytes);
            // It comes in parts, and is complete with the last byte alone.
            for end in 0..bytes.len() {
                assert_eq!(Line::read(&bytes[..end]), Line::Unfinished);
            }
            assert_eq!(Line::read(&[bytes, b"\n"].concat()), Line::Wrong);
        }
        Line::Unfinished => assert!(bytes.len() < MAX_LINE && !bytes.contains(&b'\n')),
        Line::Wrong => {}
    }
    if let Some(answer) = Answer::read(bytes) {
        // It becomes part of mod_proxy's `proxy:unix:PATH|URL`.
        if let Answer::Ok(path) = &answer {
            assert!(path.starts_with('/') && !path.contains(['|', '\n', '\0']));
        }
        let text = answer.to_string();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(Answer::read(text.as_bytes()).is_some());
    }
});
