//! [`Queue`]: what waits to be written, bounded; [`Writer`]: the one thread that writes it.
//!
//! Invariants:
//! 1. Recording never waits for the disk: what finds the queue full is counted in its place, and the
//!    log says there how many events are missing.
//! 2. The same holds for what cannot be written. Nothing is lost without a record that says so, as
//!    soon as one can be written; until then the loss is in the program's log and in [`Queue::lost`].
//! 3. What is written is with the system at once, and durable within [`SYNC`] or when somebody asks.
//! 4. Memory is bounded: events by the queue, lines by [`Medium::chunk`].

use super::event::{Action, AuditEvent, LOG};
use super::medium::Medium;
use super::record::{Chain, MAX_LINE};
use floundr_engine::clock::Clock;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The longest time between writing and syncing, and between two tries to say what is missing.
const SYNC: Duration = Duration::from_secs(1);

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Events it holds at most.
    bound: usize,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    orders: VecDeque<Order>,
    events: usize,
    is_closed: bool,
}

#[derive(Debug)]
enum Order {
    Write(u64, AuditEvent),
    /// So many events are missing here.
    Lost(u64),
    Settle {
        durably: bool,
        answer: oneshot::Sender<Settled>,
    },
}

/// How far the writer is.
#[derive(Debug)]
pub(super) struct Settled {
    /// Behind the last line that is written.
    pub(super) chain: Chain,
    /// Why what was recorded before is not all written, or not durable if that was asked for.
    pub(super) result: io::Result<()>,
}

/// The state of the thread that writes.
#[derive(Debug)]
pub(super) struct Writer<M> {
    medium: M,
    clock: Arc<dyn Clock>,
    /// Behind the last line of `chunk`, and behind the last one that is written.
    chain: Chain,
    written: Chain,
    chunk: Chunk,
    /// What has to be said before anything else.
    missing: Missing,
    unsynced_since: Option<Instant>,
    /// When it last could not write.
    failed: Option<Instant>,
}

/// Lines that are written at once.
#[derive(Debug, Default)]
struct Chunk {
    lines: Vec<u8>,
    events: u64,
    /// What its lines say.
    missing: Missing,
}

/// What a record has to say of the log itself.
#[derive(Debug, Default)]
struct Missing {
    lost: u64,
    notes: Vec<(Action, String)>,
}

/// Closes the queue when the thread ends, however it ends.
struct Closing<'a>(&'a Queue);

// === impl Queue ===

impl Queue {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            bound: bound.max(1),
            lost: AtomicU64::new(0),
        }
    }

    /// Has `event` written, or counts it.
    pub(super) fn push(&self, at: u64, event: AuditEvent) {
        let mut waiting = self.waiting.lock();
        if waiting.events < self.bound && !waiting.is_closed {
            waiting.events += 1;
            waiting.orders.push_back(Order::Write(at, event));
        } else {
            self.count(&mut waiting);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Counts an event that is left out.
    pub(super) fn leave_out(&self) {
        self.count(&mut self.waiting.lock());
        self.wake.notify_one();
    }

    fn count(&self, waiting: &mut Waiting) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if let Some(Order::Lost(count)) = waiting.orders.back_mut() {
            *count += 1;
        } else if !waiting.is_closed {
            waiting.orders.push_back(Order::Lost(1));
        }
    }

    /// Asks for the state behind everything that was pushed before. The answer never comes if the
    /// thread has ended.
    pub(super) fn settle(&self, durably: bool) -> oneshot::Receiver<Settled> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if !waiting.is_closed {
            waiting.orders.push_back(Order::Settle { durably, answer });
        }
        drop(waiting);
        self.wake.notify_one();
        answered
    }

    /// Ends the thread when it has written what waits.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.wake.notify_one();
    }

    /// Events that could not be kept since the log was opened.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Takes what waits, or nothing when `until` has come; `None` when it is closed and empty.
    fn take(&self, until: Option<Instant>) -> Option<VecDeque<Order>> {
        let mut waiting = self.waiting.lock();
        let mut is_late = false;
        while waiting.orders.is_empty() && !is_late {
            if waiting.is_closed {
                return None;
            }
            match until {
                None => self.wake.wait(&mut waiting),
                Some(until) => is_late = self.wake.wait_until(&mut waiting, until).timed_out(),
            }
        }
        waiting.events = 0;
        Some(std::mem::take(&mut waiting.orders))
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.is_closed = true;
        let is_event = |order: &&Order| matches!(order, Order::Write(..));
        let events = waiting.orders.iter().filter(is_event).count();
        self.0.lost.fetch_add(events as u64, Ordering::Relaxed);
        // Who still waits for an answer learns that there is none.
        waiting.orders.clear();
    }
}

// === impl Writer ===

impl<M: Medium> Writer<M> {
    /// Goes on behind `chain`, and says `notes` first.
    pub(super) fn new(
        medium: M,
        clock: Arc<dyn Clock>,
        chain: Chain,
        notes: Vec<(Action, String)>,
    ) -> Self {
        Self {
            medium,
            clock,
            written: chain.clone(),
            chain,
            chunk: Chunk::default(),
            missing: Missing { lost: 0, notes },
            unsynced_since: None,
            failed: None,
        }
    }

    /// Writes until the queue is closed and empty; then everything is durable, or a line in the
    /// program's log says that it is not.
    pub(super) fn run(mut self, queue: &Queue) {
        let _closing = Closing(queue);
        while let Some(orders) = queue.take(self.next_turn()) {
            for order in orders {
                self.obey(order, queue);
            }
            self.turn(queue);
        }
        // What fails here is in the program's log.
        drop(self.settle(true, queue));
    }

    fn obey(&mut self, order: Order, queue: &Queue) {
        match order {
            Order::Write(at, event) => {
                self.speak();
                self.add(at, event);
                self.chunk.events += 1;
                if self.chunk.lines.len() >= self.medium.chunk() {
                    // A failure is counted, logged and said in a record.
                    drop(self.put(queue));
                }
            }
            Order::Lost(count) => {
                tracing::error!(
                    count,
                    "the audit log did not keep up: events are missing in it"
                );
                self.missing.lost += count;
            }
            Order::Settle { durably, answer } => {
                let result = self.settle(durably, queue);
                let chain = self.written.clone();
                // Who asked may have gone.
                drop(answer.send(Settled { chain, result }));
            }
        }
    }

    /// What is due when no order is left.
    fn turn(&mut self, queue: &Queue) {
        let is_sync_due = self.unsynced_since.is_some_and(|at| at.elapsed() >= SYNC);
        // A failure is counted, logged and said in a record.
        drop(self.settle(is_sync_due, queue));
    }

    /// Until when it may wait for an order.
    fn next_turn(&self) -> Option<Instant> {
        let again = self.failed.filter(|_| !self.missing.is_empty());
        let times = [self.unsynced_since, again];
        times.into_iter().flatten().map(|at| at + SYNC).min()
    }

    /// Everything is written, and `durably` durable.
    fn settle(&mut self, durably: bool, queue: &Queue) -> io::Result<()> {
        self.speak();
        self.put(queue)?;
        if durably && self.unsynced_since.is_some() {
            self.sync()?;
        }
        Ok(())
    }

    /// Adds records of what is missing here.
    fn speak(&mut self) {
        if self.missing.is_empty() {
            return;
        }
        let missing = std::mem::take(&mut self.missing);
        let at = millis(&*self.clock);
        for (action, detail) in &missing.notes {
            self.add(at, by_the_log(*action, detail.clone()));
        }
        if missing.lost > 0 {
            let detail = format!("{} events are missing here", missing.lost);
            self.add(at, by_the_log(Action::AuditLost, detail));
        }
        self.chunk.missing.join(missing);
    }

    fn add(&mut self, at: u64, event: AuditEvent) {
        let (line, behind) = self.chain.next(at, event);
        debug_assert!(line.len() < MAX_LINE, "an event's texts are bounded");
        self.chunk.lines.extend(line);
        self.chunk.lines.push(b'\n');
        self.chain = behind;
    }

    /// Writes the chunk. If it cannot be written, its events are lost, and what it would have said is
    /// said later.
    fn put(&mut self, queue: &Queue) -> io::Result<()> {
        if self.chunk.lines.is_empty() {
            return Ok(());
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        let put = self.medium.append(self.written.sequence + 1, &chunk.lines);
        match &put {
            Ok(()) => {
                self.written = self.chain.clone();
                self.unsynced_since.get_or_insert_with(Instant::now);
                if self.failed.take().is_some() {
                    tracing::warn!("the audit log is written again");
                }
            }
            Err(error) => {
                self.chain = self.written.clone();
                queue.lost.fetch_add(chunk.events, Ordering::Relaxed);
                chunk.missing.lost += chunk.events;
                self.missing.join(chunk.missing);
                if self.failed.replace(Instant::now()).is_none() {
                    tracing::error!(%error, "the audit log cannot be written: events are lost");
                }
            }
        }
        put
    }

    /// A failed sync is not tried again: what was to be synced may be gone from the system's memory.
    fn sync(&mut self) -> io::Result<()> {
        self.unsynced_since = None;
        let synced = self.medium.sync();
        if let Err(error) = &synced {
            tracing::error!(%error, "the audit log cannot be synced");
            let detail = format!(
                "records up to {} may be gone after a power cut: {error}",
                self.written.sequence
            );
            self.missing.notes.push((Action::AuditUnsynced, detail));
            self.failed = Some(Instant::now());
        }
        synced
    }
}

// === impl Missing ===

impl Missing {
    fn is_empty(&self) -> bool {
        self.lost == 0 && self.notes.is_empty()
    }

    fn join(&mut self, other: Self) {
        self.lost += other.lost;
        self.notes.extend(other.notes);
    }
}

/// A record of the log about itself.
fn by_the_log(action: Action, detail: String) -> AuditEvent {
    let mut event = AuditEvent::new(LOG, action, "audit", 500);
    event.detail = Some(detail);
    event.cleaned()
}

/// The machine's clock in milliseconds since the epoch.
pub(super) fn millis(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.wall().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::medium::CHUNK;
    use super::*;
    use floundr_engine::clock::Hands;

    /// Counts, and fails when it is told to.
    #[derive(Debug, Default)]
    struct Counter {
        appended: Vec<u8>,
        syncs: usize,
        is_full: bool,
    }

    impl Medium for Counter {
        fn append(&mut self, _first: u64, lines: &[u8]) -> io::Result<()> {
            if self.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.appended.extend_from_slice(lines);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.syncs += 1;
            Ok(())
        }
    }

    fn writer() -> (Writer<Counter>, Queue) {
        let clock = Arc::new(Hands::default());
        let writer = Writer::new(Counter::default(), clock, Chain::new(), Vec::new());
        (writer, Queue::new(4))
    }

    fn event() -> Order {
        Order::Write(1, AuditEvent::new("jo", Action::Login, "", 200))
    }

    #[test]
    fn what_is_written_is_with_the_system_at_once_and_synced_once_a_second() {
        let (mut writer, queue) = writer();
        for _ in 0..10 {
            writer.obey(event(), &queue);
            writer.turn(&queue);
        }
        assert!(writer.medium.appended.ends_with(b"}\n"));
        assert_eq!(writer.medium.syncs, 0);
        let due = writer.next_turn().unwrap() - Instant::now();
        assert!(due <= SYNC, "{due:?}");
        writer.unsynced_since = Instant::now().checked_sub(SYNC);
        writer.turn(&queue);
        writer.turn(&queue);
        assert_eq!(writer.medium.syncs, 1);
        assert_eq!(writer.next_turn(), None);
    }

    #[test]
    fn a_large_batch_is_written_in_chunks() {
        let (mut writer, queue) = writer();
        for _ in 0..10_000 {
            writer.obey(event(), &queue);
            assert!(writer.chunk.lines.len() < CHUNK + MAX_LINE);
        }
        assert!(writer.medium.appended.len() > 10 * CHUNK);
    }

    #[test]
    fn a_full_disk_is_tried_again_by_itself_while_something_has_to_be_said() {
        let (mut writer, queue) = writer();
        writer.medium.is_full = true;
        writer.obey(event(), &queue);
        writer.turn(&queue);
        assert_eq!(queue.lost(), 1);
        assert!(writer.next_turn().is_some());
        writer.medium.is_full = false;
        writer.turn(&queue);
        assert!(writer.missing.is_empty());
        let text = String::from_utf8(writer.medium.appended.clone()).unwrap();
        assert!(text.contains("1 events are missing here"), "{text}");
        assert_eq!(writer.written.sequence, 1);
    }
}
