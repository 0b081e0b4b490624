//! Files of variables (`.env`), as the libraries of the other servers read them.

use std::collections::HashMap;

use super::VariableProblem;

/// For the text that references add to a file: a line of ten references to a line of ten references
/// and so on grows without end.
const MAX_REFERENCED: usize = 1024 * 1024;

/// A variable with its quotes and comments taken off.
#[derive(Debug, PartialEq, Eq)]
pub struct DotenvVariable {
    pub name: String,
    pub value: String,
    pub line: usize,
}

/// Where an unquoted value ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommentRule {
    /// At any `#`, as in the libraries for Node.js and PHP.
    AnyHash,
    /// At a `#` after a blank, as in Rust and in Compose.
    HashAfterBlank,
}

/// The variables in the order of the file, and the lines that say something else. A variable that
/// is set again keeps its last value. Fails if references make too much of it.
pub fn parse(
    text: &str,
    rule: CommentRule,
) -> Result<(Vec<DotenvVariable>, Vec<VariableProblem>), String> {
    let mut reader = DotenvReader {
        rest: text,
        line: 1,
        rule,
        variables: Vec::new(),
        places: HashMap::new(),
        referenced: 0,
        problems: Vec::new(),
    };
    while !reader.rest.is_empty() {
        let line = reader.line;
        reader.entry();
        if reader.referenced > MAX_REFERENCED {
            return Err(format!(
                "line {line}: with its references (${{...}}) this file has more than 1 MiB of values: write the value out, or remove the line"
            ));
        }
    }
    Ok((reader.variables, reader.problems))
}

struct DotenvReader<'a> {
    rest: &'a str,
    line: usize,
    rule: CommentRule,
    variables: Vec<DotenvVariable>,
    /// Places in `variables`, by name.
    places: HashMap<String, usize>,
    /// Bytes that references stand for, in all values so far.
    referenced: usize,
    problems: Vec<VariableProblem>,
}

impl<'a> DotenvReader<'a> {
    fn entry(&mut self) {
        let line = self.line;
        let (text, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        let start = text.trim();
        if start.is_empty() || start.starts_with('#') {
            return self.move_to(rest);
        }
        let assignment = text.split_once('=').and_then(|(name, _)| {
            let name = name.trim();
            let name = name.strip_prefix("export ").unwrap_or(name).trim();
            is_name(name).then_some(name)
        });
        let Some(name) = assignment else {
            // The text is not repeated: it may be half of a secret.
            self.problems.push(VariableProblem::Unreadable { line });
            return self.move_to(rest);
        };
        let at = text.find('=').map_or(0, |at| at + 1);
        let blanks = text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
        self.move_to(&self.rest[at + blanks..]);
        let value = self.value(name, line);
        self.keep(DotenvVariable { name: name.to_owned(), value, line });
    }

    fn move_to(&mut self, rest: &'a str) {
        let passed = &self.rest[..self.rest.len() - rest.len()];
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn value(&mut self, name: &str, line: usize) -> String {
        let quote = self.rest.chars().next().filter(|c| ['"', '\'', '`'].contains(c));
        if let Some(quote) = quote {
            if let Some(end) = closing(&self.rest[1..], quote) {
                let inside = &self.rest[1..=end];
                let behind = &self.rest[end + 2..];
                let behind = behind.split_once('\n').map_or("", |(_, rest)| rest);
                self.move_to(behind);
                return match quote {
                    '"' => self.expanded(name, line, inside, EscapeRule::Read),
                    _ => inside.to_owned(),
                };
            }
            self.problems.push(VariableProblem::Unclosed { name: name.to_owned(), line });
        }
        let (text, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        let value = self.unquoted(name, line, text);
        self.move_to(rest);
        self.expanded(name, line, value, EscapeRule::Keep)
    }

    fn unquoted(&mut self, name: &str, line: usize, text: &'a str) -> &'a str {
        let blank_before = |at: usize| at == 0 || text[..at].ends_with([' ', '\t']);
        let comment = text.match_indices('#').find(|(at, _)| blank_before(*at));
        let end = match (self.rule, text.find('#')) {
            (CommentRule::AnyHash, Some(at)) if !blank_before(at) => {
                self.problems.push(VariableProblem::CutAtHash { name: name.to_owned(), line });
                at
            }
            (CommentRule::AnyHash, Some(at)) => at,
            _ => comment.map_or(text.len(), |(at, _)| at),
        };
        text[..end].trim()
    }

    /// Replaces `${NAME}` by the value above it, and `${NAME:-text}` by the text if there is none.
    fn expanded(&mut self, name: &str, line: usize, text: &str, escapes: EscapeRule) -> String {
        let mut value = String::with_capacity(text.len());
        let mut rest = text;
        let last_brace = text.rfind('}');
        while let Some(c) = rest.chars().next() {
            if c == '\\' && escapes == EscapeRule::Read {
                let next = rest[1..].chars().next();
                value.push_str(&unescaped(next));
                rest = &rest[1 + next.map_or(0, char::len_utf8)..];
                continue;
            }
            let is_before_brace = last_brace.is_some_and(|at| text.len() - rest.len() < at);
            if is_before_brace && let Some((reference, behind)) = reference(rest) {
                match self.lookup(reference) {
                    Some(found) => {
                        self.referenced = self.referenced.saturating_add(found.len());
                        // The caller gives up.
                        if self.referenced > MAX_REFERENCED {
                            return value;
                        }
                        value.push_str(&found);
                    }
                    None => {
                        let of = reference.split(':').next().unwrap_or_default().to_owned();
                        let name = name.to_owned();
                        self.problems.push(VariableProblem::Undefined { name, of, line });
                        value.push_str(&rest[..rest.len() - behind.len()]);
                    }
                }
                rest = behind;
                continue;
            }
            value.push(c);
            rest = &rest[c.len_utf8()..];
        }
        value
    }

    fn lookup(&self, reference: &str) -> Option<String> {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (reference, None),
        };
        let set = self.places.get(name).and_then(|at| self.variables.get(*at));
        set.map(|variable| variable.value.clone())
            .filter(|value| {
                // A default stands for an empty value as well.
                default.is_none() || !value.is_empty()
            })
            .or(default)
    }

    fn keep(&mut self, variable: DotenvVariable) {
        let at = self.places.get(&variable.name).copied();
        match at.and_then(|at| self.variables.get_mut(at)) {
            Some(other) => {
                let name = variable.name.clone();
                let (first, last) = (other.line, variable.line);
                self.problems.push(VariableProblem::Repeated { name, first, last });
                *other = variable;
            }
            None => {
                self.places.insert(variable.name.clone(), self.variables.len());
                self.variables.push(variable);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EscapeRule {
    Read,
    Keep,
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.chars().all(is_name_part)
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-".contains(c)
}

/// The place of the quote that ends the value. A backslash protects a double quote.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some(at);
        }
        None
    })
}

fn unescaped(c: Option<char>) -> String {
    match c {
        Some('n') => "\n".into(),
        Some('r') => "\r".into(),
        Some('t') => "\t".into(),
        Some(c @ ('"' | '\\' | '$')) => c.into(),
        Some(other) => format!("\\{other}"),
        None => "\\".into(),
    }
}

/// The inside of a `${...}` at the start of the text, and the text behind it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix("${")?;
    // Before the brace is looked for, which may be far away.
    let name = inside.find(|c: char| !is_name_part(c))?;
    let is_reference = is_name(&inside[..name]) && inside[name..].starts_with(['}', ':']);
    let (inside, behind) = is_reference.then(|| inside.split_once('}'))??;
    is_name(inside.split(":-").next()?).then_some((inside, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<VariableProblem>) {
        read_by(text, CommentRule::AnyHash)
    }

    fn read_by(text: &str, rule: CommentRule) -> (Vec<(String, String)>, Vec<VariableProblem>) {
        let (variables, problems) = parse(text, rule).expect("a file that grows little");
        (variables.into_iter().map(|v| (v.name, v.value)).collect(), problems)
    }

    fn value(text: &str) -> String {
        let (variables, problems) = read(text);
        assert_eq!(problems, [], "{text}");
        variables.into_iter().next_back().expect("a variable").1
    }

    #[test]
    fn quotes_comments_and_blanks_are_taken_off() {
        for (text, expected) in [
            ("A=b", "b"),
            ("  export A = b  ", "b"),
            ("A=", ""),
            ("A=b # c", "b"),
            ("A=# c", ""),
            ("A='b # c' # d", "b # c"),
            ("A=\"b # c\"", "b # c"),
            ("A=`b \"c\" 'd'`", "b \"c\" 'd'"),
            ("A='b\\n$'", "b\\n$"),
            ("A=\"b\\nc\\\"d\\\\e\\$f\\x\"", "b\nc\"d\\e$f\\x"),
            ("A=b\\nc", "b\\nc"),
            ("A=\"b\nc\"\r\n", "b\nc"),
            ("A=b\r", "b"),
            ("A=b=c==", "b=c=="),
            ("A={\"a\": [1, 2]}", "{\"a\": [1, 2]}"),
            ("A=it's", "it's"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn references_name_variables_above() {
        assert_eq!(value("B=x\nA=${B}-${B}"), "x-x");
        assert_eq!(value("B=x\nA=\"<${B}>\""), "<x>");
        assert_eq!(value("B=x\nA='${B}'"), "${B}");
        assert_eq!(value("B=x\nA=\"\\${B}\""), "${B}");
        assert_eq!(value("A=${B:-y}"), "y");
        assert_eq!(value("B=\nA=${B:-y}"), "y");
        assert_eq!(value("B=\nA=${B}"), "");
        assert_eq!(value("A=$B ${ x"), "$B ${ x");
        let undefined = VariableProblem::Undefined { name: "A".into(), of: "B".into(), line: 1 };
        assert_eq!(read("A=<${B}>"), (vec![("A".into(), "<${B}>".into())], vec![undefined]));
    }

    #[test]
    fn hash_within_a_value_is_told_or_kept() {
        let cut = VariableProblem::CutAtHash { name: "A".into(), line: 2 };
        assert_eq!(read("\nA=b#c"), (vec![("A".into(), "b".into())], vec![cut]));
        let (kept, problems) = read_by("A=b#c # d", CommentRule::HashAfterBlank);
        assert_eq!((kept, problems), (vec![("A".into(), "b#c".into())], vec![]));
    }

    #[test]
    fn lines_that_cannot_be_read_are_told_by_number() {
        let (variables, problems) = read("A=1\nnonsense\n1B=2\n# A=3\n\nC='x\nA=4");
        assert_eq!(variables, [("A".into(), "4".into()), ("C".into(), "'x".into())]);
        assert_eq!(
            problems,
            [
                VariableProblem::Unreadable { line: 2 },
                VariableProblem::Unreadable { line: 3 },
                VariableProblem::Unclosed { name: "C".into(), line: 6 },
                VariableProblem::Repeated { name: "A".into(), first: 1, last: 7 },
            ]
        );
    }

    #[test]
    fn lines_are_counted_through_quotes() {
        let text = "A=\"1\n2\n3\"\nB=4";
        let (variables, _) = parse(text, CommentRule::AnyHash).expect("a small file");
        assert_eq!(variables.iter().map(|v| v.line).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn references_grow_up_to_a_mebibyte() {
        let half = "x".repeat(MAX_REFERENCED / 2);
        let grown = |line: &str| parse(&format!("A={half}\n{line}"), CommentRule::AnyHash);
        assert!(grown("B=${A}${A}").is_ok() && grown("B=${A}\nC=\"${A}\"").is_ok());
        for line in ["B=${A}${A}${A:-}", "B=${A}\nC=${A}\nD=\"${A}\"", "B=${A}\nB=${A}\nB=${A}"] {
            assert!(grown(&format!("{line}\nE=${{A}}")).is_err(), "{line}");
        }
        let error = grown("\nB=${A}${A}${A}").unwrap_err();
        assert!(error.starts_with("line 3: with its references"), "{error}");
    }
}
