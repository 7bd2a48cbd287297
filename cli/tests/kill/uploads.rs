//! Uploads in pieces, and going on with those that were left or that a kill cut off.

use crate::client::{Client, lost, wrong};
use crate::content::Content;
use crate::fault::Stop;
use crate::ledger::{UPLOAD_LIFETIME, Upload};
use crate::wire::{Answer, Wire};

/// In so many of a hundred cases an upload is left between two pieces.
const LEFT: usize = 12;

/// Uploads a client leaves lying; the oldest is continued first when there are more.
const LYING: usize = 6;

impl Client {
    /// `POST`, then as many `PATCH` as there are pieces, then `PUT` with the rest.
    pub(crate) fn push_in_pieces(
        &mut self,
        wire: &mut Wire<'_>,
        repository: usize,
        content: &Content,
        pieces: usize,
    ) -> Result<(), Stop> {
        let name = &self.ledger.repositories[repository];
        let target = format!("/v2/{name}/blobs/uploads/");
        let answer = self.call(wire, ("POST", &target), "", b"")?;
        if answer.status != 202 {
            return Err(answer.unexpected(&format!("POST {target}")));
        }
        let upload = Upload {
            repository,
            content: content.clone(),
            location: answer.header("location").to_owned(),
            acknowledged: 0,
            sent: 0,
            finishing: false,
            used: answer.asked,
            life: wire.life.number,
        };
        self.ledger.uploads.push(upload);
        self.go_on(wire, pieces)
    }

    /// Goes on with the last upload of the ledger. It stays there until it is finished.
    fn go_on(&mut self, wire: &mut Wire<'_>, pieces: usize) -> Result<(), Stop> {
        let upload = self.upload();
        let bytes = upload.content.bytes();
        for left in (1..=pieces).rev() {
            let start = self.upload().acknowledged;
            let length = (bytes.len() - start) / left;
            if length == 0 {
                continue;
            }
            self.patch(wire, &bytes[start..start + length])?;
            if self.dice.chance(LEFT) {
                return Ok(());
            }
        }
        self.finish(wire, &bytes)
    }

    fn upload(&mut self) -> &mut Upload {
        let last = self.ledger.uploads.last_mut();
        last.expect("the upload that is worked on stays the last one")
    }

    fn patch(&mut self, wire: &mut Wire<'_>, piece: &[u8]) -> Result<(), Stop> {
        let upload = self.upload();
        let (start, location) = (upload.acknowledged, upload.location.clone());
        let end = start + piece.len();
        upload.sent = upload.sent.max(end);
        let range = format!("Content-Range: {start}-{}\r\n", end - 1);
        let answer = self.call(wire, ("PATCH", &location), &range, piece)?;
        let what = format!("PATCH {location} with bytes {start} to {end}");
        if answer.status != 202 {
            return Err(answer.unexpected(&what));
        }
        let reached = offset(&answer, &what)?;
        if reached != end.max(1) {
            return Err(wrong(format!("{what} came to {reached}")));
        }
        let upload = self.upload();
        (upload.acknowledged, upload.used) = (end, answer.asked);
        Ok(())
    }

    fn finish(&mut self, wire: &mut Wire<'_>, bytes: &[u8]) -> Result<(), Stop> {
        let upload = self.upload();
        let (start, repository) = (upload.acknowledged, upload.repository);
        upload.sent = bytes.len();
        upload.finishing = true;
        let (location, content) = (upload.location.clone(), upload.content.clone());
        self.ledger.pushing(repository, &content);
        let target = format!("{location}?digest={}", content.digest);
        let answer = self.call(wire, ("PUT", &target), "", &bytes[start..])?;
        if answer.status != 201 {
            return Err(answer.unexpected(&format!("PUT {target} from {start}")));
        }
        let key = (repository, content.digest);
        self.ledger.is_there(key, Some(answer.asked));
        self.ledger.uploads.pop();
        Ok(())
    }

    /// Continues an upload that was left, if there is one, where its status says.
    pub(crate) fn resume_any(&mut self, wire: &mut Wire<'_>) -> Result<(), Stop> {
        let lying = self.ledger.uploads.len();
        if lying == 0 {
            return Ok(());
        }
        let index = if lying > LYING {
            0
        } else {
            self.dice.below(lying)
        };
        let upload = self.ledger.uploads.remove(index);
        self.ledger.uploads.push(upload.clone());
        let what = format!("GET {}", upload.location);
        let answer = self.call(wire, ("GET", &upload.location), "", b"")?;
        if answer.status == 404 {
            let rested = answer.came.saturating_sub(upload.used);
            if !upload.finishing && rested < UPLOAD_LIFETIME {
                let (acknowledged, life) = (upload.acknowledged, upload.life);
                return Err(lost(format!(
                    "{what}: the upload of life {life} is unknown, {acknowledged} bytes of it \
                     were acknowledged, {rested:?} ago"
                )));
            }
            self.ledger.uploads.pop();
            return Ok(());
        }
        if answer.status != 204 {
            return Err(answer.unexpected(&what));
        }
        self.check_offset(&answer, &upload, &what)?;
        if upload.life != wire.life.number {
            self.tally.resumed += 1;
        }
        let pieces = self.dice.below(3);
        self.go_on(wire, pieces)
    }

    /// The status tells at least what was acknowledged, and at most what was sent.
    fn check_offset(&mut self, answer: &Answer, upload: &Upload, what: &str) -> Result<(), Stop> {
        let (least, most) = (upload.acknowledged, upload.sent);
        // `0-0` is no byte as well as one; pieces of one byte alone could tell the difference.
        let told = match offset(answer, what)? {
            1 if least == 0 => 0,
            told => told,
        };
        if told < least {
            let text = format!("{what}: {told} bytes, {least} were acknowledged");
            return Err(lost(text));
        }
        if told > most {
            return Err(wrong(format!("{what}: {told} bytes, {most} were sent")));
        }
        let upload = self.upload();
        upload.acknowledged = told;
        upload.finishing = false;
        Ok(())
    }
}

/// The number of bytes that an answer's `Range` tells; one also for none.
fn offset(answer: &Answer, what: &str) -> Result<usize, Stop> {
    let range = answer.header("range");
    let last = range.strip_prefix("0-").and_then(|last| last.parse().ok());
    let last: usize = last.ok_or_else(|| wrong(format!("{what}: Range is {range:?}")))?;
    Ok(last + 1)
}
