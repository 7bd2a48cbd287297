//! Sizes as people write them, and the figures of a report.
//!
//! 1. Sizes are whole bytes; `KiB`, `MiB`, `GiB` are powers of 1024, `kB`, `MB`, `GB` powers of 1000.
//! 2. Throughput is printed in decimal megabytes a second, as every other figure of the project is.
//!
//! This is the one place that turns integers into floating point.

use std::time::Duration;

use anyhow::{Context, Result, bail};

/// One binary kilobyte.
pub const KIB: u64 = 1024;
/// One binary megabyte.
pub const MIB: u64 = 1024 * KIB;
/// One binary gigabyte.
pub const GIB: u64 = 1024 * MIB;

/// Reads a size such as `10KiB`, `256 MiB`, `1GiB`, `5MB` or `4096`.
///
/// # Errors
/// When the number is missing, is not whole, the unit is unknown, or the size exceeds 64 bits.
pub fn parse_size(text: &str) -> Result<u64> {
    let text = text.trim();
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let number: u64 = number
        .parse()
        .with_context(|| format!("size {text:?} has no number"))?;
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => KIB,
        "m" | "mib" => MIB,
        "g" | "gib" => GIB,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => bail!("size {text:?} has unknown unit {other:?}"),
    };
    number
        .checked_mul(factor)
        .with_context(|| format!("size {text:?} is over 64 bits"))
}

/// Reads a duration in seconds, such as `5` or `0.5`.
///
/// # Errors
/// When it is not a number, negative or not finite.
pub fn parse_seconds(text: &str) -> Result<Duration> {
    let seconds: f64 = text
        .trim()
        .parse()
        .with_context(|| format!("{text:?} is not a number"))?;
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{text:?} is not a duration"))
}

/// `count` as floating point; exact below 2^53, which no count here exceeds.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes stay far below 2^53"
)]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// `value` times `factor`, rounded, and at least `least`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates, and the factor is not negative"
)]
pub fn scaled(value: u64, factor: f64, least: u64) -> u64 {
    ((float(value) * factor).round() as u64).max(least)
}

/// A figure with as many decimals as its size deserves: `2876`, `47.3`, `0.12`.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => grouped(value),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", &*digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("7b", 7),
            ("10KiB", 10 * 1024),
            ("256 MiB", 256 << 20),
            ("1GiB", 1 << 30),
            ("1g", 1 << 30),
            ("5MB", 5_000_000),
            (" 2 kB ", 2000),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_that_are_not_sizes_are_refused_by_name() {
        assert_eq!(
            parse_size("MiB").unwrap_err().to_string(),
            "size \"MiB\" has no number"
        );
        assert_eq!(
            parse_size("3 parsecs").unwrap_err().to_string(),
            "size \"3 parsecs\" has unknown unit \"parsecs\""
        );
        assert!(parse_size("1.5GiB").is_err());
        assert!(parse_size("-1").is_err());
        assert!(parse_size("99999999999GiB").is_err());
    }

    #[test]
    fn seconds_may_be_fractions_but_not_negative() {
        assert_eq!(parse_seconds("0.5").unwrap(), Duration::from_millis(500));
        assert!(parse_seconds("-1").is_err());
        assert!(parse_seconds("inf").is_err());
        assert!(parse_seconds("soon").is_err());
    }

    #[test]
    fn scaling_rounds_and_keeps_the_least() {
        assert_eq!(scaled(GIB, 1.0, 1), GIB);
        assert_eq!(scaled(1000, 0.25, 1), 250);
        assert_eq!(scaled(1000, 0.0001, 32), 32);
    }

    #[test]
    fn figures_have_the_decimals_their_size_deserves() {
        assert_eq!(figure(1_234_567.8), "1,234,568");
        assert_eq!(figure(447.2), "447");
        assert_eq!(figure(47.25), "47.2");
        assert_eq!(figure(0.125), "0.12");
        assert_eq!(figure(-1234.0), "-1,234");
    }
}
