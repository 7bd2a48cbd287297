//! The log over its whole life: restarts, rotation, what can be asked.

mod tamper;
mod trouble;

use super::*;
use floundr_engine::clock::Hands;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// Small files, so that there are several.
fn options() -> AuditOptions {
    AuditOptions {
        file_bytes: 1024,
        files: 100,
        queue: 100,
    }
}

fn open(folder: &TempDir) -> AuditLog {
    open_at(folder, &Arc::default())
}

fn open_at(folder: &TempDir, clock: &Arc<Hands>) -> AuditLog {
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(clock);
    AuditLog::open(folder.path(), &options(), clock).unwrap()
}

fn push(object: &str) -> AuditEvent {
    AuditEvent::new("jo", Action::Push, object, 200)
}

async fn record(log: &AuditLog, events: usize) {
    for event in 0..events {
        log.record(push(&event.to_string()));
        // The queue is small.
        if event % 50 == 0 {
            log.flush().await.unwrap();
        }
    }
    log.flush().await.unwrap();
}

/// Every record, newest first.
async fn all(log: &AuditLog) -> Vec<Record> {
    pages(log, &Filter::default(), MAX_PAGE).await
}

/// All pages together.
async fn pages(log: &AuditLog, filter: &Filter, limit: usize) -> Vec<Record> {
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = log.query(filter.clone(), before, limit).await.unwrap();
        assert_eq!(page.unreadable, 0);
        assert!(page.records.len() <= limit);
        found.extend(page.records);
        before = page.next;
        if before.is_none() {
            return found;
        }
        assert_eq!(found.len() % limit, 0, "a full page when more follow");
    }
}

/// The log's files, oldest first.
fn files(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

const fn whole(records: u64) -> Report {
    Report {
        records,
        broken_at: None,
    }
}

#[tokio::test]
async fn the_chain_goes_on_over_rotation_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for start in 0..3 {
        let log = open(&folder);
        record(&log, 10).await;
        assert_eq!(log.verify().await.unwrap(), whole(10 * (start + 1)));
    }
    let log = open(&folder);
    assert!(files(&folder).len() > 5);
    let sequences = all(&log).await.into_iter().map(|record| record.sequence);
    assert!(sequences.eq((1..=30).rev()));
    let after_a_restart = log.verify().await.unwrap();
    assert_eq!(after_a_restart, whole(30));
}

#[tokio::test]
async fn the_oldest_files_go_and_the_rest_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let options = AuditOptions {
        files: 3,
        ..options()
    };
    let clock: Arc<dyn Clock> = Arc::new(Hands::default());
    let log = AuditLog::open(folder.path(), &options, clock).unwrap();
    for event in 0..50 {
        log.record(push(&event.to_string()));
        log.flush().await.unwrap();
    }
    assert_eq!(files(&folder).len(), 3);
    let kept = all(&log).await;
    assert!(kept.len() < 20, "{}", kept.len());
    assert_eq!(kept[0].sequence, 50);
    assert_eq!(log.verify().await.unwrap(), whole(kept.len() as u64));
}

#[tokio::test]
async fn what_is_written_and_rotated_away_meanwhile_is_no_break() {
    let folder = tempfile::tempdir().unwrap();
    let options = AuditOptions {
        file_bytes: 600,
        files: 4,
        queue: 10_000,
    };
    let clock: Arc<dyn Clock> = Arc::new(Hands::default());
    let log = AuditLog::open(folder.path(), &options, clock).unwrap();
    let busy = log.clone();
    let writing = thread::spawn(move || {
        for event in 0..2000 {
            busy.record(push(&event.to_string()));
            thread::yield_now();
        }
    });
    while !writing.is_finished() {
        assert_eq!(log.verify().await.unwrap().broken_at, None);
        let page = log.query(Filter::default(), None, 5).await.unwrap();
        assert_eq!(page.unreadable, 0);
    }
    writing.join().unwrap();
    assert_eq!(all(&log).await[0].sequence, 2000);
}

#[tokio::test]
async fn what_was_dropped_with_the_log_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    log.record(push("last"));
    drop(log);
    let log = open(&folder);
    assert_eq!(all(&log).await[0].event.object, "last");
}

#[tokio::test]
async fn pages_together_are_what_the_filter_takes_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hands::default());
    let log = open_at(&folder, &clock);
    let actors = ["jo", "robot:ci", "anonymous"];
    for event in 0..60_usize {
        let action = Action::ALL[event % 4];
        let object = format!("team/app{}", event % 5);
        log.record(AuditEvent::new(actors[event % 3], action, object, 200));
        log.flush().await.unwrap();
        clock.pass(Duration::from_secs(1));
    }
    let all = all(&log).await;
    assert_eq!(all.len(), 60);
    let text = |text: &str| Some(text.to_owned());
    for filter in [
        Filter::default(),
        Filter {
            actor: text("robot:ci"),
            ..Filter::default()
        },
        Filter {
            action: Some(Action::ALL[2]),
            object: text("app3"),
            ..Filter::default()
        },
        Filter {
            since: Some(10_000),
            until: Some(20_000),
            ..Filter::default()
        },
        Filter {
            actor: text("nobody"),
            ..Filter::default()
        },
    ] {
        let wanted: Vec<_> = all.iter().filter(|one| filter.fits(one)).cloned().collect();
        for limit in [1, 3, 7, 1000] {
            let found = pages(&log, &filter, limit).await;
            assert_eq!(found, wanted, "{filter:?} {limit}");
        }
    }
    let ten = all.iter().filter(|one| (10_000..20_000).contains(&one.at));
    assert_eq!(ten.count(), 10);
}

#[tokio::test]
async fn a_log_without_a_directory_can_be_asked_and_keeps_a_bounded_number() {
    let log = AuditLog::in_memory(Arc::new(Hands::default())).unwrap();
    record(&log, 5000).await;
    assert_eq!(log.verify().await.unwrap(), whole(4096));
    assert_eq!(all(&log).await[0].event.object, "4999");
    let none = AuditLog::none();
    none.record(push(""));
    none.flush().await.unwrap();
    assert_eq!(all(&none).await, []);
    assert_eq!(none.verify().await.unwrap(), whole(0));
}

#[tokio::test]
async fn what_a_client_chose_is_one_printable_line_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let secret = "0123456789abcdef".repeat(4);
    let mut event = push("a\n{\"sequence\":9}\u{1b}[2J\u{9b}");
    event.actor = format!("flr_0123456789abcdef_{secret}");
    event.detail = Some("x".repeat(100_000));
    log.record(event);
    log.flush().await.unwrap();
    let text = fs::read_to_string(&files(&folder)[0]).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(!text.contains(&secret));
    assert!(text.trim_end().chars().all(|one| !one.is_control()));
    assert!(text.len() < 4096, "{}", text.len());
    let found = all(&log).await.remove(0).event;
    assert_eq!(found.object, "a\\u{a}{\"sequence\":9}\\u{1b}[2J\\u{9b}");
}
