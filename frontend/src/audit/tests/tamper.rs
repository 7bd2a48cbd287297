//! That whatever is done to a line is found.

use super::*;
use proptest::prelude::*;
use tokio::runtime::Runtime;

const RECORDS: usize = 20;

/// What somebody does to the lines of all files together.
#[derive(Debug, Clone)]
enum Tampering {
    Change { line: usize, byte: usize, to: u8 },
    Remove(usize),
    Repeat(usize),
    Swap(usize, usize),
    Renumber(usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let line = || 0..RECORDS;
    prop_oneof![
        (line(), any::<usize>(), any::<u8>()).prop_map(|(line, byte, to)| Tampering::Change {
            line,
            byte,
            to
        }),
        line().prop_map(Tampering::Remove),
        line().prop_map(Tampering::Repeat),
        (line(), line()).prop_map(|(one, other)| Tampering::Swap(one, other)),
        line().prop_map(Tampering::Renumber),
    ]
}

impl Tampering {
    fn apply(&self, lines: &mut Vec<Vec<u8>>) {
        match *self {
            Self::Change { line, byte, to } => {
                let line = &mut lines[line];
                let byte = byte % line.len();
                line[byte] = to;
            }
            Self::Remove(line) => drop(lines.remove(line)),
            Self::Repeat(line) => lines.insert(line, lines[line].clone()),
            Self::Swap(one, other) => lines.swap(one, other),
            Self::Renumber(line) => {
                let text = String::from_utf8(lines[line].clone()).unwrap();
                let (_, rest) = text.split_once(',').unwrap();
                lines[line] = format!("{{\"sequence\":77,{rest}").into_bytes();
            }
        }
    }
}

/// Writes `lines` back, so many into each file as were in it, and the rest into the last.
fn write_back(files: &[(PathBuf, usize)], lines: &[Vec<u8>]) {
    let mut rest = lines.iter();
    for (index, (path, count)) in files.iter().enumerate() {
        let is_last = index + 1 == files.len();
        let count = if is_last { usize::MAX } else { *count };
        let mut text = Vec::new();
        for line in rest.by_ref().take(count) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        fs::write(path, text).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_line_cannot_be_changed_removed_repeated_or_moved_unnoticed(tampering in tampering()) {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder);
        runtime.block_on(record(&log, RECORDS));
        let files: Vec<_> = files(&folder).into_iter().map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (path, lines)
        }).collect();
        prop_assert!(files.len() > 3);
        let texts = files.iter().map(|(path, _)| fs::read(path).unwrap());
        let lines: Vec<_> = texts.flat_map(|text| {
            let text = text.strip_suffix(b"\n").unwrap();
            text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        }).collect();
        let mut changed = lines.clone();
        tampering.apply(&mut changed);
        write_back(&files, &changed);
        let report = runtime.block_on(log.verify()).unwrap();
        prop_assert_eq!(report.broken_at.is_some(), changed != lines, "{:?}", report);
        // The first record that differs, or the one behind it, which the chain refers to.
        if let Some(broken_at) = report.broken_at {
            let same = lines.iter().zip(&changed).take_while(|(one, other)| one == other).count();
            let first = same as u64 + 1;
            prop_assert!((first..=first + 1).contains(&broken_at), "{} {}", first, broken_at);
        }
    }
}

#[tokio::test]
async fn a_file_that_is_missing_in_the_middle_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    record(&log, RECORDS).await;
    let missing = &files(&folder)[2];
    let text = fs::read(missing).unwrap();
    let first = text.split(|byte| *byte == b'\n').next().unwrap();
    let first = Record::sequence(first).unwrap();
    fs::remove_file(missing).unwrap();
    let report = log.verify().await.unwrap();
    assert_eq!(report.broken_at, Some(first));
    assert_eq!(report.records, first - 1);
}

#[tokio::test]
async fn everything_removed_while_the_server_runs_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    record(&log, RECORDS).await;
    for file in files(&folder) {
        fs::remove_file(file).unwrap();
    }
    let report = log.verify().await.unwrap();
    assert_eq!(report.broken_at, Some(RECORDS as u64));
}

#[tokio::test]
async fn a_page_says_how_many_lines_it_could_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    record(&log, RECORDS).await;
    let file = &files(&folder)[1];
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text.replacen("push", "????", 1)).unwrap();
    let page = log.query(Filter::default(), None, 100).await.unwrap();
    assert_eq!(page.unreadable, 1);
    assert_eq!(page.records.len(), RECORDS - 1);
}
