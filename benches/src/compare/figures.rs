//! What is kept of one measurement.
//!
//! 1. A figure that was not measured, or means nothing, is absent, never 0: the memory of a server that was not
//!    watched, the throughput of requests that move no content.
//! 2. A 99th percentile needs [`ENOUGH_FOR_P99`] operations, one of 99.9 ten times as many: of fewer it would be the
//!    slowest one.

use crate::load::Outcome;
use crate::load::wrk::Report;
use crate::process::Usage;
use crate::units::{GIB, MIB, figure, float};

/// Operations of which one hundredth is at least one.
pub const ENOUGH_FOR_P99: u64 = 100;

/// The figures of one round of one row of one registry.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Seconds from the first request to the last answer.
    pub seconds: Option<f64>,
    /// Decimal megabytes of content a second.
    pub megabytes_per_second: Option<f64>,
    /// Operations a second.
    pub operations_per_second: Option<f64>,
    /// Median latency in milliseconds.
    pub p50: Option<f64>,
    /// 99th percentile of the latency in milliseconds.
    pub p99: Option<f64>,
    /// 99.9th percentile of the latency in milliseconds.
    pub p999: Option<f64>,
    /// The longest an operation took, in milliseconds.
    pub slowest: Option<f64>,
    /// Processor seconds of the server.
    pub server_cpu: Option<f64>,
    /// The same for each GiB of content.
    pub server_cpu_per_gib: Option<f64>,
    /// The same for 1,000 operations.
    pub server_cpu_per_thousand: Option<f64>,
    /// Largest anonymous memory of the server, in MiB.
    pub peak_anonymous: Option<f64>,
    /// Processor seconds of the load generator.
    pub client_cpu: Option<f64>,
}

// === impl Figures ===

impl Figures {
    /// The figures of `outcome`.
    pub fn of(outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        let percentile = |percent, least| {
            (tally.operations >= least).then(|| tally.latencies.percentile(percent))
        };
        Self {
            seconds: Some(outcome.elapsed.as_secs_f64()),
            megabytes_per_second: (tally.bytes > 0).then(|| outcome.megabytes_per_second()),
            operations_per_second: (tally.operations > 0).then(|| outcome.operations_per_second()),
            p50: percentile(50.0, 1),
            p99: percentile(99.0, ENOUGH_FOR_P99),
            p999: percentile(99.9, 10 * ENOUGH_FOR_P99),
            slowest: percentile(100.0, 1),
            client_cpu: Some(outcome.client_cpu.as_secs_f64()),
            ..Self::cost(outcome.server, tally.bytes, tally.operations)
        }
    }

    /// The figures of a run of `wrk`, whose own processor time is not known.
    pub fn of_wrk(report: &Report) -> Self {
        Self {
            operations_per_second: Some(report.requests_per_second),
            seconds: Some(float(report.requests) / report.requests_per_second),
            p50: Some(report.p50),
            p99: (report.requests >= ENOUGH_FOR_P99).then_some(report.p99),
            ..Self::cost(report.server, 0, report.requests)
        }
    }

    /// Throughput alone: what the machine's limits have.
    pub fn throughput(megabytes_per_second: f64, seconds: f64) -> Self {
        Self {
            seconds: Some(seconds),
            megabytes_per_second: Some(megabytes_per_second),
            ..Self::default()
        }
    }

    fn cost(server: Option<Usage>, bytes: u64, operations: u64) -> Self {
        let cpu = server.map(|usage| usage.cpu.as_secs_f64());
        let cpu_for = |part: u64, of: u64| cpu.map(|cpu| cpu * float(part) / float(of.max(1)));
        Self {
            server_cpu: cpu,
            server_cpu_per_gib: cpu_for(GIB, bytes).filter(|_| bytes > 0),
            server_cpu_per_thousand: cpu_for(1000, operations).filter(|_| operations > 0),
            peak_anonymous: server.map(|usage| float(usage.peak_anonymous) / float(MIB)),
            ..Self::default()
        }
    }

    /// The main ones in a line, for who watches.
    pub fn described(&self) -> String {
        let named = [
            ("", self.megabytes_per_second, " MB/s"),
            ("", self.operations_per_second, " /s"),
            ("p99 ", self.p99, " ms"),
            ("peak ", self.peak_anonymous, " MiB"),
        ];
        let shown = named.into_iter().filter_map(|(name, value, unit)| {
            value.map(|value| format!("{name}{}{unit}", figure(value)))
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::load::Tally;

    fn outcome(operations: u64, bytes: u64, server: Option<Usage>) -> Outcome {
        let mut tally = Tally::default();
        for _ in 0..operations {
            tally.count(bytes, Instant::now());
        }
        Outcome {
            tally,
            elapsed: Duration::from_secs(2),
            server,
            client_cpu: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let figures = Figures::of(&outcome(99, 0, None));
        assert_eq!(figures.operations_per_second, Some(49.5));
        assert!(figures.p50.is_some());
        for absent in [
            figures.p99,
            figures.megabytes_per_second,
            figures.server_cpu,
        ] {
            assert_eq!(absent, None);
        }
        assert!(Figures::of(&outcome(100, 0, None)).p99.is_some());
        let p999 = |operations| Figures::of(&outcome(operations, 0, None)).p999;
        assert!(p999(999).is_none() && p999(1000).is_some());
        let nothing = Figures::of(&outcome(0, 0, None));
        assert_eq!((nothing.p50, nothing.operations_per_second), (None, None));
    }

    #[test]
    fn processor_time_is_shared_out_among_content_and_operations() {
        let usage = Usage {
            cpu: Duration::from_secs(3),
            peak_anonymous: 8 * MIB,
        };
        let figures = Figures::of(&outcome(500, 4 * MIB, Some(usage)));
        assert_eq!(figures.server_cpu_per_thousand, Some(6.0));
        assert_eq!(figures.server_cpu_per_gib, Some(3.0 * 1024.0 / 2000.0));
        assert_eq!(figures.peak_anonymous, Some(8.0));
        assert!(
            figures.described().ends_with("peak 8.00 MiB"),
            "{}",
            figures.described()
        );
    }
}
