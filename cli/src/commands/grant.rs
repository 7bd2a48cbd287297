//! `floundr grant`: who has which role on which repositories.

use super::Failure;
use super::api::{self, done, moment, text};
use crate::args::{GrantOrder, Ordered};
use crate::config::Resolved;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/grants";

const HEAD: [&str; 5] = ["GRANT", "TO", "ROLE", "ON", "CREATED"];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<GrantOrder>) -> Result<(), Failure> {
    match &args.order {
        GrantOrder::List { user, group } => {
            let parameters = [("user", user.as_deref()), ("group", group.as_deref())];
            let grants = api::list(resolved, &api::with_parameters(PATH, &parameters))?;
            api::show_list(args.json, &grants, &HEAD, row);
        }
        GrantOrder::Add { role, on, to } => {
            let mut body = json!({ "role": role, "on": on });
            for (field, name) in [("user", &to.user), ("group", &to.group)] {
                if let Some(name) = name {
                    body[field] = name.as_str().into();
                }
            }
            let answer = api::create(resolved, PATH, &body)?;
            let id = text(&answer["id"]);
            let text = format!("{} is {role} on {on} (grant {id})", grantee(&answer));
            done(args.json, &answer, &text);
        }
        GrantOrder::Remove { id } => {
            let answer = api::delete(resolved, &format!("{PATH}/{id}"))?;
            done(args.json, &answer, &format!("removed grant {id}"));
        }
    }
    Ok(())
}

fn row(grant: &Value) -> Vec<String> {
    vec![
        text(&grant["id"]),
        grantee(grant),
        text(&grant["role"]),
        text(&grant["on"]),
        moment(&grant["created"]),
    ]
}

fn grantee(grant: &Value) -> String {
    match grant["user"].as_str() {
        Some(user) => format!("user {user}"),
        None => format!("group {}", text(&grant["group"])),
    }
}
