//! Text on a screen: how sizes, times and digests are written, and how text that came from elsewhere is
//! made harmless.
//!
//! Invariants:
//! 1. What [`clean`] gives back moves no cursor and begins no escape sequence, whatever went in.

use ratatui::buffer::Buffer;
use serde_json::Value;
use std::borrow::Cow;

/// Whether a letter could do more than stand where it is put: control characters, and those that
/// turn the direction of writing or cannot be seen.
fn is_dangerous(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{00ad}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` in one line, with a mark in place of everything that is no visible letter.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mark = |letter| {
        if is_dangerous(letter) {
            '\u{fffd}'
        } else {
            letter
        }
    };
    Cow::Owned(text.chars().map(mark).collect())
}

/// Makes a drawn picture harmless: the last thing that happens before it goes to the terminal, whatever
/// was forgotten before.
pub(crate) fn scrub(buffer: &mut Buffer, is_ascii: bool) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.contains(is_dangerous) {
            cell.set_symbol(if is_ascii { "?" } else { "\u{fffd}" });
        }
    }
}

/// Bytes, as a person reads them.
pub(crate) fn bytes(bytes: u64) -> String {
    crate::output::bytes(bytes)
}

/// A moment in milliseconds since the epoch, seen from `now`: `3 min ago`.
pub(crate) fn ago(moment: u64, now: u64) -> String {
    match now.checked_sub(moment) {
        None | Some(0..1_000) => "now".to_owned(),
        Some(passed) => format!("{} ago", span(passed)),
    }
}

/// A span of milliseconds in its largest unit.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A moment in milliseconds since the epoch that is still to come, seen from `now`: `in 90 d`. Of one
/// that was chosen a moment ago it says what was chosen, not a day less.
pub(crate) fn until(moment: u64, now: u64) -> String {
    let left = moment.saturating_sub(now);
    let half = match left / 1_000 {
        0..60 => 0,
        60..3_600 => 30_000,
        3_600..172_800 => 1_800_000,
        _ => 43_200_000,
    };
    format!("in {}", span(left.saturating_add(half)))
}

/// So many of what is called this when it is one: `1 tag`, `2 tags`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

/// A moment in milliseconds since the epoch, in UTC.
pub(crate) fn moment(moment: u64) -> String {
    crate::output::moment(moment)
}

/// The beginning of a digest, which is enough to tell it from others: `sha256:9f86d081884c`.
pub(crate) fn short(digest: &str) -> &str {
    let Some(colon) = digest.find(':') else {
        return digest;
    };
    digest.get(..colon.saturating_add(13)).unwrap_or(digest)
}

/// A text in lines of at most `room` letters: broken between words, and within one that is longer.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        for (place, part) in letters.chunks(room.max(1)).enumerate() {
            let Some(line) = lines.last_mut() else {
                continue;
            };
            let used = line.chars().count();
            let has_room = used == 0 || (place == 0 && used + 1 + part.len() <= room);
            if !has_room {
                lines.push(part.iter().collect());
                continue;
            }
            if used > 0 {
                line.push(' ');
            }
            line.extend(part);
        }
    }
    lines
}

/// A text of an answer; empty when there is none.
pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The texts of a list of an answer.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// A part of a path, or of a parameter: everything in it stands for itself.
pub(crate) fn encoded(text: &str) -> String {
    crate::client::encoded(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_comes_through() {
        let bad = "a\x1b[2Jb\r\nc\u{9b}1md\u{202e}e\tf\u{200b}";
        let cleaned = clean(bad);
        assert!(!cleaned.contains(is_dangerous), "{cleaned:?}");
        assert_eq!(cleaned.chars().count(), bad.chars().count());
        assert_eq!(
            clean("gr\u{fc}n \u{65e5}\u{672c}"),
            "gr\u{fc}n \u{65e5}\u{672c}"
        );
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        assert_eq!(ago(1_000, 500), "now");
        assert_eq!(ago(0, 59_999), "59 s ago");
        assert_eq!(ago(0, 60_000), "1 min ago");
        assert_eq!(ago(0, 7_200_000), "2 h ago");
        assert_eq!(ago(0, 172_800_000), "2 d ago");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "tag"), "1 tag");
        assert_eq!(counted(0, "tag"), "0 tags");
    }

    #[test]
    fn a_long_text_is_broken_between_words_and_a_long_word_within() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("a bcdefg", 4), ["a", "bcde", "fg"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }

    #[test]
    fn what_is_to_come_is_rounded() {
        const HOUR: u64 = 3_600_000;
        assert_eq!(until(90 * 24 * HOUR, 4_000), "in 90 d");
        assert_eq!(until(2 * 24 * HOUR + HOUR, 0), "in 2 d");
        assert_eq!(until(24 * HOUR, 5_000), "in 24 h");
        assert_eq!(until(90_000, 0), "in 2 min");
        assert_eq!(until(59_000, 0), "in 59 s");
        assert_eq!(until(0, 5), "in 0 s");
    }

    #[test]
    fn a_digest_is_shortened_and_what_is_none_is_not() {
        assert_eq!(short("sha256:0123456789abcdef"), "sha256:0123456789ab");
        assert_eq!(short("latest"), "latest");
        assert_eq!(short("a:b"), "a:b");
    }
}
