//! What the texts and numbers that the management API takes look like, for its document.
//!
//! Invariants:
//! 1. A parameter or a member of a body has the form of what it names, wherever it stands; the rows here
//!    are the only place that says which.
//! 2. What does not have that form is refused, and what has it is not refused for its form. `.ci/schema`
//!    makes requests of both kinds from the document and sends them to a server.
//! 3. What is answered is told without: nobody has to check it.

use crate::accounts::On;
use crate::audit::Action;
use floundr_engine::name::RepositoryName;
use serde_json::Value;
use std::collections::BTreeSet;

/// Of users, groups, roles and keys. Capital letters are taken for small ones.
const ACCOUNT: &str = "^[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}$";
const REPOSITORY: &str =
    "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$";
/// `**` is one wildcard of the eight it may have.
const PATTERN: &str = "^([A-Za-z0-9._/-]+|[A-Za-z0-9._/-]*((\\*\\*?|\\?)[A-Za-z0-9._/-]*){1,8})$";
const TAG: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$";
const DIGEST: &str = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})$";
const REFERENCE: &str = "^([A-Za-z0-9_][A-Za-z0-9._-]{0,127}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})$";
const KEY: &str = "^[0-9a-f]{16}$";
const UPLOAD: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
const NUMBER: &str = "^[0-9]{1,19}$";
const PLACE: &str = "^([0-9a-f]{2}){8,64}$";
const ENTITY_TAGS: &str = "^(\\*|(W/)?\"[!#-~]*\"(, (W/)?\"[!#-~]*\")*)$";
const PASSWORD: &str = "^[^\\x00-\\x1f\\x7f-\\x9f]{8,1024}$";
const DIRECTORY: &str = "^/[A-Za-z0-9._/-]*$";

/// The form of what has this name.
const NAMED: &[(&str, &str)] = &[
    ("digest", DIGEST),
    ("directory", DIRECTORY),
    ("group", ACCOUNT),
    ("groups", ACCOUNT),
    ("id", UPLOAD),
    ("if-match", ENTITY_TAGS),
    ("if-none-match", ENTITY_TAGS),
    ("immutable_tags", PATTERN),
    ("key", KEY),
    ("name", ACCOUNT),
    ("new", PASSWORD),
    ("on", PATTERN),
    ("owner", ACCOUNT),
    ("password", PASSWORD),
    ("pattern", PATTERN),
    ("reference", REFERENCE),
    ("repository", REPOSITORY),
    ("role", ACCOUNT),
    ("tag", TAG),
    ("user", ACCOUNT),
];

/// The same, where it depends on the place: a listing's path, or a body's schema.
const PLACED: &[(&str, &str, &str)] = &[
    ("/api/v1/audit", "last", NUMBER),
    ("/api/v1/digests/{digest}", "last", NUMBER),
    ("/api/v1/gc/plan", "last", PLACE),
    ("/api/v1/grants", "last", NUMBER),
    ("/api/v1/keys", "last", KEY),
    (
        "/api/v1/repositories/{repository}/manifests",
        "last",
        DIGEST,
    ),
    ("/api/v1/roles", "last", ACCOUNT),
    ("/api/v1/rules", "last", PATTERN),
    ("/api/v1/uploads", "last", UPLOAD),
    ("/api/v1/users", "last", ACCOUNT),
    ("NewRepository", "name", REPOSITORY),
];

/// Adds the forms to a document, and whether a body may be left out: none is an empty object.
pub(super) fn add(document: &mut Value) {
    let bodies = bodies(document);
    for (place, schema) in members(document.pointer_mut("/components/schemas")) {
        if bodies.contains(place) {
            for (member, schema) in members(schema.get_mut("properties")) {
                form(place, member, schema);
            }
        }
    }
    let schemas = document["components"]["schemas"].clone();
    for (path, item) in members(document.get_mut("paths")) {
        for (_, operation) in members(Some(item)) {
            for parameter in entries(operation.get_mut("parameters")) {
                let name = parameter["name"].as_str().unwrap_or_default().to_owned();
                form(path, &name, &mut parameter["schema"]);
            }
            if let Some(name) = body_of(operation) {
                let is_needed = schemas[name]["required"].is_array();
                operation["requestBody"]["required"] = is_needed.into();
            }
        }
    }
}

/// Gives the schema of what is called `name` at `place` its form.
fn form(place: &str, name: &str, schema: &mut Value) {
    let has_items = schema["items"].is_object();
    if let Some(pattern) = pattern(place, name) {
        let texts = if has_items {
            &mut schema["items"]
        } else {
            &mut *schema
        };
        texts["pattern"] = pattern.into();
        match pattern {
            REPOSITORY => texts["maxLength"] = RepositoryName::MAX_LEN.into(),
            PATTERN => texts["maxLength"] = On::MAX_LEN.into(),
            _ => {}
        }
    }
    match name {
        "action" if place == "/api/v1/audit" => {
            let actions = Action::ALL.iter().map(|action| action.as_str());
            schema["enum"] = actions.collect();
        }
        "sort" => schema["enum"] = ["name"].as_slice().into(),
        "if-match" | "if-none-match" => schema["type"] = "string".into(),
        _ => {}
    }
    // Numbers have no sign, which the format `int64` gives them.
    if schema["format"] == "int64" {
        schema["maximum"] = u64::MAX.into();
        schema
            .as_object_mut()
            .and_then(|keywords| keywords.remove("format"));
    }
}

fn pattern(place: &str, name: &str) -> Option<&'static str> {
    let placed = PLACED.iter().find(|row| (row.0, row.1) == (place, name));
    let named = || NAMED.iter().find(|row| row.0 == name).map(|row| row.1);
    placed.map(|row| row.2).or_else(named)
}

/// The schemas of what is sent, and those in them.
fn bodies(document: &Value) -> BTreeSet<String> {
    let items = document["paths"].as_object().into_iter().flatten();
    let operations = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let mut open: Vec<_> = operations.filter_map(|(_, it)| body_of(it)).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if found.insert(name.clone()) {
            referenced(&document["components"]["schemas"][name], &mut open);
        }
    }
    found
}

fn body_of(operation: &Value) -> Option<String> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
    name_of(schema["$ref"].as_str()?)
}

/// Adds the names of all schemas that are referred to below `value`.
fn referenced(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            names.extend(reference.and_then(name_of));
            members.values().for_each(|value| referenced(value, names));
        }
        Value::Array(entries) => entries.iter().for_each(|value| referenced(value, names)),
        _ => {}
    }
}

fn name_of(reference: &str) -> Option<String> {
    reference.rsplit('/').next().map(str::to_owned)
}

fn members(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

fn entries(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    /// Texts that may be anything.
    const FREE: &[&str] = &["actor", "filter", "object", "old"];

    /// Listings that begin behind any text.
    const BEHIND_ANY: &[&str] = &[
        "/api/v1/deleted",
        "/api/v1/repositories",
        "/api/v1/repositories/{repository}/tags",
        "/api/v1/usage",
    ];

    fn has_form(schema: &Value) -> bool {
        let texts = if schema["items"].is_object() {
            &schema["items"]
        } else {
            schema
        };
        let is_text = texts["type"] == "string" || texts["type"][0] == "string";
        !is_text || texts["pattern"].is_string() || texts["enum"].is_array()
    }

    fn is_free(place: &str, name: &str) -> bool {
        FREE.contains(&name) || (name == "last" && BEHIND_ANY.contains(&place))
    }

    /// The parameters of all operations, with their paths.
    fn parameters(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
        let items = document["paths"].as_object().unwrap().iter();
        let operations = items.flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().values();
            operations.map(move |operation| (path, operation))
        });
        operations.flat_map(|(path, operation)| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            parameters.map(move |parameter| (path, parameter))
        })
    }

    #[test]
    fn every_text_that_is_taken_has_a_form_or_may_be_anything() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut taken: Vec<(String, String, Value)> = parameters(&document)
            .map(|(path, parameter)| {
                let name = parameter["name"].as_str().unwrap().to_owned();
                (path.clone(), name, parameter["schema"].clone())
            })
            .collect();
        let bodies = bodies(&document);
        assert!(
            bodies.contains("KeyScope") && bodies.contains("NewUser"),
            "{bodies:?}"
        );
        for body in bodies {
            let properties = &document["components"]["schemas"][&body]["properties"];
            let properties = properties.as_object().into_iter().flatten();
            taken.extend(
                properties.map(|(name, schema)| (body.clone(), name.clone(), schema.clone())),
            );
        }
        assert!(taken.len() > 50, "{taken:?}");
        taken.retain(|(place, name, schema)| !is_free(place, name) && !has_form(schema));
        assert!(taken.is_empty(), "{taken:?}");
    }

    #[test]
    fn the_form_of_a_pattern_has_its_bounds_wherever_it_stands() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let schemas = &document["components"]["schemas"];
        let texts = [
            &schemas["NewGrant"]["properties"]["on"],
            &schemas["KeyScope"]["properties"]["on"],
            &schemas["RepositoryPatch"]["properties"]["immutable_tags"]["items"],
        ];
        for texts in texts {
            assert_eq!(texts["maxLength"], On::MAX_LEN, "{texts}");
            let wildcards = format!("){{1,{}}})$", On::MAX_WILDCARDS);
            let pattern = texts["pattern"].as_str().unwrap();
            assert!(pattern.ends_with(&wildcards), "{texts}");
        }
    }

    #[test]
    fn a_body_is_needed_where_one_of_its_members_is() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let required = |path: &str| &document["paths"][path]["post"]["requestBody"]["required"];
        assert_eq!(required("/api/v1/gc"), false);
        assert_eq!(required("/api/v1/users"), true);
    }
}
