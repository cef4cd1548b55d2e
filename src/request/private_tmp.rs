//! `SELinuxPrivateTmp`: a folder for temporary files for each context, made when its first request comes. What is made in it
//! has the context's categories on every policy, also where a new file gets its folder's.

use crate::httpd::signals::BlockedSignals;
use crate::selinux::{self, EncodedContext, query};
use mapping::Context;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The type of the folder that the contexts' folders are in: no domain may make anything there.
const PARENT: &str = "mod_selinux_private_t";

/// The type of a context's folder: domains keep their temporary files in such.
const FOLDER: &str = "httpd_tmp_t";

/// Its unix mode.
const MODE: u32 = 0o700;

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
    match query::type_of(parent) {
        Some(type_) if type_ == PARENT => Ok(()),
        Some(type_) => Err(format!(
            "{shown} has the type {type_}: semanage fcontext -a -t {PARENT} '{shown}' and restorecon {shown} give it {PARENT}"
        )),
        None => Err(format!("the type of {shown} cannot be read")),
    }
}

/// The context's folder in `parent`: there afterwards, with the context's low level. `server` is httpd's own context.
///
/// # Errors
/// It is missing and cannot be made; what is there is another's, or open to others; or the server may not enter the context,
/// so that no folder is made for it.
pub fn folder(parent: &Path, target: &EncodedContext, server: &Context) -> io::Result<CString> {
    let context = target.context().ok_or_else(|| io::Error::other(query::UNKNOWN))?;
    let folder = parent.join(name(&context));
    let label = context.file_label(FOLDER).map_err(io::Error::other)?;
    match check_own(parent, &folder, &label) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(objection) = query::objection(server, &context) {
                return Err(io::Error::other(objection));
            }
            make(&folder, &label)?;
            check_own(parent, &folder, &label)?;
        }
        result => result?,
    }
    Ok(CString::new(folder.into_os_string().into_encoded_bytes())?)
}

/// Type and range, which tell contexts apart.
fn name(context: &Context) -> String {
    let range = context.range().map(|range| format!(":{range}")).unwrap_or_default();
    format!("{}{range}", context.type_())
}

/// Whether a context's folder is as `make` makes it. Whatever runs as `httpd_t` could have put another there.
fn check_own(parent: &Path, folder: &Path, label: &Context) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    let found = query::label_of(folder);
    let is_labelled =
        found.is_some_and(|found| found.type_() == label.type_() && found.range() == label.range());
    let has_owner = fs::metadata(parent)?.uid() == metadata.uid();
    if metadata.is_dir() && is_labelled && has_owner && metadata.permissions().mode() & 0o777 == MODE {
        return Ok(());
    }
    let shown = folder.display();
    Err(io::Error::other(format!("{shown} is not as it was made (its label, owner or mode): remove it")))
}

fn make(folder: &Path, label: &Context) -> io::Result<()> {
    // Prefork's signals would end the child on either thread.
    let _blocked = BlockedSignals::new();
    selinux::labelled(label, || match fs::DirBuilder::new().mode(MODE).create(folder) {
        // Another child was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A page may have set the child's umask.
        result => result.and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(MODE))),
    })
}
