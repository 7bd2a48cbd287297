//! Feeds any method, path and query to the parsers of the management API, and any text to that of the
//! positions its listings go on from.
//!
//! They are refused, or name an endpoint and a page; a position prints as the same again. Input: method,
//! path, query, position, by line.
#![no_main]

use floundr_engine::gc::PlanPosition;
use floundr_frontend::fuzzing::fuzz_parameters;
use floundr_frontend::manage::ManageRoute;
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(4, '\n');
    let (method, path) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    if let Ok(method) = Method::from_bytes(method.as_bytes())
        && let Ok(route) = ManageRoute::parse(&method, path)
    {
        assert!(ManageRoute::owns(path), "{route:?}");
        assert!(ManageRoute::all().any(|endpoint| endpoint == route.endpoint()));
    }
    fuzz_parameters(lines.next().unwrap_or(""));
    if let Some(Ok(position)) = lines.next().map(str::parse::<PlanPosition>) {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
});
