//! What becomes of the log when the machine does not do what it should.

use super::*;
use medium::Lines;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

/// Memory that can be full, fail to sync, and make its writer wait.
#[derive(Debug)]
struct Bad {
    memory: Memory,
    state: Arc<State>,
    gate: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

#[derive(Debug, Default)]
struct State {
    is_full: AtomicBool,
    loses: AtomicBool,
}

impl Medium for Bad {
    fn append(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        if let Some((arrived, go_on)) = &self.gate {
            arrived.send(()).unwrap();
            // Whoever held it back is done when the sender is gone.
            go_on.recv().unwrap_or(());
        }
        if self.state.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.memory.append(first, lines)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.state.loses.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        Ok(())
    }
}

fn bad(
    bound: usize,
    gate: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
) -> (AuditLog, Arc<State>) {
    let state = Arc::<State>::default();
    let memory = Memory::default();
    let shelf = Arc::new(memory.clone());
    let medium = Bad {
        memory,
        state: Arc::clone(&state),
        gate,
    };
    let clock: Arc<dyn Clock> = Arc::new(Hands::default());
    let writer = Writer::new(medium, Arc::clone(&clock), Chain::new(), Vec::new());
    let log = AuditLog::run(writer, shelf, bound, clock).unwrap();
    (log, state)
}

/// Action and detail of what the log says about itself, oldest first.
async fn said(log: &AuditLog) -> Vec<(u64, Action, String)> {
    let own = Filter {
        actor: Some(LOG.to_owned()),
        ..Filter::default()
    };
    let page = log.query(own, None, 100).await.unwrap();
    let records = page.records.into_iter().rev();
    let said = records.map(|record| {
        let detail = record.event.detail.unwrap_or_default();
        (record.sequence, record.event.action, detail)
    });
    said.collect()
}

#[tokio::test]
async fn a_full_queue_says_where_and_how_much_it_lost_and_never_blocks() {
    let (arrived, has_arrived) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (log, _) = bad(8, Some((arrived, may_go_on)));
    log.record(push("first"));
    has_arrived.recv().unwrap();
    for event in 0..8 + 5 {
        log.record(push(&event.to_string()));
    }
    assert_eq!(log.lost(), 5);
    drop(go_on);
    log.flush().await.unwrap();
    log.record(push("after"));
    let lost = (
        10,
        Action::AuditLost,
        "5 events are missing here".to_owned(),
    );
    assert_eq!(said(&log).await, [lost]);
    let all = all(&log).await;
    assert_eq!(all[0].event.object, "after");
    assert_eq!(all[2].event.object, "7");
    assert_eq!(log.verify().await.unwrap(), whole(11));
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_counted_and_said_when_it_can_be() {
    let (log, state) = bad(100, None);
    record(&log, 3).await;
    state.is_full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        log.record(push("lost"));
        let error = log.flush().await.unwrap_err();
        assert!(matches!(error, AuditError::Write(_)), "{error}");
    }
    assert_eq!(log.lost(), 2);
    assert_eq!(all(&log).await.len(), 3);
    assert_eq!(log.verify().await.unwrap(), whole(3));
    state.is_full.store(false, Ordering::SeqCst);
    log.record(push("after"));
    log.flush().await.unwrap();
    let lost = (4, Action::AuditLost, "2 events are missing here".to_owned());
    assert_eq!(said(&log).await, [lost]);
    assert_eq!(log.verify().await.unwrap(), whole(5));
}

#[tokio::test]
async fn a_failed_sync_is_no_success_and_is_said() {
    let (log, state) = bad(100, None);
    state.loses.store(true, Ordering::SeqCst);
    log.record(push(""));
    let error = log.flush().await.unwrap_err().to_string();
    assert!(error.contains("input/output error"), "{error}");
    state.loses.store(false, Ordering::SeqCst);
    log.flush().await.unwrap();
    let said = said(&log).await;
    assert_eq!(said[0].1, Action::AuditUnsynced);
    assert!(said[0].2.contains("records up to 1"), "{said:?}");
    assert_eq!(log.verify().await.unwrap(), whole(2));
}

#[tokio::test]
async fn a_file_that_cannot_be_begun_loses_events_and_not_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    record(&log, 1).await;
    // Whatever file comes next, its name is taken.
    let obstacles: Vec<_> = (2..10)
        .map(|first| folder.path().join(format!("audit-{first:020}.jsonl")))
        .collect();
    for obstacle in &obstacles {
        fs::create_dir(obstacle).unwrap();
    }
    let mut failed = 0;
    for event in 0..10 {
        log.record(push(&event.to_string()));
        failed += u64::from(log.flush().await.is_err());
    }
    assert!(failed > 0);
    assert_eq!(log.lost(), failed);
    for obstacle in &obstacles {
        fs::remove_dir(obstacle).unwrap();
    }
    log.flush().await.unwrap();
    let records = 1 + 10 - failed + 1;
    assert_eq!(log.verify().await.unwrap(), whole(records));
    assert_eq!(
        said(&log).await[0].2,
        format!("{failed} events are missing here")
    );
}

#[tokio::test]
async fn a_torn_line_is_cut_off_at_the_next_start_which_says_so() {
    let folder = tempfile::tempdir().unwrap();
    record(&open(&folder), 7).await;
    let newest = files(&folder).pop().unwrap();
    let mut newest = fs::OpenOptions::new().append(true).open(newest).unwrap();
    newest.write_all(b"{\"sequence\":8,\"at\":").unwrap();
    // And a file that had only begun.
    let torn = folder.path().join("audit-00000000000000000009.jsonl");
    fs::write(torn, [0; 100]).unwrap();
    let log = open(&folder);
    log.record(push("after"));
    let said = said(&log).await;
    let cut = "119 bytes that were no whole line were cut off";
    assert_eq!(said, [(8, Action::AuditCut, cut.to_owned())]);
    assert_eq!(log.verify().await.unwrap(), whole(9));
}

#[tokio::test]
async fn a_last_line_that_is_none_is_kept_said_and_found() {
    let folder = tempfile::tempdir().unwrap();
    record(&open(&folder), 7).await;
    let newest = files(&folder).pop().unwrap();
    let text = fs::read_to_string(&newest).unwrap();
    let (kept, last) = text.trim_end().rsplit_once('\n').unwrap_or(("", &text));
    let last = "x".repeat(last.trim_end().len());
    fs::write(&newest, format!("{kept}\n{last}\n").trim_start()).unwrap();
    let log = open(&folder);
    log.record(push("after"));
    let said = said(&log).await;
    let damaged = "record 7 cannot be read".to_owned();
    assert_eq!(said, [(8, Action::AuditDamaged, damaged)]);
    let report = log.verify().await.unwrap();
    assert_eq!(report.broken_at, Some(7));
}

#[tokio::test]
async fn a_thread_that_panicked_closes_the_log_and_nobody_waits_for_it() {
    #[derive(Debug)]
    struct Panics;
    impl Medium for Panics {
        fn append(&mut self, _first: u64, _lines: &[u8]) -> io::Result<()> {
            panic!("this test's medium panics")
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Shelf for Panics {
        fn parts(&self) -> io::Result<Vec<u64>> {
            Ok(Vec::new())
        }
        fn forwards(&self, _first: u64) -> io::Result<Lines> {
            Ok(Box::new(std::iter::empty()))
        }
        fn backwards(&self, first: u64) -> io::Result<Lines> {
            self.forwards(first)
        }
    }
    let clock: Arc<dyn Clock> = Arc::new(Hands::default());
    let writer = Writer::new(Panics, Arc::clone(&clock), Chain::new(), Vec::new());
    let log = AuditLog::run(writer, Arc::new(Panics), 10, clock).unwrap();
    log.record(push(""));
    assert!(matches!(log.flush().await, Err(AuditError::Closed)));
    log.record(push("after"));
    assert!(matches!(log.flush().await, Err(AuditError::Closed)));
    assert_eq!(log.lost(), 1);
}

/// A flood of refusals pushes nothing out of the log: it is counted, in its place, source by source.
#[tokio::test]
async fn refusals_and_logins_of_one_source_are_kept_up_to_a_bound_and_counted_beyond() {
    let clock = Arc::new(Hands::default());
    let keeper: Arc<dyn Clock> = Arc::<Hands>::clone(&clock);
    let log = AuditLog::in_memory(keeper).unwrap();
    let refused = |actor: &str| AuditEvent::new(actor, Action::Denied, "team/app", 403);
    for _ in 0..500 {
        log.record(refused("jo"));
    }
    log.record(push("what matters"));
    log.record(refused("ann"));
    log.flush().await.unwrap();
    let records = all(&log).await;
    let of = |actor: &str| {
        records
            .iter()
            .filter(|record| record.event.actor == actor)
            .count()
    };
    assert_eq!((of("jo"), of("ann")), (NOISE as usize + 1, 1));
    let lost = |record: &&Record| record.event.action == Action::AuditLost;
    assert!(records.iter().any(|record| lost(&record)), "{records:?}");
    assert_eq!(log.lost(), 440);
    clock.pass(Duration::from_secs(2));
    log.record(refused("jo"));
    log.flush().await.unwrap();
    assert_eq!(all(&log).await.len(), records.len() + 1);
}
