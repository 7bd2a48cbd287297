//! Manifest reads by the program `wrk`, which costs less than this one and is what others measure with.
//!
//! 1. One thread and 64 connections. Its figures are taken from what it prints; nothing is counted here.
//! 2. A run with an error, or an answer that is not a success, has no figures.
//!
//! HEAD is not measured with it, see [`raw`](crate::load::raw).

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::load::Target;
use crate::load::manifest_read::TAG;
use crate::login;
use crate::process::{Usage, Watch};
use crate::registry::MANIFEST;

const PROGRAM: &str = "wrk";

/// How to run `wrk`.
#[derive(Debug, Clone, Copy)]
pub struct Wrk {
    /// For how long; whole seconds, at least one.
    pub time: Duration,
}

/// What `wrk` printed, and what the server used.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Answers.
    pub requests: u64,
    /// Answers a second.
    pub requests_per_second: f64,
    /// Median latency in milliseconds.
    pub p50: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99: f64,
    /// What the server used, when its process ids are known.
    pub server: Option<Usage>,
}

// === impl Wrk ===

impl Wrk {
    /// Runs `wrk` against the manifest that [`prepare`](crate::load::manifest_read::prepare) has pushed.
    ///
    /// # Errors
    /// When `wrk` is not installed, takes longer than the target's limit, saw an error, or prints
    /// something else than expected.
    ///
    /// # Cancel safety
    /// Dropping the future stops `wrk`.
    pub async fn run(&self, target: &Target) -> Result<Report> {
        let watch = target.watch().await?;
        let text = target.within(PROGRAM, self.output(target)).await?;
        let server = watch.map(Watch::finish).transpose()?;
        let report = parse(&text).with_context(|| format!("{PROGRAM} printed: {}", text.trim()))?;
        Ok(Report { server, ..report })
    }

    async fn output(&self, target: &Target) -> Result<String> {
        let output = Command::new(PROGRAM)
            .args(self.arguments(target)?)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot be started: is it installed?")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{}: {}",
            output.status,
            errors.trim()
        );
        String::from_utf8(output.stdout).context("what it printed is not text")
    }

    /// It takes headers in no other way: everybody on the machine can read the token while it runs.
    fn arguments(&self, target: &Target) -> Result<Vec<String>> {
        let seconds = self.time.as_secs().max(1);
        let mut arguments = ["--threads", "1", "--connections", "64", "--latency"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--duration".into(), format!("{seconds}s")]);
        arguments.extend(["--header".into(), format!("Accept: {MANIFEST}")]);
        let authorization = login::line(target.authorization.as_ref())?;
        if !authorization.is_empty() {
            arguments.extend(["--header".into(), authorization.trim_end().to_owned()]);
        }
        let (endpoint, repository) = (&target.endpoint, &target.repository);
        arguments.push(format!("{endpoint}/v2/{repository}/manifests/{TAG}"));
        Ok(arguments)
    }
}

fn parse(text: &str) -> Result<Report> {
    for mark in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with(mark));
        ensure!(line.is_none(), "it saw errors");
    }
    let after = |name: &str| {
        let mut lines = text.lines().map(str::trim);
        let value = lines.find_map(|line| line.strip_prefix(name));
        value
            .map(str::trim)
            .with_context(|| format!("no line {name}"))
    };
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .context("no count of requests")?;
    let requests = requests.0.parse().context("the count is no number")?;
    ensure!(requests > 0, "not one request was answered");
    Ok(Report {
        requests,
        requests_per_second: (after("Requests/sec:")?.parse()).context("the rate is no number")?,
        p50: milliseconds(after("50%")?)?,
        p99: milliseconds(after("99%")?)?,
        server: None,
    })
}

/// Reads `1.20ms`, `834.00us`, `1.02s` and `1.10m`.
fn milliseconds(text: &str) -> Result<f64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let number: f64 = (number.parse()).with_context(|| format!("{text:?} is no time"))?;
    let factor = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => anyhow::bail!("{text:?} has no unit of time"),
    };
    Ok(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PRINTED: &str = "\
Running 1s test @ http://127.0.0.1:9871/x
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.90ms    1.20ms  14.29ms   97.65%
    Req/Sec   155.25k     5.83k  161.48k    85.00%
  Latency Distribution
     50%  834.00us
     75%    0.95ms
     90%    1.10ms
     99%    4.25ms
  154532 requests in 1.00s, 90.11MB read
Requests/sec: 154012.33
Transfer/sec:     89.81MB
";

    #[test]
    fn it_is_told_to_say_who_asks_when_somebody_is_logged_in() {
        let load = Wrk {
            time: Duration::from_secs(2),
        };
        let arguments = |authorization| {
            let target = Target::of("h:80", authorization);
            load.arguments(&target).unwrap().join(" ")
        };
        let common = "--threads 1 --connections 64 --latency --duration 2s \
                      --header Accept: application/vnd.oci.image.manifest.v1+json";
        let url = "http://h:80/v2/a/b/manifests/bench";
        assert_eq!(arguments(None), format!("{common} {url}"));
        assert_eq!(
            arguments(Some(HeaderValue::from_static("Bearer x"))),
            format!("{common} --header authorization: Bearer x {url}")
        );
    }

    #[test]
    fn the_figures_are_found_in_what_it_prints() {
        let report = parse(PRINTED).unwrap();
        assert_eq!(report.requests, 154_532);
        assert!((report.requests_per_second - 154_012.33).abs() < 0.01);
        assert!((report.p50 - 0.834).abs() < 1e-9);
        assert!((report.p99 - 4.25).abs() < 1e-9);
    }

    #[test]
    fn a_run_with_errors_or_without_answers_has_no_figures() {
        for (line, instead) in [
            (
                "Requests/sec",
                "  Non-2xx or 3xx responses: 12\nRequests/sec",
            ),
            (
                "Requests/sec",
                "  Socket errors: connect 0, read 9, write 0, timeout 3\nRequests/sec",
            ),
            ("154532 requests", "0 requests"),
            ("99%", "98%"),
        ] {
            assert!(parse(&PRINTED.replace(line, instead)).is_err(), "{instead}");
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn times_are_read_in_every_unit_it_prints() {
        for (text, expected) in [
            ("834.00us", 0.834),
            ("4.25ms", 4.25),
            ("1.02s", 1020.0),
            ("2.00m", 120_000.0),
        ] {
            assert!(
                (milliseconds(text).unwrap() - expected).abs() < 1e-9,
                "{text}"
            );
        }
        assert!(milliseconds("-nan%").is_err());
        assert!(milliseconds("12").is_err());
    }
}
