//! How long something takes, by classes that each are an eighth of their lower bound wide: what is told of them is at
//! most a sixteenth off.

/// How many classes there are: 256 ns to 17 s, and below and above.
pub const CLASSES: usize = (LAST_POWER - FIRST_POWER + 1) * PARTS;

/// Each power of two has so many.
const PARTS: usize = 8;
/// Times below the first class are in it, those above the last in that.
const FIRST_POWER: usize = 8;
const LAST_POWER: usize = 33;

/// The class of a time in nanoseconds.
pub fn class_of(nanoseconds: u64) -> usize {
    let time = nanoseconds.clamp(1 << FIRST_POWER, (2 << LAST_POWER) - 1);
    let power = time.ilog2() as usize;
    let part = (time >> (power - PARTS.ilog2() as usize)) as usize % PARTS;
    (power - FIRST_POWER) * PARTS + part
}

/// The time in the middle of a class, in nanoseconds.
fn middle_of(class: usize) -> u64 {
    let (power, part) = (FIRST_POWER + class / PARTS, class % PARTS);
    let width = (1 << power) / PARTS as u64;
    (PARTS + part) as u64 * width + width / 2
}

/// The time, in nanoseconds, that so many percent of those counted do not exceed; `None` where none is counted.
pub fn percentile(counts: &[u64], percent: u64) -> Option<u64> {
    let all: u64 = counts.iter().sum();
    let rank = (all * percent).div_ceil(100).max(1);
    let mut below = 0;
    let class = counts.iter().position(|count| {
        below += count;
        below >= rank
    });
    class.map(middle_of)
}
