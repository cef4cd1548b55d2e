//! What decides in a map for whom, and what stands in another order than in another map.

use std::collections::{BTreeSet, HashMap, HashSet};

use mapping::{Case, DomainSpec, Line, Network, Selector};

fn network(who: &Selector) -> Option<&Network> {
    match who {
        Selector::Net(network) => Some(network),
        _ => None,
    }
}

/// The lines of one map that can decide.
pub struct Side<'l> {
    /// Of users and `__anonymous__`.
    pub own: HashMap<&'l Selector, &'l Line>,
    /// Of groups and networks, with what decides for them.
    pub others: HashMap<&'l Selector, At<'l>>,
    /// `*`.
    pub anyone: Option<&'l Line>,
    case: Case,
}

/// Where a line stands, and the line whose domain it leads to.
#[derive(Clone, Copy)]
pub struct At<'l> {
    pub position: usize,
    pub line: &'l Line,
}

impl<'l> Side<'l> {
    pub fn new(lines: &'l [Line], case: Case) -> Self {
        let anyone = lines.iter().find(|line| line.who == Selector::Anyone);
        let end = anyone.map_or(usize::MAX, |line| line.number);
        let in_front: HashSet<_> =
            lines.iter().filter(|line| line.number < end).filter_map(|line| network(&line.who)).collect();
        // Whether a network in front of `*` holds this one, which stands behind.
        let holds = |network: &Network| {
            (0..network.prefix())
                .filter_map(|prefix| Network::around(network.address(), prefix))
                .any(|wider| in_front.contains(&wider))
        };
        let (mut own, mut others) = (HashMap::new(), HashMap::new());
        for line in lines {
            let can_decide = line.number < end;
            match (&line.who, anyone) {
                (Selector::User(_) | Selector::Anonymous, _) if can_decide => {
                    own.insert(&line.who, line);
                }
                (Selector::Group(_) | Selector::Net(_), _) if can_decide => {
                    others.insert(&line.who, At { position: line.number, line });
                }
                // It keeps a network with a shorter prefix from deciding: `*` does.
                (Selector::Net(network), Some(anyone)) if holds(network) => {
                    others.insert(&line.who, At { position: usize::MAX, line: anyone });
                }
                _ => {}
            }
        }
        Self { own, others, anyone, case }
    }

    /// The line for a user or `__anonymous__`, as the other map has it, whose names may be those of another case.
    pub fn own(&self, who: &Selector) -> Option<&'l Line> {
        self.own.get(who).or_else(|| self.own.get(&who.clone().in_case(self.case))).copied()
    }

    /// What decides for a user or `__anonymous__` if nothing before it does.
    pub fn decides(&self, who: &Selector) -> Option<At<'l>> {
        let line = self.own(who).or(self.anyone)?;
        Some(At { position: line.number, line })
    }
}

pub fn spec<'l>(at: Option<At<'l>>) -> Option<&'l DomainSpec> {
    at.map(|at| &at.line.spec)
}

/// A line for a group or a network that both maps have.
pub struct Common<'l> {
    pub who: &'l Selector,
    /// A random-looking number of its own: the sum over a set tells sets apart.
    mark: u128,
    pub old: At<'l>,
    pub new: At<'l>,
}

/// The lines for groups and networks that both maps have, in both orders.
pub struct Commons<'l> {
    pub all: Vec<Common<'l>>,
    old: Order,
    new: Order,
    /// Whether some stand in another order to each other.
    pub reordered: bool,
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
    pub fn new(old: &Side<'l>, new: &Side<'l>) -> Self {
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
    pub fn moved(&self, who: &Selector, old: Option<At<'_>>, new: Option<At<'_>>) -> [Vec<String>; 2] {
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
        let applies =
            |common: &Common<'_>| *who != Selector::Anonymous || matches!(common.who, Selector::Net(_));
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
    pub fn moved_to_group(&self, group: &Common<'_>) -> [Vec<String>; 2] {
        let mut moved = [vec![], vec![]];
        for other in &self.all {
            let before_then = other.old.position < group.old.position;
            let before_now = other.new.position < group.new.position;
            // Of two groups, the one that was first says it.
            let says_it = !matches!(other.who, Selector::Group(_)) || before_now;
            let differs =
                other.new.line.spec != group.new.line.spec || other.old.line.spec != group.old.line.spec;
            if before_then != before_now && says_it && differs {
                moved[usize::from(before_then)].push(other.who.to_string());
            }
        }
        moved
    }
}
