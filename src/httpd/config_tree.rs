//! The configuration as it is written: httpd's tree of directives (`util_cfgtree.h`), without `.htaccess`.

use crate::ffi;
use std::ffi::{CStr, c_char, c_int};

/// The arguments of each directive of that name, in the order they stand, whatever sections they stand in: bytes, as
/// httpd goes by them.
///
/// None where the configuration is yet to be read, or is about to go.
pub fn arguments_of(directive: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    // SAFETY: httpd's tree, which the configuration's one reader alone changes.
    unsafe { walk(tree(), directive, &mut found) };
    found
}

/// The arguments of the last directive of that name that stands in no section.
///
/// None where the configuration is yet to be read, or is about to go.
pub fn of_main_server(directive: &str) -> Option<Vec<u8>> {
    let mut found = None;
    // SAFETY: httpd's tree, which the configuration's one reader alone changes, with the nodes' neighbours and texts.
    unsafe {
        let mut next = tree();
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
/// None where the configuration is yet to be read, or is about to go.
pub fn section_at(file: &str, line: u32) -> Option<String> {
    // SAFETY: httpd's tree, which the configuration's one reader alone changes.
    unsafe { written_at(tree(), file, line) }
}

/// The first node; null where there is no tree. httpd keeps it as long as the configuration, and forgets where it was only when
/// that is gone (`server/main.c: main`).
fn tree() -> *const ffi::ap_directive_t {
    // SAFETY: reads globals that main() and the configuration's one reader set.
    unsafe {
        match ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE) {
            ffi::AP_SQ_MS_DESTROY_CONFIG | ffi::AP_SQ_MS_EXITING => std::ptr::null(),
            _ => ffi::ap_conftree,
        }
    }
}

/// # Safety
///
/// `node` is null or of httpd's tree of directives, in which nobody changes anything meanwhile.
unsafe fn walk(node: *const ffi::ap_directive_t, directive: &str, found: &mut Vec<Vec<u8>>) {
    let mut next = node;
    // SAFETY: the caller's word, which goes for the node's neighbours and its texts.
    while let Some(node) = unsafe { next.as_ref() } {
        // SAFETY: the caller's word, which goes for the node's neighbours and its texts.
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
        // SAFETY: the caller's word, which goes for the node's neighbours and its texts.
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
