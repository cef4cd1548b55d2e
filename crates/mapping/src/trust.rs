//! Whose a file has to be that says who gets which context: as sshd takes its keys (`safe_path`), of root or of who reads it, and
//! for no one else to write; and so the folders on the way to it.

use std::path::Path;

/// Who could change a file that is not to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distrust {
    /// Its owner, who is neither root nor who reads it: the user's number.
    Owner(u32),
    /// Its group.
    Group,
    /// Everybody.
    Everybody,
}

const STICKY: u32 = 0o1000;

/// Who could change a file of this owner and mode; `None` where it may be believed by this user.
#[must_use]
pub fn distrust(owner: u32, mode: u32, user: u32) -> Option<Distrust> {
    match mode & 0o022 {
        _ if owner != 0 && owner != user => Some(Distrust::Owner(owner)),
        0 => None,
        bits if bits & 0o002 != 0 => Some(Distrust::Everybody),
        _ => Some(Distrust::Group),
    }
}

/// The first place that somebody could change: the file, or a folder of `whole`, its path without links. `ask` tells the owner
/// and the mode of each.
///
/// # Errors
/// Those of `ask`.
pub fn first_untrusted<'p, E>(
    (path, whole): (&'p Path, &'p Path),
    user: u32,
    mut ask: impl FnMut(&Path) -> Result<(u32, u32), E>,
) -> Result<Option<(&'p Path, Distrust)>, E> {
    let (owner, mode) = ask(path)?;
    if let Some(distrust) = distrust(owner, mode, user) {
        return Ok(Some((path, distrust)));
    }
    for folder in whole.ancestors().skip(1) {
        let (owner, mode) = ask(folder)?;
        // In a folder such as /tmp, nobody may replace a file of somebody else's.
        if let Some(distrust) = distrust(owner, mode, user).filter(|_| mode & STICKY == 0) {
            return Ok(Some((folder, distrust)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Distrust, first_untrusted};
    use std::path::Path;

    /// What is found on the way to `/etc/x/map`, where `/etc/x` and the file have this owner and mode.
    fn found(folder: (u32, u32), file: (u32, u32)) -> Option<(&'static Path, Distrust)> {
        let path = Path::new("/etc/x/map");
        let ask = |place: &Path| -> Result<_, ()> {
            Ok(match place.to_str() {
                Some("/etc/x/map") => file,
                Some("/etc/x") => folder,
                _ => (0, 0o755),
            })
        };
        first_untrusted((path, path), 33, ask).unwrap()
    }

    #[test]
    fn a_file_is_believed_that_only_root_or_its_reader_could_change() {
        let (file, folder) = (Path::new("/etc/x/map"), Path::new("/etc/x"));
        assert_eq!(found((0, 0o755), (0, 0o644)), None);
        assert_eq!(found((33, 0o700), (33, 0o600)), None);
        assert_eq!(found((0, 0o755), (5, 0o600)), Some((file, Distrust::Owner(5))));
        assert_eq!(found((0, 0o755), (0, 0o664)), Some((file, Distrust::Group)));
        assert_eq!(found((0, 0o775), (0, 0o644)), Some((folder, Distrust::Group)));
        assert_eq!(found((0, 0o757), (0, 0o644)), Some((folder, Distrust::Everybody)));
        // Of /tmp's kind.
        assert_eq!(found((0, 0o1777), (0, 0o644)), None);
        assert_eq!(found((0, 0o755), (0, 0o1666)), Some((file, Distrust::Everybody)));
    }
}
