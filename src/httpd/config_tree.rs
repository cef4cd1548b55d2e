//! The configuration as it is written: httpd's tree of directives (`util_cfgtree.h`), without `.htaccess`.

use crate::ffi;
use std::ffi::{CStr, c_char, c_int};

/// The arguments of each directive of that name, in the order they stand, whatever sections they stand in: bytes, as
/// httpd goes by them.
///
/// To be called once the configuration is read.
pub fn arguments_of(directive: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    // SAFETY: httpd keeps the tree as long as the configuration, and nobody changes it once it is read.
    unsafe { walk(ffi::ap_conftree, directive, &mut found) };
    found
}

/// The arguments of the last directive of that name that stands in no section.
///
/// To be called once the configuration is read.
pub fn of_main_server(directive: &str) -> Option<Vec<u8>> {
    let mut found = None;
    // SAFETY: as above, and so are the node's neighbours and texts.
    unsafe {
        let mut next = ffi::ap_conftree.cast_const();
        while let Some(node) = next.as_ref() {
            if text(node.directive).eq_ignore_ascii_case(directive) {
                found = Some(bytes(node.args).to_vec());
            }
            next = node.next;
        }
    }
    found
}

/// The section that starts at a place, as it is written there.
///
/// To be called once the configuration is read.
pub fn section_at(file: &str, line: u32) -> Option<String> {
    // SAFETY: as above.
    unsafe { written_at(ffi::ap_conftree, file, line) }
}

/// # Safety
///
/// `node` is null or of httpd's tree of directives, in which nobody changes anything meanwhile.
unsafe fn walk(node: *const ffi::ap_directive_t, directive: &str, found: &mut Vec<Vec<u8>>) {
    let mut next = node;
    // SAFETY: the caller's word, which goes for the node's neighbours and its texts.
    while let Some(node) = unsafe { next.as_ref() } {
        // SAFETY: as above.
        unsafe {
            if text(node.directive).eq_ignore_ascii_case(directive) {
                found.push(bytes(node.args).to_vec());
            }
            walk(node.first_child, directive, found);
        }
        next = node.next;
    }
}

/// # Safety
///
/// As `walk`.
unsafe fn written_at(node: *const ffi::ap_directive_t, file: &str, line: u32) -> Option<String> {
    let mut next = node;
    // SAFETY: the caller's word, which goes for the node's neighbours and its texts.
    while let Some(node) = unsafe { next.as_ref() } {
        // SAFETY: as above.
        unsafe {
            let name = text(node.directive);
            if node.line_num == line as c_int && name.starts_with('<') && text(node.filename) == file {
                return Some(format!("{name} {}", text(node.args)));
            }
            let inside = written_at(node.first_child, file, line);
            if inside.is_some() {
                return inside;
            }
        }
        next = node.next;
    }
    None
}

/// A text of httpd's; none where it is null.
///
/// # Safety
///
/// Null, or a C string.
pub(super) unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the caller's word.
    String::from_utf8_lossy(unsafe { bytes(text) }).into_owned()
}

/// The bytes of a text of httpd's, which live as long as it; none where it is null.
///
/// # Safety
///
/// Null, or a C string.
unsafe fn bytes<'t>(text: *const c_char) -> &'t [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: the caller's word.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}
