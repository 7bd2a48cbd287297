//! The long form of the crash proof: sequences of operations on a simulated disk, crashed at random
//! changes of it. What is checked is said in `tests/it/crash/mod.rs`.
//!
//! `cargo run --release -p floundr-engine --example crash_points -- --sequences 2000 --points 100000`
//!
//! With `--seed S --point POSITION:KIND:SEED` it repeats one crash, as a violation names it; `--without`
//! leaves out operations, as the search for a shorter sequence did.

#[path = "../tests/it/crash/mod.rs"]
mod crash;

use crash::{Campaign, Point, repeat};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What was asked for.
struct Arguments {
    campaign: Campaign,
    points: u64,
    point: Option<Point>,
    without: Vec<usize>,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Arguments {
        mut campaign,
        points,
        point,
        without,
    } = arguments()?;
    let started = Instant::now();
    if let Some(point) = point {
        return Ok(match repeat(campaign.seed, &without, point) {
            Ok(_) => {
                say(&format!(
                    "sequence {} at {point}: no violation",
                    campaign.seed
                ));
                ExitCode::SUCCESS
            }
            Err(violation) => {
                say(&format!("VIOLATION: {violation}"));
                ExitCode::FAILURE
            }
        });
    }
    campaign.points = usize::try_from(points.div_ceil(campaign.sequences.max(1)))?;
    let outcome = campaign.run();
    let seconds = started.elapsed().as_secs_f64();
    Ok(match outcome {
        Ok(tally) => {
            say(&format!("{tally}\nviolations: 0\ntime: {seconds:.1} s"));
            ExitCode::SUCCESS
        }
        Err(violation) => {
            say(&format!("VIOLATION after {seconds:.1} s: {violation}"));
            ExitCode::FAILURE
        }
    })
}

fn arguments() -> Result<Arguments, Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let campaign = Campaign {
        seed: 1,
        sequences: 2_000,
        points: 0,
        threads,
        shrinking: Duration::from_mins(1),
    };
    let mut arguments = Arguments {
        campaign,
        points: 100_000,
        point: None,
        without: Vec::new(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given
            .next()
            .ok_or_else(|| format!("{name} lacks a value"))?;
        match name.as_str() {
            "--seed" => arguments.campaign.seed = value.parse()?,
            "--sequences" => arguments.campaign.sequences = value.parse()?,
            "--points" => arguments.points = value.parse()?,
            "--threads" => arguments.campaign.threads = value.parse()?,
            "--without" => {
                let numbers = value.split(',').map(str::parse);
                arguments.without = numbers.collect::<Result<_, _>>()?;
            }
            "--point" => arguments.point = Some(value.parse()?),
            _ => return Err(format!("{name} is not known").into()),
        }
    }
    Ok(arguments)
}

#[expect(clippy::print_stdout, reason = "a program's output")]
fn say(text: &str) {
    println!("{text}");
}
