//! The API's description (OpenAPI 3.1), made of the table of routes.

use super::routes::{Guard, ROUTES, Route, Verb};
use serde_json::{Map, Value, json};

/// The whole description.
pub(super) fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES.iter().filter(|route| route.is_api()) {
        let verb = match route.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        if let Some(path) = paths.entry(route.path).or_insert_with(|| json!({})).as_object_mut() {
            path.insert(verb.to_owned(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mailbell",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The administrator's console for programs. Errors are {\"error\": \"...\"}. Times are RFC 3339 in UTC, durations whole seconds.",
        },
        "paths": paths,
        "components": { "securitySchemes": {
            "token": { "type": "http", "scheme": "bearer", "description": "[web] admin_token of the config" },
            "session": {
                "type": "apiKey", "in": "cookie", "name": "__Host-mailbell",
                "description": "The console's session. What is not a GET needs the page's token in the header X-Mailbell-CSRF as well.",
            },
        }},
        "security": [{ "token": [] }, { "session": [] }],
    })
}

fn operation(route: &Route) -> Value {
    let who = match route.guard {
        Guard::Open => "everybody",
        Guard::Reader => "readers, auditors and administrators",
        Guard::Auditor => "auditors and administrators",
        Guard::Administrator => "administrators",
    };
    let mut operation = json!({
        "summary": route.says,
        "description": format!("For {who}."),
        "responses": {
            "200": { "description": "Done", "content": { "application/json": {} } },
            "401": { "description": "Nobody signed in" },
            "403": { "description": "Not for this role, or not meant by a page of the console" },
            "429": { "description": "Too many wrong tries; Retry-After says how long to wait" },
        },
    });
    let parameters: Vec<Value> = names(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(operation) = operation.as_object_mut()
        && !parameters.is_empty()
    {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    operation
}

/// The parts of a path that vary.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_api_is_described_and_nothing_else() {
        let description = description();
        let paths = description["paths"].as_object().unwrap();
        let told: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
        let routes: Vec<_> = ROUTES.iter().filter(|route| route.is_api()).collect();
        assert_eq!(told, routes.len());
        for route in routes {
            let verb = if route.verb == Verb::Get { "get" } else { "post" };
            let operation = &paths[route.path][verb];
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{}", route.path);
            let told = operation["parameters"].as_array().map_or(0, Vec::len);
            assert_eq!(told, route.path.matches('{').count(), "{}", route.path);
        }
    }
}
