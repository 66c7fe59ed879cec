//! JSON text of schemas that is not quite JSON, but that other Avro readers accept, since the parsers they use do:
//!
//! - `NaN`, `Infinity` and `-Infinity`, which Python's writer makes of such defaults, and numbers that no double can
//!   hold;
//!   these become the strings that Avro's JSON encoding has for them;
//! - halves of surrogate pairs in `\u` escapes, which become U+FFFD, and control characters inside strings;
//! - comments, as in Java: from `//` to the end of the line, and from `/*` to `*/`;
//! - more than 128 levels, which is where `serde_json` stops: forty records inside one another are that deep.

use serde_json::{Map, Value as Json};

/// Levels of JSON: four for each level of types that `Limits::nesting` allows by default. The parser here recurses, and
/// so does that of schemas, once or a few times for each.
pub(super) const LEVELS_MAX: usize = 512;

/// The JSON value that the text is, if it is one.
pub(super) fn parse(text: &str) -> Option<Json> {
    let mut parser = JsonParser { rest: text };
    let value = parser.value(0)?;
    parser.space()?;
    parser.rest.is_empty().then_some(value)
}

/// The text of a schema without what may stand around it: a byte order mark before it, NUL bytes after it.
pub(super) fn trimmed(text: &str) -> &str {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0');
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// The JSON of a schema's text, taken out of what registries put around it.
pub(crate) fn of_schema(text: &str) -> Option<Json> {
    let text = trimmed(text);
    let json = serde_json::from_str(text).ok().or_else(|| parse(text))?;
    match in_payload(&json) {
        Some(schema) => serde_json::from_str(schema).ok().or_else(|| parse(schema)),
        None => Some(json),
    }
}

/// The text of the schema in what a schema registry answers, such as `{"schema": "{..}", "schemaType": "AVRO"}`.
pub(super) fn in_payload(json: &Json) -> Option<&str> {
    let object = json.as_object().filter(|object| !object.contains_key("type"))?;
    let kind = object.get("schemaType").and_then(Json::as_str);
    object.get("schema")?.as_str().filter(|_| kind.is_none_or(|kind| kind.eq_ignore_ascii_case("avro")))
}

/// Levels of brackets inside one another.
pub(super) fn levels(text: &str) -> usize {
    let (mut levels, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                levels += 1;
                most = most.max(levels);
            }
            b']' | b'}' if !in_string => levels = levels.saturating_sub(1),
            _ => {}
        }
    }
    most
}

struct JsonParser<'a> {
    rest: &'a str,
}

impl<'a> JsonParser<'a> {
    /// Goes past white space and comments. None where a comment has no end.
    fn space(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
            let (end, comment) = match self.rest.as_bytes() {
                [b'/', b'/', ..] => ("\n", self.rest),
                [b'/', b'*', ..] => ("*/", self.rest.get(2..)?),
                _ => return Some(()),
            };
            self.rest = comment.split_once(end)?.1;
        }
    }

    /// Goes past this text, if it is next.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, level: usize) -> Option<Json> {
        self.space()?;
        match self.rest.bytes().next()? {
            b'{' | b'[' if level >= LEVELS_MAX => None,
            b'{' => self.object(level + 1),
            b'[' => self.array(level + 1),
            b'"' => self.string().map(Json::String),
            _ => self.word(),
        }
    }

    fn object(&mut self, level: usize) -> Option<Json> {
        let mut object = Map::new();
        self.items("{", "}", |parser| {
            let key = parser.string()?;
            parser.space()?;
            let value = if parser.take(":") { parser.value(level)? } else { return None };
            object.insert(key, value);
            Some(())
        })?;
        Some(Json::Object(object))
    }

    fn array(&mut self, level: usize) -> Option<Json> {
        let mut items = Vec::new();
        self.items("[", "]", |parser| {
            items.push(parser.value(level)?);
            Some(())
        })?;
        Some(Json::Array(items))
    }

    /// What stands between these two, with commas between.
    fn items(&mut self, open: &str, close: &str, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open);
        self.space()?;
        if self.take(close) {
            return Some(());
        }
        loop {
            self.space()?;
            item(self)?;
            self.space()?;
            if self.take(close) {
                return Some(());
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        if !self.take("\"") {
            return None;
        }
        let mut text = String::new();
        loop {
            let at = self.rest.find(['"', '\\'])?;
            let (plain, special) = self.rest.split_at(at);
            text.push_str(plain);
            self.rest = special;
            if self.take("\"") {
                return Some(text);
            }
            text.push(self.escape()?);
        }
    }

    /// The character that an escape stands for, which is next.
    fn escape(&mut self) -> Option<char> {
        if let Some(unit) = self.unit() {
            // The second half of a pair counts only after a first one.
            let second = || JsonParser { rest: self.rest }.unit().filter(|unit| (0xdc00..0xe000).contains(unit));
            let pair = second().and_then(|second| char::decode_utf16([unit as u16, second as u16]).next()?.ok());
            if (0xd800..0xdc00).contains(&unit) && pair.is_some() {
                self.unit();
                return pair;
            }
            return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let mut characters = self.rest.chars();
        let (_, escaped) = (characters.next()?, characters.next()?);
        self.rest = characters.as_str();
        Some(match escaped {
            '"' | '\\' | '/' => escaped,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            _ => return None,
        })
    }

    /// Takes an escape of four hex digits, `\u` and the digits, and returns its code unit.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.strip_prefix("\\u")?.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.rest = self.rest.get(6..)?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// A number or a word.
    fn word(&mut self) -> Option<Json> {
        let is_in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let len = self.rest.find(|c| !is_in_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        if matches!(word, "NaN" | "Infinity" | "-Infinity") {
            return Some(Json::String(word.to_owned()));
        }
        serde_json::from_str(word).ok().or_else(|| {
            // Text that Rust takes for a number but JSON does not is finite, or has letters.
            let is_number = word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
            let number = word.parse::<f64>().ok().filter(|n| is_number && n.is_infinite())?;
            Some(Json::String(if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Schema;
    use super::*;
    use crate::Limits;
    use avro_testing::check_all;
    use serde_json::json;

    #[test]
    fn text_that_is_almost_json_is_read() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        let cases = [
            ("NaN", Some(json!("NaN"))),
            ("[-Infinity , Infinity,1e400,-1E+400]", Some(json!(["-Infinity", "Infinity", "Infinity", "-Infinity"]))),
            (r#"{"a":{"b":[1,-2.5e3,true,null]},"a":{}}"#, Some(json!({"a": {}}))),
            ("/* a */ [ // b\n1, /**/ 2 ] // c\n", Some(json!([1, 2]))),
            ("\"a\tb\u{1}\"", Some(json!("a\tb\u{1}"))),
            (
                r#""\ud83d\ude00 \ud800 \ude00 \ud800\u0041 \ud800\ud83d\ude00""#,
                Some(json!("😀 \u{fffd} \u{fffd} \u{fffd}A \u{fffd}😀")),
            ),
            (r#""\"\\\/\b\f\n\r\t\u00e9""#, Some(json!("\"\\/\u{8}\u{c}\n\r\té"))),
            ("[ ]", Some(json!([]))),
            ("", None),
            ("[1,]", None),
            ("[1 2]", None),
            ("[1", None),
            ("{1:2}", None),
            (r#"{"a" 1}"#, None),
            (r#""a"#, None),
            (r#""\q""#, None),
            (r#""\u12""#, None),
            ("/* a", None),
            ("1 2", None),
            ("inf", None),
            ("+1", None),
            ("nan", None),
        ];
        check_all(cases, |(text, expected)| {
            assert_eq!(parse(text), expected, "{text}");
        });
        assert!(parse(&deep(LEVELS_MAX)).is_some());
        assert!(parse(&deep(LEVELS_MAX + 1)).is_none());
    }

    #[test]
    fn text_that_other_readers_accept_is_read() {
        let cases = [
            ("\u{feff} \"int\"", "\"int\""),
            (r#"{"type":"double","default":NaN}"#, r#"{"type":"double","default":"NaN"}"#),
            ("{\"type\":\"int\", // doc\n\"x\": \"\\ud800\"}", "{\"type\":\"int\",\"x\":\"\u{fffd}\"}"),
        ];
        check_all(cases, |(text, json)| {
            assert_eq!(Schema::parse(text, &Limits::default()).unwrap().json(), json);
        });
        // As many levels as the limit allows, in either way that takes the most JSON for them.
        let more_cases = [
            (126, r#"{"type":"record","name":"R#","fields":[{"name":"f","type":"#, "}]}"),
            (63, r#"{"type":"record","name":"R#","fields":[{"name":"f","type":["null","#, "]}]}"),
        ];
        check_all(more_cases, |(levels, open, close)| {
            let names = (0..levels).map(|n| open.replace('#', &n.to_string())).collect::<String>();
            let text = format!("{names}\"int\"{}", close.repeat(levels));
            let schema = Schema::parse(&text, &Limits::default()).unwrap();
            assert_eq!(Schema::parse(schema.json(), &Limits::default()).unwrap(), schema);
        });
    }

    #[test]
    fn text_nested_too_deep_names_limit() {
        let lists = |n: usize| r#"{"type":"array","items":"#.repeat(n) + "\"int\"" + &"}".repeat(n);
        let refused = |n: usize, limits: &Limits| Schema::parse(&lists(n), limits).unwrap_err().to_string();
        let default = Limits::default();
        assert!(refused(130, &default).contains("exceeds the limit `nesting` (128)"));
        assert!(refused(700, &default).contains("700 exceeds the limit `nesting` (128)"));
        let deeper = Limits { nesting: 1000, ..Limits::default() };
        assert_eq!(refused(700, &deeper), "not supported: a schema of more than 512 levels of JSON");
    }

    #[test]
    fn text_of_registry_answer_is_unpacked() {
        let parse = |text: &str| Schema::parse(text, &Limits::default());
        let payload = r#"{"subject":"s","schemaType":"AVRO","schema":"{\"type\":\"array\",\"items\":\"int\"}"}"#;
        assert_eq!(parse(payload).unwrap().json(), r#"{"type":"array","items":"int"}"#);
        assert_eq!(parse(r#"{"schema":"\"int\""}"#).unwrap().json(), "\"int\"");
        assert!(parse(r#"{"schemaType":"PROTOBUF","schema":"int"}"#).is_err());
    }
}
