//! Removes from a generated schema what says nothing about a TOML file.

use serde_json::{Map, Value};

/// * TOML has no null: a setting that may be absent is one that is not required.
/// * The default of a table is that of its settings.
/// * The widths of integers are those of this program.
pub fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            remove_null(object);
            if object.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("uint")) {
                object.remove("format");
            }
            let is_list = object.contains_key("items");
            let says_nothing = match object.get("default") {
                Some(Value::Null | Value::Object(_)) => true,
                Some(Value::Array(list)) => is_list && list.iter().any(Value::is_object),
                _ => false,
            };
            if says_nothing {
                object.remove("default");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            object.values_mut().for_each(simplify);
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn remove_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &**types {
            let one = one.clone();
            object.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [one] = &mut **choices
        && let Value::Object(one) = one.take()
    {
        object.remove("anyOf");
        for (name, value) in one {
            object.entry(name).or_insert(value);
        }
    }
}
