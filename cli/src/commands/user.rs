//! `floundr user` and `floundr new-user`: who logs in.

use super::api::{self, confirm, done, entries, moment, text, texts};
use super::{Failure, ask};
use crate::args::{NewUserArgs, Ordered, PredecessorUserArgs, UserOrder};
use crate::client::{Absent, encoded};
use crate::config::Resolved;
use crate::{output, terminal};
use anyhow::{Result, anyhow, ensure};
use floundr_frontend::accounts::Secret;
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/users";

const HEAD: [&str; 6] = [
    "USER",
    "STATE",
    "ADMINISTRATOR",
    "GROUPS",
    "KEYS",
    "CREATED",
];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<UserOrder>) -> Result<(), Failure> {
    let as_json = args.json;
    match &args.order {
        UserOrder::List { filter } => {
            let path = api::with_parameters(PATH, &[("filter", filter.as_deref())]);
            api::show_list(as_json, &api::list(resolved, &path)?, &HEAD, row);
        }
        UserOrder::Show { user } => show(resolved, user, as_json)?,
        UserOrder::Create(args) => create(resolved, args, as_json)?,
        UserOrder::Passwd {
            user,
            password_stdin,
        } => passwd(resolved, user.as_deref(), *password_stdin, as_json)?,
        UserOrder::Groups { user, groups } => {
            let answer = patch(resolved, user, &json!({ "groups": groups }))?;
            let groups = texts(&answer["groups"], ", ");
            done(as_json, &answer, &format!("user {user} is in: {groups}"));
        }
        UserOrder::Disable { user } => {
            let answer = patch(resolved, user, &json!({ "disabled": true }))?;
            let text = format!("user {user} is disabled, and so are their keys and tokens");
            done(as_json, &answer, &text);
        }
        UserOrder::Enable { user } => {
            let answer = patch(resolved, user, &json!({ "disabled": false }))?;
            done(as_json, &answer, &format!("user {user} is let in again"));
        }
        UserOrder::Delete { user, asked } => {
            confirm(
                *asked,
                &format!("user {user} will be deleted, with keys and grants"),
            )?;
            let answer = api::delete(resolved, &path_of(user))?;
            done(as_json, &answer, &format!("deleted user {user}"));
        }
    }
    Ok(())
}

/// `floundr new-user`.
pub(crate) fn run_predecessors(
    resolved: &Resolved,
    args: &PredecessorUserArgs,
) -> Result<(), Failure> {
    let mut body = json!({ "name": args.user });
    let password = match &args.password {
        Some(password) => Some(password.clone()),
        None => chosen_password(false).map_err(Failure::Run)?,
    };
    make(resolved, &mut body, password.as_ref(), args.json)
}

fn create(resolved: &Resolved, args: &NewUserArgs, as_json: bool) -> Result<(), Failure> {
    let mut body = json!({
        "name": args.user,
        "groups": args.groups,
        "must_change": args.must_change,
    });
    let password = chosen_password(args.password_stdin).map_err(Failure::Run)?;
    make(resolved, &mut body, password.as_ref(), as_json)
}

fn make(
    resolved: &Resolved,
    body: &mut Value,
    password: Option<&Secret>,
    as_json: bool,
) -> Result<(), Failure> {
    if let Some(password) = password {
        body["password"] = password.expose().into();
    }
    let answer = api::create(resolved, PATH, body)?;
    api::show(as_json, &answer, |answer| {
        let name = text(&answer["name"]);
        output::line(&format!("created user {name}"));
        if let Some(password) = answer["password"].as_str() {
            output::line(&format!("  password: {password}"));
            output::line("  (it is shown this once)");
        }
        output::line(&format!(
            "They may do nothing yet: floundr grant add writer 'team/**' --user {name}"
        ));
    });
    Ok(())
}

fn passwd(
    resolved: &Resolved,
    user: Option<&str>,
    from_stdin: bool,
    as_json: bool,
) -> Result<(), Failure> {
    if !from_stdin && !terminal::is_there() {
        let why =
            anyhow!("there is nobody to ask for a password; pipe it in with --password-stdin");
        return Err(Failure::Usage(why));
    }
    let old = match user {
        Some(_) => None,
        None if from_stdin => Some(terminal::line().map(Secret::from)),
        None => Some(terminal::secret("Old password: ")),
    };
    let old = old.transpose().map_err(Failure::Run)?;
    let new = new_password(from_stdin).map_err(Failure::Run)?;
    let new = new.ok_or_else(|| Failure::Usage(anyhow!("a password cannot be empty")))?;
    let (answer, whose) = match (user, old) {
        (Some(user), _) => {
            let body = json!({ "password": new.expose() });
            (patch(resolved, user, &body)?, format!("of user {user}"))
        }
        (None, old) => {
            let old = old.as_ref().map(Secret::expose);
            let body = json!({ "old": old, "new": new.expose() });
            let path = "/api/v1/whoami/password";
            let answer = api::change(resolved, Method::PUT, path, &body)?;
            (answer, "you log in with".to_owned())
        }
    };
    let text = format!("the password {whose} is changed; tokens from before are worthless");
    done(as_json, &answer, &text);
    Ok(())
}

/// The password somebody wants for a new user; none when one is to be made up.
fn chosen_password(from_stdin: bool) -> Result<Option<Secret>> {
    if !from_stdin && !terminal::is_there() {
        return Ok(None);
    }
    let password = new_password(from_stdin)?;
    ensure!(
        password.is_some() || !from_stdin,
        "the password on standard input is empty"
    );
    Ok(password)
}

/// A password that is typed twice, or read; none when it is empty.
fn new_password(from_stdin: bool) -> Result<Option<Secret>> {
    let password = if from_stdin {
        terminal::line()?.into()
    } else {
        let password = terminal::secret("Password (empty: one is made up): ")?;
        if !password.expose().is_empty() {
            let again = terminal::secret("The same again: ")?;
            ensure!(password == again, "the two passwords are not the same");
        }
        password
    };
    Ok(Some(password).filter(|password| !password.expose().is_empty()))
}

fn show(resolved: &Resolved, user: &str, as_json: bool) -> Result<(), Failure> {
    let (mut answer, grants) = ask(resolved, Absent::Refuse, async |client| {
        let answer = client.call(Method::GET, &path_of(user), None).await?;
        let path = api::with_parameters("/api/v1/grants", &[("user", Some(user))]);
        Ok((answer, api::items(client, &path).await?))
    })?;
    if as_json {
        answer["grants"] = grants.into();
        output::json(&answer);
        return Ok(());
    }
    output::line(&text(&answer["name"]));
    output::pairs(&[
        ("state", state(&answer)),
        ("password", text(&answer["has_password"])),
        ("administrator", text(&answer["administrator"])),
        ("groups", texts(&answer["groups"], ", ")),
        ("keys", text(&answer["keys"])),
        ("created", moment(&answer["created"])),
    ]);
    for grant in &grants {
        let (role, on) = (text(&grant["role"]), text(&grant["on"]));
        output::line(&format!("  {role} on {on} (grant {})", text(&grant["id"])));
    }
    for group in entries(&answer["groups"]) {
        let group = text(group);
        output::line(&format!(
            "  and what is granted to {group}: floundr grant list --group {group}"
        ));
    }
    Ok(())
}

fn patch(resolved: &Resolved, user: &str, body: &Value) -> Result<Value, Failure> {
    api::change(resolved, Method::PATCH, &path_of(user), body)
}

fn path_of(user: &str) -> String {
    format!("{PATH}/{}", encoded(user))
}

fn row(user: &Value) -> Vec<String> {
    vec![
        text(&user["name"]),
        state(user),
        text(&user["administrator"]),
        texts(&user["groups"], ","),
        text(&user["keys"]),
        moment(&user["created"]),
    ]
}

fn state(user: &Value) -> String {
    match (&user["disabled"], &user["must_change"]) {
        (Value::Bool(true), _) => "disabled".to_owned(),
        (_, Value::Bool(true)) => "must change the password".to_owned(),
        _ => "active".to_owned(),
    }
}
