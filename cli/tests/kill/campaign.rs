//! The course of things: lives of a server on one store, each ended by SIGKILL while clients work,
//! and checkpoints at which everything comes to rest and is compared.

use crate::client::{Client, Tally};
use crate::content::Dice;
use crate::fault::Fault;
use crate::ledger::{LEASE, Ledger};
use crate::store;
use crate::support::{Home, Server};
use crate::wire::Life;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs::File;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 8;

/// Lives between two checkpoints.
const STRETCH: usize = 50;

/// `FLOUNDR_UNDO` in every second life; in the others it is zero.
const UNDO: Duration = Duration::from_secs(2);

/// How long clients may take to compare, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// In so many of a hundred lives the kill may come while clients still compare.
const EARLY: usize = 20;

/// A campaign that goes on.
pub(crate) struct Campaign {
    home: Home,
    clients: Vec<Client>,
    dice: Dice,
    /// Lives of the server so far.
    lives: usize,
    /// How long they were together.
    lived: Duration,
    summary: Summary,
}

/// What it came to.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    kills: usize,
    checkpoints: usize,
    /// Links that were due and left at a checkpoint, as a kill leaves them.
    late: u64,
    tally: Tally,
}

/// Something wrong, and when.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) life: usize,
    pub(crate) client: Option<usize>,
    pub(crate) fault: Fault,
}

// === impl Campaign ===

impl Campaign {
    pub(crate) fn new(seed: u64) -> Self {
        let clients = (0..CLIENTS).map(|number| Client::new(number, seed));
        Self {
            home: Home::new(),
            clients: clients.collect(),
            dice: Dice::new(!seed),
            lives: 0,
            lived: Duration::ZERO,
            summary: Summary::default(),
        }
    }

    /// Kills `kills` servers. What is wrong ends it, and leaves the store for a look.
    pub(crate) fn run(mut self, kills: usize) -> Result<Summary, Vec<Found>> {
        match self.go(kills) {
            Ok(()) => {
                for client in &self.clients {
                    self.summary.tally.add(client.tally);
                }
                Ok(self.summary)
            }
            Err(found) => {
                println!(
                    "the store and the log stay in {}",
                    self.home.path().display()
                );
                std::mem::forget(self.home);
                Err(found)
            }
        }
    }

    fn go(&mut self, kills: usize) -> Result<(), Vec<Found>> {
        for kill in 1..=kills {
            self.live_and_be_killed()?;
            self.summary.kills += 1;
            if kill % STRETCH == 0 || kill == kills {
                self.checkpoint()?;
                println!("{kill} kills, {} checkpoints", self.summary.checkpoints);
            }
        }
        Ok(())
    }

    // --- a life ---

    fn live_and_be_killed(&mut self) -> Result<(), Vec<Found>> {
        let undo = [Duration::ZERO, UNDO][self.lives % 2];
        let (life, server) = self.start(undo);
        let waits = !self.dice.chance(EARLY);
        let delay = Duration::from_millis(self.dice.between(100, 2000));
        let found = std::thread::scope(|scope| {
            let clients = self.clients.iter_mut();
            let work = clients.map(|client| {
                let life = &life;
                scope.spawn(move || live(client, life))
            });
            let work: Vec<_> = work.collect();
            let deadline = Instant::now() + if waits { PATIENCE } else { Duration::ZERO };
            let compare = || life.verified.load(Ordering::SeqCst) < CLIENTS;
            while compare() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(delay);
            life.end();
            server.signal(Signal::KILL);
            let results = work.into_iter().map(ScopedJoinHandle::join);
            let results = results.map(|result| result.expect("a client does not panic"));
            gather(life.number, results)
        });
        let (status, _) = server.ended();
        self.lived = life.now();
        assert_eq!(
            status.code(),
            None,
            "the server of life {} ended by itself",
            life.number
        );
        found
    }

    /// Starts a server on the store, and waits until it is ready.
    fn start(&mut self, undo: Duration) -> (Life, Server) {
        let log = self.home.path().join("log");
        let log = File::options().append(true).create(true).open(log);
        let mut command = self.home.command(&["serve", "--port", "0", "--no-auth"]);
        let lease = format!("{}s", LEASE.as_secs());
        command
            .env("FLOUNDR_GC_GRACE", &lease)
            .env("FLOUNDR_LEASE", &lease)
            .env("FLOUNDR_GC_INTERVAL", "100ms")
            .env("FLOUNDR_UNDO", format!("{}s", undo.as_secs()))
            .env("FLOUNDR_UPLOAD_LIFETIME", "1m")
            .env("LOG_LEVEL", "info,floundr::access=off")
            .stdout(Stdio::piped())
            .stderr(log.unwrap());
        let began = Instant::now();
        let server = Server::start(&mut command);
        self.lives += 1;
        let life = Life::new(self.lives, server.address, self.lived, began);
        let health = server.request("GET", "/health");
        assert!(health.starts_with("HTTP/1.1 200"), "{health}");
        (life, server)
    }

    // --- rest ---

    /// Everything comes to rest: what nothing holds goes, and the rest is all there is.
    fn checkpoint(&mut self) -> Result<(), Vec<Found>> {
        let (life, server) = self.start(Duration::ZERO);
        self.verify(&life)?;
        // What was deleted becomes final, then its blobs become due.
        std::thread::sleep(UNDO + LEASE);
        self.wait_for_the_collector(&life)?;
        for client in &mut self.clients {
            client.ledger.settle();
        }
        self.verify(&life)?;
        life.end();
        server.signal(Signal::TERM);
        let (status, _) = server.ended();
        self.lived = life.now();
        assert_eq!(
            status.code(),
            Some(0),
            "a clean end of life {}",
            life.number
        );
        let root = self.home.path().join("storage");
        let report = store::check(&root, &self.clients).map_err(|fault| {
            vec![Found {
                life: life.number,
                client: None,
                fault,
            }]
        })?;
        self.summary.late += report.unlinked;
        self.summary.checkpoints += 1;
        Ok(())
    }

    /// Waits until nothing is there that no manifest holds. The collector works by itself.
    fn wait_for_the_collector(&mut self, life: &Life) -> Result<(), Vec<Found>> {
        let ledgers = self.clients.iter().map(|client| &client.ledger);
        let held = ledgers.flat_map(Ledger::held);
        let held: BTreeSet<_> = held
            .map(|(name, digest)| (name.to_owned(), digest))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        self.each(life, |client, life| {
            client.wait_for_the_collector(life, &held, deadline)
        })
    }

    fn verify(&mut self, life: &Life) -> Result<(), Vec<Found>> {
        self.each(life, |client, life| client.verify(life).map(drop))
    }

    /// Lets every client do something at once.
    fn each(
        &mut self,
        life: &Life,
        what: impl Fn(&mut Client, &Life) -> Result<(), Fault> + Sync,
    ) -> Result<(), Vec<Found>> {
        let what = &what;
        std::thread::scope(|scope| {
            let clients = self.clients.iter_mut();
            let work: Vec<_> = clients
                .map(|client| scope.spawn(move || what(client, life)))
                .collect();
            let results = work.into_iter().map(ScopedJoinHandle::join);
            let results = results.map(|result| result.expect("a client does not panic"));
            gather(life.number, results)
        })
    }
}

/// A client in a life of the server: compares, then works.
fn live(client: &mut Client, life: &Life) -> Result<(), Fault> {
    let verified = client.verify(life);
    life.verified.fetch_add(1, Ordering::SeqCst);
    if verified? {
        client.work(life)?;
    }
    Ok(())
}

fn gather(life: usize, results: impl Iterator<Item = Result<(), Fault>>) -> Result<(), Vec<Found>> {
    let faults = results.enumerate().filter_map(|(client, result)| {
        let fault = result.err()?;
        let client = Some(client);
        Some(Found {
            life,
            client,
            fault,
        })
    });
    let found: Vec<_> = faults.collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

// === impl Summary ===

impl Summary {
    /// In words. Only a campaign without a fault has a summary.
    pub(crate) fn words(&self, elapsed: Duration) -> String {
        let Tally {
            requests,
            blobs_checked,
            manifests_checked,
            tags_checked,
            promises_checked,
            resumed,
        } = self.tally;
        format!(
            "{} kills and {} checkpoints in {} s: {requests} requests, {resumed} uploads resumed \
             after a kill; looked at {blobs_checked} blobs ({promises_checked} kept by a lease \
             alone), {manifests_checked} manifests, {tags_checked} tags: 0 lost, 0 wrong, 0 \
             orphans; {} links left for the collection at checkpoints",
            self.kills,
            self.checkpoints,
            elapsed.as_secs(),
            self.late,
        )
    }
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.blobs_checked += other.blobs_checked;
        self.manifests_checked += other.manifests_checked;
        self.tags_checked += other.tags_checked;
        self.promises_checked += other.promises_checked;
        self.resumed += other.resumed;
    }
}
