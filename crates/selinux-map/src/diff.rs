//! `selinux-map diff`: who changes context from one map to another.
//!
//! Owns what a difference is. In a map, the outcome for a user is their own line, or else `*`, and the lines
//! for groups and networks that stand before it; the same for `__anonymous__`. So lines that only move
//! without coming before or behind one that could decide in their place are no difference.

mod sides;

use std::fmt;
use std::path::PathBuf;

use mapping::{Case, Line, Selector};
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};
use crate::check::count;
use crate::source::Source;
use sides::{At, Commons, Side, spec};

/// Compare two maps: who changes context
#[derive(clap::Args)]
pub struct DiffArgs {
    /// Map file, text or compiled
    old: PathBuf,
    /// Map file, text or compiled
    new: PathBuf,
}

/// What was found.
#[derive(Serialize)]
pub struct Differences {
    same: bool,
    old_ignores_case: bool,
    new_ignores_case: bool,
    changes: Vec<Change>,
}

/// What becomes other for one `who`.
#[derive(Serialize)]
struct Change {
    who: String,
    kind: Kind,
    change: What,
    /// What decides in the old map, if nothing that stands before it does.
    old: Option<Decides>,
    /// What decides in the new map, if nothing that stands before it does.
    new: Option<Decides>,
    /// Lines for others that come before this one now, and did not.
    now_behind: Vec<String>,
    /// Lines for others that came before this one, and do no longer.
    no_longer_behind: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    User,
    Group,
    Network,
    Anonymous,
    Anyone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Only the new map has a line.
    Added,
    /// Only the old map has a line.
    Removed,
    /// Both have, and the domain is another.
    Changed,
    /// Both have, the domain is the same, but others come first, or no longer do.
    Order,
}

#[derive(Serialize)]
struct Decides {
    line: usize,
    who: String,
    domain: String,
}

impl From<&Line> for Decides {
    fn from(line: &Line) -> Self {
        Self { line: line.number, who: line.who.to_string(), domain: line.spec.to_string() }
    }
}

/// Compares two maps.
pub fn run(args: &DiffArgs) -> Result<Differences, CommandError> {
    let read = |path| Source::read(path).map_err(|trouble| CommandError { status: 2, ..trouble });
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    Ok(compare((&old.lines, old.case), (&new.lines, new.case)))
}

fn compare<'l>((old, old_case): (&'l [Line], Case), (new, new_case): (&'l [Line], Case)) -> Differences {
    let (old, new) = (Side::new(old, old_case), Side::new(new, new_case));
    let commons = Commons::new(&old, &new);
    let mut changes = Vec::new();
    let owners = old.own.keys().chain(new.own.keys().filter(|who| !old.own.contains_key(*who)));
    for who in owners {
        let (before, after) = (old.decides(who), new.decides(who));
        let moved = commons.moved(who, before, after);
        let listed = (old.own(who).is_some(), new.own(who).is_some());
        let changed = spec(before) != spec(after);
        if changed || moved.iter().any(|names| !names.is_empty()) {
            changes.push(change(who, listed, (before, after), changed, moved));
        }
    }
    let groups_and_networks =
        old.others.keys().chain(new.others.keys().filter(|who| !old.others.contains_key(*who)));
    for who in groups_and_networks {
        let (before, after) = (old.others.get(who).copied(), new.others.get(who).copied());
        if spec(before) != spec(after) {
            changes.push(change(
                who,
                (before.is_some(), after.is_some()),
                (before, after),
                true,
                Default::default(),
            ));
        }
    }
    if commons.reordered {
        for group in commons.all.iter().filter(|common| matches!(common.who, Selector::Group(_))) {
            let moved = commons.moved_to_group(group);
            if moved.iter().any(|names| !names.is_empty()) {
                changes.push(change(
                    group.who,
                    (true, true),
                    (Some(group.old), Some(group.new)),
                    false,
                    moved,
                ));
            }
        }
    }
    let anyone = |side: &Side<'l>| side.anyone.map(|line| At { position: line.number, line });
    let (before, after) = (anyone(&old), anyone(&new));
    if spec(before) != spec(after) {
        let listed = (before.is_some(), after.is_some());
        changes.push(change(&Selector::Anyone, listed, (before, after), true, Default::default()));
    }
    changes.sort_unstable_by(|one, other| (one.kind, &one.who).cmp(&(other.kind, &other.who)));
    Differences {
        // Users whose names no line has as they spell them change as well.
        same: changes.is_empty() && old_case == new_case,
        old_ignores_case: old_case == Case::Ignored,
        new_ignores_case: new_case == Case::Ignored,
        changes,
    }
}

fn what(listed: (bool, bool), changed: bool) -> What {
    match (listed, changed) {
        ((false, _), _) => What::Added,
        ((_, false), _) => What::Removed,
        (_, true) => What::Changed,
        (_, false) => What::Order,
    }
}

fn change(
    who: &Selector,
    listed: (bool, bool),
    (old, new): (Option<At<'_>>, Option<At<'_>>),
    changed: bool,
    [now_behind, no_longer_behind]: [Vec<String>; 2],
) -> Change {
    let kind = match who {
        Selector::User(_) => Kind::User,
        Selector::Group(_) => Kind::Group,
        Selector::Net(_) => Kind::Network,
        Selector::Anonymous => Kind::Anonymous,
        Selector::Anyone => Kind::Anyone,
    };
    let decides = |at: Option<At<'_>>| at.map(|at| Decides::from(at.line));
    let change = what(listed, changed);
    Change {
        who: who.to_string(),
        kind,
        change,
        old: decides(old),
        new: decides(new),
        now_behind,
        no_longer_behind,
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            What::Added => '+',
            What::Removed => '-',
            What::Changed | What::Order => '~',
        };
        // A line of another's decides only for users and __anonymous__: it is `*`.
        let side = |decides: &Option<Decides>| match decides {
            Some(decides) if decides.who == self.who => format!("{} (line {})", decides.domain, decides.line),
            Some(decides) => format!("{} (line {}, {})", decides.domain, decides.line, decides.who),
            None => "no line".to_owned(),
        };
        let (old, new) = (side(&self.old), side(&self.new));
        let who = printable(&self.who);
        match self.change {
            What::Order => writeln!(f, "{sign} {who}  {new}, other lines come first")?,
            _ => writeln!(f, "{sign} {who}  {old} -> {new}")?,
        }
        let list = |names: &[String]| printable(&names.join(", "));
        if !self.now_behind.is_empty() {
            writeln!(f, "    now behind {}", list(&self.now_behind))?;
        }
        if !self.no_longer_behind.is_empty() {
            writeln!(f, "    no longer behind {}", list(&self.no_longer_behind))?;
        }
        Ok(())
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.old_ignores_case, self.new_ignores_case) {
            (false, true) => writeln!(f, "~ names of users and groups ignore case, and did not")?,
            (true, false) => writeln!(f, "~ names of users and groups no longer ignore case")?,
            _ => {}
        }
        self.changes.iter().try_for_each(|change| write!(f, "{change}"))?;
        match self.changes.iter().filter(|change| change.kind == Kind::User).count() {
            _ if self.same => writeln!(f, "nobody changes context"),
            users => {
                writeln!(f, "{}, {} among them", count(self.changes.len(), "change"), count(users, "user"))
            }
        }
    }
}

impl Answer for Differences {
    fn status(&self) -> u8 {
        u8::from(!self.same)
    }
}

#[cfg(test)]
mod tests;
