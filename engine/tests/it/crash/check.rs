//! A store after a crash: opened again, compared with what may be found, and used further.

use super::record::{Expected, Recording};
use super::see::{Seen, Statuses, read, statuses};
use super::store::{
    Fault, Machine, ROOT, Settings, Store, check_whole, failed, media_type, offset_of, read_all,
};
use super::things::{Blob, content, repository_name};
use super::world::{GRACE, LIFETIME, UNDO, World, seed_of_upload};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::Algorithm;
use floundr_engine::disk::{Crash, Dice, SimulatedDisk};
use floundr_engine::name::Reference;
use floundr_engine::repository::{Missing, PutManifest};
use floundr_engine::{Engine, Finding};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Directories that opening a store may list: those above its root that may have to be made.
const LISTS_AT_OPEN: u64 = 2;

/// In so many of a hundred cases the store crashes again while it recovers.
const CRASHES_AGAIN: usize = 10;

/// In so many of a hundred cases somebody repairs the store before its first collection.
const REPAIRS: usize = 30;

/// A store that was opened after a crash.
struct Recovered<'r> {
    recording: &'r Recording,
    expected: &'r Expected,
    store: Store,
    statuses: Statuses,
    /// What was seen fits these; another crash may take the collection back.
    possible: Vec<World>,
}

/// How many crashes a check came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checked {
    pub(crate) again: u64,
}

/// Checks the disk that a crash left. `dice` say whether it crashes again meanwhile.
pub(crate) async fn check(
    disk: SimulatedDisk,
    recording: &Recording,
    expected: &Expected,
    dice: &mut Dice,
) -> Result<Checked, Fault> {
    let repairs = dice.chance(REPAIRS);
    let (recovered, fitting) = recover(disk, recording, expected, repairs).await?;
    let position = recovered.store.machine.disk.position();
    let again = if dice.chance(CRASHES_AGAIN) {
        // What was seen once stays: only the worlds that fit may be found the second time.
        let expected = expected.narrowed(&recovered);
        recovered.crash_again(position, expected, dice).await?;
        1
    } else {
        0
    };
    recovered.go_on(fitting).await?;
    Ok(Checked { again })
}

/// Opens the store, repairs it if asked, and lets the collector run once. Answers the worlds that fit
/// what is seen.
async fn recover<'r>(
    disk: SimulatedDisk,
    recording: &'r Recording,
    expected: &'r Expected,
    repairs: bool,
) -> Result<(Recovered<'r>, Vec<World>), Fault> {
    let settings = Settings::of(&recording.plan);
    let machine = Machine::new(disk, !recording.plan.seed);
    let mut store = Store::open(machine, settings).await?;
    let lists = store.machine.disk.reads().lists;
    if lists > LISTS_AT_OPEN {
        return Err(format!("opening listed {lists} directories"));
    }
    store.uploads.clone_from(&recording.uploads);
    let is_begun = |started: usize| expected.in_flight.is_none_or(|index| started <= index);
    store.uploads.retain(|&started, _| is_begun(started));
    let mut recovered = Recovered {
        recording,
        expected,
        store,
        statuses: Statuses::new(),
        possible: Vec::new(),
    };
    recovered.statuses = statuses(&recovered.store).await?;
    let fitting = recovered.see(&expected.worlds).await?;
    if repairs {
        repair(&recovered.store.engine).await?;
        recovered.see(&fitting).await?;
    }
    let collected = recovered.store.engine.collect().await;
    collected.map_err(|error| format!("the first collection: {error}"))?;
    // What is due by a time that was written down goes now.
    let mut worlds = fitting.clone();
    worlds.extend(fitting.iter().map(|world| passed(world, 0)));
    worlds.extend(fitting.into_iter().map(|mut world| {
        world.purge();
        world
    }));
    recovered.possible = worlds;
    let fitting = recovered.see(&recovered.possible).await?;
    recovered.files(0).await?;
    check_whole(&recovered.store.engine, false).await?;
    recovered.sessions()?;
    Ok((recovered, fitting))
}

/// A repair before anything else finds no more than files that nothing names.
async fn repair(engine: &Engine) -> Result<(), Fault> {
    let report = read_all(engine, true).await?;
    let is_nobodys = |found: &Finding| {
        let kinds = ["blob file", "segment"];
        found.digest.is_none() && kinds.iter().any(|kind| found.place.starts_with(kind))
    };
    if report.findings.iter().all(is_nobodys) {
        Ok(())
    } else {
        Err(format!("a repair after the crash: {report}"))
    }
}

fn passed(world: &World, millis: u64) -> World {
    let mut later = world.clone();
    later.now += millis;
    later.collect();
    later
}

// === impl Expected ===

impl Expected {
    /// What may be found after a second crash.
    fn narrowed(&self, recovered: &Recovered<'_>) -> Self {
        let mut narrowed = Self {
            worlds: recovered.possible.clone(),
            was_collecting: true,
            ..self.clone()
        };
        for (started, status) in &recovered.statuses {
            narrowed.most.insert(*started, status.unwrap_or(0));
        }
        narrowed
    }
}

// === impl Recovered ===

impl Recovered<'_> {
    /// Compares what is seen with the worlds, the uploads included; answers those that fit.
    async fn see(&self, worlds: &[World]) -> Result<Vec<World>, Fault> {
        let violations = self.store.engine.audit().await.map_err(failed)?;
        if !violations.is_empty() {
            return Err(format!("the audit: {}", violations.join("; ")));
        }
        let seen = Seen::of(&self.store.engine, &self.recording.blobs).await?;
        let mut fitting = seen.expect(worlds)?;
        let tried = fitting.len();
        fitting.retain(|world| {
            let mut statuses = self.statuses.iter();
            statuses.all(|(&started, &status)| self.expected.allows(world, started, status))
        });
        if fitting.is_empty() {
            let uploads: Vec<_> = worlds.iter().map(|world| &world.uploads).collect();
            return Err(format!(
                "{tried} worlds fit but for uploads {uploads:?}: {:?}",
                self.statuses
            ));
        }
        Ok(fitting.into_iter().cloned().collect())
    }

    /// No file without a record, and no record without a file, but for `extra` segments that may
    /// be written now.
    async fn files(&self, extra: usize) -> Result<(), Fault> {
        let [named, uploads] = self.store.engine.named_files().await.map_err(failed)?;
        let is_numbered = |path: &PathBuf| {
            let folders = ["blobs", "segments"].map(|folder| Path::new(ROOT).join(folder));
            folders.iter().any(|folder| path.starts_with(folder))
        };
        let files = self
            .store
            .machine
            .disk
            .files()
            .into_iter()
            .filter(is_numbered);
        let files: BTreeSet<PathBuf> = files.collect();
        let missing: Vec<_> = named.difference(&files).collect();
        let is_nobodys = |file: &&PathBuf| !named.contains(*file) && !uploads.contains(*file);
        let nobodys: Vec<_> = files.iter().filter(is_nobodys).collect();
        if missing.is_empty() && nobodys.len() <= extra {
            return Ok(());
        }
        Err(format!(
            "records without a file: {missing:?}, files without a record: {nobodys:?}"
        ))
    }

    /// What lies beside the uploads belongs to one that is open.
    fn sessions(&self) -> Result<(), Fault> {
        let folder = Path::new(ROOT).join("uploads");
        let open: Vec<String> = (self.statuses.iter())
            .filter(|(_, status)| status.is_some())
            .filter_map(|(started, _)| self.store.uploads.get(started))
            .map(|(_, id)| id.uuid().replace('-', ""))
            .collect();
        for file in self.store.machine.disk.files() {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if file.starts_with(&folder) && !open.iter().any(|id| name.starts_with(id.as_str())) {
                return Err(format!("{} is of no open upload", file.display()));
            }
        }
        Ok(())
    }

    /// Crashes somewhere between the opening and `position`, and recovers once more.
    async fn crash_again(
        &self,
        position: usize,
        mut expected: Expected,
        dice: &mut Dice,
    ) -> Result<(), Fault> {
        let journal = self.store.machine.disk.journal();
        let at = dice.below(position + 1);
        let seed = dice.roll();
        let crash = if dice.chance(50) {
            expected.was_cut = true;
            Crash::PowerCut { seed }
        } else {
            Crash::Stop { seed }
        };
        let mut replay = journal.replay();
        replay.advance(at);
        let repairs = dice.chance(REPAIRS);
        let crashed = replay.crashed(crash);
        let outcome = recover(crashed, self.recording, &expected, repairs).await;
        match outcome {
            Ok((again, _)) => again.store.engine.close().await.map_err(failed),
            Err(fault) => Err(format!("after a second crash at {at}, {crash:?}: {fault}")),
        }
    }

    /// Uses the store further: uploads go on, a push and a tag, then everything that nothing keeps
    /// goes.
    async fn go_on(self, worlds: Vec<World>) -> Result<(), Fault> {
        self.finish_uploads().await?;
        push_and_tag(&self.store.engine).await?;
        let mut worlds = worlds;
        // Deletions are final first; then what they held goes.
        for later in [UNDO, GRACE + LIFETIME] {
            self.store.machine.hands.pass(Duration::from_millis(later));
            let collected = self.store.engine.collect().await;
            collected.map_err(|error| format!("the last collections: {error}"))?;
            worlds = worlds.iter().map(|world| passed(world, later)).collect();
        }
        let seen = Seen::of(&self.store.engine, &self.recording.blobs).await?;
        seen.expect(&worlds)
            .map_err(|fault| format!("when all that is due is gone, {fault}"))?;
        let violations = self.store.engine.audit().await.map_err(failed)?;
        if !violations.is_empty() {
            return Err(format!("the last audit: {}", violations.join("; ")));
        }
        let visible = 1 + seen.tag_count();
        let counted = self.store.engine.statistics().await.map_err(failed)?.tags;
        if counted != visible {
            return Err(format!("of {counted} tags {visible} can be seen"));
        }
        self.files(1).await?;
        check_whole(&self.store.engine, false).await?;
        self.store.engine.close().await.map_err(failed)
    }

    /// Every upload goes on where its status says and comes to the right digest.
    async fn finish_uploads(&self) -> Result<(), Fault> {
        for (&started, &status) in &self.statuses {
            let (Some(offset), Some((slot, _))) = (status, self.store.uploads.get(&started)) else {
                continue;
            };
            let repository = self.store.engine.repository(&repository_name(*slot));
            let mut session = self.store.resume(&repository, started).await?;
            if offset_of(session.offset()) != offset {
                let found = session.offset();
                return Err(format!(
                    "upload {started} said {offset}, resumes at {found}"
                ));
            }
            let (seed, len) = (seed_of_upload(started), offset + 100);
            let rest = content(seed, len).slice(offset..);
            session.append(rest).await.map_err(failed)?;
            let blob = Blob::of(seed, len, Algorithm::Sha256);
            let finished = session.finish(&blob.digest()).await;
            finished.map_err(|error| format!("upload {started} from {offset}: {error}"))?;
            if !read(&repository, &blob).await? {
                return Err(format!("upload {started} came to no blob"));
            }
        }
        Ok(())
    }
}

/// A small and a large blob, and a manifest with both under a tag.
async fn push_and_tag(engine: &Engine) -> Result<(), Fault> {
    let name = "after/the/crash".parse();
    let repository = engine.repository(&name.map_err(failed)?);
    let blobs = [30, 3_000].map(|len| Blob::of(1, len, Algorithm::Sha256));
    for blob in &blobs {
        let pushed = repository.put_blob(blob.algorithm, blob.content()).await;
        pushed.map_err(|error| format!("a push after recovery: {error}"))?;
    }
    let tag: floundr_engine::name::Tag = "works".parse().map_err(failed)?;
    let put = PutManifest {
        tags: vec![tag.clone()],
        missing_children: Missing::Refuse,
        ..PutManifest::new(
            "after the crash",
            media_type(),
            Links {
                layers: blobs.iter().map(Blob::digest).collect(),
                ..Links::default()
            },
        )
    };
    let put = repository.put_manifest(put).await;
    put.map_err(|error| format!("a manifest after recovery: {error}"))?;
    let found = repository.manifest(&Reference::Tag(tag)).await;
    let found = found.map_err(|error| format!("a tag after recovery: {error}"))?;
    if found.content != "after the crash" {
        return Err("a tag after recovery names another manifest".to_owned());
    }
    for blob in &blobs {
        if !read(&repository, blob).await? {
            return Err("a blob after recovery is gone".to_owned());
        }
    }
    Ok(())
}
