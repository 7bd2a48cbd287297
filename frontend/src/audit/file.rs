//! The files of the log: the only place of it that touches the disk.
//!
//! ```text
//! <directory>/audit-00000000000000000001.jsonl    named for the first sequence in it, mode 0600
//! ```
//! Invariants:
//! 1. One process has the directory, by a lock on it.
//! 2. What cannot be written whole is not there: after a failed write the file is cut to where it was
//!    before anything else is written, and so is, at the next start, a line without its end.
//! 3. Reading takes blocks, never a file: memory does not grow with the log.

use super::AuditError;
use super::medium::{CHUNK, Lines, Medium, Shelf};
use super::record::{Chain, MAX_LINE, Record};
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;

/// The highest sequence a file may be named for: a name that somebody made up ends no arithmetic.
const MAX_FIRST: u64 = u64::MAX / 2;

/// Where the files lie.
#[derive(Debug, Clone)]
pub(super) struct Directory(PathBuf);

/// The files as the one that writes them has them.
#[derive(Debug)]
pub(super) struct Files {
    directory: Directory,
    /// The directory, opened and locked.
    lock: File,
    /// Bytes after which another file is begun.
    max_bytes: u64,
    /// Files that are kept.
    kept: usize,
    /// The first sequences of the files there are.
    firsts: VecDeque<u64>,
    newest: Option<Newest>,
    /// Full ones, until they are synced.
    full: Vec<Newest>,
}

/// What the log ended with.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) chain: Chain,
    /// Bytes behind the last whole line, which are cut off.
    pub(super) cut: u64,
    /// The last line is none of ours.
    pub(super) is_damaged: bool,
}

/// The file that is written to.
#[derive(Debug)]
struct Newest {
    path: PathBuf,
    /// `None` after a failed write: the file is opened and cut to `length` before the next.
    file: Option<File>,
    length: u64,
}

/// The lines of a file, the last one first.
struct Backwards {
    file: File,
    /// Where `held` begins in the file.
    at: u64,
    held: Vec<u8>,
    is_done: bool,
}

/// The lines of a file, and at its end what is no whole line.
struct Forwards(BufReader<File>);

// === impl Directory ===

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn path(&self, first: u64) -> PathBuf {
        self.0.join(format!("audit-{first:020}.jsonl"))
    }
}

impl Shelf for Directory {
    fn parts(&self) -> io::Result<Vec<u64>> {
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| {
                let rest = name.strip_prefix("audit-")?;
                rest.strip_suffix(".jsonl")
            });
            let digits = digits.filter(|digits| digits.len() == 20);
            let first = digits.and_then(|digits| digits.parse().ok());
            firsts.extend(first.filter(|first| (1..=MAX_FIRST).contains(first)));
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    fn forwards(&self, first: u64) -> io::Result<Lines> {
        let file = File::open(self.path(first))?;
        let reader = BufReader::with_capacity(BLOCK, file);
        Ok(Box::new(Forwards(reader)))
    }

    fn backwards(&self, first: u64) -> io::Result<Lines> {
        let (lines, _end) = Backwards::new(File::open(self.path(first))?)?;
        Ok(Box::new(lines))
    }
}

// === impl Files ===

impl Files {
    /// Opens the log in `directory`, which is made if it is not there, and finds its end.
    pub(super) fn open(
        path: &Path,
        max_bytes: u64,
        kept: usize,
    ) -> Result<(Self, Tail), AuditError> {
        let refused = |source| AuditError::Open {
            path: path.to_owned(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(refused)?;
        let lock = File::open(path).map_err(refused)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => AuditError::InUse(path.to_owned()),
            TryLockError::Error(source) => refused(source),
        })?;
        let directory = Directory::new(path);
        let firsts = directory.parts().map_err(refused)?;
        let mut files = Self {
            directory,
            lock,
            max_bytes,
            kept: kept.max(1),
            firsts: firsts.into(),
            newest: None,
            full: Vec::new(),
        };
        let tail = files.find_end().map_err(refused)?;
        Ok((files, tail))
    }

    /// Cuts off what is no whole line, and files that have none with it.
    fn find_end(&mut self) -> io::Result<Tail> {
        let mut cut = 0;
        while let Some(&first) = self.firsts.back() {
            let path = self.directory.path(first);
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            let length = file.metadata()?.len();
            let (mut lines, end) = Backwards::new(file.try_clone()?)?;
            cut += length - end;
            let Some(last) = lines.next() else {
                fs::remove_file(&path)?;
                self.lock.sync_all()?;
                self.firsts.pop_back();
                continue;
            };
            if end < length {
                file.set_len(end)?;
                file.sync_all()?;
            }
            let last = last?;
            // More lines than bytes there are not: a number that was made up ends no arithmetic.
            let said = Record::read(&last).map(|record| record.sequence);
            let said = said.filter(|said| (first..first + end).contains(said));
            let sequence = match said {
                Some(said) => said,
                None => first + lines.try_fold(0, |count, line| line.map(|_| count + 1))?,
            };
            self.newest = Some(Newest {
                path,
                file: None,
                length: end,
            });
            return Ok(Tail {
                chain: Chain::behind(sequence, &last),
                cut,
                is_damaged: said.is_none(),
            });
        }
        Ok(Tail {
            chain: Chain::new(),
            cut,
            is_damaged: false,
        })
    }

    /// Begins a file, and removes the oldest ones that are too many.
    fn begin(&mut self, first: u64) -> io::Result<()> {
        if let Some(newest) = &mut self.newest {
            // What a failed write left must not stay in the middle of the log.
            newest.with_file(|_file| Ok(()))?;
        }
        self.full.extend(self.newest.take());
        let path = self.directory.path(first);
        let mut options = OpenOptions::new();
        let file = options
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        self.firsts.push_back(first);
        self.newest = Some(Newest {
            path,
            file: Some(file),
            length: 0,
        });
        self.lock.sync_all()?;
        while self.firsts.len() > self.kept
            && let Some(&oldest) = self.firsts.front()
        {
            match fs::remove_file(self.directory.path(oldest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.firsts.pop_front(),
            };
        }
        Ok(())
    }
}

impl Medium for Files {
    fn append(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        let added = lines.len() as u64;
        let has_room = |newest: &Newest| {
            newest.length == 0 || newest.length.saturating_add(added) <= self.max_bytes
        };
        if !self.newest.as_ref().is_some_and(has_room) {
            self.begin(first)?;
        }
        match &mut self.newest {
            Some(newest) => newest.append(lines),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn chunk(&self) -> usize {
        usize::try_from(self.max_bytes).map_or(CHUNK, |max| max.min(CHUNK))
    }

    fn sync(&mut self) -> io::Result<()> {
        let full = self.full.drain(..).map(|mut full| full.sync());
        // Each is tried, whatever becomes of another.
        let failed = full.fold(Ok(()), Result::and);
        let newest = self.newest.as_mut();
        failed.and(newest.map_or(Ok(()), Newest::sync))
    }
}

// === impl Newest ===

impl Newest {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.with_file(|file| file.write_all(lines))?;
        self.length += lines.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with_file(|file| file.sync_data())
    }

    /// The file, opened, with nothing behind what it should hold.
    fn cut(&self) -> io::Result<File> {
        let file = OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(self.length)?;
        Ok(file)
    }

    /// Does something with the file, which holds `length` bytes before. If that fails, it is opened
    /// and cut anew before the next.
    fn with_file(&mut self, act: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.cut()?,
        };
        act(&mut file)?;
        self.file = Some(file);
        Ok(())
    }
}

// === impl Backwards ===

impl Backwards {
    /// And where the last whole line ends.
    fn new(file: File) -> io::Result<(Self, u64)> {
        let at = file.metadata()?.len();
        let mut lines = Self {
            file,
            at,
            held: Vec::new(),
            is_done: false,
        };
        lines.piece()?;
        let end = if lines.is_done {
            0
        } else {
            lines.at + lines.held.len() as u64 + 1
        };
        Ok((lines, end))
    }

    /// What is behind the last line feed of what is left, and takes both away. Of a piece longer than
    /// any line only a part.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(feed) = self.held.iter().rposition(|byte| *byte == b'\n') {
                let piece = self.held.split_off(feed + 1);
                self.held.truncate(feed);
                return Ok(piece);
            }
            if self.at == 0 {
                self.is_done = true;
                return Ok(std::mem::take(&mut self.held));
            }
            if self.held.len() > MAX_LINE {
                self.held.truncate(1);
            }
            let length = self.at.min(BLOCK as u64);
            self.at -= length;
            let mut block = vec![0; usize::try_from(length).unwrap_or(BLOCK)];
            self.file.read_exact_at(&mut block, self.at)?;
            block.append(&mut self.held);
            self.held = block;
        }
    }
}

impl Iterator for Backwards {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let piece = self.piece();
        self.is_done |= piece.is_err();
        Some(piece)
    }
}

impl Iterator for Forwards {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        let mut bounded = self.0.by_ref().take(MAX_LINE as u64);
        match bounded.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        // What has no end is no line, and must not be taken for one.
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            line.clear();
        }
        Some(Ok(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn open(path: &Path) -> Files {
        Files::open(path, 100, 3).unwrap().0
    }

    #[test]
    fn what_a_full_disk_took_half_of_is_cut_off_before_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open(folder.path());
        files.append(1, b"one\n").unwrap();
        let path = files.directory.path(1);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        files.newest.as_mut().unwrap().file = Some(full);
        fs::write(&path, "one\ntw").unwrap();
        let error = files.append(2, b"two\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        files.append(2, b"2\n").unwrap();
        files.sync().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n2\n");
    }

    #[test]
    fn half_a_write_is_cut_off_as_well_when_the_next_one_begins_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open(folder.path());
        files.append(1, b"one\n").unwrap();
        files.newest.as_mut().unwrap().file = None;
        fs::write(files.directory.path(1), "one\ntw").unwrap();
        files.append(2, &[b'x'; 100]).unwrap();
        files.sync().unwrap();
        assert_eq!(fs::read(files.directory.path(1)).unwrap(), b"one\n");
        assert_eq!(files.directory.parts().unwrap(), [1, 2]);
    }

    #[test]
    fn files_are_for_the_user_of_the_server_and_only_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/audit");
        let mut files = open(&path);
        for first in 1..=5 {
            files.append(first, &[b'x'; 60]).unwrap();
        }
        assert_eq!(files.directory.parts().unwrap(), [3, 4, 5]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("audit-00000000000000000003.jsonl")), 0o600);
        assert!(matches!(
            Files::open(&path, 100, 3),
            Err(AuditError::InUse(_))
        ));
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_a_block() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path());
        let mut text = b"first\n".to_vec();
        text.resize(50 * BLOCK, b'x');
        text.extend(b"\nlast\n");
        fs::write(directory.path(1), text).unwrap();
        let lines: Vec<_> = directory
            .backwards(1)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(lines[0], b"last");
        assert_eq!(lines[2], b"first");
        assert!(lines[1].len() <= BLOCK + MAX_LINE, "{}", lines[1].len());
        let mut lines = directory.forwards(1).unwrap().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), b"first");
        assert!(lines.all(|line| line.len() <= MAX_LINE));
    }
}
