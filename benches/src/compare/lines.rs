//! The lines of a comparison's table: which figures each row shows.
//!
//! A row shows its main figure, and below it latency, cost and memory as far as any registry has them. The last
//! line is the largest memory over all rows.

use crate::compare::figures::Figures;
use crate::compare::report::Measurement;
use crate::compare::rows::{Rate, Row};
use crate::stats::Summary;

/// Which figure of which row.
#[derive(Debug, Clone)]
pub struct Line {
    /// What the table calls it.
    pub title: String,
    /// The row's [`id`](Row::id); `None` for the largest of all rows.
    pub row: Option<&'static str>,
    /// Takes the figure.
    pub figure: fn(&Figures) -> Option<f64>,
    /// Whether the larger one is better.
    pub more_is_better: bool,
    /// Whether it is what the row is about, or a detail.
    pub is_main: bool,
}

/// Why a line has no median. A failure weighs more than a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The registry refuses what the row asks for, which the specification leaves to it.
    Refused,
    /// At least one measurement failed.
    Failed,
}

// === impl Missing ===

impl Missing {
    /// What stands in the place of the figure.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

// === impl Line ===

impl Line {
    /// The summary for `registry`: `None` when it has no such figure, an error when a measurement failed or was
    /// refused. Over all rows, the figure of a round is the largest of its rows, and a row without figures is left to its
    /// own line.
    pub fn summary(
        &self,
        registry: &str,
        measurements: &[Measurement],
    ) -> Option<Result<Summary, Missing>> {
        let mine = measurements
            .iter()
            .filter(|one| one.registry == registry && self.row.is_none_or(|row| row == one.row));
        let mut values: Vec<(u32, f64)> = Vec::new();
        let mut missing = None;
        for one in mine {
            let value = match &one.result {
                Ok(figures) => (self.figure)(figures)?,
                Err(_) if self.row.is_none() => continue,
                Err(failure) => {
                    missing = missing.max(Some(failure.missing));
                    continue;
                }
            };
            match values.iter_mut().find(|(round, _)| *round == one.round) {
                Some((_, largest)) => *largest = largest.max(value),
                None => values.push((one.round, value)),
            }
        }
        if let Some(missing) = missing {
            return Some(Err(missing));
        }
        let values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
        Summary::of(&values).map(Ok)
    }

    fn is_known(&self, measurements: &[Measurement]) -> bool {
        let mut mine = measurements
            .iter()
            .filter(|one| self.row.is_none_or(|row| row == one.row));
        mine.any(|one| matches!(&one.result, Ok(figures) if (self.figure)(figures).is_some()))
    }
}

/// All lines of `rows`, in their order.
pub fn lines(rows: &[Row], measurements: &[Measurement]) -> Vec<Line> {
    let mut lines = Vec::new();
    for row in rows {
        lines.push(main_line(row));
        let details = details(row);
        lines.extend(
            details
                .into_iter()
                .filter(|line| line.is_known(measurements)),
        );
    }
    lines.push(Line {
        title: "peak anonymous memory over all of these, MiB".to_owned(),
        row: None,
        figure: |figures| figures.peak_anonymous,
        more_is_better: false,
        is_main: true,
    });
    lines
}

fn main_line(row: &Row) -> Line {
    let (figure, more_is_better): (fn(&Figures) -> Option<f64>, bool) = match row.rate {
        Rate::Megabytes => (|figures| figures.megabytes_per_second, true),
        Rate::Operations => (|figures| figures.operations_per_second, true),
        Rate::Memory => (|figures| figures.peak_anonymous, false),
    };
    Line {
        title: row.title.to_owned(),
        row: Some(row.id),
        figure,
        more_is_better,
        is_main: true,
    }
}

fn details(row: &Row) -> Vec<Line> {
    let detail = |title: &str, figure| Line {
        title: title.to_owned(),
        row: Some(row.id),
        figure,
        more_is_better: false,
        is_main: false,
    };
    let p99 = detail("- p99, ms", |figures| figures.p99);
    let cpu = match row.rate {
        Rate::Megabytes => detail("- server CPU s/GiB", |figures| figures.server_cpu_per_gib),
        Rate::Operations => detail("- server CPU ms/1,000", |figures| {
            let seconds = figures.server_cpu_per_thousand;
            seconds.map(|seconds| seconds * 1000.0)
        }),
        Rate::Memory => return Vec::new(),
    };
    let memory = detail("- peak memory, MiB", |figures| figures.peak_anonymous);
    vec![p99, cpu, memory]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::report::Failure;
    use crate::compare::rows::rows;

    fn measured(row: &'static str, result: Result<Figures, Failure>) -> Measurement {
        Measurement {
            row,
            registry: "a".into(),
            round: 1,
            result,
        }
    }

    #[test]
    fn a_row_shows_what_it_is_about_and_the_details_that_are_known() {
        let only = ["get-manifest", "memory-idle"].map(str::to_owned);
        let rows = rows(1.0, &only).unwrap();
        let figures = Figures {
            p99: Some(2.0),
            server_cpu_per_thousand: Some(0.015),
            ..Figures::default()
        };
        let measurements = [measured("get-manifest", Ok(figures))];
        let lines = lines(&rows, &measurements);
        let titles: Vec<_> = lines.iter().map(|line| line.title.as_str()).collect();
        let expected = [
            "GET manifest, 32 clients, /s",
            "- p99, ms",
            "- server CPU ms/1,000",
            "anonymous memory when idle, MiB",
            "peak anonymous memory over all of these, MiB",
        ];
        assert_eq!(titles, expected);
        let summary = lines[2].summary("a", &measurements).unwrap().unwrap();
        assert!((summary.median - 15.0).abs() < 1e-9);
        assert_eq!(lines[2].summary("b", &measurements), None);
    }

    #[test]
    fn a_failed_row_fails_its_line_and_is_left_out_of_the_largest_memory() {
        let rows = rows(1.0, &["push-1".to_owned(), "push-4".to_owned()]).unwrap();
        let figures = Figures {
            peak_anonymous: Some(7.0),
            ..Figures::throughput(1.0, 1.0)
        };
        let failed = Err("status is 400".into());
        let measurements = [measured("push-1", Ok(figures)), measured("push-4", failed)];
        let of = |title: &str| {
            let lines = lines(&rows, &measurements);
            let line = lines.iter().find(|line| line.title.starts_with(title));
            line.unwrap().summary("a", &measurements)
        };
        assert_eq!(of("push 4"), Some(Err(Missing::Failed)));
        assert_eq!(of("peak anonymous"), Summary::of(&[7.0]).map(Ok));
    }
    #[test]
    fn a_refusal_is_no_failure_unless_another_round_failed() {
        let rows = rows(1.0, &["push-sha512".to_owned()]).unwrap();
        let refusal = Failure {
            missing: Missing::Refused,
            error: "status is 400".into(),
        };
        let mut measurements = vec![measured("push-sha512", Err(refusal))];
        let line = lines(&rows, &measurements).remove(0);
        assert_eq!(
            line.summary("a", &measurements),
            Some(Err(Missing::Refused))
        );
        measurements.insert(0, measured("push-sha512", Err("no answer".into())));
        assert_eq!(line.summary("a", &measurements), Some(Err(Missing::Failed)));
    }
}
