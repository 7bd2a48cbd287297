//! Feeds any bytes to everything that is decoded from the disk: keys and values of rows, records of the
//! journal and of uploads, the files of a backup, names of files.
//!
//! They decode to a value that has the same bytes again, or are refused; nothing panics. Input: what it
//! is (a table's number, or one of those below), the length of the key, the key, and the rest.
#![no_main]

use floundr_engine::fuzzing::{backup_file, file_name, journal_rows, row, sealed, session};
use libfuzzer_sys::fuzz_target;

const SESSION: u8 = 100;
const BACKUP: u8 = 101;
const NAME: u8 = 102;
const JOURNAL: u8 = 103;
/// Added to a table's number: the rest is the value with its checksum.
const SEALED: u8 = 128;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind {
        SESSION => session(rest),
        JOURNAL => journal_rows(rest),
        BACKUP | NAME => {
            if let Ok(text) = str::from_utf8(rest) {
                let feed = if kind == BACKUP {
                    backup_file
                } else {
                    file_name
                };
                feed(text);
            }
        }
        _ => {
            let (&len, rest) = rest.split_first().unwrap_or((&0, &[]));
            let (key, rest) = rest.split_at(rest.len().min(len.into()));
            match kind.checked_sub(SEALED) {
                Some(table) => sealed(table, key, rest),
                None => row(kind, key, rest),
            }
        }
    }
});
