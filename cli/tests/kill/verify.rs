//! A client compares everything it was told with what is there.

use crate::client::{Client, lost, wrong};
use crate::fault::{Fault, Kind, Stop};
use crate::ledger::{Key, Must, SHARED};
use crate::wire::{Life, Wire};
use floundr_engine::digest::{Algorithm, Digest};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

impl Client {
    /// Answers whether it came to its end before the server was gone.
    pub(crate) fn verify(&mut self, life: &Life) -> Result<bool, Fault> {
        let mut wire = Wire::new(life);
        match self.verify_all(&mut wire) {
            Ok(()) => Ok(true),
            Err(Stop::Gone) => Ok(false),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    fn verify_all(&mut self, wire: &mut Wire<'_>) -> Result<(), Stop> {
        // What time may take goes first.
        let blobs = self.ledger.blobs.iter();
        let mut keys: Vec<_> = blobs.map(|(key, blob)| (blob.promised, *key)).collect();
        keys.sort_unstable();
        keys.reverse();
        let images: Vec<Key> = self.ledger.images.keys().copied().collect();
        for key in images {
            self.check_image(wire, key)?;
        }
        for (_, key) in keys {
            self.check_blob(wire, key)?;
        }
        let tags: Vec<_> = self.ledger.tags.keys().cloned().collect();
        for (repository, tag) in tags {
            self.check_tag(wire, repository, &tag)?;
        }
        for repository in 0..self.ledger.repositories.len() {
            self.check_tags(wire, repository)?;
        }
        self.ledger.forget();
        Ok(())
    }

    /// Waits until every blob is gone but those that are `held`, by the names of their repositories.
    pub(crate) fn wait_for_the_collector(
        &mut self,
        life: &Life,
        held: &BTreeSet<(String, Digest)>,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let mut wire = Wire::new(life);
        let keys: Vec<Key> = self.ledger.blobs.keys().copied().collect();
        for (repository, digest) in keys {
            let name = self.ledger.repositories[repository].clone();
            if held.contains(&(name, digest)) {
                continue;
            }
            let target = self.blob_target(repository, digest);
            self.wait_until_gone(&mut wire, &target, deadline)?;
        }
        Ok(())
    }

    fn wait_until_gone(
        &mut self,
        wire: &mut Wire<'_>,
        target: &str,
        deadline: Instant,
    ) -> Result<(), Fault> {
        while self.is_served(wire, target)? {
            if Instant::now() >= deadline {
                let text = format!("GET {target} is there still, and nothing holds it");
                return Err(Fault::new(Kind::Orphan, text));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn is_served(&mut self, wire: &mut Wire<'_>, target: &str) -> Result<bool, Fault> {
        match self.call(wire, ("GET", target), "", b"") {
            Ok(answer) => Ok(answer.status != 404),
            Err(Stop::Fault(fault)) => Err(fault),
            Err(Stop::Gone) => unreachable!("the server is not told to end"),
        }
    }

    /// Reads a blob and compares its bytes.
    pub(crate) fn check_blob(&mut self, wire: &mut Wire<'_>, key: Key) -> Result<(), Stop> {
        let target = self.blob_target(key.0, key.1);
        let answer = self.call(wire, ("GET", &target), "", b"")?;
        self.tally.blobs_checked += 1;
        if let Must::Be(why) = self.ledger.must(key, answer.came) {
            self.tally.promises_checked += u64::from(why.starts_with("promised"));
        }
        self.judge(&answer, key, &format!("GET {target}"))?;
        let is_right = answer.status != 200
            || (self.ledger.blobs.get(&key)).is_none_or(|blob| blob.content.bytes() == answer.body);
        if !is_right {
            let found = Digest::of(Algorithm::Sha256, &answer.body);
            let length = answer.body.len();
            let text = format!("GET {target}: {length} bytes with digest {found}");
            return Err(wrong(text));
        }
        Ok(())
    }

    fn check_image(&mut self, wire: &mut Wire<'_>, key: Key) -> Result<(), Stop> {
        let target = self.manifest_target(key.0, &key.1.to_string());
        let answer = self.call(wire, ("GET", &target), "", b"")?;
        self.tally.manifests_checked += 1;
        let image = &self.ledger.images[&key];
        match (answer.status, image.there) {
            (200, Some(false)) => Err(wrong(format!("GET {target} is there and was deleted"))),
            (404, Some(true)) => Err(lost(format!("GET {target} is not there"))),
            (200, _) if answer.body != image.bytes => {
                let said = String::from_utf8_lossy(&answer.body);
                Err(wrong(format!("GET {target} has other bytes: {said}")))
            }
            (200, Some(true)) => Ok(()),
            (200, None) => {
                self.ledger.was_seen(key);
                Ok(())
            }
            (404, _) => {
                self.ledger.was_deleted(key);
                Ok(())
            }
            _ => Err(answer.unexpected(&format!("GET {target}"))),
        }
    }

    /// What the tag names.
    pub(crate) fn check_tag(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        tag: &str,
    ) -> Result<Option<Digest>, Stop> {
        let target = self.manifest_target(repository, tag);
        let answer = self.call(wire, ("GET", &target), "", b"")?;
        self.tally.tags_checked += 1;
        let named = match answer.status {
            200 => Some(Digest::of(Algorithm::Sha256, &answer.body)),
            404 => None,
            _ => return Err(answer.unexpected(&format!("GET {target}"))),
        };
        let names = self.ledger.names(repository, tag);
        if !names.contains(&named) {
            let text = format!("GET {target} names {named:?}, it must name one of {names:?}");
            return Err(if named.is_none() {
                lost(text)
            } else {
                wrong(text)
            });
        }
        *names = BTreeSet::from([named]);
        let Some(digest) = named else {
            return Ok(None);
        };
        let told = answer.header("docker-content-digest");
        if told != digest.to_string() {
            return Err(wrong(format!(
                "GET {target} says {told} and brings {digest}"
            )));
        }
        self.ledger.was_seen((repository, digest));
        Ok(named)
    }

    /// The list of tags is what the tags are.
    fn check_tags(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let name = &self.ledger.repositories[repository];
        let target = format!("/v2/{name}/tags/list");
        let answer = self.call(wire, ("GET", &target), "", b"")?;
        let tags = self.ledger.tags.iter();
        let there = tags.filter(|((at, _), names)| *at == repository && !names.contains(&None));
        let mine: BTreeSet<String> = there.map(|((_, tag), _)| tag.clone()).collect();
        let listed: BTreeSet<String> = match answer.status {
            404 => BTreeSet::new(),
            200 => serde_json::from_slice::<serde_json::Value>(&answer.body)
                .ok()
                .and_then(|list| serde_json::from_value(list["tags"].clone()).ok())
                .ok_or_else(|| answer.unexpected(&format!("GET {target}")))?,
            _ => return Err(answer.unexpected(&format!("GET {target}"))),
        };
        let prefix = format!("c{}-", self.number);
        let is_mine = |tag: &String| repository != SHARED || tag.starts_with(&prefix);
        let listed: BTreeSet<String> = listed.into_iter().filter(is_mine).collect();
        if listed != mine {
            return Err(wrong(format!("GET {target}: {listed:?}, not {mine:?}")));
        }
        Ok(())
    }
}
