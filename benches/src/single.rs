//! One load against one running registry: its rounds, as a table.

use std::fs;

use anyhow::{Context, Result};
use floundr_benches::compare::figures::Figures;
use floundr_benches::compare::rows::Load;
use floundr_benches::content::Source;
use floundr_benches::load::Target;
use floundr_benches::load::idle::raise_open_files;
use floundr_benches::table::Table;
use floundr_benches::transport::Transport;
use floundr_benches::units::figure;

use crate::args::Common;

/// Measures `load`. What it reads is pushed once, before the first round.
pub(crate) async fn measure(common: &Common, load: Load) -> Result<Table> {
    let target = target(common, load)?;
    raise_open_files()?;
    let mut source = Source::new()?;
    let ready = load.prepare(&target, &mut source).await?;
    let mut table = table();
    for round in 1..=common.rounds {
        add(&mut table, round, &ready.run(&target, &mut source).await?);
    }
    Ok(table)
}

fn target(common: &Common, load: Load) -> Result<Target> {
    let trusted = match &common.ca {
        Some(path) => fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => Vec::new(),
    };
    Ok(Target {
        endpoint: common.url.clone(),
        transport: Transport::new(common.protocol(), &trusted).context("--ca")?,
        authorization: None,
        repository: common.repository.clone(),
        static_root: None,
        pids: common.pid.clone(),
        limit: common.limit,
        moves: load.bytes(),
    })
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

/// What was not measured, or means nothing, is left empty.
fn add(table: &mut Table, round: u32, figures: &Figures) {
    let shown = [
        figures.seconds,
        figures.megabytes_per_second,
        figures.operations_per_second,
        figures.p50,
        figures.p99,
        figures.p999,
        figures.slowest,
        figures.client_cpu,
        figures.server_cpu,
        figures.peak_anonymous,
    ];
    let cells = shown.map(|value| value.map(figure).unwrap_or_default());
    table.row([round.to_string()].into_iter().chain(cells));
}
