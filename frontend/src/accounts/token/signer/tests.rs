//! Tokens that are taken, and every way in which one is not.

use super::super::claims::Subject;
use super::super::claims::tests::example;
use super::super::scope;
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static KEYS: LazyLock<TokenKeys> = LazyLock::new(|| TokenKeys::new(key(1), None));

fn key(number: u8) -> SigningKey {
    SigningKey::generated(&[number; 32]).unwrap()
}

fn at(now: u64) -> Expected<'static> {
    Expected {
        kind: Kind::Access,
        service: "svc",
        now,
    }
}

fn token() -> String {
    KEYS.sign(&example(), "svc")
}

fn refusal(token: &str, expected: &Expected<'_>) -> TokenError {
    KEYS.verify(token, expected).unwrap_err()
}

fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with this head and payload, signed with the current key as it should be.
fn signed(head: &str, payload: &Value) -> String {
    let signed = format!("{}.{}", base64(head), base64(&payload.to_string()));
    let signature = KEYS.current.sign(&signed);
    format!("{signed}.{signature}")
}

fn own_head() -> String {
    format!(
        r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#,
        KEYS.current()
    )
}

fn own_payload() -> Value {
    serde_json::from_slice(&example().to_json("svc").unwrap()).unwrap()
}

#[test]
fn a_token_says_what_was_signed() {
    let token = token();
    for check in ["first", "remembered"] {
        assert_eq!(
            *KEYS.verify(&token, &at(1100)).unwrap(),
            example(),
            "{check}"
        );
    }
    assert_eq!(signed(&own_head(), &own_payload()).split('.').count(), 3);
    assert!(
        KEYS.verify(&signed(&own_head(), &own_payload()), &at(1100))
            .is_ok()
    );
}

#[test]
fn a_token_expires_at_its_second_even_when_it_is_remembered() {
    let token = token();
    assert!(KEYS.verify(&token, &at(1299)).is_ok());
    let expired = TokenError::Expired(Arc::new(example()));
    assert_eq!(refusal(&token, &at(1300)), expired);
    assert_eq!(refusal(&token, &at(u64::MAX)), expired);
    assert_eq!(expired.to_string(), "token has expired");
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let token = token();
    assert!(KEYS.verify(&token, &at(940)).is_ok());
    assert_eq!(refusal(&token, &at(939)), TokenError::NotYet);
    let mut payload = own_payload();
    payload["nbf"] = json!(1161);
    assert_eq!(
        refusal(&signed(&own_head(), &payload), &at(1100)),
        TokenError::NotYet
    );
}

#[test]
fn a_token_of_another_service_or_kind_is_refused_also_when_it_is_remembered() {
    let token = token();
    for _ in 0..2 {
        assert!(KEYS.verify(&token, &at(1100)).is_ok());
        let other = Expected {
            service: "other",
            ..at(1100)
        };
        assert_eq!(refusal(&token, &other), TokenError::WrongAudience);
        let other = Expected {
            kind: Kind::Refresh,
            ..at(1100)
        };
        assert_eq!(refusal(&token, &other), TokenError::WrongKind);
    }
    for claim in ["iss", "aud"] {
        let mut payload = own_payload();
        payload[claim] = json!("other");
        let token = signed(&own_head(), &payload);
        assert_eq!(
            refusal(&token, &at(1100)),
            TokenError::WrongAudience,
            "{claim}"
        );
    }
}

#[test]
fn what_is_wrong_first_is_told_so_that_an_expired_token_is_right_in_all_else() {
    let mut payload = own_payload();
    payload["typ"] = json!("refresh");
    let refresh = signed(&own_head(), &payload);
    assert_eq!(refusal(&refresh, &at(9999)), TokenError::WrongKind);
}

#[test]
fn an_altered_payload_scope_or_signature_is_refused() {
    let token = token();
    let parts: Vec<_> = token.split('.').collect();
    for (claim, value) in [
        ("sub", json!("root")),
        ("exp", json!(99_999_999)),
        (
            "access",
            json!([{"type": "repository", "name": "x", "actions": ["push"]}]),
        ),
    ] {
        let mut payload = own_payload();
        payload[claim] = value;
        let payload = base64(&payload.to_string());
        let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
        assert_eq!(refusal(&forged, &at(1100)), TokenError::Forged, "{claim}");
    }
    for signature in ["", "AAAA", &"A".repeat(43), &"A".repeat(86)] {
        let forged = format!("{}.{}.{signature}", parts[0], parts[1]);
        assert_eq!(
            refusal(&forged, &at(1100)),
            TokenError::Forged,
            "{signature}"
        );
    }
    let foreign = TokenKeys::new(key(2), None).sign(&example(), "svc");
    let foreign: Vec<_> = foreign.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], foreign[1], foreign[2]);
    assert_eq!(refusal(&forged, &at(1100)), TokenError::Forged);
}

#[test]
fn no_other_head_than_the_keys_own_is_taken() {
    let id = KEYS.current();
    for head in [
        format!(r#"{{"alg":"none","typ":"JWT","kid":"{id}"}}"#),
        format!(r#"{{"alg":"None","typ":"JWT","kid":"{id}"}}"#),
        format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{id}"}}"#),
        format!(r#"{{"alg":"HS512","typ":"JWT","kid":"{id}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"JOSE","kid":"{id}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}","crit":["exp"]}}"#),
        format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}","jwk":{{}}}}"#),
        format!(r#"{{"alg":"HS256","alg":"none","typ":"JWT","kid":"{id}"}}"#),
        r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
        r#"{"alg":"HS256"}"#.to_owned(),
        "[]".to_owned(),
        String::new(),
    ] {
        let refused = refusal(&signed(&head, &own_payload()), &at(1100));
        assert!(
            matches!(refused, TokenError::Malformed(_)),
            "{head}: {refused}"
        );
    }
    // RFC 7519, section 6.1: an unsecured token.
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
        Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert!(matches!(
        refusal(unsecured, &at(0)),
        TokenError::Malformed(_)
    ));
}

#[test]
fn what_is_no_token_is_refused() {
    let token = token();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "\u{e4}.\u{e4}.\u{e4}",
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}="),
        &format!("{token} "),
        &"a".repeat(MAX_TOKEN_BYTES + 1),
        &format!("{}.{}", KEYS.current.head(), "a"),
    ] {
        let refused = refusal(text, &at(1100));
        assert!(matches!(refused, TokenError::Malformed(_)), "{refused}");
    }
    let no_claims = signed(&own_head(), &json!({"sub": "jo"}));
    assert!(matches!(
        refusal(&no_claims, &at(1100)),
        TokenError::Malformed(_)
    ));
}

#[test]
fn after_a_rotation_both_keys_are_taken_and_after_two_the_first_is_not() {
    let first = TokenKeys::new(key(1), None);
    let old = first.sign(&example(), "svc");
    let second = TokenKeys::new(key(2), Some(key(1)));
    let new = second.sign(&example(), "svc");
    assert_ne!(old, new);
    assert_eq!(second.previous(), Some(first.current()));
    for token in [&old, &new] {
        assert!(second.verify(token, &at(1100)).is_ok());
    }
    let third = TokenKeys::new(key(3), Some(key(2)));
    assert_eq!(third.verify(&old, &at(1100)), Err(TokenError::UnknownKey));
    assert!(third.verify(&new, &at(1100)).is_ok());
    let alone = TokenKeys::new(key(3), None);
    assert_eq!(alone.verify(&new, &at(1100)), Err(TokenError::UnknownKey));
    assert_eq!((alone.current(), alone.previous()), (third.current(), None));
}

#[test]
fn the_most_that_can_be_asked_for_makes_a_token_that_is_taken() {
    let scope = |index| format!("repository:{}{index:02}:*", "a".repeat(30));
    let scopes: Vec<_> = (0..100).map(scope).collect();
    let asked = scope::parse(scopes.iter().map(String::as_str));
    let name = |len| "u".repeat(len);
    let service = "s".repeat(255);
    for access in [asked.repositories, Vec::new()] {
        let claims = Claims {
            subject: Subject::User(name(128).parse().unwrap()),
            epoch: u64::MAX,
            access,
            expires: u64::MAX,
            ..example()
        };
        let token = KEYS.sign(&claims, &service);
        let expected = Expected {
            service: &service,
            ..at(1100)
        };
        assert_eq!(*KEYS.verify(&token, &expected).unwrap(), claims);
    }
}

#[test]
fn keys_show_no_secret_and_no_token() {
    let keys = TokenKeys::new(key(1), Some(key(2)));
    let token = keys.sign(&example(), "svc");
    keys.verify(&token, &at(1100)).unwrap();
    let shown = format!("{keys:?}");
    assert!(
        shown.contains("tokens: 1") && shown.contains(keys.current()),
        "{shown}"
    );
    assert!(
        !shown.contains("eyJ") && !shown.contains("1, 1, 1"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn a_token_with_any_byte_altered_is_refused(at_byte in any::<prop::sample::Index>(), by in 1_u8..128) {
        let token = token();
        KEYS.verify(&token, &at(1100)).unwrap();
        let mut bytes = token.into_bytes();
        let index = at_byte.index(bytes.len());
        bytes[index] ^= by;
        let altered = String::from_utf8(bytes).unwrap();
        prop_assert!(KEYS.verify(&altered, &at(1100)).is_err());
    }

    #[test]
    fn any_text_is_refused_and_nothing_panics(text in "\\PC*") {
        prop_assert!(KEYS.verify(&text, &at(1100)).is_err());
    }

    #[test]
    fn any_signed_payload_is_read_or_refused(payload in "\\PC*") {
        let token = signed(&own_head(), &Value::String(payload));
        prop_assert!(matches!(KEYS.verify(&token, &at(1100)), Err(TokenError::Malformed(_))));
    }
}
