//! [`Recent`]: manifests that were read of one view of the metadata, ready to be answered again.
//!
//! It belongs to a [`Snapshot`], which never changes and is replaced by every commit: so what it holds
//! cannot become wrong, and goes with its view. A pull of what everybody pulls costs one look into it
//! instead of four into the tables.
//!
//! [`Snapshot`]: super::rows::Snapshot

use crate::name::{Reference, RepositoryName};
use crate::repository::Manifest;
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// Longer manifests are read of the tables: what they cost is their bytes.
const LONGEST: usize = 8 * 1024;

/// At most so many are held, a mebibyte with [`LONGEST`]. Then it begins anew.
const MOST: usize = 128;

/// Manifests of one view.
#[derive(Debug, Default)]
pub(super) struct Recent(RwLock<Held>);

#[derive(Debug, Default)]
struct Held {
    /// In order, and not by hashes: of so few a place is found by less work than a keyed hash takes.
    manifests: BTreeMap<RepositoryName, BTreeMap<Reference, Manifest>>,
    /// Of all repositories.
    count: usize,
}

// === impl Recent ===

impl Recent {
    /// A manifest that was read before.
    pub(super) fn get(&self, name: &RepositoryName, reference: &Reference) -> Option<Manifest> {
        let held = self.0.read();
        held.manifests.get(name)?.get(reference).cloned()
    }

    /// Remembers one that was read of the view this belongs to.
    pub(super) fn put(&self, name: &RepositoryName, reference: &Reference, manifest: &Manifest) {
        if manifest.content.len() > LONGEST {
            return;
        }
        let mut held = self.0.write();
        if held.count >= MOST {
            *held = Held::default();
        }
        let repository = held.manifests.entry(name.clone()).or_default();
        let former = repository.insert(reference.clone(), manifest.clone());
        held.count += usize::from(former.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Digest};

    fn manifest(content: Vec<u8>) -> Manifest {
        Manifest {
            digest: Digest::of(Algorithm::Sha256, &content),
            media_type: "application/json".parse().unwrap(),
            content: content.into(),
        }
    }

    #[test]
    fn it_holds_what_was_put_under_its_name_and_never_too_much() {
        let recent = Recent::default();
        let name = |number: usize| {
            format!("r{}", number % 7)
                .parse::<RepositoryName>()
                .unwrap()
        };
        let reference = |number: usize| format!("v{number}").parse::<Reference>().unwrap();
        for number in 0..MOST * 3 {
            let manifest = manifest(vec![7; number]);
            for _again in 0..2 {
                recent.put(&name(number), &reference(number), &manifest);
            }
            let found = recent.get(&name(number), &reference(number));
            assert_eq!(found, Some(manifest));
            assert_eq!(recent.get(&name(number + 1), &reference(number)), None);
            let held = recent.0.read();
            let count: usize = held.manifests.values().map(BTreeMap::len).sum();
            assert_eq!(count, held.count);
            assert!((1..=MOST).contains(&count));
        }
        let (name, reference) = (name(0), reference(0));
        recent.put(&name, &reference, &manifest(vec![7; LONGEST + 1]));
        assert_eq!(recent.get(&name, &reference), None);
    }
}
