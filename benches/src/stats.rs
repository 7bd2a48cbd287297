//! Medians, spreads and latency percentiles.
//!
//! 1. A [`Summary`] is of at least one value; its median of an even count is the mean of the middle two.
//! 2. Latencies are kept in microseconds with three significant digits, up to two minutes; a longer one
//!    counts as two minutes, which no bounded measurement exceeds by much.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::units::float;

const LONGEST: Duration = Duration::from_mins(2);

/// Median and range of one figure over several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The middle value.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

/// Latencies of many requests.
#[derive(Debug, Clone)]
pub struct Latencies {
    micros: Histogram<u64>,
}

// === impl Summary ===

impl Summary {
    /// Summarizes `values`; `None` when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = sorted.get(middle)?;
        let median = if sorted.len() % 2 == 1 {
            *upper
        } else {
            f64::midpoint(*sorted.get(middle - 1)?, *upper)
        };
        Some(Self { median, min, max })
    }
}

// === impl Latencies ===

impl Latencies {
    /// No latencies yet.
    pub fn new() -> Self {
        Self { micros: empty() }
    }

    /// Counts one request that took `elapsed`.
    pub fn record(&mut self, elapsed: Duration) {
        self.micros.saturating_record(micros(elapsed).max(1));
    }

    /// Adds the requests counted by `other`.
    pub fn merge(&mut self, other: &Self) {
        self.micros += &other.micros; // all have the same range, which is all it asks
    }

    /// The latency in milliseconds that `percent` of the requests did not exceed; 0 without requests.
    pub fn percentile(&self, percent: f64) -> f64 {
        float(self.micros.value_at_percentile(percent)) / 1000.0
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, micros(LONGEST), 3)
        .expect("1 microsecond to two minutes at three digits is a valid range")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(
            Summary::of(&[5.0]),
            Some(Summary {
                median: 5.0,
                min: 5.0,
                max: 5.0
            })
        );
        assert_eq!(
            Summary::of(&[9.0, 1.0, 4.0]),
            Some(Summary {
                median: 4.0,
                min: 1.0,
                max: 9.0
            })
        );
        assert_eq!(
            Summary::of(&[8.0, 1.0, 2.0, 4.0]),
            Some(Summary {
                median: 3.0,
                min: 1.0,
                max: 8.0
            })
        );
    }

    #[test]
    fn percentiles_are_in_milliseconds_within_a_tenth_of_a_percent() {
        let mut latencies = Latencies::new();
        for millis in 1..=100 {
            latencies.record(Duration::from_millis(millis));
        }
        for (percent, expected) in [(50.0, 50.0), (99.0, 99.0), (100.0, 100.0)] {
            let actual = latencies.percentile(percent);
            assert!(
                (actual - expected).abs() <= expected / 1000.0,
                "p{percent} is {actual}"
            );
        }
    }

    #[test]
    fn merging_counts_both_and_extremes_are_kept_in_range() {
        let (mut one, mut other) = (Latencies::new(), Latencies::new());
        one.record(Duration::ZERO);
        other.record(Duration::from_hours(1));
        one.merge(&other);
        assert!(one.percentile(1.0) <= 0.001);
        assert!((one.percentile(100.0) - 120_000.0).abs() < 120.0);
    }

    #[test]
    fn no_requests_have_no_latency() {
        assert!(Latencies::default().percentile(99.0).abs() < f64::EPSILON);
    }
}
