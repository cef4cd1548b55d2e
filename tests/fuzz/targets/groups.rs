//! Group files: any text is read or refused with its line, and what is read can be looked up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_selinux_fuzz::SOME;
use mod_selinux_policy::{GroupFile, Groups};

fuzz_target!(|text: &[u8]| {
    let groups = match Groups::parse(text) {
        Ok(groups) => groups,
        Err(errors) => {
            let count = text.split(|&b| b == b'\n').count();
            assert!((1..=100).contains(&errors.len()));
            for error in &errors {
                assert!((1..=count).contains(&error.line));
                assert!(!error.to_string().contains(char::is_control));
            }
            return;
        }
    };
    let file = GroupFile::open(groups.compile()).expect("what is made opens");
    let mut known = 0;
    let words = str::from_utf8(text).unwrap_or_default().split_ascii_whitespace();
    for user in words.take(SOME) {
        let groups = file.groups(user).expect("what is made is whole");
        known += usize::from(!groups.is_empty());
        for group in groups {
            assert!(!group.is_empty() && !group.contains(':') && !group.contains('\0'));
            assert!(!group.contains(|c: char| c.is_ascii_uppercase()));
        }
    }
    assert!(known == 0 || groups.users() > 0);
});
