//! [`clean`]: what a client chose, as a record may hold it.
//!
//! Invariants:
//! 1. Whoever prints a clean text prints no control character, nor one that changes the direction of
//!    what follows: they stand as `\u{1b}`.
//! 2. A clean text has no more bytes than it may; `...` stands where it was cut.
//! 3. Secrets of this registry are cut where they stand, since people type them into the field for
//!    the name: the second half of an API key, tokens, the tokens of uploads. (A password looks like
//!    nothing; who makes an event keeps it out.)

use std::borrow::Cow;

/// As many hexadecimal digits behind a `_` or a `.` are a secret: of a key 64, of an upload more than
/// 40. A digest stands behind a `:`.
const HEX: usize = 40;

/// How a JSON web token begins, and how long what is taken for one is at least.
const JWT: (&str, usize) = ("eyJ", 40);

/// What is left in place of a secret or of what is too long.
const CUT: &str = "...";

/// `text` as a record may hold it, at most `limit` bytes and [`CUT`].
pub(super) fn clean(text: String, limit: usize) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    // Shorter than any secret.
    if text.len() < limit.min(HEX) && text.bytes().all(is_plain) {
        return text;
    }
    let open = without_tokens(&text);
    let open = without_hex(&open);
    let mut kept = String::with_capacity(open.len().min(limit));
    for character in open.chars() {
        let escaped = is_unprintable(character).then(|| character.escape_unicode().to_string());
        let length = escaped.as_ref().map_or(character.len_utf8(), String::len);
        if kept.len() + length > limit {
            return kept + CUT;
        }
        match escaped {
            Some(escaped) => kept.push_str(&escaped),
            None => kept.push(character),
        }
    }
    kept
}

/// Whether a terminal may do something else with it than show it.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// Cuts JSON web tokens.
fn without_tokens(text: &str) -> Cow<'_, str> {
    let (begin, least) = JWT;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(byte);
    without(text, begin, |after| {
        let length = after.bytes().take_while(is_token).count();
        if length + begin.len() >= least {
            length
        } else {
            0
        }
    })
}

/// Cuts long runs of hexadecimal digits behind a `_` or a `.`, however they are spelled.
fn without_hex(text: &str) -> Cow<'_, str> {
    let length = |after: &str| {
        let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits >= HEX { digits } else { 0 }
    };
    let text = match without(text, "_", length) {
        Cow::Borrowed(text) => return without(text, ".", length),
        Cow::Owned(text) => text,
    };
    Cow::Owned(without(&text, ".", length).into_owned())
}

/// Cuts behind each `begin` as many bytes, all of them ASCII, as `length` says of what follows.
fn without<'a>(text: &'a str, begin: &str, length: impl Fn(&str) -> usize) -> Cow<'a, str> {
    if !text.contains(begin) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(begin) {
        kept.push_str(before);
        kept.push_str(begin);
        let secret = length(after);
        if secret > 0 {
            kept.push_str(CUT);
        }
        rest = after.get(secret..).unwrap_or_default();
    }
    Cow::Owned(kept + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_only_shows_what_a_client_chose() {
        let text = "a\u{1b}[2J\n\u{9b}31m\u{202e}b\u{7f}\u{e4}";
        assert_eq!(
            clean(text.to_owned(), 100),
            r"a\u{1b}[2J\u{a}\u{9b}31m\u{202e}b\u{7f}".to_owned() + "\u{e4}"
        );
        assert_eq!(clean("jo@example.org".to_owned(), 100), "jo@example.org");
    }

    #[test]
    fn keys_tokens_and_uploads_lose_their_secret_and_digests_stay() {
        let secret = "0123456789abcdef".repeat(4);
        let cut = |text: String| clean(text, 1000);
        let key = cut(format!("flr_0123456789abcdef_{secret} is no user"));
        assert_eq!(key, "flr_0123456789abcdef_... is no user");
        let jwt = cut(format!("Bearer eyJhbGciOiJIUzI1NiJ9.e30.{secret}!"));
        assert_eq!(jwt, "Bearer eyJ...!");
        let upload = cut(format!("uploads/2fd2dbf4-0ef4.{secret}{secret}"));
        assert_eq!(upload, "uploads/2fd2dbf4-0ef4....");
        let digest = format!("team/app@sha256:{secret}");
        assert_eq!(cut(digest.clone()), digest);
    }

    proptest! {
        #[test]
        fn any_text_becomes_short_and_printable_and_a_secret_in_it_goes(
            before in "\\PC{0,80}", after in ".{0,80}", limit in 0usize..120,
        ) {
            let secret = "f00d".repeat(16);
            let text = format!("{before}flr_0123456789abcdef_{secret}{after}");
            let cleaned = clean(text, limit);
            prop_assert!(cleaned.len() <= limit + CUT.len());
            prop_assert!(!cleaned.chars().any(is_unprintable));
            prop_assert!(!cleaned.contains("f00df00d"));
        }
    }
}
