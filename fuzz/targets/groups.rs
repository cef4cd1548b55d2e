//! Group files: any text is read or refused with its line, and what is read can be looked up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapping::{Case, GroupFile, Groups, fold};
use mod_selinux_fuzz::SOME;

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
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for user in words.take(SOME) {
        let groups = file.groups(user, Case::Counts).expect("what is made is whole");
        known += usize::from(!groups.is_empty());
        // Where case is ignored, the same and perhaps more, for each spelling.
        let all = file.groups(user, Case::Ignored).expect("what is made is whole");
        assert!(groups.iter().all(|group| all.contains(group)));
        assert_eq!(file.groups(&fold(user), Case::Ignored).as_ref(), Ok(&all));
        for group in all {
            assert!(!group.is_empty() && !group.contains(&b':') && !group.contains(&0));
            assert!(!group.iter().any(u8::is_ascii_uppercase));
        }
    }
    assert!(known == 0 || groups.users() > 0);
});
