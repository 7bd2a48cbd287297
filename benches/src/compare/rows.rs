//! The rows of a comparison: what each measures, and which figures it yields.
//!
//! Sizes and counts are those of the project's standing comparison at scale 1. A new load is a new variant of
//! [`Load`] and an entry in [`rows`]; report and file formats follow from them.

use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;

use crate::content::{Blob, Source};
use crate::load::manifest_get::ManifestGet;
use crate::load::pull::Pull;
use crate::load::push::Push;
use crate::load::small_push::{SmallPush, Until};
use crate::load::{Outcome, Target};
use crate::registry::Mode;
use crate::transport::Protocol;
use crate::units::{GIB, KIB, MIB, scaled};

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its short name, for `--rows` and CSV.
    pub id: &'static str,
    /// What the table calls it, with the sizes of scale 1.
    pub title: &'static str,
    /// What is done.
    pub load: Load,
    /// Its main figure.
    pub rate: Rate,
    /// What carries it.
    pub protocol: Protocol,
}

/// The load of a row.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// Large pushes.
    Push(Push),
    /// Large pulls.
    Pull(Pull),
    /// Small pushes.
    SmallPush(SmallPush),
    /// Manifest reads.
    ManifestGet(ManifestGet),
}

/// A load whose registry holds what is to be read.
#[derive(Debug)]
pub enum Ready {
    /// Large pushes.
    Push(Push),
    /// Large pulls of this blob.
    Pull(Pull, Blob),
    /// Small pushes.
    SmallPush(SmallPush),
    /// Reads of this manifest.
    ManifestGet(ManifestGet, Bytes),
}

/// What a row's main figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Content throughput; the row also yields the server's processor time per GiB.
    Megabytes,
    /// Operations; the row also yields a 99th percentile.
    Operations,
}

// === impl Load ===

impl Load {
    /// Whether nothing is pushed once it is prepared, so that a server of files can serve it.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Pull(_) | Self::ManifestGet(_) => true,
            Self::Push(_) | Self::SmallPush(_) => false,
        }
    }

    /// Pushes what is to be read, and proves that it comes back right.
    ///
    /// # Errors
    /// When a request fails, takes longer than the target's limit, or other bytes come back.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a part of it behind.
    pub async fn prepare(&self, target: &Target, source: &mut Source) -> Result<Ready> {
        match *self {
            Self::Push(load) => Ok(Ready::Push(load)),
            Self::SmallPush(load) => Ok(Ready::SmallPush(load)),
            Self::Pull(load) => Ok(Ready::Pull(load, load.prepare(target, source).await?)),
            Self::ManifestGet(load) => Ok(Ready::ManifestGet(
                load,
                load.prepare(target, source).await?,
            )),
        }
    }
}

// === impl Ready ===

impl Ready {
    /// Measures one round.
    ///
    /// # Errors
    /// When a request fails or takes longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future leaves unfinished uploads behind.
    pub async fn run(&self, target: &Target, source: &mut Source) -> Result<Outcome> {
        match self {
            Self::Push(load) => load.run(target, source).await,
            Self::SmallPush(load) => load.run(target, source).await,
            Self::Pull(load, blob) => load.run(target, blob).await,
            Self::ManifestGet(load, manifest) => load.run(target, manifest).await,
        }
    }
}

/// All rows, their sizes, counts and times multiplied by `scale`; only those named, unless `only` is empty.
///
/// # Errors
/// When the scale is not positive or a row is unknown.
pub fn rows(scale: f64, only: &[String]) -> Result<Vec<Row>> {
    if !(scale > 0.0 && scale.is_finite()) {
        bail!("scale is {scale}, not above 0");
    }
    let mut rows = throughput_rows(scale);
    rows.extend(transport_rows(scale));
    rows.extend(operation_rows(scale));
    for id in only {
        if !rows.iter().any(|row| row.id == id) {
            let known: Vec<_> = rows.iter().map(|row| row.id).collect();
            bail!("row {id:?} is none of {}", known.join(", "));
        }
    }
    rows.retain(|row| only.is_empty() || only.iter().any(|id| id == row.id));
    Ok(rows)
}

fn throughput_rows(scale: f64) -> Vec<Row> {
    let size = |bytes| scaled(bytes, scale, KIB);
    let push = |size, streams, mode| {
        Load::Push(Push {
            size,
            streams,
            mode,
        })
    };
    let chunked = Mode::Chunked(size(16 * MIB));
    let row = |id, title, load| Row {
        id,
        title,
        load,
        rate: Rate::Megabytes,
        protocol: Protocol::Plain,
    };
    vec![
        row(
            "push-1",
            "push 1 x 1 GiB, MB/s",
            push(size(GIB), 1, Mode::Monolithic),
        ),
        row(
            "push-4",
            "push 4 x 256 MiB, MB/s",
            push(size(256 * MIB), 4, Mode::Monolithic),
        ),
        row(
            "push-chunked",
            "chunked push 512 MiB in 16 MiB, MB/s",
            push(size(512 * MIB), 1, chunked),
        ),
        row(
            "pull-1",
            "pull 1 x 1 GiB, MB/s",
            Load::Pull(Pull {
                size: size(GIB),
                streams: 1,
            }),
        ),
        row(
            "pull-8",
            "pull 8 x 1 GiB, MB/s",
            Load::Pull(Pull {
                size: size(GIB),
                streams: 8,
            }),
        ),
    ]
}

/// One large push and pull, as with plain HTTP/1.1, over the other protocols.
fn transport_rows(scale: f64) -> Vec<Row> {
    let size = scaled(GIB, scale, KIB);
    let push = Load::Push(Push {
        size,
        streams: 1,
        mode: Mode::Monolithic,
    });
    let pull = Load::Pull(Pull { size, streams: 1 });
    let row = |id, title, load, protocol| Row {
        id,
        title,
        load,
        rate: Rate::Megabytes,
        protocol,
    };
    let (tls, http2) = (Protocol::Tls, Protocol::Http2);
    vec![
        row("push-1-tls", "push 1 x 1 GiB, TLS, MB/s", push, tls),
        row(
            "push-1-h2",
            "push 1 x 1 GiB, TLS and HTTP/2, MB/s",
            push,
            http2,
        ),
        row("pull-1-tls", "pull 1 x 1 GiB, TLS, MB/s", pull, tls),
        row(
            "pull-1-h2",
            "pull 1 x 1 GiB, TLS and HTTP/2, MB/s",
            pull,
            http2,
        ),
    ]
}

fn operation_rows(scale: f64) -> Vec<Row> {
    let clients = 32;
    let small = SmallPush {
        size: 10 * KIB,
        clients,
        until: Until::Count(scaled(4096, scale, clients)),
    };
    let time = Duration::from_secs(5)
        .mul_f64(scale)
        .max(Duration::from_millis(200));
    let get = ManifestGet { clients, time };
    let row = |id, title, load| Row {
        id,
        title,
        load,
        rate: Rate::Operations,
        protocol: Protocol::Plain,
    };
    vec![
        row(
            "push-small",
            "push of 10 KiB blobs, 32 clients, /s",
            Load::SmallPush(small),
        ),
        row(
            "get-manifest",
            "GET manifest, 32 clients, /s",
            Load::ManifestGet(get),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_scale_but_keep_something_to_measure() {
        let rows = rows(0.000_001, &[]).unwrap();
        assert_eq!(rows.len(), 11);
        for row in rows {
            match row.load {
                Load::Push(push) => assert!(push.size >= KIB),
                Load::Pull(pull) => assert!(pull.size >= KIB),
                Load::SmallPush(push) => assert!(matches!(push.until, Until::Count(32))),
                Load::ManifestGet(get) => assert!(!get.time.is_zero()),
            }
        }
    }

    #[test]
    fn rows_are_chosen_by_name_and_an_unknown_one_lists_all() {
        let only = ["push-1".to_owned(), "get-manifest".to_owned()];
        assert_eq!(rows(1.0, &only).unwrap().len(), 2);
        let error = rows(1.0, &["push".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("push-1, push-4, push-chunked"), "{error}");
    }

    #[test]
    fn a_scale_that_is_no_scale_is_refused() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(rows(scale, &[]).is_err());
        }
    }
}
