//! A client: what it asks of the server, one random thing after another.

use crate::content::{Content, Dice};
use crate::fault::{Fault, Kind, Stop};
use crate::ledger::{Image, Key, Ledger, Link, Must, SHARED};
use crate::wire::{Answer, Life, Wire};
use floundr_engine::digest::{Algorithm, Digest};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Contents that every client pushes, mounts and links.
const POOL: usize = 8;

/// Manifests a client keeps in a repository.
const IMAGES: usize = 6;

/// What a client did and checked.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) blobs_checked: u64,
    pub(crate) manifests_checked: u64,
    pub(crate) tags_checked: u64,
    pub(crate) promises_checked: u64,
    pub(crate) resumed: u64,
}

/// A client. Its ledger outlives the server's lives.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) ledger: Ledger,
    pub(crate) dice: Dice,
    pub(crate) tally: Tally,
    pool: Vec<Content>,
    serial: u64,
}

/// The media type of the manifests.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

// === impl Client ===

impl Client {
    pub(crate) fn new(number: usize, seed: u64) -> Self {
        // The same for all of them.
        let mut shared = Dice::new(seed);
        let pool = (0..POOL).map(|_| Content::any(shared.roll(), &mut shared));
        Self {
            number,
            ledger: Ledger::new(number),
            pool: pool.collect(),
            dice: Dice::new(shared.roll().wrapping_add(number as u64)),
            tally: Tally::default(),
            serial: 0,
        }
    }

    /// Works until the server is gone or told to end.
    pub(crate) fn work(&mut self, life: &Life) -> Result<(), Fault> {
        let mut wire = Wire::new(life);
        while !life.is_over() {
            match self.step(&mut wire) {
                Ok(()) => {}
                Err(Stop::Gone) => return Ok(()),
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        Ok(())
    }

    fn step(&mut self, wire: &mut Wire<'_>) -> Result<(), Stop> {
        let repository = self.dice.below(3);
        let images = self.ledger.images.iter();
        let here = images.filter(|((at, _), image)| *at == repository && image.there == Some(true));
        if here.count() > IMAGES {
            return self.delete_image(wire, repository);
        }
        match self.dice.below(100) {
            0..=34 => self.push_image(wire, repository),
            35..=44 => self.tag_again(wire, repository),
            45..=54 => self.delete_image(wire, repository),
            55..=62 => self.delete_tag(wire, repository),
            63..=69 => self.delete_blob(wire, repository),
            70..=79 => self.look(wire),
            80..=84 => self.push_any(wire, repository),
            85..=90 => self.resume_any(wire),
            _ => self.pull(wire, repository),
        }
    }

    pub(crate) fn call(
        &mut self,
        wire: &mut Wire<'_>,
        line: (&str, &str),
        headers: &str,
        body: &[u8],
    ) -> Result<Answer, Stop> {
        let answer = wire.call(line, headers, body)?;
        self.tally.requests += 1;
        Ok(answer)
    }

    // --- blobs ---

    fn any_content(&mut self) -> Content {
        if self.dice.chance(45) {
            let pool = &self.pool;
            return self.dice.pick(pool).expect("the pool is not empty");
        }
        let seed = self.dice.roll();
        Content::any(seed, &mut self.dice)
    }

    fn push_any(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let content = self.any_content();
        self.push(wire, repository, &content)
    }

    /// Asks whether it is there, as clients do, and if not brings it in one of several ways.
    fn ensure(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        content: &Content,
    ) -> Result<(), Stop> {
        if self.dice.chance(80) && self.head(wire, repository, content)? {
            return Ok(());
        }
        self.push(wire, repository, content)
    }

    fn push(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        content: &Content,
    ) -> Result<(), Stop> {
        match self.dice.below(4) {
            0 => self.push_at_once(wire, repository, content),
            1 => {
                let pieces = self.dice.below(4);
                self.push_in_pieces(wire, repository, content, pieces)
            }
            2 if self.mount(wire, repository, content)? => Ok(()),
            _ => self.push_in_pieces(wire, repository, content, 0),
        }
    }

    fn push_at_once(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        content: &Content,
    ) -> Result<(), Stop> {
        let name = &self.ledger.repositories[repository];
        let target = format!("/v2/{name}/blobs/uploads/?digest={}", content.digest);
        self.ledger.pushing(repository, content);
        let answer = self.call(wire, ("POST", &target), "", &content.bytes())?;
        if answer.status != 201 {
            return Err(answer.unexpected(&format!("POST {target}")));
        }
        let key = (repository, content.digest);
        self.ledger.is_there(key, Some(answer.asked));
        Ok(())
    }

    /// Whether it could be mounted from another repository.
    fn mount(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        content: &Content,
    ) -> Result<bool, Stop> {
        let from = (repository + 1 + self.dice.below(2)) % 3;
        let (names, digest) = (&self.ledger.repositories, content.digest);
        let (name, source) = (&names[repository], &names[from]);
        let target = format!("/v2/{name}/blobs/uploads/?mount={digest}&from={source}");
        self.ledger.pushing(repository, content);
        let answer = self.call(wire, ("POST", &target), "", b"")?;
        let must = self.ledger.must((from, digest), answer.came);
        match (answer.status, must) {
            (201, Must::NotBe) => Err(wrong(format!("POST {target}: the source is not there"))),
            (201, _) => {
                let asked = Some(answer.asked);
                self.ledger.is_there((repository, digest), asked);
                Ok(true)
            }
            (202, Must::Be(why)) => Err(lost(format!("POST {target}: no source, {why}"))),
            (202, _) => Ok(false),
            _ => Err(answer.unexpected(&format!("POST {target}"))),
        }
    }

    /// Asks with `HEAD`; checks the answer.
    fn head(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        content: &Content,
    ) -> Result<bool, Stop> {
        let target = self.blob_target(repository, content.digest);
        // In the shared repository it may be there by others.
        if repository == SHARED {
            self.ledger.pushing(repository, content);
        }
        let answer = self.call(wire, ("HEAD", &target), "", b"")?;
        self.judge(&answer, (repository, content.digest), &target)?;
        let is_there = answer.status == 200;
        if is_there {
            let length = answer.header("content-length");
            if length != content.length.to_string() {
                let text = format!("HEAD {target}: {length} bytes, not {}", content.length);
                return Err(wrong(text));
            }
            let key = (repository, content.digest);
            self.ledger.is_there(key, Some(answer.asked));
        }
        Ok(is_there)
    }

    /// Compares a look at a blob with what it must be, and learns from it.
    pub(crate) fn judge(&mut self, answer: &Answer, key: Key, what: &str) -> Result<(), Stop> {
        match (answer.status, self.ledger.must(key, answer.came)) {
            (200, Must::NotBe) => Err(wrong(format!("{what} is there, and must not be"))),
            (404, Must::Be(why)) => Err(lost(format!("{what} is not there, {why}"))),
            (200, _) => {
                self.ledger.is_there(key, None);
                Ok(())
            }
            (404, _) => {
                self.ledger.is_absent(key);
                Ok(())
            }
            _ => Err(answer.unexpected(what)),
        }
    }

    fn look(&mut self, wire: &mut Wire<'_>) -> Result<(), Stop> {
        let keys: Vec<Key> = self.ledger.blobs.keys().copied().collect();
        let Some(key) = self.dice.pick(&keys) else {
            return Ok(());
        };
        let content = self.ledger.blobs[&key].content.clone();
        if self.dice.chance(50) {
            return self.head(wire, key.0, &content).map(drop);
        }
        self.check_blob(wire, key).map(drop)
    }

    fn delete_blob(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let blobs = self.ledger.blobs.iter();
        let keys: Vec<Key> = blobs
            .filter(|((at, _), blob)| *at == repository && blob.link == Link::Kept)
            .map(|(key, _)| *key)
            .collect();
        let Some(key) = self.dice.pick(&keys).filter(|_| repository != SHARED) else {
            return Ok(());
        };
        let target = self.blob_target(key.0, key.1);
        let before = self.ledger.blobs[&key].clone();
        self.ledger.deleting_blob(key);
        let answer = self.call(wire, ("DELETE", &target), "", b"")?;
        if answer.status == 404 {
            // It was not there before: that must have been right.
            self.ledger.blobs.insert(key, before);
            return self.judge(&answer, key, &format!("DELETE {target}"));
        }
        if answer.status != 202 {
            return Err(answer.unexpected(&format!("DELETE {target}")));
        }
        self.ledger.is_absent(key);
        Ok(())
    }

    pub(crate) fn blob_target(&self, repository: usize, digest: Digest) -> String {
        let name = &self.ledger.repositories[repository];
        format!("/v2/{name}/blobs/{digest}")
    }

    // --- manifests ---

    fn push_image(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let contents: Vec<_> = (0..self.dice.between(1, 5))
            .map(|_| self.any_content())
            .collect();
        for content in &contents {
            self.ensure(wire, repository, content)?;
        }
        let image = self.image(&contents);
        let tag = self.dice.chance(75).then(|| self.any_tag());
        self.put(wire, repository, &image, tag.as_deref())
    }

    fn any_tag(&mut self) -> String {
        format!("c{}-{}", self.number, self.dice.below(4))
    }

    fn image(&mut self, contents: &[Content]) -> Image {
        self.serial += 1;
        let descriptor = |content: &Content, kind: &str| {
            let (digest, length) = (content.digest, content.length);
            let kind = format!("application/vnd.oci.image.{kind}");
            format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{length}}}"#)
        };
        let config = descriptor(&contents[0], "config.v1+json");
        let layers = contents[1..].iter();
        let layers: Vec<_> = layers
            .map(|layer| descriptor(layer, "layer.v1.tar"))
            .collect();
        let mut text = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","#);
        let (layers, number, serial) = (layers.join(","), self.number, self.serial);
        write!(
            text,
            r#""config":{config},"layers":[{layers}],"annotations":{{"of":"{number}-{serial}"}}}}"#
        )
        .expect("a string takes everything");
        Image {
            bytes: text.into_bytes(),
            blobs: contents.iter().map(|content| content.digest).collect(),
            there: Some(false),
        }
    }

    /// A known manifest once more, under some tag: what was deleted comes back.
    fn tag_again(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let images = self.ledger.images.iter();
        let here: Vec<_> = images.filter(|((at, _), _)| *at == repository).collect();
        let Some(image) = self.dice.pick(&here).map(|(_, image)| image.clone()) else {
            return Ok(());
        };
        let tag = self.any_tag();
        self.put(wire, repository, &image, Some(&tag))
    }

    /// Puts a manifest, which is refused only if a blob may be missing, and surely if one is.
    fn put(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        image: &Image,
        tag: Option<&str>,
    ) -> Result<(), Stop> {
        let key = (repository, Digest::of(Algorithm::Sha256, &image.bytes));
        let by = tag.map_or_else(|| key.1.to_string(), str::to_owned);
        let target = self.manifest_target(repository, &by);
        let before = self.ledger.putting(key, image, tag);
        let kind = format!("Content-Type: {MANIFEST}\r\n");
        let answer = self.call(wire, ("PUT", &target), &kind, &image.bytes)?;
        let musts = image.blobs.iter();
        let musts: Vec<_> = musts
            .map(|blob| (*blob, self.ledger.must((repository, *blob), answer.came)))
            .collect();
        let absent = musts.iter().find(|(_, must)| *must == Must::NotBe);
        let is_sure = musts.iter().all(|(_, must)| matches!(must, Must::Be(_)));
        match (answer.status, absent) {
            (201, Some((blob, _))) => Err(wrong(format!("PUT {target}: {blob} is not there"))),
            (201, None) => {
                self.ledger.was_put(key, tag);
                Ok(())
            }
            (404, _) if is_sure => {
                let said = String::from_utf8_lossy(&answer.body);
                Err(lost(format!(
                    "PUT {target}: {said} and all must be: {musts:?}"
                )))
            }
            (404, _) => {
                self.ledger.was_refused(key, tag, before);
                Ok(())
            }
            _ => Err(answer.unexpected(&format!("PUT {target}"))),
        }
    }

    fn delete_image(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let images = self.ledger.images.iter();
        let here = images.filter(|((at, _), image)| *at == repository && image.there == Some(true));
        let keys: Vec<Key> = here.map(|(key, _)| *key).collect();
        let Some(key) = self.dice.pick(&keys) else {
            return Ok(());
        };
        let target = self.manifest_target(key.0, &key.1.to_string());
        self.ledger.deleting_image(key);
        let answer = self.call(wire, ("DELETE", &target), "", b"")?;
        match answer.status {
            202 => {
                self.ledger.was_deleted(key);
                Ok(())
            }
            404 => Err(lost(format!("DELETE {target}: it is not there"))),
            _ => Err(answer.unexpected(&format!("DELETE {target}"))),
        }
    }

    fn delete_tag(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let tag = self.any_tag();
        let target = self.manifest_target(repository, &tag);
        let names = self.ledger.names(repository, &tag);
        let before = names.clone();
        names.insert(None);
        let answer = self.call(wire, ("DELETE", &target), "", b"")?;
        let is_right = match answer.status {
            202 => before.iter().any(Option::is_some),
            404 => before.contains(&None),
            _ => return Err(answer.unexpected(&format!("DELETE {target}"))),
        };
        if !is_right {
            let text = format!("DELETE {target}: {}, it names {before:?}", answer.status);
            return Err(lost(text));
        }
        *self.ledger.names(repository, &tag) = BTreeSet::from([None]);
        Ok(())
    }

    fn pull(&mut self, wire: &mut Wire<'_>, repository: usize) -> Result<(), Stop> {
        let tag = self.any_tag();
        let Some(digest) = self.check_tag(wire, repository, &tag)? else {
            return Ok(());
        };
        let image = self.ledger.images.get(&(repository, digest)).cloned();
        for blob in image.into_iter().flat_map(|image| image.blobs) {
            self.check_blob(wire, (repository, blob))?;
        }
        Ok(())
    }

    pub(crate) fn manifest_target(&self, repository: usize, reference: &str) -> String {
        let name = &self.ledger.repositories[repository];
        format!("/v2/{name}/manifests/{reference}")
    }
}

pub(crate) fn wrong(text: String) -> Stop {
    Fault::new(Kind::Wrong, text).into()
}

pub(crate) fn lost(text: String) -> Stop {
    Fault::new(Kind::Lost, text).into()
}
