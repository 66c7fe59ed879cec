//! Paths into JSON: DuckDB's `$.a[0].b`, `/a/0` and plain keys, and jq's `.a[0].b`.

use avro_arrow::json::{Tape, Token};
use datafusion::common::{Result, exec_err};

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    Key(String),
    Item(usize),
    /// The n-th item from the end, from 1.
    FromEnd(usize),
    /// A key, or the number of an item.
    Either(String),
    /// All items of an array, or all values of an object.
    Every,
}

/// A path into JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path {
    steps: Vec<PathStep>,
}

impl Path {
    /// Parses a path.
    pub(super) fn parse(text: &str) -> Result<Path> {
        if let Some(pointer) = text.strip_prefix('/') {
            let step = |key: &str| PathStep::Either(key.replace("~1", "/").replace("~0", "~"));
            return Ok(Path { steps: pointer.split('/').map(step).collect() });
        }
        let steps = match text.strip_prefix('$') {
            Some(steps) => steps,
            // jq's `.` and `.[0]`.
            None if text == "." || text.starts_with(".[") => text.trim_start_matches('.'),
            None if text.starts_with('.') => text,
            None if text.is_empty() => return Ok(Path::default()),
            None => return Ok(Path { steps: vec![PathStep::Key(text.to_owned())] }),
        };
        match parse_steps(steps) {
            Some(steps) => Ok(Path { steps }),
            None => exec_err!(
                "'{text}' is not a path into JSON; write one such as 'key', '$.a[0].b', '$.a[*]', '/a/0' or '.a[0].b'"
            ),
        }
    }

    /// Returns the path to an item of an array.
    pub(super) fn item(number: i64) -> Path {
        let place = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
        Path { steps: vec![if number < 0 { PathStep::FromEnd(place) } else { PathStep::Item(place) }] }
    }

    /// Whether the path leads to any number of values.
    pub(super) fn is_of_many(&self) -> bool {
        self.steps.contains(&PathStep::Every)
    }

    /// Returns the path in DuckDB's form, such as `$.a[0]`; `None` if it leads to any number of values.
    pub(super) fn written(&self) -> Option<String> {
        let mut text = "$".to_owned();
        for step in &self.steps {
            text.push_str(&match step {
                PathStep::Key(key) | PathStep::Either(key) => to_member(key),
                PathStep::Item(n) => format!("[{n}]"),
                PathStep::FromEnd(n) => format!("[-{n}]"),
                PathStep::Every => return None,
            });
        }
        Some(text)
    }

    /// Returns the places of the values to which the path leads.
    pub(super) fn find(&self, tape: &Tape, text: &str) -> Vec<usize> {
        let mut places = vec![0];
        for step in &self.steps {
            places = places.iter().flat_map(|place| after(step, tape, text, *place)).collect();
        }
        places
    }
}

/// Returns the step to a member, in quotes if the key needs them: `.a`, `."b c"`.
pub(super) fn to_member(key: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (is_plain, key.contains('"')) {
        (true, _) => format!(".{key}"),
        (false, false) => format!(".\"{key}\""),
        (false, true) => format!("['{key}']"),
    }
}

/// Parses `.a[0]."b c"[*]`.
fn parse_steps(mut rest: &str) -> Option<Vec<PathStep>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = match after.strip_prefix(['"', '\'']) {
                Some(quoted) => quoted.find(after.chars().next()?)? + 2,
                None => after.find(']')?,
            };
            let (inside, after) = after.split_at_checked(end)?;
            rest = after.strip_prefix(']')?;
            steps.push(in_brackets(inside)?);
            continue;
        }
        rest = rest.strip_prefix('.')?;
        if let Some(after) = rest.strip_prefix('"') {
            let (key, after) = after.split_once('"')?;
            steps.push(PathStep::Key(key.to_owned()));
            rest = after;
            continue;
        }
        let (key, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
        match key {
            "" => return None,
            "*" => steps.push(PathStep::Every),
            key => steps.push(PathStep::Key(key.to_owned())),
        }
        rest = after;
    }
    Some(steps)
}

fn in_brackets(text: &str) -> Option<PathStep> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return Some(PathStep::Key(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned()));
    }
    let from_end = |digits: &str| digits.parse().ok().filter(|n| *n > 0).map(PathStep::FromEnd);
    match text.trim() {
        "*" | "" => Some(PathStep::Every),
        text => match (text.strip_prefix("#-"), text.strip_prefix('-')) {
            (Some(digits), _) | (None, Some(digits)) => from_end(digits),
            (None, None) => text.parse().ok().map(PathStep::Item),
        },
    }
}

/// Returns the places to which a step leads.
fn after(step: &PathStep, tape: &Tape, text: &str, place: usize) -> Vec<usize> {
    match (tape.token(place), step) {
        (Token::Object(..), PathStep::Key(key) | PathStep::Either(key)) => {
            // The first of equal keys, as in DuckDB.
            members(tape, place).find(|at| tape.text(text, *at) == key).map(|at| at + 1).into_iter().collect()
        }
        (Token::Object(..), PathStep::Every) => members(tape, place).map(|at| at + 1).collect(),
        (Token::Array(..), PathStep::Item(n)) => items(tape, place).nth(*n).into_iter().collect(),
        (Token::Array(..), PathStep::Either(n)) => {
            n.parse().ok().and_then(|n| items(tape, place).nth(n)).into_iter().collect()
        }
        (Token::Array(length, _), PathStep::FromEnd(n)) => {
            length.checked_sub(*n).and_then(|n| items(tape, place).nth(n)).into_iter().collect()
        }
        (Token::Array(..), PathStep::Every) => items(tape, place).collect(),
        _ => vec![],
    }
}

/// Returns the places of the items of an array.
pub(super) fn items(tape: &Tape, place: usize) -> impl Iterator<Item = usize> {
    let n = if let Token::Array(n, _) = tape.token(place) { n } else { 0 };
    std::iter::successors(Some(place + 1), |at| Some(tape.behind(*at))).take(n)
}

/// Returns the places of the keys of an object; each value is after its key.
pub(super) fn members(tape: &Tape, place: usize) -> impl Iterator<Item = usize> {
    let n = if let Token::Object(n, _) = tape.token(place) { n } else { 0 };
    std::iter::successors(Some(place + 1), |at| Some(tape.behind(*at + 1))).take(n)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql_functions::json::document::write;
    use avro_testing::check_all;

    #[test]
    fn paths_find_values() {
        let text = r#"{"a":{"b":[1,{"c":"x"},[2,3]]},"a.b":4,"a":5,"":6,"k k":7,"0":8,"n":null}"#;
        let cases = [
            ("a.b", vec!["4"]),
            ("$.a.b[0]", vec!["1"]),
            (".a.b[1].c", vec!["\"x\""]),
            ("/a/b/2/0", vec!["2"]),
            ("/0", vec!["8"]),
            ("$.a.b[-1]", vec!["[2,3]"]),
            ("$.a.b[#-3]", vec!["1"]),
            ("$.a.b[#-4]", vec![]),
            ("$.a.b[3]", vec![]),
            ("$.a.b[*]", vec!["1", "{\"c\":\"x\"}", "[2,3]"]),
            ("$.a.b[*].c", vec!["\"x\""]),
            ("$.a.*", vec!["[1,{\"c\":\"x\"},[2,3]]"]),
            ("$.\"k k\"", vec!["7"]),
            ("$['k k']", vec!["7"]),
            ("$[\"a.b\"]", vec!["4"]),
            ("/", vec!["6"]),
            ("n", vec!["null"]),
            ("A", vec![]),
            ("n.x", vec![]),
            ("$.n.x", vec![]),
        ];
        let mut tape = Tape::default();
        tape.parse(text).unwrap();
        check_all(cases, |(path, expected)| {
            let found = Path::parse(path).unwrap().find(&tape, text);
            let found: Vec<String> = found
                .into_iter()
                .map(|place| {
                    let mut json = String::new();
                    write(&tape, text, place, &mut json);
                    json
                })
                .collect();
            assert_eq!(found, expected, "{path}");
        });
        for whole in ["$", ".", ""] {
            assert_eq!(Path::parse(whole).unwrap().find(&tape, text), [0], "{whole}");
        }
        for wrong in ["$a", "$.a..b", "$[", "$[x]", "$.", "$.\"a", ".a.", "$[0", "$['a]"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }
}
