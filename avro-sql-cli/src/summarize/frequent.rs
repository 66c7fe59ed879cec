//! The most frequent values of a field, in bounded memory.
//!
//! Each value has a counter. When there are too many counters, the median count is subtracted from all of them, and
//! those that reach zero are removed (the algorithm of Misra and Gries, a batch at a time). So a count is too low by at
//! most `n / CAPACITY`, for `n` values. A field whose values are almost all different has no frequent values, and is
//! given up early.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use datafusion::arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};

/// Counters that are kept when there are too many.
const CAPACITY: usize = 1024;

/// Counters at most.
const COUNTERS_MAX: usize = 4 * CAPACITY;

/// Values after which a field may be given up.
const VALUES_BEFORE_GIVING_UP: u64 = 1 << 15;

/// Counts values.
#[derive(Default)]
pub(super) struct Frequent {
    /// By the hash of the value.
    counters: HashMap<u64, (ScalarValue, u64), BuildHasherDefault<Identity>>,
    values: u64,
    /// Counters that were ever created.
    created: u64,
    is_given_up: bool,
}

/// Keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Frequent {
    /// Adds values, given their hashes.
    pub(super) fn update(&mut self, array: &ArrayRef, hashes: &[u64], is_valid: impl Fn(usize) -> bool) -> Result<()> {
        if self.is_given_up {
            return Ok(());
        }
        for (row, hash) in hashes.iter().enumerate().filter(|(row, _)| is_valid(*row)) {
            self.values += 1;
            if let Some((_, count)) = self.counters.get_mut(hash) {
                *count += 1;
                continue;
            }
            self.created += 1;
            self.counters.insert(*hash, (ScalarValue::try_from_array(array, row)?, 1));
            if self.counters.len() > COUNTERS_MAX {
                self.prune();
            }
        }
        // More than three of four values were new.
        if self.values >= VALUES_BEFORE_GIVING_UP && self.created > self.values / 4 * 3 {
            (self.is_given_up, self.counters) = (true, HashMap::default());
        }
        Ok(())
    }

    /// Adds the counts of another field.
    pub(super) fn merge(&mut self, other: Frequent) {
        self.is_given_up |= other.is_given_up;
        self.values += other.values;
        self.created += other.created;
        for (hash, (value, count)) in other.counters {
            self.counters.entry(hash).or_insert((value, 0)).1 += count;
        }
        if self.is_given_up {
            self.counters.clear();
        } else if self.counters.len() > COUNTERS_MAX {
            self.prune();
        }
    }

    /// Returns the `n` most frequent values that occur more than once, and their counts.
    pub(super) fn top(&self, n: usize) -> Vec<(&ScalarValue, u64)> {
        let mut top: Vec<_> = self.counters.values().map(|(value, count)| (value, *count)).collect();
        top.retain(|(_, count)| *count > 1);
        // Values of equal counts in their own order, so that the result does not depend on hashes.
        top.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
        top.truncate(n);
        top
    }

    /// Removes the counters of rare values.
    fn prune(&mut self) {
        let mut counts: Vec<u64> = self.counters.values().map(|(_, count)| *count).collect();
        let at = counts.len().saturating_sub(CAPACITY);
        let (_, limit, _) = counts.select_nth_unstable(at);
        let limit = *limit;
        self.counters.retain(|_, (_, count)| {
            *count = count.saturating_sub(limit);
            *count > 0
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;
    use std::sync::Arc;

    fn counted(values: Vec<i64>) -> Frequent {
        let hashes: Vec<u64> = values.iter().map(|value| *value as u64).collect();
        let array: ArrayRef = Arc::new(Int64Array::from(values));
        let mut frequent = Frequent::default();
        frequent.update(&array, &hashes, |_| true).unwrap();
        frequent
    }

    #[test]
    fn top_of_few_values_is_exact() {
        let frequent = counted(vec![3, 1, 3, 2, 3, 1]);
        assert_eq!(frequent.top(2), [(&ScalarValue::from(3i64), 3), (&ScalarValue::from(1i64), 2)]);
    }

    #[test]
    fn top_finds_a_frequent_value_among_many_rare_ones() {
        let rare = (0..30_000i64).map(|n| n % 15_000 + 10);
        let frequent = counted(rare.flat_map(|n| [n, if n % 2 == 0 { 1 } else { n }]).collect());
        let top = frequent.top(1);
        assert_eq!(top[0].0, &ScalarValue::from(1i64));
        assert!((14_000..=15_000).contains(&top[0].1), "{top:?}");
    }

    #[test]
    fn field_of_different_values_is_given_up() {
        let mut frequent = counted((0..100_000).collect());
        frequent.merge(counted(vec![1, 1]));
        assert!(frequent.top(1).is_empty());
    }
}
