//! Any bytes in the place of a compiled or published file, their checksum mended.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_selinux_fuzz::use_files;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if file.len() >= 12 {
        let sum = crc32fast::hash(&file[12..]);
        file[8..12].copy_from_slice(&sum.to_le_bytes());
    }
    use_files(&file);
});
