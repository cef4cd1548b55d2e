//! `SELinuxPrivateTmp`: a folder for temporary files for each context, made when its first request comes. What is made in it
//! has the context's categories on every policy, also where a new file gets its folder's.

use crate::httpd::signals::BlockedSignals;
use crate::selinux::{self, EncodedContext};
use mapping::Context;
use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The type of the folder that the contexts' folders are in: no domain may make anything there.
const PARENT: &str = "mod_selinux_private_t";

/// The type of a context's folder: domains keep their temporary files in such.
const FOLDER: &str = "httpd_tmp_t";

/// Checks the folder that the contexts' folders are to be in.
///
/// # Errors
/// It is missing, is none, others may write to it, or its type is another than the policy protects.
pub fn check(parent: &Path) -> Result<(), String> {
    let shown = parent.display();
    let metadata = fs::symlink_metadata(parent).map_err(|error| format!("{shown}: {error}"))?;
    if !metadata.is_dir() {
        return Err(format!("{shown} is no folder"));
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err(format!("others may write to {shown}: chmod go-w {shown}"));
    }
    match selinux::query::type_of(parent) {
        Some(type_) if type_ == PARENT => Ok(()),
        Some(type_) => Err(format!(
            "{shown} has the type {type_}: semanage fcontext -a -t {PARENT} '{shown}' and restorecon {shown} give it {PARENT}"
        )),
        None => Err(format!("the type of {shown} cannot be read")),
    }
}

/// The context's folder in `parent`: there afterwards, with the context's low level.
///
/// # Errors
/// It is missing and cannot be made.
pub fn folder(parent: &Path, target: &EncodedContext) -> io::Result<CString> {
    let context = Context::parse(&target.to_string()).map_err(io::Error::other)?;
    let folder = parent.join(name(&context));
    if !is_folder(&folder)? {
        make(&folder, &context)?;
    }
    Ok(CString::new(folder.into_os_string().into_encoded_bytes())?)
}

/// Type and range, which tell contexts apart.
fn name(context: &Context) -> PathBuf {
    let range = context.range().map(|range| format!(":{range}")).unwrap_or_default();
    PathBuf::from(OsStr::from_bytes(format!("{}{range}", context.type_()).as_bytes()))
}

fn is_folder(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(_) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn make(folder: &Path, context: &Context) -> io::Result<()> {
    let label = format!("{}:object_r:{FOLDER}", context.user());
    let label = Context::parse(&label).map_err(io::Error::other)?;
    let label = label.with_range(context.range().map(|range| range.low()));
    // Prefork's signals would end the child on either thread.
    let _quiet = BlockedSignals::new();
    selinux::labelled(&label, || match fs::DirBuilder::new().mode(0o700).create(folder) {
        // Another child may have been first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_folder(folder)? => Ok(()),
        result => result,
    })
}
