//! Rates over time: [`Meter`] makes them from counters, [`Series`] keeps them, [`sparkline`] draws them.
//!
//! Invariants:
//! 1. No rate is negative, and none is told across a restart, a gap or an instant.
//! 2. A series keeps at most [`HELD`] values: more than the widest terminal shows.

use crate::tui::theme::Look;
use std::collections::VecDeque;

/// Values that a series keeps.
const HELD: usize = 600;

/// Milliseconds between readings below which nothing can be said about a rate.
const LEAST: u64 = 500;

/// What a counter did between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing can be said yet: the first reading, or one right behind another.
    None,
    /// So much in a second.
    Rate(u64),
    /// The counter began anew.
    Anew,
}

/// A counter that is read again and again.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Meter {
    /// When it was read, in milliseconds of a clock of one's choice, and what it was.
    last: Option<(u64, u64)>,
}

/// Values in the order of time; where there is none, nobody knew.
#[derive(Debug, Default, Clone)]
pub(crate) struct Series {
    values: VecDeque<Option<u64>>,
}

// === impl Meter ===

impl Meter {
    /// The counter is `value` at `at`.
    pub(crate) fn read(&mut self, at: u64, value: u64) -> Step {
        let Some((before, was)) = self.last else {
            self.last = Some((at, value));
            return Step::None;
        };
        let (Some(passed), Some(more)) = (at.checked_sub(before), value.checked_sub(was)) else {
            self.last = Some((at, value));
            return Step::Anew;
        };
        if passed < LEAST {
            return Step::None;
        }
        self.last = Some((at, value));
        let rate = u128::from(more) * 1000 / u128::from(passed);
        Step::Rate(u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

// === impl Series ===

impl Series {
    /// Adds a value, or that there is none.
    pub(crate) fn push(&mut self, value: Option<u64>) {
        if self.values.len() == HELD {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// The latest value, if it is known.
    pub(crate) fn latest(&self) -> Option<u64> {
        self.values.back().copied().flatten()
    }

    /// The highest of what is kept.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.values.iter().copied().flatten().max()
    }

    /// The last so many.
    fn last(&self, count: usize) -> impl Iterator<Item = Option<u64>> {
        let skipped = self.values.len().saturating_sub(count);
        self.values.iter().skip(skipped).copied()
    }
}

/// The end of a series as bars, `size` letters wide and so many lines high, the upper line first; the
/// latest value is at the right. Nothing is an empty place, what nobody knew a dot.
pub(crate) fn sparkline(series: &Series, size: (usize, usize), look: Look) -> Vec<String> {
    let (width, height) = size;
    let shown: Vec<_> = series.last(width).collect();
    let top = shown.iter().copied().flatten().max().unwrap_or(0).max(1);
    let levels = height * 8;
    let empty = " ".repeat(width - shown.len());
    let line = |line: usize| {
        let below = (height - 1 - line) * 8;
        let bar = |value: &Option<u64>| match value {
            None if below == 0 => gap(look),
            None => " ",
            Some(value) => level(look, eighths(*value, top, levels).saturating_sub(below)),
        };
        empty.clone() + &shown.iter().map(bar).collect::<String>()
    };
    (0..height).map(line).collect()
}

/// How high a value is, in eighths of a line; what is not nothing is seen.
fn eighths(value: u64, top: u64, levels: usize) -> usize {
    let height = u128::from(value.min(top)) * levels as u128 / u128::from(top);
    let height = usize::try_from(height).unwrap_or(levels);
    height.max(usize::from(value > 0))
}

const fn level(look: Look, eighths: usize) -> &'static str {
    let bars = look.bars();
    match eighths {
        0 => bars.empty,
        1 => bars.one_eighth,
        2 => bars.one_quarter,
        3 => bars.three_eighths,
        4 => bars.half,
        5 => bars.five_eighths,
        6 => bars.three_quarters,
        7 => bars.seven_eighths,
        _ => bars.full,
    }
}

const fn gap(look: Look) -> &'static str {
    if look.ascii { "." } else { "\u{b7}" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascii() -> Look {
        Look {
            ascii: true,
            ..Look::default()
        }
    }

    #[test]
    fn a_rate_is_what_came_in_the_time_that_passed() {
        let mut meter = Meter::default();
        assert_eq!(meter.read(1_000, 500), Step::None);
        assert_eq!(meter.read(3_000, 700), Step::Rate(100));
        // Right behind another: it counts for the next.
        assert_eq!(meter.read(3_010, 900), Step::None);
        assert_eq!(meter.read(5_000, 900), Step::Rate(100));
        assert_eq!(meter.read(6_000, u64::MAX), Step::Rate(u64::MAX - 900));
    }

    #[test]
    fn a_counter_or_a_clock_that_goes_back_begins_anew() {
        let mut meter = Meter::default();
        meter.read(10_000, 500);
        assert_eq!(meter.read(12_000, 3), Step::Anew);
        assert_eq!(meter.read(2_000, 90), Step::Anew);
        assert_eq!(meter.read(4_000, 94), Step::Rate(2));
    }

    #[test]
    fn a_sparkline_ends_with_the_latest_and_shows_gaps() {
        let mut series = Series::default();
        for value in [Some(0), Some(1), None, Some(400), Some(800)] {
            series.push(value);
        }
        assert_eq!(sparkline(&series, (7, 1), ascii()), ["   _.=#"]);
        assert_eq!(sparkline(&series, (2, 1), ascii()), ["=#"]);
        assert_eq!(sparkline(&series, (5, 2), ascii()), ["    #", " _.##"]);
        assert_eq!(sparkline(&series, (0, 1), ascii()), [""]);
        assert_eq!(sparkline(&Series::default(), (3, 1), ascii()), ["   "]);
        assert_eq!((series.latest(), series.highest()), (Some(800), Some(800)));
    }

    #[test]
    fn a_series_is_bounded() {
        let mut series = Series::default();
        for value in 0..2_000 {
            series.push(Some(value));
        }
        assert_eq!(series.last(usize::MAX).count(), HELD);
        assert_eq!(series.latest(), Some(1_999));
    }
}
