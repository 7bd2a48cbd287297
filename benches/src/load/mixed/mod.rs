//! A mixed load: many clients work through one list of reads and pushes as a registry in use sees them.
//!
//! 1. The list is a `Trace`, drawn from a seed; only the bytes of what is pushed differ from run
//!    to run.
//! 2. What is read is pushed before the clock starts, and what is pushed is hashed before.
//! 3. Clients take steps from one [`Queue`]. Every answer's length is checked.

mod trace;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use crate::content::{Algorithm, Blob, Source, hash_all};
use crate::load::image::{self, push_image};
use crate::load::queue::Queue;
use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::{Mode, Repository};
use trace::{IMAGES, Read, Step, Trace};

/// How to mix.
#[derive(Debug, Clone, Copy)]
pub struct Mixed {
    /// About how many reads and pushes of all clients together.
    pub count: u64,
    /// How many connections work at once.
    pub clients: u64,
    /// Bytes of the largest blobs, of which one is stored before.
    pub largest: u64,
}

/// What the registry holds when the clock starts.
#[derive(Debug)]
pub struct Stored {
    blobs: Vec<Blob>,
    manifests: Vec<Bytes>,
}

/// A step with what it pushes.
#[derive(Debug)]
enum Job {
    Read(Read),
    Push(Blob),
    Put(String, Bytes),
}

// === impl Mixed ===

impl Mixed {
    /// Pushes everything that will be read.
    ///
    /// # Errors
    /// When a push fails or takes longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a part of it behind.
    pub async fn prepare(&self, target: &Target, source: &mut Source) -> Result<Stored> {
        let sizes = self.trace().stored;
        let contents = sizes.into_iter().map(|size| source.content(size));
        let hashing = hash_all(contents.collect(), Algorithm::Sha256);
        let blobs = target.within("hashing", hashing).await?;
        let mut repository = target.connect_one().await?;
        let pushing = async {
            let mut manifests = Vec::new();
            for blob in &blobs {
                repository.push(blob, Mode::Monolithic).await?;
            }
            for image in 0..IMAGES {
                let manifest = push_image(&mut repository, source, &tag(image)).await?;
                manifests.push(manifest);
            }
            Ok(manifests)
        };
        let manifests = target.within("preparing blobs and images", pushing).await?;
        Ok(Stored { blobs, manifests })
    }

    /// Measures one round.
    ///
    /// # Errors
    /// When a request fails, has another length, or all take longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future leaves unfinished uploads behind.
    pub async fn run(
        &self,
        target: &Target,
        source: &mut Source,
        stored: &Arc<Stored>,
    ) -> Result<Outcome> {
        let jobs = jobs(self.trace().steps, source, stored);
        let queue = Arc::new(Queue::new(target.within("hashing", jobs).await?));
        let connections = target.connect(self.clients).await?;
        let clients = connections
            .into_iter()
            .map(|repository| work(repository, Arc::clone(&queue), Arc::clone(stored)));
        measure(target, clients.collect()).await
    }

    /// Bytes of all blobs that are pulled and pushed.
    pub(crate) fn bytes(&self) -> u64 {
        let trace = self.trace();
        let moved = trace.steps.iter().map(|step| match step {
            Step::PushBlob(size) => *size,
            Step::Read(Read::PullBlob(index)) => trace.stored.get(*index).copied().unwrap_or(0),
            Step::Read(_) | Step::PutManifest(_) => 0,
        });
        moved.fold(0, u64::saturating_add)
    }

    fn trace(&self) -> Trace {
        Trace::draw(self.count, self.largest)
    }
}

/// The steps with what they push, which is hashed here.
async fn jobs(steps: Vec<Step>, source: &mut Source, stored: &Stored) -> Result<Vec<Job>> {
    let pushes = steps.iter().filter_map(|step| match step {
        Step::PushBlob(size) => Some(source.content(*size)),
        _ => None,
    });
    let mut pushes = hash_all(pushes.collect(), Algorithm::Sha256)
        .await?
        .into_iter();
    let mut jobs = Vec::new();
    for step in steps {
        jobs.push(match step {
            Step::PushBlob(_) => Job::Push(pushes.next().context("a push has no blob")?),
            Step::PutManifest(image) => {
                let unique = source.content(32).hashed().digest;
                let manifest = image::annotated(at(&stored.manifests, image)?, &unique)?;
                let digits = unique.trim_start_matches("sha256:");
                Job::Put(format!("new-{digits}"), manifest)
            }
            Step::Read(read) => Job::Read(read),
        });
    }
    Ok(jobs)
}

async fn work(
    mut repository: Repository,
    queue: Arc<Queue<Job>>,
    stored: Arc<Stored>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    while let Some(job) = queue.take() {
        let begin = Instant::now();
        let moved = match job {
            Job::Read(what) => read(&mut repository, *what, &stored).await?,
            Job::Push(blob) => {
                repository.push(blob, Mode::Monolithic).await?;
                blob.content.len()
            }
            Job::Put(tag, manifest) => {
                repository.put_manifest(tag, manifest.clone()).await?;
                manifest.len() as u64
            }
        };
        tally.count(moved, begin);
    }
    Ok(tally)
}

/// Reads, and returns the bytes that came.
async fn read(repository: &mut Repository, what: Read, stored: &Stored) -> Result<u64> {
    let blob = |index| at(&stored.blobs, index);
    let manifest = |index| at(&stored.manifests, index).map(|bytes| bytes.len() as u64);
    let (answered, expected, has_body) = match what {
        Read::GetManifest(image) => {
            let read = repository.manifest(&tag(image), |_| ()).await?;
            (read, manifest(image)?, true)
        }
        Read::HeadManifest(image) => {
            let read = repository.head_manifest(&tag(image)).await?;
            (read, manifest(image)?, false)
        }
        Read::HeadBlob(index) => {
            let read = repository.head_blob(&blob(index)?.digest).await?;
            (read, blob(index)?.content.len(), false)
        }
        Read::PullBlob(index) => {
            let read = repository.pull(&blob(index)?.digest, |_| ()).await?;
            (read, blob(index)?.content.len(), true)
        }
    };
    ensure!(
        answered == expected,
        "{what:?} has {answered} bytes, not {expected}"
    );
    Ok(if has_body { answered } else { 0 })
}

/// The tag of an image that is read.
fn tag(image: usize) -> String {
    format!("image-{image}")
}

fn at<T>(items: &[T], index: usize) -> Result<&T> {
    items.get(index).context("a step names what is not there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn tag_of(job: &Job) -> &str {
        match job {
            Job::Put(tag, _) => tag,
            _ => panic!("{job:?} puts no manifest"),
        }
    }

    #[tokio::test]
    async fn no_round_puts_a_tag_of_another() {
        let stored = Stored {
            blobs: Vec::new(),
            manifests: vec![Bytes::from_static(b"{}")],
        };
        let mut source = Source::new().unwrap();
        let mut puts = Vec::new();
        for _ in 0..2 {
            let steps = vec![Step::PutManifest(0); 3];
            puts.extend(jobs(steps, &mut source, &stored).await.unwrap());
        }
        let tags: HashSet<_> = puts.iter().map(tag_of).collect();
        assert_eq!(tags.len(), 6);
    }
}
