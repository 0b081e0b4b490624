//! Paths of settings in a tree of values.

use figment::value::{Dict, Value};

/// The value at the path, or of the nearest table around it. A secret may be in a file instead.
pub fn nearest<'a>(values: &'a Value, path: &[String]) -> Option<&'a Value> {
    let mut found = None;
    let mut at = values;
    for name in path {
        let inner = match at {
            Value::Dict(_, dict) => dict.get(name).or_else(|| dict.get(&format!("{name}_file"))),
            Value::Array(_, list) => name.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        let Some(inner) = inner else { break };
        found = Some(inner);
        at = inner;
    }
    found
}

/// The names in a path such as `apps.my.app.key`: ids may contain dots.
pub fn path_of(dotted: &str, values: &Value) -> Vec<String> {
    let (mut path, mut rest, mut at) = (Vec::new(), dotted, Some(values));
    while !rest.is_empty() {
        let known = at.and_then(Value::as_dict).into_iter().flat_map(|dict| dict.keys());
        let fits = |name: &&String| {
            rest.strip_prefix(name.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'))
        };
        let name = match known.filter(fits).max_by_key(|name| name.len()) {
            Some(name) => name.as_str(),
            None => rest.split('.').next().unwrap_or(rest),
        };
        at = match at {
            Some(Value::Dict(_, dict)) => dict.get(name),
            Some(Value::Array(_, list)) => name.parse::<usize>().ok().and_then(|i| list.get(i)),
            _ => None,
        };
        path.push(name.to_owned());
        rest = rest[name.len()..].trim_start_matches('.');
    }
    path
}

/// The kind of the table that a value was in.
pub enum Parent {
    Table,
    List,
}

pub fn remove(values: &mut Value, path: &[String]) -> Option<Parent> {
    let (name, tables) = path.split_last()?;
    let table = tables.iter().try_fold(values, |at, name| match at {
        Value::Dict(_, dict) => dict.get_mut(name),
        Value::Array(_, list) => list.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    })?;
    match table {
        Value::Dict(_, dict) => dict.remove(name).map(|_| Parent::Table),
        Value::Array(_, list) => {
            let index = name.parse::<usize>().ok().filter(|index| *index < list.len())?;
            list.remove(index);
            Some(Parent::List)
        }
        _ => None,
    }
}

/// Makes the tables on the way.
pub fn insert<S: AsRef<str>>(values: &mut Value, path: &[S], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *values = value;
        return;
    };
    match values {
        Value::Dict(_, dict) => {
            let inner =
                dict.entry(name.as_ref().to_owned()).or_insert_with(|| Value::from(Dict::new()));
            insert(inner, rest, value);
        }
        Value::Array(_, list) => {
            if let Some(inner) =
                name.as_ref().parse::<usize>().ok().and_then(|index| list.get_mut(index))
            {
                insert(inner, rest, value);
            }
        }
        _ => {}
    }
}
