//! Files replaced at once: whoever reads sees the old or the new, whole.
//!
//! Owns what a replacement must take over from the file it replaces. It must not know what is in it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, XattrFlags, fgetxattr, flock, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The mode of a file that was not there.
const MODE: u32 = 0o644;

/// What decides who may read a file beside its owner and mode.
const LABEL: &str = "security.selinux";
const ACL: &str = "system.posix_acl_access";

/// Puts a file with this content where `path` leads. What is there is replaced; the new file has its owner,
/// mode, SELinux label and ACL, and otherwise mode 0644.
///
/// # Errors
/// Any of the operating system's; the old file is then still there. Not to be able to keep the owner is one.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = target(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".selinux-map.").tempfile_in(folder)?;
    new.write_all(content)?;
    match File::open(&path) {
        Ok(old) => take_over(&old, new.as_file())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            new.as_file().set_permissions(Permissions::from_mode(MODE))?;
        }
        Err(error) => return Err(error),
    }
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// The file itself, where `path` is a symbolic link to it: the link stays one.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        canonical => canonical,
    }
}

fn take_over(old: &File, new: &File) -> io::Result<()> {
    let (from, now) = (old.metadata()?, new.metadata()?);
    if !from.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if (from.uid(), from.gid()) != (now.uid(), now.gid()) {
        fchown(new, Some(from.uid()), Some(from.gid()))
            .map_err(|error| io::Error::other(format!("its owner cannot be kept: {error}")))?;
    }
    new.set_permissions(Permissions::from_mode(from.mode() & 0o7777))?;
    for name in [LABEL, ACL] {
        let (before, now) = (attribute(old, name)?, attribute(new, name)?);
        match before {
            _ if before == now => {}
            Some(value) => fsetxattr(new, name, &value, XattrFlags::empty())?,
            // A folder's default ACL; a label is only given.
            None if name == ACL => fremovexattr(new, name)?,
            None => {}
        }
    }
    Ok(())
}

/// An extended attribute of a file; `None` where it has none of this name.
fn attribute(file: &File, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 64 << 10];
    match fgetxattr(file, name, &mut value[..]) {
        Ok(length) => Ok(Some(value[..length].to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a file and keeps others that do the same waiting until it is dropped.
///
/// # Errors
/// Any of the operating system's.
pub fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = File::open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        // Whoever had the lock may have put another file in this one's place.
        let (ours, there) = (file.metadata()?, fs::metadata(path)?);
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            return Ok(file);
        }
    }
}
