//! What the commands that ask one question have in common: the question, the listing, the answer's
//! cells, and asking back before something is taken away.

use super::{Failure, ask};
use crate::args::Asked;
use crate::client::{Absent, Client, Question, encoded};
use crate::config::Resolved;
use crate::{output, terminal};
use anyhow::{Result, anyhow, bail};
use http::Method;
use serde_json::{Value, json};

/// What is at `path`.
pub(super) fn get(resolved: &Resolved, path: &str) -> Result<Value, Failure> {
    ask(resolved, Absent::Refuse, async |client| {
        Ok(client.ask(Question::get(path)).await?.body)
    })
}

/// Makes something with POST, and the store if there is none.
pub(super) fn create(resolved: &Resolved, path: &str, body: &Value) -> Result<Value, Failure> {
    ask(resolved, Absent::Create, async |client| {
        client.call(Method::POST, path, Some(body)).await
    })
}

/// Changes what is at `path`.
pub(super) fn change(
    resolved: &Resolved,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, Failure> {
    ask(resolved, Absent::Refuse, async |client| {
        client.call(method, path, Some(body)).await
    })
}

/// Deletes what is at `path`.
pub(super) fn delete(resolved: &Resolved, path: &str) -> Result<Value, Failure> {
    ask(resolved, Absent::Refuse, async |client| {
        client.call(Method::DELETE, path, None).await
    })
}

/// All items of a listing; `path` ends in `?` or in parameters and `&`.
pub(super) fn list(resolved: &Resolved, path: &str) -> Result<Vec<Value>, Failure> {
    ask(resolved, Absent::Refuse, async |client| {
        items(client, path).await
    })
}

/// The same, for who has asked already.
pub(super) async fn items(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut odd = false;
    let each = |mut page: Value| match page["items"].as_array_mut() {
        Some(more) => items.append(more),
        None => odd = true,
    };
    client.pages(path, each).await?;
    if odd {
        bail!("the server answered {path} with no list of items");
    }
    Ok(items)
}

/// `path` with the parameters that have a value, so that others can be added.
pub(super) fn with_parameters(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}&", encoded((*value)?))));
    format!("{path}?{}", given.collect::<String>())
}

/// Prints a list: as a table, or as it came.
pub(super) fn show_list(
    as_json: bool,
    items: &[Value],
    head: &[&str],
    row: impl Fn(&Value) -> Vec<String>,
) {
    if as_json {
        output::json(&json!({ "items": items }));
    } else if items.is_empty() {
        output::line("there are none");
    } else {
        let rows: Vec<_> = items.iter().map(row).collect();
        output::left_table(head, &rows);
    }
}

/// Prints an answer as it came, or what it means. One without content is an empty object.
pub(super) fn show(as_json: bool, answer: &Value, text: impl FnOnce(&Value)) {
    if as_json && answer.is_null() {
        output::json(&json!({}));
    } else if as_json {
        output::json(answer);
    } else {
        text(answer);
    }
}

/// Prints that something was done, or for programs what was answered.
pub(super) fn done(as_json: bool, answer: &Value, text: &str) {
    show(as_json, answer, |_| output::line(text));
}

/// Goes on only if somebody wants it: `what` will happen.
pub(super) fn confirm(asked: Asked, what: &str) -> Result<(), Failure> {
    if asked.yes {
        return Ok(());
    }
    if !terminal::is_there() {
        let why = anyhow!("{what}: there is nobody to ask whether to do it; add --yes");
        return Err(Failure::Usage(why));
    }
    let question = format!("{what}. Do it? [y/N] ");
    let answer = terminal::answer(&question).map_err(Failure::Run)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::Run(anyhow!("nothing was done")))
}

/// A text of an answer; `-` when it has none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::String(_) | Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// The texts of an answer with `between` between them; `-` when there are none.
pub(super) fn texts(value: &Value, between: &str) -> String {
    let texts: Vec<_> = entries(value).map(text).collect();
    if texts.is_empty() {
        return "-".to_owned();
    }
    texts.join(between)
}

/// The entries of a list of an answer.
pub(super) fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A moment of an answer, in milliseconds since the epoch.
pub(super) fn moment(value: &Value) -> String {
    value
        .as_u64()
        .map_or_else(|| "-".to_owned(), output::moment)
}

/// Bytes of an answer; `-` when it has none.
pub(super) fn bytes(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), output::bytes)
}

/// Milliseconds since the epoch.
pub(super) fn now() -> u64 {
    use floundr_engine::clock::{Clock as _, SystemClock};
    let now = SystemClock::default().wall().as_millis();
    u64::try_from(now).unwrap_or(u64::MAX)
}
