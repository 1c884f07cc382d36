//! The state and the times of a simulated tenant, in the form in which tests ask for them.

use std::time::Duration;

use serde_json::Value;

/// The objects of one kind in the state of a tenant.
pub(crate) fn objects(state: &Value, of: &str) -> Vec<Value> {
    state[of].as_array().cloned().unwrap_or_default()
}

/// The names of objects, sorted.
pub(crate) fn names(objects: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = objects.iter().map(name).collect();
    names.sort();
    names
}

/// The names of all links, each with the names of its portals, sorted.
pub(crate) fn links(state: &Value) -> Vec<(String, Vec<String>)> {
    let links = state["portal_links"].as_array().into_iter().flatten();
    let mut links: Vec<(String, Vec<String>)> = links
        .map(|link| {
            let portals = link["userPortals"].as_array().into_iter().flatten();
            (name(link), portals.map(name).collect())
        })
        .collect();
    links.sort();
    links
}

fn name(object: &Value) -> String {
    object["name"].as_str().unwrap().to_owned()
}

/// The ids of the microtenants of a simulator, in the order of its scenario.
pub(crate) fn microtenants(state: &Value) -> Vec<String> {
    let named = state["microtenants"].as_array().unwrap().iter();
    named
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The largest number of calls in any window of that length.
pub(crate) fn most_in_any_window(at: &[Duration], window: Duration) -> usize {
    let within = |from: Duration| {
        let window = from..from + window;
        at.iter().filter(|at| window.contains(*at)).count()
    };
    at.iter().map(|from| within(*from)).max().unwrap_or(0)
}

/// A text as it was before the server escaped it.
pub(crate) fn unescaped(text: &str) -> String {
    let escapes = [
        ("&#x2a;", "*"),
        ("&#x27;", "'"),
        ("&quot;", "\""),
        ("&gt;", ">"),
        ("&lt;", "<"),
        ("&amp;", "&"),
    ];
    let each = escapes.into_iter();
    each.fold(text.to_owned(), |text, (escaped, plain)| {
        text.replace(escaped, plain)
    })
}
