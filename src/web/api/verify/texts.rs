//! The signed text depends on the way between the SDK and this server: the path may have been
//! encoded or given a prefix, and lists are written in two forms.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::web::http::query::{Query, list_name};

/// Each text once, the usual one first: nearly always the only one needed.
pub fn texts<'a>(
    method: &'a str,
    path: &'a str,
    prefix: &'a str,
    query: &'a Query,
) -> impl Iterator<Item = String> + 'a {
    let usual = signed_parameters(query, false);
    let first = std::iter::once(format!("{method}\n{path}\n{usual}"));
    let others = move || {
        let bare = |path: &str| path.strip_prefix(prefix).unwrap_or(path).to_owned();
        let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
        let paths = unique([path.to_owned(), bare(path), bare(&decoded), decoded]);
        let parameters = unique([usual, signed_parameters(query, true)]);
        let each = move |path: String| {
            let parameters = parameters.clone().into_iter();
            parameters.map(move |parameters| format!("{method}\n{path}\n{parameters}"))
        };
        // The first text of all has been tried.
        paths.into_iter().flat_map(each).skip(1)
    };
    first.chain(std::iter::once_with(others).flatten())
}

fn unique<const N: usize>(texts: [String; N]) -> Vec<String> {
    let mut unique = Vec::with_capacity(N);
    for text in texts {
        if !unique.contains(&text) {
            unique.push(text);
        }
    }
    unique
}

/// Names in lower case, sorted; values decoded. `joined`: `k[0]=a&k[1]=b` is signed as `k=a,b`.
fn signed_parameters(query: &Query, joined: bool) -> String {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(8);
    for (key, value) in query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("auth_signature"))
    {
        let name = lower_case(if joined { list_name(key) } else { key });
        match pairs.iter_mut().find(|(other, _)| joined && *other == name) {
            Some((_, list)) => {
                let list = list.to_mut();
                list.push(',');
                list.push_str(value);
            }
            None => pairs.push((name, value.into())),
        }
    }
    // Stable: values of one name keep their order.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 2).sum());
    for (index, (key, value)) in pairs.iter().enumerate() {
        let separator = if index > 0 { "&" } else { "" };
        [separator, key, "=", value].iter().for_each(|part| text.push_str(part));
    }
    text
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_normalized_for_signing() {
        for (query, plain, joined) in [
            ("b=2&a=1&auth_signature=x", "a=1&b=2", "a=1&b=2"),
            ("Name=Something%20else&a=+", "a= &name=Something else", "a= &name=Something else"),
            ("k[]=b&k[]=a&j=1", "j=1&k[]=b&k[]=a", "j=1&k=b,a"),
            ("k[0]=b&k[1]=a", "k[0]=b&k[1]=a", "k=b,a"),
        ] {
            let query = Query::parse(query);
            assert_eq!(signed_parameters(&query, false), plain);
            assert_eq!(signed_parameters(&query, true), joined);
        }
    }

    #[test]
    fn each_text_is_tried_once() {
        for (path, prefix, query, count) in [
            ("/apps/it/events", "", "auth_key=k", 1),
            ("/apps/it/events", "/pusher", "auth_key=k&b=%2F", 1),
            ("/apps/it/events", "", "info[]=a&info[]=b", 2),
            ("/apps/it/channels/a%40b", "", "auth_key=k", 2),
            ("/pusher/apps/it/events", "/pusher", "auth_key=k", 2),
            ("/pusher/apps/a%40b", "/pusher", "auth_key=k", 4),
            ("/pusher/apps/a%40b", "/pusher", "k[0]=a&k[1]=b", 8),
        ] {
            let query = Query::parse(query);
            let all: Vec<String> = texts("GET", path, prefix, &query).collect();
            assert_eq!(all.len(), count, "{all:?}");
            assert_eq!(all[0], format!("GET\n{path}\n{}", signed_parameters(&query, false)));
            assert!(all.iter().all(|text| all.iter().filter(|t| *t == text).count() == 1));
        }
    }
}
