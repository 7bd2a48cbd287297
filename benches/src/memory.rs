//! The machine's memory, made ready before a clock starts.
//!
//! A virtual machine may give free memory back to its host, which has to find a page again when it is touched for
//! the first time: that costs several times more than a page that is there, and hits whoever comes across such
//! pages. The same push was seen to take 1.2 or 3.0 s of processor time. So about as many bytes as a measurement
//! moves are touched and freed right before it, outside its clock and in the load generator: the pages that the
//! server, the page cache and the sockets take next are there.
//!
//! 1. At most a quarter of the memory that is available is touched: what was prepared stays in the page cache.
//! 2. At least [`LEAST`] are, unless that is more than the quarter: loads that move little use memory as well.

use std::fs;
use std::hint::black_box;

use anyhow::{Context, Result};

use crate::units::{KIB, MIB};

/// Bytes that every measurement finds at hand.
pub const LEAST: u64 = 64 * MIB;

/// Touches and frees about `bytes` of memory. Blocks for about half a second per GiB.
///
/// # Errors
/// When the memory that is available is not known, or cannot be had.
pub fn put_at_hand(bytes: u64) -> Result<()> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let available = available(&text).context("/proc/meminfo does not say what is available")?;
    drop(touched(share(bytes, available))?);
    Ok(())
}

/// How much to touch.
fn share(bytes: u64, available: u64) -> u64 {
    bytes.max(LEAST).min(available / 4)
}

/// Memory of `bytes`, every page of which was written to.
fn touched(bytes: u64) -> Result<Vec<u8>> {
    let cannot = || format!("cannot touch {bytes} bytes of memory");
    let length = usize::try_from(bytes).with_context(cannot)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(length).with_context(cannot)?;
    // Written in full: memory that is asked for as zeros is not there until it is written to.
    memory.resize(length, 1);
    Ok(black_box(memory))
}

fn available(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let value = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(KIB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Watch;

    #[test]
    fn as_much_is_touched_as_is_moved_but_never_over_a_quarter() {
        for (bytes, available, expected) in [
            (1024 * MIB, 8192 * MIB, 1024 * MIB),
            (8192 * MIB, 8192 * MIB, 2048 * MIB),
            (0, 8192 * MIB, LEAST),
            (0, 100 * MIB, 25 * MIB),
        ] {
            assert_eq!(share(bytes, available), expected);
        }
    }

    #[test]
    fn touched_memory_is_memory_that_is_there() {
        let memory = touched(40 * MIB).unwrap();
        let usage = Watch::start(&[std::process::id()]).unwrap().finish();
        assert!(usage.unwrap().peak_anonymous >= 40 * MIB);
        drop(memory);
    }

    #[test]
    fn what_is_available_is_read_in_bytes() {
        let text = "MemTotal:  9 kB\nMemFree:  1 kB\nMemAvailable:     72 kB\nBuffers: 3 kB\n";
        assert_eq!(available(text), Some(72 * 1024));
        assert_eq!(available("MemFree: 1 kB\n"), None);
    }
}
