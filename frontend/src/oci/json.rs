//! The form every manifest must have, whatever its type: one JSON object without a key twice.
//!
//! 1. A key that occurs twice is refused at every depth: two readers could see two manifests.
//! 2. Depth is bounded by the parser (128), so nothing here can exhaust the stack.
//! 3. Only the keys of the objects that are open are held, so memory is in proportion to the body.

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Checks that `body` is one JSON object in which no object has a key twice.
///
/// # Errors
/// The parser's error, which names line and column.
pub(super) fn check_object(body: &[u8]) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    Checked { outermost: true }.deserialize(&mut parser)?;
    parser.end()
}

/// Reads any value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Checked {
    outermost: bool,
}

/// A key of an object, borrowed when it has no escapes.
struct Key;

// === impl Checked ===

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.outermost {
            deserializer.deserialize_map(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.outermost {
            "a JSON object"
        } else {
            "a JSON value"
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(key) = map.next_key_seed(Key)? {
            if keys.contains(&key) {
                let shown: String = key.chars().take(100).collect();
                return Err(de::Error::custom(format_args!(
                    "key {shown:?} occurs twice"
                )));
            }
            keys.insert(key);
            map.next_value_seed(Self { outermost: false })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Self { outermost: false })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

// === impl Key ===

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        check_object(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn objects_pass_whatever_they_hold() {
        for body in [
            "{}",
            r#" {"a": [1, -1, 1.5, "x", null, true, {"a": {}}], "b": {"a": 1}} "#,
            r#"{"\u0061": 1, "b": "\ud83d\ude00"}"#,
        ] {
            assert!(check_object(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for body in [
            "",
            "[]",
            "null",
            "1",
            "\"{}\"",
            "{",
            "{} {}",
            "{\"a\":}",
            "\u{feff}{}",
            "{'a':1}",
        ] {
            assert!(check_object(body.as_bytes()).is_err(), "{body}");
        }
        assert!(check_object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_key_twice_is_refused_at_every_depth_and_in_every_spelling() {
        assert!(refusal(r#"{"a":1,"a":1}"#).starts_with("key \"a\" occurs twice"));
        assert!(
            refusal(r#"{"x":[{"y":{"a":1,"\u0061":2}}]}"#).starts_with("key \"a\" occurs twice")
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(check_object(nested(100).as_bytes()).is_ok());
        assert!(refusal(&nested(10_000)).contains("recursion limit"));
        let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        assert!(refusal(&objects).contains("recursion limit"));
    }
}
