//! The forms of users, and the requests made of what was filled in.
//!
//! Invariants:
//! 1. A password is in a secret field and in the body of a request, and nowhere else.

use super::granting::{ON, PATTERNS, chosen_role, role_field};
use super::rows::{Role, User};
use crate::tui::message::Request;
use crate::tui::text::encoded;
use crate::tui::widgets::form::{Field, Form};
use serde_json::json;

const NAME: &str = "name";
const OLD: &str = "old password";
const PASSWORD: &str = "password";
const AGAIN: &str = "again";
const GROUPS: &str = "groups";
const MUST_CHANGE: &str = "must change";

/// What is chosen when a new user is granted nothing yet.
const NO_ROLE: &str = "none yet";

/// A role and a pattern.
pub(super) type FirstGrant = Option<(String, String)>;

/// Where a user is.
pub(super) fn path(user: &str) -> String {
    format!("/users/{}", encoded(user))
}

fn groups(present: &[String]) -> Field {
    let hint = "with spaces between; grants to a group reach all in it";
    Field::text(GROUPS, &present.join(" "), hint)
}

fn must_change(is_on: bool) -> Field {
    let hint = "until the password is changed they may do nothing else";
    Field::switch(MUST_CHANGE, is_on, hint)
}

/// For a user to be made, who may be granted one of these roles.
pub(super) fn new_user(roles: &[Role]) -> Form {
    let fields = vec![
        Field::text(NAME, "", "what they log in with"),
        Field::secret(PASSWORD, "empty: one is made, and shown once"),
        Field::secret(AGAIN, "the same once more"),
        groups(&[]),
        must_change(false),
        role_field(vec![NO_ROLE.to_owned()], roles, NO_ROLE),
        Field::text(ON, "", PATTERNS),
    ];
    Form::new("New user", fields)
}

/// The request for a new user, their name, and what to grant them then.
///
/// # Errors
/// What is to be mended in the form.
pub(super) fn create(
    form: &Form,
    roles: &[Role],
) -> Result<(Request, String, FirstGrant), &'static str> {
    let name = form.text(NAME).trim();
    if name.is_empty() {
        return Err("they need a name");
    }
    let mut body = json!({
        "name": name, "groups": form.words(GROUPS), "must_change": form.is_on(MUST_CHANGE),
    });
    if let Some(password) = repeated(form)? {
        body["password"] = json!(password);
    }
    let grant = match (chosen_role(form, roles), form.text(ON).trim()) {
        (Some(role), on) if !on.is_empty() => Some((role, on.to_owned())),
        (None, "") => None,
        (Some(_), _) => return Err("on which repositories? ** is all of them"),
        (None, _) => return Err("which role on these repositories?"),
    };
    Ok((Request::post("/users", body), name.to_owned(), grant))
}

/// The password that was typed twice; none when it was not typed.
fn repeated(form: &Form) -> Result<Option<&str>, &'static str> {
    match (form.text(PASSWORD), form.text(AGAIN)) {
        ("", "") => Ok(None),
        (password, again) if password == again => Ok(Some(password)),
        _ => Err("the two passwords are not the same"),
    }
}

fn demanded(form: &Form) -> Result<&str, &'static str> {
    repeated(form)?.ok_or("a password is needed: the server makes one only for a new user")
}

/// For a user as they are.
pub(super) fn edit_user(user: &User) -> Form {
    let fields = vec![groups(&user.groups), must_change(user.switches.must_change)];
    Form::new(format!("Edit {}", user.name), fields)
}

/// The request to make a user so, if they are still of this version.
pub(super) fn change(form: &Form, name: &str, version: Option<String>) -> Request {
    let body = json!({ "groups": form.words(GROUPS), "must_change": form.is_on(MUST_CHANGE) });
    Request::patch(path(name), body).only_if(version)
}

/// For another password of a user.
pub(super) fn new_password(user: &User) -> Form {
    let fields = vec![
        Field::secret(PASSWORD, "the new one; what was issued by the old one ends"),
        Field::secret(AGAIN, "the same once more"),
        must_change(user.switches.must_change),
    ];
    Form::new(format!("New password of {}", user.name), fields)
}

/// The request to give a user another password.
///
/// # Errors
/// What is to be mended in the form.
pub(super) fn set_password(form: &Form, name: &str) -> Result<Request, &'static str> {
    let password = demanded(form)?;
    let body = json!({ "password": password, "must_change": form.is_on(MUST_CHANGE) });
    Ok(Request::patch(path(name), body))
}

/// For another password of one's own.
pub(super) fn own_password() -> Form {
    let fields = vec![
        Field::secret(OLD, "the one you logged in with"),
        Field::secret(PASSWORD, "the new one; what was issued by the old one ends"),
        Field::secret(AGAIN, "the same once more"),
    ];
    Form::new("Your new password", fields)
}

/// The request to change one's own password.
///
/// # Errors
/// What is to be mended in the form.
pub(super) fn change_own_password(form: &Form) -> Result<Request, &'static str> {
    let body = json!({ "old": form.text(OLD), "new": demanded(form)? });
    Ok(Request::put("/whoami/password", body))
}
