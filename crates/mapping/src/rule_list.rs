//! Rules in the order in which they are tried.
//!
//! Owns how rules are put together: at configuration time one directive after another, and for
//! each request a section's rules before its parents', without copying any. It must not know what
//! a rule is or does.

use std::fmt;

/// How many chains an iterator remembers to come back to. More than any configuration nests
/// sections; a longer chain only costs it another way down from the top.
const WINDOW: usize = 32;

/// Rules in order: one rule, or one chain followed by another. Making one copies and allocates
/// nothing, so it can be done for every request, and what it is made of stays as it was.
pub struct RuleList<'a, R>(Node<'a, R>);

enum Node<'a, R> {
    Rule(&'a R),
    Then {
        first: &'a RuleList<'a, R>,
        second: &'a RuleList<'a, R>,
        /// How many rules are in both.
        len: usize,
    },
}

impl<'a, R> RuleList<'a, R> {
    /// The chain of this one rule.
    #[must_use]
    pub const fn rule(rule: &'a R) -> Self {
        Self(Node::Rule(rule))
    }

    /// All rules of `first`, then all of `second`.
    #[must_use]
    pub const fn then(first: &'a Self, second: &'a Self) -> Self {
        // A chain that has itself a thousand times in it would wrap around a plain sum; no
        // iterator ever comes to the end of such a one.
        let len = first.len().saturating_add(second.len());
        Self(Node::Then { first, second, len })
    }

    /// How many rules there are; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a chain is never empty")]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Node::Rule(_) => 1,
            Node::Then { len, .. } => *len,
        }
    }

    /// The rules in order. Allocates nothing and does not recurse, whatever the chain's shape.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, R> {
        Iter { root: self, done: 0, window: [None; WINDOW], depth: 0, held: 0 }
    }
}

impl<'c, R> IntoIterator for &'c RuleList<'_, R> {
    type Item = &'c R;
    type IntoIter = Iter<'c, R>;

    fn into_iter(self) -> Iter<'c, R> {
        self.iter()
    }
}

impl<R: fmt::Debug> fmt::Debug for RuleList<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Iterator over the rules of a [`RuleList`].
///
/// On its way down it remembers the last few second halves that it passes. When it has come back to
/// all it remembers, and there are more, it goes down from the top again, past as many rules as it
/// has given out.
pub struct Iter<'c, R> {
    root: &'c RuleList<'c, R>,
    /// How many rules have been given out.
    done: usize,
    /// A ring: the entry passed at depth `d` is at `d % WINDOW`.
    window: [Option<&'c RuleList<'c, R>>; WINDOW],
    /// How many second halves have been passed and not come back to since the last start from
    /// the top, forgotten ones included.
    depth: usize,
    /// How many of these are still remembered.
    held: usize,
}

impl<'c, R> Iterator for Iter<'c, R> {
    type Item = &'c R;

    fn next(&mut self) -> Option<&'c R> {
        if self.done == self.root.len() {
            return None;
        }
        let (mut chain, mut skip) = if let Some(held) = self.held.checked_sub(1) {
            self.held = held;
            self.depth -= 1;
            (self.window[self.depth % WINDOW]?, 0)
        } else {
            self.depth = 0;
            (self.root, self.done)
        };
        self.done += 1;
        loop {
            match &chain.0 {
                Node::Rule(rule) => return Some(rule),
                Node::Then { first, second, .. } if skip < first.len() => {
                    self.window[self.depth % WINDOW] = Some(second);
                    self.depth += 1;
                    self.held = WINDOW.min(self.held + 1);
                    chain = first;
                }
                Node::Then { first, second, .. } => {
                    skip -= first.len();
                    chain = second;
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.root.len() - self.done;
        (left, Some(left))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::OnceCell;

    use proptest::prelude::*;

    use super::*;

    /// Where chains of a test live while others refer to them.
    pub(in super::super) struct Arena<'a, R>(Vec<OnceCell<RuleList<'a, R>>>);

    impl<'a, R> Arena<'a, R> {
        pub(in super::super) fn new(rules: usize) -> Self {
            Self((0..rules * 2).map(|_| OnceCell::new()).collect())
        }

        pub(in super::super) fn keep(&'a self, chain: RuleList<'a, R>) -> &'a RuleList<'a, R> {
            let free = self.0.iter().find(|cell| cell.get().is_none()).unwrap();
            free.get_or_init(|| chain)
        }

        /// A chain of these rules. `cut` is given how many rules a part has, and says how many
        /// of them go into its first half.
        pub(in super::super) fn build(
            &'a self,
            rules: &'a [R],
            cut: &mut impl FnMut(usize) -> usize,
        ) -> &'a RuleList<'a, R> {
            if let [rule] = rules {
                return self.keep(RuleList::rule(rule));
            }
            let (first, second) = rules.split_at(cut(rules.len()));
            let (first, second) = (self.build(first, cut), self.build(second, cut));
            self.keep(RuleList::then(first, second))
        }
    }

    proptest! {
        #[test]
        fn rules_come_in_order_whatever_the_shape(
            length in 1_usize..200,
            cuts in proptest::collection::vec(any::<usize>(), 1..9),
            left_leaning in any::<bool>(),
        ) {
            let rules: Vec<_> = (0..length).collect();
            let arena = Arena::new(length);
            let mut cuts = cuts.into_iter().cycle();
            let chain = arena.build(&rules, &mut |parts| {
                let cut = cuts.next().unwrap();
                // Left-leaning: all but the last few, so that it is deeper than the window.
                if left_leaning { parts - 1 - cut % 4.min(parts - 1) } else { 1 + cut % (parts - 1) }
            });
            prop_assert_eq!(chain.len(), length);
            prop_assert_eq!(chain.iter().copied().collect::<Vec<_>>(), rules.clone());
            prop_assert_eq!(chain.iter().size_hint(), (length, Some(length)));
        }
    }

    #[test]
    fn ten_thousand_appends_fit_into_a_small_stack() {
        const COUNT: usize = 10_000;
        let body = || {
            let rules: Vec<_> = (0..COUNT).collect();
            let cells: Vec<_> = rules.iter().map(|_| OnceCell::new()).collect();
            let leaves: Vec<_> = rules.iter().map(RuleList::rule).collect();
            let mut chain = &leaves[0];
            for (leaf, cell) in leaves[1..].iter().zip(&cells) {
                chain = cell.get_or_init(|| RuleList::then(chain, leaf));
            }
            assert!(chain.iter().copied().eq(0..COUNT));
        };
        std::thread::Builder::new().stack_size(64 << 10).spawn(body).unwrap().join().unwrap();
    }
}
