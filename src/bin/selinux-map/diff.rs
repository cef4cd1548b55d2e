//! `selinux-map diff`: who changes context from one map to another.
//!
//! Owns what a difference is. In a map, the outcome for a user is their own line, or else `*`, and the lines
//! for groups and networks that stand before it; the same for `__anonymous__`. So lines that only move
//! without coming before or behind one that could decide in their place are no difference.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

use mod_selinux_policy::{DomainSpec, Line, Network, Who};
use serde::Serialize;

use crate::answer::{Answer, Trouble, printable};
use crate::check::count;
use crate::source::Source;

/// Compare two maps: who changes context
#[derive(clap::Args)]
pub struct Args {
    /// Map file, text or compiled
    old: PathBuf,
    /// Map file, text or compiled
    new: PathBuf,
}

/// What was found.
#[derive(Serialize)]
pub struct Differences {
    same: bool,
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

/// The lines of one map that can decide.
struct Side<'l> {
    /// Of users and `__anonymous__`.
    own: HashMap<&'l Who, &'l Line>,
    /// Of groups and networks, with what decides for them.
    others: HashMap<&'l Who, At<'l>>,
    /// `*`.
    anyone: Option<&'l Line>,
}

/// Where a line stands, and the line whose domain it leads to.
#[derive(Clone, Copy)]
struct At<'l> {
    position: usize,
    line: &'l Line,
}

impl<'l> Side<'l> {
    fn new(lines: &'l [Line]) -> Self {
        let anyone = lines.iter().find(|line| line.who == Who::Anyone);
        let end = anyone.map_or(usize::MAX, |line| line.number);
        let in_front: HashSet<_> =
            lines.iter().filter(|line| line.number < end).map(|line| &line.who).collect();
        // Whether a network in front of `*` holds this one, which stands behind.
        let holds = |network: &Network| {
            (0..network.prefix())
                .filter_map(|prefix| Network::around(network.address(), prefix))
                .any(|wider| in_front.contains(&Who::Net(wider)))
        };
        let (mut own, mut others) = (HashMap::new(), HashMap::new());
        for line in lines {
            let can_decide = line.number < end;
            match (&line.who, anyone) {
                (Who::User(_) | Who::Anonymous, _) if can_decide => {
                    own.insert(&line.who, line);
                }
                (Who::Group(_) | Who::Net(_), _) if can_decide => {
                    others.insert(&line.who, At { position: line.number, line });
                }
                // It keeps a network with a shorter prefix from deciding: `*` does.
                (Who::Net(network), Some(anyone)) if holds(network) => {
                    others.insert(&line.who, At { position: usize::MAX, line: anyone });
                }
                _ => {}
            }
        }
        Self { own, others, anyone }
    }

    /// What decides for a user or `__anonymous__` if nothing before it does.
    fn decides(&self, who: &Who) -> Option<At<'l>> {
        let line = self.own.get(who).copied().or(self.anyone)?;
        Some(At { position: line.number, line })
    }
}

fn spec<'l>(at: Option<At<'l>>) -> Option<&'l DomainSpec> {
    at.map(|at| &at.line.spec)
}

/// A line for a group or a network that both maps have.
struct Common<'l> {
    who: &'l Who,
    /// A random-looking number of its own: the sum over a set tells sets apart.
    mark: u128,
    old: At<'l>,
    new: At<'l>,
}

/// The lines for groups and networks that both maps have, in both orders.
struct Commons<'l> {
    all: Vec<Common<'l>>,
    old: Order,
    new: Order,
    /// Whether some stand in another order to each other.
    reordered: bool,
}

/// Lines in the order of one map.
struct Order {
    /// Position and index into all.
    sorted: Vec<(usize, usize)>,
    /// Of the first so many, the sum of their marks.
    sums: Vec<u128>,
}

impl Order {
    fn new(all: &[Common<'_>], position: impl Fn(&Common<'_>) -> usize) -> Self {
        let mut sorted: Vec<_> = all.iter().map(&position).zip(0..).collect();
        sorted.sort_unstable();
        let mut sums = vec![0_u128];
        sums.extend(sorted.iter().scan(0_u128, |sum, (_, index)| {
            *sum = sum.wrapping_add(all[*index].mark);
            Some(*sum)
        }));
        Self { sorted, sums }
    }

    /// How many stand before a position.
    fn before(&self, position: usize) -> usize {
        self.sorted.partition_point(|(other, _)| *other < position)
    }
}

impl<'l> Commons<'l> {
    fn new(old: &Side<'l>, new: &Side<'l>) -> Self {
        let mut all: Vec<_> = old
            .others
            .iter()
            .filter_map(|(who, old)| Some(Common { who, mark: 0, old: *old, new: *new.others.get(who)? }))
            .collect();
        all.sort_unstable_by_key(|common| common.old.position);
        for (common, seed) in all.iter_mut().zip(1_u128..) {
            // Odd multipliers permute all numbers, shifts mix high bits into low ones.
            let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            common.mark = (mixed ^ mixed >> 67).wrapping_mul(0xda94_2042_e4dd_58b5_8a91_a9b1_96d0_a7d3);
        }
        let order = |position: fn(&Common<'_>) -> usize| Order::new(&all, position);
        let reordered = !all.is_sorted_by_key(|common| common.new.position);
        Self {
            old: order(|common| common.old.position),
            new: order(|common| common.new.position),
            reordered,
            all,
        }
    }

    /// Those that stand before a line in only one of the maps, where that makes a difference: their domain is
    /// another. First those that do in the new map.
    fn moved(&self, who: &Who, old: Option<At<'_>>, new: Option<At<'_>>) -> [Vec<String>; 2] {
        let before =
            |order: &Order, at: Option<At<'_>>| order.before(at.map_or(usize::MAX, |at| at.position));
        let (old_count, new_count) = (before(&self.old, old), before(&self.new, new));
        if self.old.sums[old_count] == self.new.sums[new_count] {
            return [vec![], vec![]];
        }
        let set = |order: &Order, count: usize| -> BTreeSet<usize> {
            order.sorted[..count].iter().map(|(_, index)| *index).collect()
        };
        let (then, now) = (set(&self.old, old_count), set(&self.new, new_count));
        // Who has not logged in is in no group.
        let applies = |common: &Common<'_>| *who != Who::Anonymous || matches!(common.who, Who::Net(_));
        let names = |indices: Vec<usize>, differs: &dyn Fn(&Common<'_>) -> bool| {
            let commons = indices.into_iter().map(|index| &self.all[index]);
            commons
                .filter(|common| applies(common) && differs(common))
                .map(|common| common.who.to_string())
                .collect()
        };
        [
            names(now.difference(&then).copied().collect(), &|common| {
                Some(&common.new.line.spec) != spec(new)
            }),
            names(then.difference(&now).copied().collect(), &|common| {
                Some(&common.old.line.spec) != spec(old)
            }),
        ]
    }

    /// Lines that stand to a group's in another order than they did, where that makes a difference.
    fn moved_to_group(&self, group: &Common<'_>) -> [Vec<String>; 2] {
        let mut moved = [vec![], vec![]];
        for other in &self.all {
            let before_then = other.old.position < group.old.position;
            let before_now = other.new.position < group.new.position;
            // Of two groups, the one that was first says it.
            let says_it = !matches!(other.who, Who::Group(_)) || before_now;
            let differs =
                other.new.line.spec != group.new.line.spec || other.old.line.spec != group.old.line.spec;
            if before_then != before_now && says_it && differs {
                moved[usize::from(before_then)].push(other.who.to_string());
            }
        }
        moved
    }
}

/// Compares two maps.
pub fn run(args: &Args) -> Result<Differences, Trouble> {
    let read = |path| Source::read(path).map_err(|trouble| Trouble { status: 2, ..trouble });
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    Ok(compare(&old.lines, &new.lines))
}

fn compare<'l>(old: &'l [Line], new: &'l [Line]) -> Differences {
    let (old, new) = (Side::new(old), Side::new(new));
    let commons = Commons::new(&old, &new);
    let mut changes = Vec::new();
    let owners = old.own.keys().chain(new.own.keys().filter(|who| !old.own.contains_key(*who)));
    for who in owners {
        let (before, after) = (old.decides(who), new.decides(who));
        let moved = commons.moved(who, before, after);
        let listed = (old.own.contains_key(who), new.own.contains_key(who));
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
        for group in commons.all.iter().filter(|common| matches!(common.who, Who::Group(_))) {
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
        changes.push(change(&Who::Anyone, listed, (before, after), true, Default::default()));
    }
    changes.sort_unstable_by(|one, other| (one.kind, &one.who).cmp(&(other.kind, &other.who)));
    Differences { same: changes.is_empty(), changes }
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
    who: &Who,
    listed: (bool, bool),
    (old, new): (Option<At<'_>>, Option<At<'_>>),
    changed: bool,
    [now_behind, no_longer_behind]: [Vec<String>; 2],
) -> Change {
    let kind = match who {
        Who::User(_) => Kind::User,
        Who::Group(_) => Kind::Group,
        Who::Net(_) => Kind::Network,
        Who::Anonymous => Kind::Anonymous,
        Who::Anyone => Kind::Anyone,
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
