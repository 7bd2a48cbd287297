//! Several registries, measured in turn within one run.
//!
//! 1. For every measurement a registry is started on an empty folder, and stopped and its folder deleted before
//!    the next: one server runs at a time, none profits from what another row left, and the disk holds
//!    one row's data at most.
//! 2. Rounds are outermost, registries innermost, and their order turns by one each round, so a disk that slows
//!    down hits all of them alike.
//! 3. Every round begins with the limits of the machine.
//! 4. Between preparation and clock the file system is synced: nobody pays for the data of the one before. Then,
//!    right before the clock, memory is put at hand (`memory.rs`): nobody pays for what the host took.
//! 5. Who demands a login is logged in to before the preparation, which asks with the token as the load does.
//! 6. All servers of a run show the same certificate. A row that a contender cannot serve is not measured with it.

pub mod certificate;
pub mod chart;
pub mod figures;
pub mod file;
pub mod limits;
pub mod lines;
pub mod report;
pub mod rows;
pub mod server;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use http::StatusCode;

use crate::client::UnexpectedStatus;
use crate::compare::certificate::Certificate;
use crate::compare::figures::Figures;
use crate::compare::file::Contender;
use crate::compare::lines::Missing;
use crate::compare::report::{Columns, Failure, Measurement};
use crate::compare::rows::Row;
use crate::compare::server::Server;
use crate::content::Source;
use crate::load::Target;
use crate::load::idle::raise_open_files;
use crate::login::Login;

/// How to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often each row of each registry is measured.
    pub rounds: u32,
    /// Folder in which the registries' data is kept while they run.
    pub dir: PathBuf,
    /// The longest a preparation or measurement may take.
    pub limit: Duration,
    /// Factor for the sizes and times of the machine's limits.
    pub scale: f64,
}

/// The measurements of a comparison, and how to read them.
#[derive(Debug)]
pub struct Comparison {
    /// The rows measured.
    pub rows: Vec<Row>,
    /// The registries measured, in the order of the columns.
    pub registries: Vec<String>,
    /// Those of them that are no registries but limits of what one could reach.
    pub limits: Vec<String>,
    /// The registries left out because their program is not installed.
    pub left_out: Vec<String>,
    /// All measurements, in the order they were made.
    pub measurements: Vec<Measurement>,
}

// === impl Comparison ===

impl Comparison {
    /// The table in Markdown, with what was left out and what failed below it.
    pub fn markdown(&self) -> String {
        let columns = Columns {
            registries: &self.registries,
            limits: &self.limits,
        };
        let table = report::table(&self.rows, columns, &self.measurements);
        let mut text = table.markdown();
        if self.has_gaps() {
            text.push_str("\n`-`: not measured, because it cannot serve the row.\n");
        }
        if let Some(first) = self.registries.first() {
            let reached = |row: &str| self.median(row, first);
            let limits = limits::table(first, reached, &self.measurements);
            text.extend(["\n", &limits.markdown()]);
        }
        for name in &self.left_out {
            text.extend(["\nNot installed: ", name, ".\n"]);
        }
        for one in &self.measurements {
            let Err(failure) = &one.result else { continue };
            let (registry, row) = (&one.registry, one.row);
            let failure = failure.to_string();
            text.push_str(&["\n", registry, ", ", row, ", ", &failure, "\n"].concat());
        }
        text
    }

    /// The medians as a picture, in SVG.
    pub fn chart(&self, title: &str, note: &str) -> String {
        let groups = chart::groups(&self.rows, &self.registries, &self.measurements);
        chart::svg(title, note, &groups)
    }

    /// The median of a row's main figure for `registry`.
    fn median(&self, row: &str, registry: &str) -> Option<f64> {
        let mut lines = lines::lines(&self.rows, &self.measurements).into_iter();
        let line = lines.find(|line| line.row == Some(row))?;
        let summary = line.summary(registry, &self.measurements)?.ok()?;
        Some(summary.median)
    }

    /// Every measurement, one a line.
    pub fn csv(&self) -> String {
        report::csv(&self.measurements)
    }

    fn has_gaps(&self) -> bool {
        self.rows.iter().any(|row| {
            let measured = |name: &String| {
                let mut of_row = self.measurements.iter().filter(|one| one.row == row.id);
                of_row.any(|one| one.registry == *name)
            };
            !self.registries.iter().all(measured)
        })
    }

    /// How many measurements failed; a refusal is no failure.
    pub fn failures(&self) -> usize {
        self.measurements
            .iter()
            .filter(|one| matches!(&one.result, Err(failure) if failure.missing == Missing::Failed))
            .count()
    }
}

/// Measures every row of every contender in interleaved rounds. A measurement that fails is recorded as
/// failed and the comparison goes on.
///
/// # Errors
/// When a contender that is not optional is not installed, none is, or there is no randomness.
///
/// # Cancel safety
/// Dropping the future stops the running registry and deletes its folder.
pub async fn compare(
    contenders: Vec<Contender>,
    rows: Vec<Row>,
    options: &Options,
) -> Result<Comparison> {
    let (contenders, left_out) = installed(contenders)?;
    let names = |limits_alone: bool| {
        let named = contenders
            .iter()
            .filter(|contender| contender.limit || !limits_alone);
        named.map(|contender| contender.name.clone()).collect()
    };
    let (registries, limits) = (names(false), names(true));
    let certificate = Certificate::make()?;
    let mut source = Source::new()?;
    raise_open_files()?; // the servers inherit it
    let mut measurements = Vec::new();
    for round in 1..=options.rounds {
        measurements.extend(machine_limits(options, round, &mut source).await?);
        for row in &rows {
            let served = turned(&contenders, round).filter_map(|contender| contender.serving(row));
            for contender in served {
                let login = contender.login.as_ref();
                let server = Server::start(&contender, row.protocol, &certificate, &options.dir);
                let result = match server.await {
                    Ok(server) => measure(server, login, row, options, &mut source).await,
                    Err(error) => Err(format!("{error:#}").as_str().into()),
                };
                let registry = contender.name;
                let one = Measurement {
                    row: row.id,
                    registry,
                    round,
                    result,
                };
                progress(&described(&one, options.rounds));
                measurements.push(one);
            }
        }
    }
    Ok(Comparison {
        rows,
        registries,
        limits,
        left_out,
        measurements,
    })
}

/// Writes a line to standard error; a closed one is no reason to lose the measurements.
pub(crate) fn progress(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

async fn measure(
    server: Server,
    login: Option<&Login>,
    row: &Row,
    options: &Options,
    source: &mut Source,
) -> Result<Figures, Failure> {
    let mut target = Target {
        endpoint: server.endpoint().clone(),
        transport: server.transport().clone(),
        authorization: None,
        repository: "bench/compare".to_owned(),
        static_root: server.static_root().map(Path::to_owned),
        pids: vec![server.pid()],
        limit: options.limit,
        moves: row.load.bytes(),
    };
    let measured = async {
        if let Some(login) = login {
            let asking = login.authorization(&target.endpoint, &target.transport);
            target.authorization = Some(target.within("logging in", asking).await?);
        }
        let ready = row.load.prepare(&target, source).await?;
        settle(&target, &options.dir).await?;
        ready.run(&target, source).await
    };
    let failure = |error: Error| Failure {
        missing: missing(row, &error),
        error: format!("{:#}", server.explain(&error)),
    };
    measured.await.map_err(failure)
}

/// What `error` makes of `row`. A registry refuses by a status that blames the request, or says that it does not
/// implement it; it fails in every other way. A status that blames who asks is a failure of the login.
fn missing(row: &Row, error: &Error) -> Missing {
    let refused = error
        .downcast_ref::<UnexpectedStatus>()
        .is_some_and(|answer| {
            let of_login = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
            (answer.status.is_client_error() && !of_login.contains(&answer.status))
                || answer.status == StatusCode::NOT_IMPLEMENTED
        });
    if refused && row.load.may_be_refused() {
        Missing::Refused
    } else {
        Missing::Failed
    }
}

/// The limits of the machine, on a thread that may block.
async fn machine_limits(
    options: &Options,
    round: u32,
    source: &mut Source,
) -> Result<Vec<Measurement>> {
    let Options {
        dir, scale, rounds, ..
    } = options.clone();
    let content = limits::content(source, scale);
    let measure = move || limits::measure(&dir, scale, round, &content);
    let measured = tokio::task::spawn_blocking(measure).await;
    let measured = measured.context("a job panicked")?;
    for one in &measured {
        progress(&described(one, rounds));
    }
    Ok(measured)
}

/// Waits until what earlier measurements left to write is written.
async fn settle(target: &Target, dir: &Path) -> Result<()> {
    let folder = File::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    let synced = tokio::task::spawn_blocking(move || rustix::fs::syncfs(&folder));
    target
        .within("syncing the file system", async {
            Ok(synced.await.context("a job panicked")??)
        })
        .await
}

fn installed(contenders: Vec<Contender>) -> Result<(Vec<Contender>, Vec<String>)> {
    let (there, missing): (Vec<_>, Vec<_>) = contenders
        .into_iter()
        .partition(|contender| contender.program().is_some());
    let mut left_out = Vec::new();
    for contender in missing {
        let program = contender.command.first().map_or("", String::as_str);
        ensure!(
            contender.optional,
            "{} is not installed: no program {program:?}",
            contender.name
        );
        progress(&format!(
            "{} is left out: no program {program:?}",
            contender.name
        ));
        left_out.push(contender.name);
    }
    ensure!(!there.is_empty(), "none of the registries is installed");
    Ok((there, left_out))
}

/// All contenders, beginning with another one each round.
fn turned(contenders: &[Contender], round: u32) -> impl Iterator<Item = &Contender> {
    let skip = usize::try_from(round - 1).unwrap_or(0) % contenders.len();
    contenders.iter().cycle().skip(skip).take(contenders.len())
}

fn described(one: &Measurement, rounds: u32) -> String {
    let Measurement {
        row,
        registry,
        round,
        result,
    } = one;
    let result = match result {
        Ok(figures) => figures.described(),
        Err(failure) => failure.to_string(),
    };
    format!("round {round}/{rounds} {row} {registry}: {result}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_that_blames_the_request_refuses_and_only_where_a_registry_may() {
        let of = |row: &str, status: u16| {
            let answer = UnexpectedStatus {
                status: StatusCode::from_u16(status).unwrap(),
                expected: 201,
                text: String::new(),
            };
            let error = Error::new(answer).context("upload finish").context("push");
            let row = rows::rows(1.0, &[row.to_owned()]).unwrap().remove(0);
            missing(&row, &error)
        };
        assert_eq!(of("push-sha512", 400), Missing::Refused);
        assert_eq!(of("push-sha512", 501), Missing::Refused);
        assert_eq!(of("push-sha512", 500), Missing::Failed);
        assert_eq!(of("push-sha512", 401), Missing::Failed);
        assert_eq!(of("push-sha512", 403), Missing::Failed);
        assert_eq!(of("push-1", 400), Missing::Failed);
    }
}
