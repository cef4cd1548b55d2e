//! Where a pool has its socket and its state: folders for each context, at the context's range.

use crate::pools::Key;
use mapping::Context;
use selinux::SecurityContext;
use sha2::{Digest as _, Sha256};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The types of what the broker makes: sockets and their folders, and folders for state.
pub const SOCKET_TYPE: &str = "mod_selinux_app_run_t";
/// See `SOCKET_TYPE`.
pub const STATE_TYPE: &str = "mod_selinux_app_state_t";

/// A folder's name for a context: of a fixed length, since a socket's path may have 107 bytes.
#[must_use]
pub fn name(context: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(context).into();
    let tag = mapping::tag(digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)));
    String::from_utf8_lossy(&tag[..tag.len() - 1]).into_owned()
}

/// The folder of a pool below one of the broker's.
#[must_use]
pub fn folder(base: &Path, key: &Key) -> PathBuf {
    base.join(&key.app).join(name(&key.context))
}

/// Has what `make` makes carry a label. The broker has one thread, whose setting this is.
fn labelled<T>(label: &Context, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let text = CString::new(label.to_string())?;
    SecurityContext::from_c_str(&text, true)
        .set_for_new_file_system_objects(true)
        .map_err(io::Error::other)?;
    let made = make();
    SecurityContext::set_default_context_for_new_file_system_objects().map_err(io::Error::other)?;
    made
}

/// Makes a pool's folder, if it is not there; who may come in beside its owner, the policy says.
///
/// # Errors
/// It cannot be made, or what is there is another context's.
pub fn make_folder(base: &Path, key: &Key, context: &Context, type_: &str, mode: u32) -> io::Result<PathBuf> {
    let folder = folder(base, key);
    if let Some(parent) = folder.parent() {
        match fs::DirBuilder::new().mode(0o755).create(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let label = context.file_label(type_).map_err(io::Error::other)?;
    labelled(&label, || match fs::DirBuilder::new().mode(mode).create(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    })?;
    // Two contexts could have one name, and somebody could have made what is there.
    let found = confinement::query::label_of(&folder);
    if found.as_ref() != Some(&label) {
        let found = found.map_or("no label".to_owned(), |found| found.to_string());
        return Err(io::Error::other(format!(
            "{} has {found} instead of {label}: remove it",
            folder.display()
        )));
    }
    Ok(folder)
}

/// Listens on a path, in the place of the socket that an earlier broker may have left there.
///
/// # Errors
/// That one cannot be removed, or the new one not made.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

/// Makes a pool's listener: its socket has the processes' context, its file their range.
///
/// # Errors
/// It cannot be made.
pub fn listen(folder: &Path, context: &Context) -> io::Result<(UnixListener, PathBuf)> {
    let path = folder.join("socket");
    let label = context.file_label(SOCKET_TYPE).map_err(io::Error::other)?;
    confinement::label_sockets(Some(context)).map_err(io::Error::other)?;
    let listener = labelled(&label, || bind(&path));
    confinement::label_sockets(None).map_err(io::Error::other)?;
    let listener = listener?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok((listener, path))
}
