//! `floundr role`: named sets of permissions.

use super::Failure;
use super::api::{self, done, text, texts};
use crate::args::{Ordered, RoleOrder};
use crate::client::encoded;
use crate::config::Resolved;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/roles";

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<RoleOrder>) -> Result<(), Failure> {
    match &args.order {
        RoleOrder::List => {
            let roles = api::list(resolved, &format!("{PATH}?"))?;
            api::show_list(args.json, &roles, &["ROLE", "PERMISSIONS", "BUILT IN"], row);
        }
        RoleOrder::Create { role, permissions } => {
            let body = json!({ "name": role, "permissions": permissions });
            let answer = api::create(resolved, PATH, &body)?;
            let permissions = texts(&answer["permissions"], ", ");
            done(
                args.json,
                &answer,
                &format!("created role {role}: {permissions}"),
            );
        }
        RoleOrder::Delete { role } => {
            let answer = api::delete(resolved, &format!("{PATH}/{}", encoded(role)))?;
            done(args.json, &answer, &format!("deleted role {role}"));
        }
    }
    Ok(())
}

fn row(role: &Value) -> Vec<String> {
    vec![
        text(&role["name"]),
        texts(&role["permissions"], ","),
        text(&role["built_in"]),
    ]
}
