//! The rows of a comparison: what each measures, and which figures it yields.
//!
//! Sizes and counts are those of the project's standing comparison at scale 1. A new load is a new variant of
//! [`Load`] and an entry in `list.rs`; report, chart and file formats follow from them.

mod list;

use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;

use crate::compare::figures::Figures;
use crate::content::{Algorithm, Blob, Source};
use crate::load::Target;
use crate::load::idle::Idle;
use crate::load::manifest_read::{self, ManifestRead};
use crate::load::mixed::{Mixed, Stored};
use crate::load::pull::{self, Pull};
use crate::load::pull_range::PullRange;
use crate::load::push::Push;
use crate::load::raw::Raw;
use crate::load::small_push::SmallPush;
use crate::load::wrk::Wrk;
use crate::transport::Protocol;

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
    /// Whether it is measured only when it is asked for by name, because of what it needs.
    pub on_demand: bool,
}

/// The load of a row.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// Large pushes.
    Push(Push),
    /// Large pulls.
    Pull(Pull),
    /// Pulls of ranges.
    PullRange(PullRange),
    /// Small pushes.
    SmallPush(SmallPush),
    /// Manifest reads.
    ManifestRead(ManifestRead),
    /// Manifest reads by `wrk`.
    Wrk(Wrk),
    /// Manifest reads as `wrk` makes them.
    Raw(Raw),
    /// Reads and pushes.
    Mixed(Mixed),
    /// Nothing.
    Idle(Idle),
}

/// A load whose registry holds what is to be read.
#[derive(Debug)]
pub enum Ready {
    /// Large pushes.
    Push(Push),
    /// Large pulls of this blob.
    Pull(Pull, Blob),
    /// Pulls of ranges of this blob.
    PullRange(PullRange, Blob),
    /// Small pushes.
    SmallPush(SmallPush),
    /// Reads of this manifest.
    ManifestRead(ManifestRead, Bytes),
    /// Reads of a manifest by `wrk`.
    Wrk(Wrk),
    /// Reads of a manifest as `wrk` makes them.
    Raw(Raw),
    /// Reads of these blobs and manifests, and pushes.
    Mixed(Mixed, Arc<Stored>),
    /// Nothing.
    Idle(Idle),
}

/// What a row's main figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Content throughput.
    Megabytes,
    /// Operations.
    Operations,
    /// The largest memory of the server, of which less is better.
    Memory,
}

// === impl Load ===

impl Load {
    /// Whether nothing is pushed once it is prepared, so that a server of files can serve it.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Pull(_)
            | Self::PullRange(_)
            | Self::ManifestRead(_)
            | Self::Wrk(_)
            | Self::Raw(_) => true,
            // Idle asks for `/v2/`, which is no file.
            Self::Push(_) | Self::SmallPush(_) | Self::Mixed(_) | Self::Idle(_) => false,
        }
    }

    /// Whether it asks for what the specification lets a registry refuse: another digest than SHA-256.
    pub fn may_be_refused(&self) -> bool {
        matches!(self, Self::Push(push) if push.algorithm != Algorithm::Sha256)
    }

    /// About how many bytes one measurement moves; 0 when it reads small answers for some time.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Push(load) => load.size.saturating_mul(load.streams),
            Self::Pull(load) => load.size.saturating_mul(load.streams),
            Self::PullRange(load) => load.range.min(load.size).saturating_mul(load.count),
            Self::SmallPush(load) => load.size.saturating_mul(load.prepared()),
            Self::Mixed(load) => load.bytes(),
            Self::ManifestRead(_) | Self::Wrk(_) | Self::Raw(_) | Self::Idle(_) => 0,
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
        Ok(match *self {
            Self::Push(load) => {
                load.prepare(target, source).await?;
                Ready::Push(load)
            }
            Self::SmallPush(load) => Ready::SmallPush(load),
            Self::Idle(load) => Ready::Idle(load),
            Self::Pull(load) => Ready::Pull(load, pull::prepare(target, source, load.size).await?),
            Self::PullRange(load) => Ready::PullRange(load, load.prepare(target, source).await?),
            Self::ManifestRead(load) => {
                Ready::ManifestRead(load, manifest_read::prepare(target, source).await?)
            }
            Self::Wrk(load) => {
                manifest_read::prepare(target, source).await?;
                Ready::Wrk(load)
            }
            Self::Raw(load) => {
                manifest_read::prepare(target, source).await?;
                Ready::Raw(load)
            }
            Self::Mixed(load) => Ready::Mixed(load, Arc::new(load.prepare(target, source).await?)),
        })
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
    pub async fn run(&self, target: &Target, source: &mut Source) -> Result<Figures> {
        let outcome = match self {
            Self::Push(load) => load.run(target, source).await?,
            Self::SmallPush(load) => load.run(target, source).await?,
            Self::Pull(load, blob) => load.run(target, blob).await?,
            Self::PullRange(load, blob) => load.run(target, blob).await?,
            Self::ManifestRead(load, manifest) => load.run(target, manifest).await?,
            Self::Mixed(load, stored) => load.run(target, source, stored).await?,
            Self::Raw(load) => load.run(target).await?,
            Self::Idle(load) => load.run(target).await?,
            Self::Wrk(load) => return Ok(Figures::of_wrk(&load.run(target).await?)),
        };
        Ok(Figures::of(&outcome))
    }
}

/// All rows but those on demand, or those named in `only`; sizes, counts and times are multiplied by `scale`.
///
/// # Errors
/// When the scale is not positive or a row is unknown.
pub fn rows(scale: f64, only: &[String]) -> Result<Vec<Row>> {
    if !(scale > 0.0 && scale.is_finite()) {
        bail!("scale is {scale}, not above 0");
    }
    let mut rows = list::all(scale);
    for id in only {
        if !rows.iter().any(|row| row.id == id) {
            let known: Vec<_> = rows.iter().map(|row| row.id).collect();
            bail!("row {id:?} is none of {}", known.join(", "));
        }
    }
    if only.is_empty() {
        rows.retain(|row| !row.on_demand);
    } else {
        rows.retain(|row| only.iter().any(|id| id == row.id));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::small_push::Until;
    use crate::units::{GIB, KIB, MIB};

    #[test]
    fn rows_scale_but_keep_something_to_measure() {
        let rows = list::all(0.000_001);
        assert_eq!(rows.len(), 21);
        for row in rows {
            match row.load {
                Load::Push(push) => assert!(push.size >= KIB),
                Load::Pull(pull) => assert!(pull.size >= KIB),
                Load::PullRange(pull) => assert!(pull.size >= KIB && pull.count >= pull.clients),
                Load::SmallPush(push) => assert!(matches!(push.until, Until::Count(32))),
                Load::ManifestRead(read) => assert!(!read.time.is_zero()),
                Load::Raw(read) => assert!(!read.time.is_zero()),
                Load::Wrk(wrk) => assert!(wrk.time.as_secs() >= 1),
                Load::Mixed(mixed) => assert!(mixed.count >= mixed.clients),
                Load::Idle(idle) => assert!(!idle.time.is_zero()),
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
    fn what_needs_16_gib_is_measured_only_when_it_is_asked_for() {
        let is_there = |rows: Vec<Row>| rows.iter().any(|row| row.id == "memory-64");
        assert!(!is_there(rows(1.0, &[]).unwrap()));
        assert!(is_there(rows(1.0, &["memory-64".to_owned()]).unwrap()));
    }

    #[test]
    fn the_bytes_of_a_row_are_those_of_its_title() {
        let bytes = |id: &str| rows(1.0, &[id.to_owned()]).unwrap()[0].load.bytes();
        for (id, expected) in [
            ("push-4", GIB),
            ("pull-8", 8 * GIB),
            ("pull-range", 4 * GIB),
            ("push-small", 40 * MIB),
            ("get-manifest", 0),
        ] {
            assert_eq!(bytes(id), expected, "{id}");
        }
        assert!(
            (GIB..8 * GIB).contains(&bytes("mixed")),
            "{}",
            bytes("mixed")
        );
    }

    #[test]
    fn sha512_alone_may_be_refused() {
        let rows = list::all(1.0).into_iter();
        let refusable = rows.filter(|row| row.load.may_be_refused());
        assert_eq!(
            refusable.map(|row| row.id).collect::<Vec<_>>(),
            ["push-sha512"]
        );
    }

    #[test]
    fn ids_and_titles_are_unique() {
        let rows = list::all(1.0);
        for (index, row) in rows.iter().enumerate() {
            let later = &rows[index + 1..];
            assert!(
                later
                    .iter()
                    .all(|other| other.id != row.id && other.title != row.title)
            );
        }
    }

    #[test]
    fn a_scale_that_is_no_scale_is_refused() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(rows(scale, &[]).is_err());
        }
    }
}
