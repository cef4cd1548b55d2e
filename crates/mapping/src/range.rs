//! An MLS/MCS range in raw form: `s0`, `s0:c1,c5.c9`, `s0-s15:c0.c1023`.
//!
//! Owns its grammar, its normal form and the text the kernel prints for it
//! (`mls_sid_to_context`, Linux security/selinux/ss/mls.c). It must not decide whether the loaded
//! policy has a sensitivity or a category: only the policy knows.

use std::fmt;

use super::escape::quoted;

/// Why a text is not a range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RangeError {
    /// Not `s` and a number.
    #[error("{0} is not a sensitivity: write `s` and a number up to 65535, such as s0")]
    Sensitivity(String),
    /// Not `c` and a number.
    #[error("{0} is not a category: write `c` and a number up to 65535, such as c0")]
    Category(String),
    /// A run whose end is not above its start; the kernel refuses it as well.
    #[error("{0} is not a run of categories: write the lower one first, such as c3.c5")]
    Run(String),
    /// The high level does not dominate the low one.
    #[error(
        "the high level {high} does not dominate the low level {low}: it needs at least the \
         sensitivity and the categories of the low level"
    )]
    Order {
        /// The low level, as the kernel prints it.
        low: String,
        /// The high level, as the kernel prints it.
        high: String,
    },
}

/// A range of levels, from a low one to a high one that dominates it.
///
/// Two ranges are equal when they mean the same: neither the order of categories, nor repeating
/// one, nor how they are gathered into runs makes a difference.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Range {
    low: Level,
    /// `None` where it is the low one, so that `s0-s0` and `s0` are the same value.
    high: Option<Level>,
}

/// A sensitivity, and a category.
pub type Highest = (u16, Option<u16>);

impl Range {
    /// Reads `sN[:categories][-sM[:categories]]`; categories are separated by commas, and `cA.cB`
    /// is the run of all from `cA` to `cB`.
    ///
    /// # Errors
    /// [`RangeError`] where the text is something else, a run does not go upwards, or the high
    /// level does not dominate the low one.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let Some((low, high)) = text.split_once('-') else {
            return Ok(Self { low: Level::parse(text)?, high: None });
        };
        let (low, high) = (Level::parse(low)?, Level::parse(high)?);
        if !high.dominates(&low) {
            return Err(RangeError::Order { low: low.to_string(), high: high.to_string() });
        }
        let high = (high != low).then_some(high);
        Ok(Self { low, high })
    }

    /// The low level, with its categories.
    #[must_use]
    pub fn low(&self) -> Self {
        Self { low: self.low.clone(), high: None }
    }

    /// The low sensitivity without a category: what is made at it, a process with any categories at
    /// that sensitivity may write to.
    #[must_use]
    pub fn lowest(&self) -> Self {
        Self { low: Level { sensitivity: self.low.sensitivity, categories: Vec::new() }, high: None }
    }

    /// The highest sensitivity and the highest category in it, which the policy may not have.
    #[must_use]
    pub fn highest(&self) -> Highest {
        let high = self.high.as_ref().unwrap_or(&self.low);
        (high.sensitivity, high.categories.last().map(|run| run.1))
    }

    /// First and last of each run of categories, ascending: those of the low level, and of the high one.
    #[must_use]
    pub fn categories(&self) -> [&[(u16, u16)]; 2] {
        let high = self.high.as_ref().unwrap_or(&self.low);
        [&self.low.categories, &high.categories]
    }

    /// How many bytes its text has at most.
    pub(super) fn longest(&self) -> usize {
        let level = |level: &Level| "s65535".len() + level.categories.len() * ":c65535.c65535".len();
        level(&self.low) + self.high.as_ref().map_or(0, |high| 1 + level(high))
    }

    /// Whether `text` starts as a raw range does (`s` and a digit), and so must be one: a name
    /// given by mcstransd never does.
    #[must_use]
    pub fn looks_raw(text: &str) -> bool {
        matches!(text.as_bytes(), [b's', digit, ..] if digit.is_ascii_digit())
    }
}

impl fmt::Display for Range {
    /// As the kernel prints it: the high level only where it differs from the low one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.low)?;
        self.high.as_ref().map_or(Ok(()), |high| write!(f, "-{high}"))
    }
}

/// A sensitivity and a set of categories.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Level {
    sensitivity: u16,
    /// First and last of each run. Ascending, and neither overlapping nor touching: a set has only
    /// one such list, so comparing and hashing lists compares and hashes sets.
    categories: Vec<(u16, u16)>,
}

impl Level {
    fn parse(text: &str) -> Result<Self, RangeError> {
        let (sensitivity, categories) = match text.split_once(':') {
            Some((sensitivity, categories)) => (sensitivity, Some(categories)),
            None => (text, None),
        };
        let sensitivity =
            number('s', sensitivity).ok_or_else(|| RangeError::Sensitivity(quoted(sensitivity)))?;
        let runs = categories.map_or(Ok(Vec::new()), |list| list.split(',').map(run).collect())?;
        Ok(Self { sensitivity, categories: normalised(runs) })
    }

    fn dominates(&self, other: &Self) -> bool {
        self.sensitivity >= other.sensitivity
            && other.categories.iter().all(|&(first, last)| {
                let at = self.categories.partition_point(|own| own.1 < first);
                self.categories.get(at).is_some_and(|own| own.0 <= first && last <= own.1)
            })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.sensitivity)?;
        let mut separator = ':';
        for &(first, last) in &self.categories {
            write!(f, "{separator}c{first}")?;
            match last - first {
                0 => {}
                // The kernel writes a run of two as two.
                1 => write!(f, ",c{last}")?,
                _ => write!(f, ".c{last}")?,
            }
            separator = ',';
        }
        Ok(())
    }
}

/// `cA` or `cA.cB`, as the first and last of a run.
fn run(text: &str) -> Result<(u16, u16), RangeError> {
    let category = |text| number('c', text).ok_or_else(|| RangeError::Category(quoted(text)));
    let Some((first, last)) = text.split_once('.') else {
        return category(text).map(|one| (one, one));
    };
    let (first, last) = (category(first)?, category(last)?);
    if first < last { Ok((first, last)) } else { Err(RangeError::Run(quoted(text))) }
}

/// The number in `letter` and number. The kernel looks names up as text, so `s00` is not `s0`:
/// it is no name at all.
fn number(letter: char, text: &str) -> Option<u16> {
    let digits = text.strip_prefix(letter)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// The same set of categories as ascending runs that neither overlap nor touch.
fn normalised(mut runs: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    runs.sort_unstable();
    runs.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1.saturating_add(1);
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    runs
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Categories as they may be written: runs in any order, overlapping or not.
    fn written() -> impl Strategy<Value = Vec<(u16, u16)>> {
        let category = prop_oneof![0_u16..12, 0_u16..1024, 65_530_u16..=u16::MAX];
        let run = (category, 0_u16..5).prop_map(|(first, more)| (first, first.saturating_add(more)));
        proptest::collection::vec(run, 0..6)
    }

    fn text_of(sensitivity: u16, runs: &[(u16, u16)]) -> String {
        let runs: Vec<_> =
            runs.iter().map(|&(a, b)| if a == b { format!("c{a}") } else { format!("c{a}.c{b}") }).collect();
        let separator = if runs.is_empty() { "" } else { ":" };
        format!("s{sensitivity}{separator}{}", runs.join(","))
    }

    fn set_of(runs: &[(u16, u16)]) -> BTreeSet<u16> {
        runs.iter().flat_map(|&(a, b)| a..=b).collect()
    }

    /// The kernel's loop over category bits, written out.
    fn kernel_text(sensitivity: u16, set: &BTreeSet<u16>) -> String {
        let mut out = format!("s{sensitivity}");
        let (mut separator, mut length) = (':', 0);
        for bit in 0..=u32::from(u16::MAX) + 1 {
            if u16::try_from(bit).is_ok_and(|c| set.contains(&c)) {
                if length == 0 {
                    out += &format!("{separator}c{bit}");
                    separator = ',';
                }
                length += 1;
            } else {
                if length > 1 {
                    out += &format!("{}c{}", if length > 2 { '.' } else { ',' }, bit - 1);
                }
                length = 0;
            }
        }
        out
    }

    /// Texts of valid ranges, single and double, for the other modules' tests.
    pub(in super::super) fn range_text() -> impl Strategy<Value = String> {
        (0_u16..16, written(), 0_u16..3, written(), any::<bool>()).prop_map(
            |(low, categories, more, extra, double)| {
                let high = [categories.clone(), extra].concat();
                let mut text = text_of(low, &categories);
                if double {
                    text += &format!("-{}", text_of(low + more, &high));
                }
                text
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_level_is_printed_as_the_kernel_prints_the_set(s in any::<u16>(), runs in written()) {
            let range = Range::parse(&text_of(s, &runs)).unwrap();
            prop_assert_eq!(range.to_string(), kernel_text(s, &set_of(&runs)));
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(text in range_text()) {
            let range = Range::parse(&text).unwrap();
            prop_assert_eq!(&Range::parse(&range.to_string()).unwrap(), &range);
            prop_assert!(range.to_string().len() <= text.len());
            let lowest = range.lowest();
            prop_assert_eq!(lowest.to_string(), text.split([':', '-']).next().unwrap());
            prop_assert_eq!(lowest.lowest(), lowest);
            prop_assert!(Range::looks_raw(&text));
        }

        #[test]
        fn equality_is_equality_of_sets(a in written(), b in written()) {
            let (one, two) = (text_of(0, &a), text_of(0, &b));
            prop_assert_eq!(
                Range::parse(&one) == Range::parse(&two),
                set_of(&a) == set_of(&b)
            );
            let mut reordered = a.clone();
            reordered.reverse();
            reordered.extend(&a);
            prop_assert_eq!(Range::parse(&text_of(0, &reordered)), Range::parse(&one));
        }

        #[test]
        fn the_high_level_must_dominate(l in 0_u16..3, a in written(), h in 0_u16..3, b in written()) {
            let text = format!("{}-{}", text_of(l, &a), text_of(h, &b));
            let dominates = h >= l && set_of(&b).is_superset(&set_of(&a));
            prop_assert_eq!(Range::parse(&text).is_ok(), dominates);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\PC*|[sc0-9:,.\\-]{0,40})") {
            if let Ok(range) = Range::parse(&text) {
                prop_assert_eq!(Range::parse(&range.to_string()).unwrap(), range);
            }
        }
    }

    #[test]
    fn prints_runs_as_the_kernel_does() {
        for (text, printed) in [
            ("s0:c1,c0", "s0:c0,c1"),
            ("s0:c0.c1", "s0:c0,c1"),
            ("s0:c2,c0,c1", "s0:c0.c2"),
            ("s0:c0.c3,c2.c9,c4", "s0:c0.c9"),
            ("s0:c0.c1023", "s0:c0.c1023"),
            ("s0-s0", "s0"),
            ("s0:c1-s0:c1", "s0:c1"),
            ("s0-s0:c0.c1023", "s0-s0:c0.c1023"),
            ("s2:c0-s15:c0,c1", "s2:c0-s15:c0,c1"),
        ] {
            assert_eq!(Range::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn refuses_what_the_kernel_would() {
        let texts = "|s|0|s00|s+1|s65536|S0|s0:|s0:c|s0:c01|s0:c65536|s0:c0,|s0:c5.c3|s0:c5.c5|\
            s0:c0.c1.c2|s0:c0:c1|s0-|-s0|s0-s1-s2|s1-s0|s0:c1-s0:c2|\
            s0:c0.c9-s0:c0.c4,c6.c9| s0|s0 |s0:c0, c1|s0-SystemHigh";
        for text in texts.split('|') {
            assert!(Range::parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn the_low_level_has_its_categories() {
        let low = |text| Range::parse(text).unwrap().low().to_string();
        assert_eq!(low("s0:c1"), "s0:c1");
        assert_eq!(low("s1:c1-s2:c1.c9"), "s1:c1");
    }

    #[test]
    fn categories_are_those_of_both_levels() {
        let of = |text| Range::parse(text).unwrap().categories().map(<[_]>::to_vec);
        assert_eq!(of("s0"), [vec![], vec![]]);
        assert_eq!(of("s0:c1,c3.c5"), [vec![(1, 1), (3, 5)], vec![(1, 1), (3, 5)]]);
        assert_eq!(of("s0:c1-s1:c0.c9"), [vec![(1, 1)], vec![(0, 9)]]);
    }

    #[test]
    fn messages_say_what_to_do() {
        let message = |text| Range::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("s0:c5.c3"),
            "`c5.c3` is not a run of categories: write the lower one first, such as c3.c5"
        );
        assert_eq!(
            message("s0:c2,c1-s0:c1"),
            "the high level s0:c1 does not dominate the low level s0:c1,c2: it needs at least the \
             sensitivity and the categories of the low level"
        );
    }
}
