//! One load against one running registry: its rounds, as a table.

use std::fs;

use anyhow::{Context, Result};
use floundr_benches::compare::rows::Load;
use floundr_benches::content::{Algorithm, Source};
use floundr_benches::load::manifest_read::{self, ManifestRead, Verb};
use floundr_benches::load::pull::{self, Pull};
use floundr_benches::load::push::Push;
use floundr_benches::load::small_push::{SmallPush, Until};
use floundr_benches::load::{Outcome, Target};
use floundr_benches::table::Table;
use floundr_benches::transport::Transport;
use floundr_benches::units::{MIB, figure, float};

use crate::args::{Common, ManifestGetArguments, PullArguments, PushArguments, SmallPushArguments};

/// Pushes large blobs.
pub(crate) async fn push(arguments: &PushArguments) -> Result<Table> {
    let load = Push {
        size: arguments.size,
        streams: arguments.streams,
        mode: arguments.mode(),
        algorithm: Algorithm::Sha256,
    };
    let (target, mut source) = prepare(&arguments.common, Load::Push(load))?;
    let mut table = table();
    for round in 1..=arguments.common.rounds {
        add(&mut table, round, &load.run(&target, &mut source).await?);
    }
    Ok(table)
}

/// Pulls a large blob.
pub(crate) async fn pull(arguments: &PullArguments) -> Result<Table> {
    let load = Pull {
        size: arguments.size,
        streams: arguments.streams,
    };
    let (target, mut source) = prepare(&arguments.common, Load::Pull(load))?;
    let blob = pull::prepare(&target, &mut source, load.size).await?;
    let mut table = table();
    for round in 1..=arguments.common.rounds {
        add(&mut table, round, &load.run(&target, &blob).await?);
    }
    Ok(table)
}

/// Pushes small blobs.
pub(crate) async fn small_push(arguments: &SmallPushArguments) -> Result<Table> {
    let until = arguments
        .seconds
        .map_or(Until::Count(arguments.count), Until::Elapsed);
    let load = SmallPush {
        size: arguments.size,
        clients: arguments.clients,
        until,
    };
    let (target, mut source) = prepare(&arguments.common, Load::SmallPush(load))?;
    let mut table = table();
    for round in 1..=arguments.common.rounds {
        add(&mut table, round, &load.run(&target, &mut source).await?);
    }
    Ok(table)
}

/// Reads a manifest.
pub(crate) async fn manifest_get(arguments: &ManifestGetArguments) -> Result<Table> {
    let load = ManifestRead {
        clients: arguments.clients,
        time: arguments.seconds,
        verb: Verb::Get,
    };
    let (target, mut source) = prepare(&arguments.common, Load::ManifestRead(load))?;
    let manifest = manifest_read::prepare(&target, &mut source).await?;
    let mut table = table();
    for round in 1..=arguments.common.rounds {
        add(&mut table, round, &load.run(&target, &manifest).await?);
    }
    Ok(table)
}

fn prepare(common: &Common, load: Load) -> Result<(Target, Source)> {
    let trusted = match &common.ca {
        Some(path) => fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => Vec::new(),
    };
    let transport = Transport::new(common.protocol(), &trusted).context("--ca")?;
    let target = Target {
        endpoint: common.url.clone(),
        transport,
        authorization: None,
        repository: common.repository.clone(),
        static_root: None,
        pids: common.pid.clone(),
        limit: common.limit,
        moves: load.bytes(),
    };
    Ok((target, Source::new()?))
}

fn table() -> Table {
    Table::new([
        "round",
        "seconds",
        "MB/s",
        "operations/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "client CPU s",
        "server CPU s",
        "server peak RssAnon MiB",
    ])
}

fn add(table: &mut Table, round: u32, outcome: &Outcome) {
    let latencies = &outcome.tally.latencies;
    let mut cells = vec![
        round.to_string(),
        figure(outcome.elapsed.as_secs_f64()),
        figure(outcome.megabytes_per_second()),
        figure(outcome.operations_per_second()),
    ];
    cells.extend([50.0, 99.0, 99.9, 100.0].map(|percent| figure(latencies.percentile(percent))));
    cells.push(figure(outcome.client_cpu.as_secs_f64()));
    if let Some(server) = outcome.server {
        cells.push(figure(server.cpu.as_secs_f64()));
        cells.push(figure(float(server.peak_anonymous) / float(MIB)));
    }
    table.row(cells);
}
