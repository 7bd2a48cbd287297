//! The text of a value: durations, sizes, yes and no, choices.
//!
//! Invariants:
//! 1. An error says what was expected; the caller says of which setting and from where.
//! 2. Nothing overflows or wraps: what does not fit is an error.

use clap::ValueEnum;
use floundr_frontend::accounts::Secret;
use std::time::Duration;

/// A duration such as `90s`, `1h30m` or `7d`. A bare `0` is zero.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "not a duration such as 500ms, 90s, 5m, 1h30m or 7d";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    for (number, unit) in parts(text).ok_or(EXPECTED)? {
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(EXPECTED),
        };
        let part = number.checked_mul(millis).ok_or(EXPECTED)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or(EXPECTED)?;
    }
    Ok(total)
}

/// A size in bytes such as `4MiB` or `65536`.
pub(crate) fn size(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "not a size such as 65536, 64KiB, 4MiB, 1GiB or 1TiB";
    if let Ok(bytes) = text.parse() {
        return Ok(bytes);
    }
    let mut parts = parts(text).ok_or(EXPECTED)?;
    let (Some((number, unit)), true) = (parts.pop(), parts.is_empty()) else {
        return Err(EXPECTED);
    };
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(EXPECTED),
    };
    number.checked_mul(bytes).ok_or(EXPECTED)
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("neither true nor false"),
    }
}

/// A text that is there.
pub(crate) fn not_empty(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("empty"),
        text => Ok(text.to_owned()),
    }
}

/// A secret that is there.
pub(crate) fn secret(text: &str) -> Result<Secret, &'static str> {
    not_empty(text).map(Secret::from)
}

/// A port.
pub(crate) fn port(text: &str) -> Result<u16, &'static str> {
    text.parse()
        .or(Err("not a port number between 0 and 65535"))
}

/// A positive number.
pub(crate) fn count(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) | Err(_) => Err("not a positive number"),
        Ok(number) => Ok(number),
    }
}

/// A number from 0 to `most`.
pub(crate) fn up_to(most: usize) -> impl Fn(&str) -> Result<usize, String> {
    move |text| match text.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("not a number between 0 and {most}")),
    }
}

/// One of the values of `T`.
pub(crate) fn choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    let is_it = |value: &&T| {
        value
            .to_possible_value()
            .is_some_and(|name| name.matches(text, false))
    };
    T::value_variants()
        .iter()
        .find(is_it)
        .cloned()
        .ok_or_else(|| {
            let names: Vec<_> = T::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value)
                .map(|value| value.get_name().to_owned())
                .collect();
            format!("not one of {}", names.join(", "))
        })
}

/// Splits `1h30m` into numbers with their units. `None` when it is not made of such pairs.
fn parts(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        parts.push((number.parse().ok()?, unit));
        rest = behind;
    }
    (!parts.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("1h30m", 5400),
            ("7d", 604_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in [
            "",
            "5",
            "h",
            "1x",
            "-1s",
            "1h 2m",
            "1h2",
            "\u{e9}",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("7B", 7),
            ("64KiB", 65536),
            ("4MiB", 4 << 20),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "4MB",
            "MiB",
            "1MiB1KiB",
            "-1",
            "18446744073709551615GiB",
        ] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn counts_are_positive_and_ports_fit() {
        assert!(count("0").is_err() && count("-1").is_err() && count("8").is_ok());
        assert!(up_to(9)("10").is_err() && up_to(9)("-1").is_err() && up_to(9)("9") == Ok(9));
        assert!(port("65536").is_err() && port("").is_err() && port("0").is_ok());
    }
}
