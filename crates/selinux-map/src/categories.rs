//! Pairs of categories that keep users apart.
//!
//! Owns which pair is free. A process at a level may read what is labelled with a subset of its level's
//! categories, so a pair is free where it is no subset of what a line's processes may have (they would read
//! the new user's content), and where nothing that a line's content may be labelled with is a subset of it
//! (the new user would read theirs). Content without categories is everybody's, and cannot be kept apart.

use mapping::Range;

/// How many categories a policy has.
pub const CATEGORIES: u16 = 1024;

type Bits = [u64; CATEGORIES as usize / 64];

/// Which pairs are taken.
pub struct Pairs {
    /// For each category, those that it cannot be paired with.
    taken: Vec<Bits>,
    /// How many categories there are.
    count: u16,
    /// No pair is free whose lower category is below this one.
    from: u16,
}

impl Pairs {
    /// All pairs of the first `count` categories.
    pub fn new(count: u16) -> Self {
        let mut pairs = Self { taken: vec![[0; _]; count.into()], count, from: 0 };
        for category in 0..count {
            pairs.take(category, category);
        }
        pairs
    }

    /// Takes what a line with this range leaves no room for.
    pub fn take_range(&mut self, range: &Range) {
        let [low, high] = range.categories();
        let mut members = [0; _];
        for category in self.members(high) {
            set(&mut members, category);
        }
        for category in self.members(high) {
            for (own, more) in self.taken[usize::from(category)].iter_mut().zip(members) {
                *own |= more;
            }
        }
        // What such a line's content may be labelled with: from the low level to the high one.
        match low {
            [] => self.members(high).for_each(|category| self.take_all_with(category)),
            [(one, last)] if one == last && *one < self.count => self.take_all_with(*one),
            _ => {}
        }
    }

    /// Takes the first pair that is free; `None` where none is.
    pub fn take_first(&mut self) -> Option<(u16, u16)> {
        let (first, second) = (self.from..self.count).find_map(|first| {
            let row = &self.taken[usize::from(first)];
            let free = (first + 1..self.count).find(|second| !is_set(row, *second))?;
            Some((first, free))
        })?;
        self.from = first;
        self.take(first, second);
        Some((first, second))
    }

    /// How many pairs are free.
    pub fn free(&self) -> usize {
        let taken: usize = self.taken.iter().flatten().map(|word| word.count_ones() as usize).sum();
        (usize::from(self.count) * usize::from(self.count) - taken) / 2
    }

    fn take(&mut self, one: u16, other: u16) {
        set(&mut self.taken[usize::from(one)], other);
        set(&mut self.taken[usize::from(other)], one);
    }

    fn take_all_with(&mut self, category: u16) {
        (0..self.count).for_each(|other| self.take(category, other));
    }

    /// Those categories in runs that there are. Others are in no pair.
    fn members<'r>(&self, runs: &'r [(u16, u16)]) -> impl Iterator<Item = u16> + use<'r> {
        let count = self.count;
        runs.iter().flat_map(move |&(first, last)| first..last.saturating_add(1).min(count))
    }
}

fn set(bits: &mut Bits, category: u16) {
    bits[usize::from(category / 64)] |= 1 << (category % 64);
}

fn is_set(bits: &Bits, category: u16) -> bool {
    bits[usize::from(category / 64)] & 1 << (category % 64) != 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// So few that they run out, and that all subsets can be tried.
    const FEW: u16 = 7;

    type Set = BTreeSet<u16>;

    /// Low and high level of a line. Categories beyond the policy's are written too.
    fn levels() -> impl Strategy<Value = (Set, Set)> {
        let set = || proptest::collection::btree_set(0..FEW + 2, 0..4);
        (set(), proptest::option::weighted(0.3, set())).prop_map(|(low, more)| {
            let high = &low | &more.unwrap_or_default();
            (low, high)
        })
    }

    fn text((low, high): &(Set, Set)) -> String {
        let level = |set: &Set| {
            let names: Vec<_> = set.iter().map(|category| format!("c{category}")).collect();
            format!("s0{}{}", if set.is_empty() { "" } else { ":" }, names.join(","))
        };
        format!("{}-{}", level(low), level(high))
    }

    /// Every level that a line's content may have, written out.
    fn contents((low, high): &(Set, Set)) -> impl Iterator<Item = Set> {
        let extra: Vec<_> = high.difference(low).copied().collect();
        let low = low.clone();
        (0_u32..1 << extra.len()).map(move |mask| {
            let chosen =
                extra.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, category)| *category);
            low.iter().copied().chain(chosen).collect()
        })
    }

    /// Whether whoever has this pair and whoever has this line can read nothing of each other's.
    fn apart(pair: &Set, line: &(Set, Set)) -> bool {
        !pair.is_subset(&line.1)
            && contents(line).all(|content| content.is_empty() || !content.is_subset(pair))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn whoever_gets_a_pair_and_any_other_can_read_nothing_of_each_other(
            mut lines in proptest::collection::vec(levels(), 0..8),
        ) {
            let mut pairs = Pairs::new(FEW);
            for line in &lines {
                pairs.take_range(&Range::parse(&text(line)).unwrap());
            }
            let all: Vec<Set> = (0..FEW).flat_map(|a| (a + 1..FEW).map(move |b| Set::from([a, b]))).collect();
            loop {
                // The first in order that is good, by the definition; and all that is good is given out.
                let good: Vec<_> = all.iter().filter(|pair| lines.iter().all(|line| apart(pair, line))).collect();
                prop_assert_eq!(pairs.free(), good.len());
                let given = pairs.take_first().map(|(a, b)| Set::from([a, b]));
                prop_assert_eq!(given.as_ref(), good.first().copied());
                let Some(pair) = given else { break };
                lines.push((pair.clone(), pair));
            }
        }
    }

    #[test]
    fn there_are_as_many_as_can_be() {
        let mut pairs = Pairs::new(CATEGORIES);
        assert_eq!(pairs.free(), 523_776);
        assert_eq!(pairs.take_first(), Some((0, 1)));
        pairs.take_range(&Range::parse("s0:c0.c1021").unwrap());
        assert_eq!(pairs.take_first(), Some((0, 1022)));
        pairs.take_range(&Range::parse("s0:c0").unwrap());
        pairs.take_range(&Range::parse("s0:c65535").unwrap());
        assert_eq!(pairs.take_first(), Some((1, 1022)));
        pairs.take_range(&Range::parse("s0-s0:c0.c1023").unwrap());
        assert_eq!((pairs.free(), pairs.take_first()), (0, None));
    }
}
