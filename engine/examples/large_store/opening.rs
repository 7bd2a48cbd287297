//! How long opening takes: from the call of `Engine::open` to its return, after a clean stop and after
//! a process was killed that had pushes, deletions and collections under way. With the background work
//! of a server; the page cache is warm, as after the restart of a server.

use crate::load::FOR_EVER;
use crate::store::Store;
use crate::{Bound, Failure, millis, percentile, say};
use floundr_engine::{Collection, Engine};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each opening is measured.
const ROUNDS: usize = 5;
/// How long a process works before it is killed.
const WORK: Duration = Duration::from_secs(2);
/// The number of the signal that cannot be caught.
const SIGKILL: i32 = 9;

pub(crate) async fn measure(store: &Store) -> Result<[Bound; 2], Failure> {
    let (mut clean, mut killed, mut pushes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        clean.push(open_and_close(store).await?);
        pushes.push(work_and_kill(store)?);
        killed.push(open_and_close(store).await?);
    }
    for (what, times) in [("a clean stop", &clean), ("kill -9", &killed)] {
        let times: Vec<_> = times
            .iter()
            .map(|&time| format!("{:.1}", millis(time)))
            .collect();
        say(&format!("opening after {what}: {} ms", times.join(", ")))?;
    }
    say(&format!("pushes before each kill: {pushes:?}"))?;
    let bound = |what: &str, times: &mut [Duration]| Bound {
        what: format!("opening after {what}, the slowest of {ROUNDS}"),
        measured: millis(percentile(times, 100)),
        limit: 200.0,
        unit: "ms",
    };
    Ok([
        bound("a clean stop", &mut clean),
        bound("kill -9 under load", &mut killed),
    ])
}

async fn open_and_close(store: &Store) -> Result<Duration, Failure> {
    let mut options = store.options();
    options.collection = Collection::InBackground;
    let began = Instant::now();
    let engine = Engine::open(options).await?;
    let took = began.elapsed();
    engine.close().await?;
    Ok(took)
}

/// Lets another process work on the store and kills it right after it said that it does; answers how
/// many pushes it had done. All its clients wait for a commit at any time, so one is in flight.
fn work_and_kill(store: &Store) -> Result<u64, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(FOR_EVER)
        .arg(&store.root)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let (mut began, mut pushed) = (None, 0);
    loop {
        let line = lines.next().ok_or("the load ended by itself")??;
        let before = std::mem::replace(&mut pushed, line.parse::<u64>()?);
        let began = began.get_or_insert_with(Instant::now);
        if began.elapsed() >= WORK && pushed > before {
            break;
        }
    }
    child.kill()?;
    let status = child.wait()?;
    if status.signal() != Some(SIGKILL) {
        return Err(format!("the load ended by itself: {status}").into());
    }
    Ok(pushed)
}
