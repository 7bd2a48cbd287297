//! Checks JSON against a schema of an OpenAPI document, over what such documents here use.
//!
//! It is stricter than JSON Schema: a member that the schema does not name is a fault, since nobody who
//! reads the document knows of it, and so is a keyword that this does not know.

use serde_json::{Map, Value};

/// Keywords that say nothing about what is valid, or only to people; and those of what is taken, which
/// `.ci/schema` asks of a server.
const WORDS: [&str; 9] = [
    "pattern",
    "maxLength",
    "maximum",
    "description",
    "title",
    "format",
    "example",
    "default",
    "propertyNames",
];

/// The faults of `value`, which `document` says has the form `schema`. `at` names it.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Some(keywords) = schema.as_object() else {
        return vec![format!("{at}: {schema} is no schema")];
    };
    if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
        let pointer = reference.trim_start_matches('#');
        return match document.pointer(pointer) {
            Some(schema) => faults(document, schema, value, at),
            None => vec![format!("{at}: {reference} leads nowhere")],
        };
    }
    if let Some(parts) = keywords.get("allOf").and_then(Value::as_array) {
        return faults(document, &joined(document, parts), value, at);
    }
    let mut found = Vec::new();
    for (keyword, demand) in keywords {
        match keyword.as_str() {
            "type" => found.extend(wrong_type(demand, value, at)),
            "enum" => {
                if !demand.as_array().unwrap().contains(value) {
                    found.push(format!("{at}: {value} is none of {demand}"));
                }
            }
            "minimum" => {
                if value
                    .as_f64()
                    .is_some_and(|number| number < demand.as_f64().unwrap())
                {
                    found.push(format!("{at}: {value} is less than {demand}"));
                }
            }
            "oneOf" | "anyOf" => found.extend(none_of(document, demand, value, at)),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found.extend(items.flat_map(|(index, item)| {
                    faults(document, demand, item, &format!("{at}[{index}]"))
                }));
            }
            "properties" | "required" | "additionalProperties" => {}
            word if WORDS.contains(&word) => {}
            other => found.push(format!("{at}: {other} is not known to this check")),
        }
    }
    if let Some(value) = value.as_object() {
        found.extend(wrong_members(document, keywords, value, at));
    }
    found
}

/// The object that has the members of all these.
fn joined(document: &Value, parts: &[Value]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in parts {
        let part = match part["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => part,
        };
        properties.extend(part["properties"].as_object().unwrap().clone());
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
    }
    serde_json::json!({"type": "object", "properties": properties, "required": required})
}

fn wrong_type(demand: &Value, value: &Value, at: &str) -> Option<String> {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: type {other}"),
    };
    let fits = match demand.as_array() {
        Some(names) => names.iter().any(is),
        None => is(demand),
    };
    (!fits).then(|| format!("{at}: {value} is no {demand}"))
}

fn none_of(document: &Value, demand: &Value, value: &Value, at: &str) -> Vec<String> {
    let schemas = demand.as_array().unwrap().iter();
    let mut all = Vec::new();
    for schema in schemas {
        let found = faults(document, schema, value, at);
        if found.is_empty() {
            return Vec::new();
        }
        all.extend(found);
    }
    all
}

fn wrong_members(
    document: &Value,
    keywords: &Map<String, Value>,
    value: &Map<String, Value>,
    at: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    let required = keywords.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten() {
        let name = name.as_str().unwrap();
        if !value.contains_key(name) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    let others = keywords.get("additionalProperties");
    let properties = keywords.get("properties").and_then(Value::as_object);
    for (name, member) in value {
        let at = format!("{at}.{name}");
        match properties
            .and_then(|properties| properties.get(name))
            .or(others)
        {
            Some(schema) if schema.is_object() => {
                found.extend(faults(document, schema, member, &at));
            }
            // An object of which nothing is said may hold anything.
            None if properties.is_none() => {}
            _ => found.push(format!("{at} is not in the document")),
        }
    }
    found
}

#[test]
fn what_does_not_fit_is_found_and_what_fits_is_not() {
    let document = serde_json::json!({"components": {"schemas": {"A": {
        "type": "object",
        "required": ["n"],
        "properties": {
            "n": {"type": "integer", "minimum": 0},
            "text": {"type": ["string", "null"]},
            "inner": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/A"}]},
            "list": {"type": "array", "items": {"enum": ["x", "y"]}},
        },
    }, "B": {"allOf": [
        {"$ref": "#/components/schemas/A"},
        {"type": "object", "required": ["more"], "properties": {"more": {"type": "boolean"}}},
    ]}}}});
    let joined = serde_json::json!({"$ref": "#/components/schemas/B"});
    let both = serde_json::json!({"n": 1, "more": true});
    assert!(faults(&document, &joined, &both, "it").is_empty());
    for half in [
        serde_json::json!({"n": 1}),
        serde_json::json!({"more": true}),
    ] {
        assert_eq!(faults(&document, &joined, &half, "it").len(), 1);
    }
    let schema = serde_json::json!({"$ref": "#/components/schemas/A"});
    let check = |value: &str| {
        let value = serde_json::from_str(value).unwrap();
        faults(&document, &schema, &value, "it")
    };
    for good in [
        r#"{"n":1}"#,
        r#"{"n":1,"text":null,"list":["x"]}"#,
        r#"{"n":1,"text":"a","inner":{"n":2,"inner":null}}"#,
    ] {
        assert_eq!(check(good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "{}",
        r#"{"n":-1}"#,
        r#"{"n":"1"}"#,
        r#"{"n":1,"text":2}"#,
        r#"{"n":1,"more":2}"#,
        r#"{"n":1,"list":["z"]}"#,
        r#"{"n":1,"inner":{}}"#,
        "[]",
    ] {
        assert!(!check(bad).is_empty(), "{bad}");
    }
}
