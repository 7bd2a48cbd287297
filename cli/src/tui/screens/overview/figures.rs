//! [`Figures`]: what the server says of itself every two seconds, and rates made from it.
//!
//! Invariants:
//! 1. Time between readings is the server's own uptime; what a restart or a time without readings
//!    breaks off goes on behind a gap.

use crate::tui::widgets::series::{Meter, Series, Step};
use serde_json::Value;

/// How often the server tells, in milliseconds: a place of a series.
const BEAT: u64 = 2_000;

/// Milliseconds without a reading that are a gap.
const GAP: u64 = 5 * BEAT;

/// Places of a gap at most: it is to be seen, not to fill the screen.
const LONGEST: u64 = 30;

/// What there are rates of: the status's counter, and of how many parts each count is made: there may be
/// less than one request in a second.
const COUNTERS: [(&str, u64); 3] = [
    ("requests_total", TENTHS),
    ("received_bytes", 1),
    ("sent_bytes", 1),
];

/// Parts of a request.
pub(super) const TENTHS: u64 = 10;

/// The server, by what it says of itself.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// What it said last; null before that.
    pub(super) status: Value,
    /// When that was heard, in milliseconds since the epoch.
    pub(super) heard: u64,
    rates: [Rate; COUNTERS.len()],
    /// Bytes that the check reads in a second.
    pub(super) check_pace: Option<u64>,
    check: Meter,
    /// When a reading last counted for the rates: here, and by the server's uptime.
    last: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Rate {
    meter: Meter,
    series: Series,
}

// === impl Figures ===

impl Figures {
    /// Takes what the server says of itself at `now`.
    pub(super) fn take(&mut self, status: &Value, now: u64) {
        if !status.is_object() {
            return;
        }
        let number = |name: &str| status[name].as_u64().unwrap_or_default();
        let uptime = number("uptime_ms");
        let gap = self.gap(uptime, now);
        let mut is_counted = self.last.is_none();
        for ((counter, parts), rate) in COUNTERS.iter().zip(&mut self.rates) {
            let count = number(counter).saturating_mul(*parts);
            let step = rate.meter.read(uptime, count);
            is_counted |= step != Step::None;
            if step == Step::None {
                continue;
            }
            (0..gap).for_each(|_| rate.series.push(None));
            // What came within a gap is no rate of now.
            match step {
                Step::Rate(value) if gap == 0 => rate.series.push(Some(value)),
                Step::Anew if gap == 0 => rate.series.push(None),
                _ => {}
            }
        }
        if is_counted {
            self.last = Some((now, uptime));
        }
        self.check(&status["check"], uptime);
        self.status = status.clone();
        self.heard = now;
    }

    /// How many places were left out since the reading before.
    fn gap(&self, uptime: u64, now: u64) -> u64 {
        let Some((heard, before)) = self.last else {
            return 0;
        };
        let passed = now.saturating_sub(heard);
        let passed = passed.max(uptime.saturating_sub(before));
        if passed < GAP {
            return 0;
        }
        (passed / BEAT).min(LONGEST)
    }

    fn check(&mut self, check: &Value, uptime: u64) {
        if check["running"] != true {
            (self.check, self.check_pace) = (Meter::default(), None);
            return;
        }
        match self
            .check
            .read(uptime, check["bytes"].as_u64().unwrap_or_default())
        {
            Step::Rate(pace) => self.check_pace = Some(pace),
            Step::Anew => self.check_pace = None,
            Step::None => {}
        }
    }

    /// The rates of a counter, by its place among them.
    pub(super) fn series(&self, place: usize) -> Option<&Series> {
        self.rates.get(place).map(|rate| &rate.series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(uptime: u64, requests: u64) -> Value {
        json!({ "uptime_ms": uptime, "requests_total": requests, "received_bytes": 0, "sent_bytes": 0 })
    }

    fn seen(figures: &Figures) -> Vec<Option<u64>> {
        let series = figures.series(0).unwrap();
        let look = crate::tui::theme::Look {
            ascii: true,
            ..Default::default()
        };
        let drawn = crate::tui::widgets::series::sparkline(series, (40, 1), look);
        let drawn = drawn[0].trim_start().to_owned();
        assert!(drawn.is_empty() || series.highest().is_some() || !drawn.contains('#'));
        vec![
            series.latest(),
            series.highest(),
            Some(drawn.matches('.').count() as u64),
        ]
    }

    #[test]
    fn a_restart_is_a_gap_and_no_rate() {
        let mut figures = Figures::default();
        figures.take(&status(10_000, 500), 0);
        figures.take(&status(12_000, 520), 2_000);
        assert_eq!(seen(&figures), [Some(100), Some(100), Some(0)]);
        figures.take(&status(1_000, 3), 4_000);
        assert_eq!(seen(&figures), [None, Some(100), Some(1)]);
        figures.take(&status(3_000, 9), 6_000);
        assert_eq!(seen(&figures), [Some(30), Some(100), Some(1)]);
    }

    #[test]
    fn a_restart_that_counts_higher_than_before_makes_no_absurd_rate() {
        let mut figures = Figures::default();
        figures.take(&status(500_000, 5), 0);
        figures.take(&status(2_000, 900_000), 4_000);
        assert_eq!(seen(&figures)[..2], [None, None]);
    }

    #[test]
    fn a_time_without_readings_is_a_gap_as_long_as_it_was_but_bounded() {
        let mut figures = Figures::default();
        figures.take(&status(10_000, 0), 0);
        figures.take(&status(12_000, 20), 2_000);
        figures.take(&status(22_000, 9_000), 12_000);
        assert_eq!(seen(&figures), [None, Some(100), Some(5)]);
        figures.take(&status(90_000_000, 10_000), 90_000_000);
        assert_eq!(seen(&figures)[2], Some(5 + LONGEST));
    }

    #[test]
    fn what_is_no_status_changes_nothing() {
        let mut figures = Figures::default();
        figures.take(&status(1_000, 1), 7);
        figures.take(&json!("hello"), 9);
        assert_eq!(
            (figures.heard, figures.status["uptime_ms"].as_u64()),
            (7, Some(1_000))
        );
    }
}
