//! Measurements of a comparison, as one table with medians and spread, and as CSV with every measurement.
//!
//! 1. A measurement that failed is shown as failed, with its error below: it never vanishes from the medians
//!    unseen.
//! 2. A ratio is the first registry's median to the best of the other registries, or of the limits, above 1 when
//!    the first is better, for rates and costs alike. A limit is never among the other registries.
//! 3. `-` is a row that was not measured, because the registry cannot serve it; one it may refuse, and does, is
//!    shown as refused.

use std::fmt;

use crate::compare::figures::Figures;
use crate::compare::lines::{Missing, lines};
use crate::compare::rows::Row;
use crate::stats::Summary;
use crate::table::Table;
use crate::units::figure;

/// One round of one row of one registry.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The row's [`id`](Row::id).
    pub row: &'static str,
    /// The registry's name.
    pub registry: String,
    /// From 1 on.
    pub round: u32,
    /// The figures, or why there are none.
    pub result: Result<Figures, Failure>,
}

/// Why a measurement has no figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What that makes of the row.
    pub missing: Missing,
    /// The error, and what caused it.
    pub error: String,
}

/// Who is compared.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Everyone, in the order of the columns.
    pub registries: &'a [String],
    /// Those of them that are limits.
    pub limits: &'a [String],
}

// === impl Failure ===

impl From<&str> for Failure {
    fn from(error: &str) -> Self {
        Self {
            missing: Missing::Failed,
            error: error.to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.missing.word(), self.error)
    }
}

// === impl Columns ===

impl Columns<'_> {
    /// The titles of the ratios, each with the columns whose best the first one is compared with.
    fn ratios(self) -> Vec<(&'static str, Vec<usize>)> {
        let is_limit = |name| self.limits.contains(name);
        if self.registries.first().is_none_or(is_limit) {
            return Vec::new();
        }
        let mut ratios = Vec::new();
        for (title, limits) in [("first / best other", false), ("first / limit", true)] {
            let others = self.registries.iter().enumerate().skip(1);
            let others = others.filter(|(_, name)| is_limit(name) == limits);
            let columns: Vec<_> = others.map(|(column, _)| column).collect();
            if !columns.is_empty() {
                ratios.push((title, columns));
            }
        }
        ratios
    }
}

/// The table: a line for each figure, a column for each registry with median and (smallest..largest), and the
/// first one's ratios.
pub fn table(rows: &[Row], columns: Columns<'_>, measurements: &[Measurement]) -> Table {
    let registries = columns.registries;
    let ratios = columns.ratios();
    let mut header = vec!["row".to_owned()];
    header.extend(registries.iter().cloned());
    header.extend(ratios.iter().map(|(title, _)| (*title).to_owned()));
    let mut table = Table::new(header);
    for line in lines(rows, measurements) {
        let summaries: Vec<_> = registries
            .iter()
            .map(|registry| line.summary(registry, measurements))
            .collect();
        let mut cells = vec![line.title.clone()];
        cells.extend(summaries.iter().map(|summary| cell(*summary)));
        for (_, others) in &ratios {
            let of = |at: &usize| summaries.get(*at)?.as_ref()?.as_ref().ok();
            let best = ratio(of(&0), others.iter().filter_map(of), line.more_is_better);
            cells.push(best.map_or_else(String::new, |ratio| format!("{ratio:.2}")));
        }
        table.row(cells);
    }
    table
}

/// Every measurement, one a line.
pub fn csv(measurements: &[Measurement]) -> String {
    let mut table = Table::new([
        "row",
        "registry",
        "round",
        "seconds",
        "mb_per_s",
        "operations_per_s",
        "p50_ms",
        "p99_ms",
        "server_cpu_s",
        "server_cpu_s_per_gib",
        "server_cpu_s_per_1000",
        "server_peak_rss_anon_mib",
        "client_cpu_s",
        "error",
    ]);
    for one in measurements {
        let mut cells = vec![
            one.row.to_owned(),
            one.registry.clone(),
            one.round.to_string(),
        ];
        match &one.result {
            Ok(figures) => cells.extend(raw(figures)),
            Err(failure) => {
                cells.extend(std::iter::repeat_n(String::new(), 10));
                cells.push(failure.to_string());
            }
        }
        table.row(cells);
    }
    table.csv()
}

fn raw(figures: &Figures) -> impl Iterator<Item = String> {
    [
        figures.seconds,
        figures.megabytes_per_second,
        figures.operations_per_second,
        figures.p50,
        figures.p99,
        figures.server_cpu,
        figures.server_cpu_per_gib,
        figures.server_cpu_per_thousand,
        figures.peak_anonymous,
        figures.client_cpu,
    ]
    .into_iter()
    .map(|value| value.map_or_else(String::new, |value| format!("{value:.3}")))
}

fn cell(summary: Option<Result<Summary, Missing>>) -> String {
    match summary {
        None => "-".to_owned(),
        Some(Err(missing)) => missing.word().to_owned(),
        Some(Ok(Summary { median, min, max })) => {
            format!("{} ({}..{})", figure(median), figure(min), figure(max))
        }
    }
}

fn ratio<'a>(
    first: Option<&Summary>,
    others: impl Iterator<Item = &'a Summary>,
    more_is_better: bool,
) -> Option<f64> {
    let first = first?.median;
    let others = others.map(|summary| summary.median);
    let (ratio, better): (f64, f64) = if more_is_better {
        let best = others.reduce(f64::max)?;
        (first / best, best)
    } else {
        let best = others.reduce(f64::min)?;
        (best / first, first)
    };
    (better > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows::rows;

    fn measured(registry: &str, round: u32, megabytes_per_second: f64) -> Measurement {
        let figures = Figures {
            server_cpu_per_gib: Some(0.5),
            peak_anonymous: Some(megabytes_per_second / 10.0),
            ..Figures::throughput(megabytes_per_second, 1.0)
        };
        Measurement {
            row: "push-1",
            registry: registry.into(),
            round,
            result: Ok(figures),
        }
    }

    fn sample() -> Vec<Measurement> {
        vec![
            measured("a", 1, 300.0),
            measured("b", 1, 150.0),
            measured("a", 2, 100.0),
            measured("b", 2, 150.0),
            measured("a", 3, 450.0),
            measured("b", 3, 150.0),
        ]
    }

    /// The table of row `push-1` for the columns `names`, of which those in `limits` are limits.
    fn shown(names: &[&str], limits: &[&str], measurements: &[Measurement]) -> String {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (registries, limits) = (owned(names), owned(limits));
        let columns = Columns {
            registries: &registries,
            limits: &limits,
        };
        let rows = rows(1.0, &["push-1".into()]).unwrap();
        table(&rows, columns, measurements).csv()
    }

    #[test]
    fn the_table_shows_median_spread_and_ratio() {
        let expected = "\
row,a,b,first / best other
\"push 1 x 1 GiB, MB/s\",300 (100..450),150 (150..150),2.00
- server CPU s/GiB,0.50 (0.50..0.50),0.50 (0.50..0.50),1.00
\"- peak memory, MiB\",30.0 (10.0..45.0),15.0 (15.0..15.0),0.50
\"peak anonymous memory over all of these, MiB\",30.0 (10.0..45.0),15.0 (15.0..15.0),0.50
";
        assert_eq!(shown(&["a", "b"], &[], &sample()), expected);
    }

    #[test]
    fn a_limit_has_a_ratio_of_its_own_and_is_no_other_registry() {
        let mut measurements = sample();
        measurements.push(measured("c", 1, 600.0));
        let table = shown(&["a", "b", "c"], &["c"], &measurements);
        assert!(table.starts_with("row,a,b,c,first / best other,first / limit\n"));
        assert!(table.contains(",600 (600..600),2.00,0.50\n"), "{table}");
        let table = shown(&["a", "c"], &["c"], &measurements);
        assert!(table.starts_with("row,a,c,first / limit\n"), "{table}");
        let table = shown(&["c"], &["c"], &measurements);
        assert!(table.starts_with("row,c\n"), "{table}");
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_not_a_failure() {
        let table = shown(&["a", "b", "c"], &["c"], &sample());
        assert!(table.contains(",150 (150..150),-,2.00,\n"), "{table}");
    }

    #[test]
    fn a_failed_round_fails_its_cell_and_is_in_the_csv() {
        let mut measurements = sample();
        measurements.push(Measurement {
            row: "push-1",
            registry: "b".into(),
            round: 4,
            result: Err("status is 500, not 201".into()),
        });
        let table = shown(&["a", "b"], &[], &measurements);
        assert!(table.contains("300 (100..450),failed,\n"), "{table}");
        assert!(
            csv(&measurements)
                .ends_with("push-1,b,4,,,,,,,,,,,\"failed: status is 500, not 201\"\n")
        );
    }

    #[test]
    fn costs_and_rates_have_ratios_the_same_way_up() {
        let of = |values: &[f64], more_is_better| {
            let summaries: Vec<_> = values
                .iter()
                .filter_map(|value| Summary::of(&[*value]))
                .collect();
            ratio(summaries.first(), summaries.iter().skip(1), more_is_better)
        };
        assert_eq!(of(&[4.0, 1.0, 2.0], true), Some(2.0));
        assert_eq!(of(&[1.0, 4.0, 2.0], false), Some(2.0));
        assert_eq!(of(&[1.0], true), None);
        assert_eq!(of(&[], true), None);
        assert_eq!(of(&[0.0, 1.0], false), None);
    }
}
