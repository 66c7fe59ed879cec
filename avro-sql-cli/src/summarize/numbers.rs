//! Mean, standard deviation and quantiles of numbers, dates and times.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion_functions_aggregate_common::tdigest::TDigest;

/// Centroids of the digest: more are more exact.
const CENTROIDS: usize = 200;

/// The heights of bars.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The number of bars of a distribution.
const N_BARS: usize = 8;

/// The moments and quantiles of numbers.
pub(super) struct Numbers {
    /// The type between the values' and `DOUBLE`, for points in time.
    through: Option<DataType>,
    count: f64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    /// Of finite values.
    digest: TDigest,
}

impl Numbers {
    /// Returns numbers without values, if the type is a number or a point in time.
    pub(super) fn new(of: &DataType) -> Option<Self> {
        let through = match of {
            DataType::Date32 | DataType::Time32(_) => Some(DataType::Int32),
            DataType::Date64 | DataType::Time64(_) | DataType::Timestamp(..) | DataType::Duration(_) => {
                Some(DataType::Int64)
            }
            of if of.is_numeric() => None,
            _ => return None,
        };
        Some(Numbers { through, count: 0.0, mean: 0.0, squares: 0.0, digest: TDigest::new(CENTROIDS) })
    }

    /// Adds values.
    pub(super) fn update(&mut self, array: &ArrayRef) -> Result<()> {
        let numbers = match &self.through {
            Some(through) => cast(&cast(array, through)?, &DataType::Float64)?,
            None => cast(array, &DataType::Float64)?,
        };
        let values: Vec<f64> = numbers.as_primitive::<Float64Type>().iter().flatten().collect();
        let count = values.len() as f64;
        if values.is_empty() {
            return Ok(());
        }
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        self.add_moments(count, mean, squares);
        let finite: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
        if !finite.is_empty() {
            self.digest = self.digest.merge_unsorted_f64(finite);
        }
        Ok(())
    }

    /// Adds the values of others.
    pub(super) fn merge(&mut self, other: &Numbers) {
        if other.count > 0.0 {
            self.add_moments(other.count, other.mean, other.squares);
        }
        if other.digest.count() > 0.0 {
            self.digest = TDigest::merge_digests([&self.digest, &other.digest]);
        }
    }

    /// Combines moments as Chan, Golub and LeVeque do.
    fn add_moments(&mut self, count: f64, mean: f64, squares: f64) {
        let total = self.count + count;
        let delta = mean - self.mean;
        self.squares += squares + delta * delta * self.count * count / total;
        self.mean += delta * count / total;
        self.count = total;
    }

    /// Whether the values are points in time, whose mean and quantiles have their type.
    pub(super) fn is_time(&self) -> bool {
        self.through.is_some()
    }

    /// Returns the mean.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then_some(self.mean)
    }

    /// Returns the standard deviation of the sample.
    pub(super) fn deviation(&self) -> Option<f64> {
        (self.count > 1.0).then(|| (self.squares / (self.count - 1.0)).sqrt())
    }

    /// Returns an approximate quantile of the finite values.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        (self.digest.count() > 0.0).then(|| self.digest.estimate_quantile(q))
    }

    /// Returns a bar for each eighth of the range between minimum and maximum, as high as its share of the values.
    pub(super) fn distribution(&self) -> Option<String> {
        let (min, max) = (self.digest.min(), self.digest.max());
        let width = (max - min) / N_BARS as f64;
        if self.digest.count() == 0.0 || !width.is_normal() {
            return None;
        }
        let mut weights = [0.0f64; N_BARS];
        for centroid in self.digest.centroids() {
            let bin = (((centroid.mean() - min) / width) as usize).min(N_BARS - 1);
            if let Some(weight) = weights.get_mut(bin) {
                *weight += centroid.weight();
            }
        }
        let highest = weights.iter().fold(0.0f64, |a, b| a.max(*b));
        let bar = |weight: &f64| BARS.get((weight / highest * 8.0).ceil() as usize).copied().unwrap_or(' ');
        Some(weights.iter().map(bar).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Float64Array;
    use std::sync::Arc;

    fn numbers(values: impl IntoIterator<Item = f64>) -> Numbers {
        let array: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
        let mut numbers = Numbers::new(&DataType::Float64).unwrap();
        numbers.update(&array).unwrap();
        numbers
    }

    #[test]
    fn merged_moments_equal_those_of_all_values() {
        let mut parts = numbers([1.0, 2.0]);
        parts.merge(&numbers([3.0, 4.0, 5.0]));
        parts.merge(&numbers([]));
        assert_eq!(parts.mean(), Some(3.0));
        assert!((parts.deviation().unwrap() - 2.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(parts.quantile(0.5), Some(3.0));
    }

    #[test]
    fn distribution_bars_have_the_heights_of_their_shares() {
        let values = (0..100).map(|n| if n < 90 { 0.0 } else { f64::from(n) });
        let bars = numbers(values).distribution().unwrap();
        assert_eq!(bars.chars().count(), 8);
        assert!(bars.starts_with("█ ") && bars.ends_with('▁'), "{bars}");
        assert_eq!(numbers([2.0, 2.0]).distribution(), None);
    }

    #[test]
    fn quantiles_leave_infinities_out() {
        let numbers = numbers([1.0, f64::INFINITY, f64::NAN]);
        assert_eq!(numbers.quantile(0.5), Some(1.0));
        assert!(numbers.mean().unwrap().is_nan());
    }
}
