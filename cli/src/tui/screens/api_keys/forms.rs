//! The forms of a key: to make one and to change one, and what the server is asked because of them.

use super::key::Key;
use crate::config::values;
use crate::tui::app::context::Me;
use crate::tui::widgets::form::{Field, Form};
use crate::tui::widgets::scopes::{Scope, Scopes};
use serde_json::{Map, Value, json};

/// The owner of a robot's key.
const ROBOT: &str = "nobody: a robot";

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;

/// How long a key may be wanted to last, and how many days that is.
const SPANS: [(&str, Option<u64>); 6] = [
    ("never", None),
    ("in 1 d", Some(1)),
    ("in 7 d", Some(7)),
    ("in 30 d", Some(30)),
    ("in 90 d", Some(90)),
    ("in 1 y", Some(365)),
];

const OWN: &str = "in a time of your own";

/// The option that is chosen first: a key nobody thinks of any more ends by itself.
const FIRST: usize = 4;

/// What the form says about expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    AsItIs,
    Never,
    /// In so many milliseconds.
    In(u64),
}

/// Whose a key may be: oneself first.
pub(super) fn owners(me: &Me, users: &[String]) -> Vec<String> {
    let own = Some(me.name.clone()).filter(|_| me.kind == "user");
    let mut all: Vec<String> = own.into_iter().collect();
    if me.is_administrator {
        let others = users.iter().filter(|name| **name != me.name);
        all.extend(others.cloned());
        // Behind oneself, where it is found without going through all.
        all.insert(1.min(all.len()), ROBOT.to_owned());
    }
    all
}

/// To make a key.
pub(super) fn create(me: &Me, users: &[String]) -> Form {
    let hint = if me.is_administrator {
        "whose it is: type a part of the name; left and right go through them"
    } else {
        "whose it is: yours"
    };
    let mut fields = vec![
        Field::text("name", "", "what it is for, such as ci"),
        Field::pick("owner", owners(me, users), hint),
        Field::scopes("scopes", None),
    ];
    fields.extend(expiry(Vec::new(), FIRST));
    Form::new("New key", fields)
}

/// To change a key.
pub(super) fn edit(key: &Key, now: u64) -> Form {
    let as_it_is = match key.ends(now).0.as_str() {
        "expired" => "as it is: it has expired".to_owned(),
        ends => format!("as it is: {ends}"),
    };
    let mut fields = vec![
        Field::text("name", &key.name, "what it is for"),
        Field::scopes("scopes", key.scopes.as_deref()),
    ];
    fields.extend(expiry(vec![as_it_is], 0));
    Form::new(format!("Edit {} of {}", key.name, key.whose()), fields)
}

fn expiry(mut options: Vec<String>, chosen: usize) -> [Field; 2] {
    options.extend(SPANS.iter().map(|(name, _)| (*name).to_owned()));
    options.push(OWN.to_owned());
    [
        Field::choice("expires", options, chosen, "space, h and l go through them"),
        Field::text("own time", "", "for a time of your own: such as 36h or 14d"),
    ]
}

fn wanted(form: &Form) -> Result<Expiry, String> {
    let (chosen, own) = (form.text("expires"), form.given("own time"));
    if chosen == OWN {
        let own = own.ok_or("own time is empty: how long is the key to last?")?;
        let time = values::duration(own).map_err(|why| format!("own time: {why}"))?;
        let ms = u64::try_from(time.as_millis()).map_err(|why| format!("own time: {why}"))?;
        return Ok(Expiry::In(ms));
    }
    if own.is_some() {
        return Err(format!(
            "there is an own time, but expires says {chosen}: choose {OWN}, or empty it"
        ));
    }
    let known = SPANS.iter().find(|(name, _)| *name == chosen);
    Ok(match known {
        None => Expiry::AsItIs,
        Some((_, None)) => Expiry::Never,
        Some((_, Some(days))) => Expiry::In(days * DAY),
    })
}

fn scopes(form: &Form) -> Result<Option<Vec<Scope>>, String> {
    form.scopes("scopes").map_or(Ok(None), Scopes::filled_in)
}

fn listed(scopes: Option<&[Scope]>) -> Value {
    scopes.map_or(Value::Null, |scopes| {
        scopes.iter().map(Scope::json).collect()
    })
}

/// What asks for the key that a form describes.
///
/// # Errors
/// What lacks, in words for the user.
pub(super) fn new_key(form: &Form) -> Result<Value, String> {
    let name = form.given("name").ok_or("the key needs a name")?;
    let mut body = json!({ "name": name.trim() });
    body["owner"] = match form.text("owner") {
        "" => return Err("nobody has that in the name: whose key is it?".to_owned()),
        ROBOT => Value::Null,
        owner => owner.into(),
    };
    if let Some(scopes) = scopes(form)? {
        body["scopes"] = listed(Some(&scopes));
    } else if body["owner"].is_null() {
        return Err("a robot has no rights of its own: say by scopes what it may".to_owned());
    }
    if let Expiry::In(ms) = wanted(form)? {
        body["expires_in_ms"] = ms.into();
    }
    Ok(body)
}

/// What asks for what is different in a form from the key.
///
/// # Errors
/// What lacks, in words for the user.
pub(super) fn patch(form: &Form, key: &Key, now: u64) -> Result<Value, String> {
    let mut body = Map::new();
    let name = form.given("name").ok_or("the key needs a name")?.trim();
    if name != key.name {
        body.insert("name".to_owned(), name.into());
    }
    // A key that may nothing can be changed otherwise and still may nothing.
    let is_as_it_was = form.scopes("scopes").is_some_and(Scopes::is_none)
        && key.scopes.as_ref().is_some_and(Vec::is_empty);
    let scopes = if is_as_it_was {
        key.scopes.clone()
    } else {
        scopes(form)?
    };
    if scopes != key.scopes {
        body.insert("scopes".to_owned(), listed(scopes.as_deref()));
    }
    let expires = match wanted(form)? {
        Expiry::AsItIs => key.expires,
        Expiry::Never => None,
        Expiry::In(ms) => Some(now.saturating_add(ms)),
    };
    if expires != key.expires {
        body.insert("expires".to_owned(), expires.into());
    }
    if body.is_empty() {
        return Err("nothing is different; Esc leaves it".to_owned());
    }
    Ok(Value::Object(body))
}
