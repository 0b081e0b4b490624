//! Lists that the server gives in pages.

/// Rows of one answer.
pub const PAGE: usize = 200;

/// A query of the parameters with a value.
pub fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_values_are_left_out() {
        let text = query([("a", Some("x y&")), ("b", None), ("c", Some(""))]);
        assert_eq!(text, "a=x+y%26&c=");
    }
}
