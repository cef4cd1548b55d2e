//! Good compiled and published files with some bytes changed, their checksum mended: an error, a panic that is
//! caught, or some answer, but an end.
//!
//! The input: how many bytes are changed; of each, where (two bytes) and the mask; then the text of a map, and
//! behind a NUL that of a group file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapping::{CompiledMap, Groups, Map};
use mod_selinux_fuzz::{server, translate, use_files};

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let Some((changes, texts)) = rest.split_at_checked(3 * usize::from(*count)) else { return };
    let mut texts = texts.splitn(2, |&b| b == 0);
    let mut files = Vec::new();
    if let Some(Ok(map)) = texts.next().map(Map::parse) {
        let compiled = map.compile().expect("so few fit");
        let map = CompiledMap::open(compiled.as_slice()).expect("what is made opens");
        files.push(map.resolved(&server(), translate).expect("all names mean something"));
        files.push(compiled);
    }
    if let Some(Ok(groups)) = texts.next().map(Groups::parse) {
        files.push(groups.compile());
    }
    for mut file in files {
        for change in changes.as_chunks::<3>().0 {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
            file[at] ^= change[2];
        }
        use_files(&file);
        let sum = crc32fast::hash(&file[12..]);
        file[8..12].copy_from_slice(&sum.to_le_bytes());
        use_files(&file);
    }
});
