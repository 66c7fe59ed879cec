//! Parses JSON to a flat list of its values instead of a tree, each container before its content. The parser keeps
//! open containers in a list of its own, so that nesting in the text cannot overflow the stack.

/// The values of a text in order; in objects each key is a [`Token::Text`] before its value.
#[derive(Debug, Default)]
pub struct Tape {
    tokens: Vec<Token>,
    /// Strings that have escapes, unescaped.
    unescaped: String,
    /// Indexes of the open containers.
    open: Vec<usize>,
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// Start and end in the text.
    Number(usize, usize),
    /// Start and end in the text, without quotes.
    Text(usize, usize),
    /// Start and end in `Tape::unescaped`.
    Unescaped(usize, usize),
    /// The number of items, and the index of the token after the last.
    Array(usize, usize),
    /// The number of members, and the index of the token after the last.
    Object(usize, usize),
}

/// A syntax error: what was expected at this byte of the text.
pub type Unparsed = (&'static str, usize);

impl Tape {
    /// Parses a text of one value, and replaces the previous one.
    pub fn parse(&mut self, text: &str) -> Result<(), Unparsed> {
        self.clear();
        let mut parser = TapeParser { text, bytes: text.as_bytes(), at: 0 };
        loop {
            if self.begin(&mut parser)? && self.end(&mut parser)? {
                return Ok(());
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.unescaped.clear();
        self.open.clear();
    }

    pub(super) fn push(&mut self, token: Token) {
        self.tokens.push(token);
    }

    /// The token at this index, which must exist.
    pub fn token(&self, at: usize) -> Token {
        self.tokens.get(at).copied().unwrap_or(Token::Null)
    }

    /// The index of the token after a value.
    pub fn behind(&self, at: usize) -> usize {
        match self.token(at) {
            Token::Array(_, end) | Token::Object(_, end) => end,
            _ => at + 1,
        }
    }

    /// The content of a string or a key, or the digits of a number; empty for other tokens.
    pub fn text<'t>(&'t self, text: &'t str, at: usize) -> &'t str {
        match self.token(at) {
            Token::Text(start, end) | Token::Number(start, end) => text.get(start..end).unwrap_or_default(),
            Token::Unescaped(start, end) => self.unescaped.get(start..end).unwrap_or_default(),
            _ => "",
        }
    }

    /// Reads a scalar, or the start of a container up to its first item. Returns whether the value is complete.
    fn begin(&mut self, parser: &mut TapeParser<'_>) -> Result<bool, Unparsed> {
        let token = match parser.next_byte() {
            Some(b'{') => {
                self.open_container(Token::Object(0, 0));
                parser.at += 1;
                if parser.next_byte() != Some(b'}') {
                    self.key(parser)?;
                    return Ok(false);
                }
                return Ok(self.close(parser));
            }
            Some(b'[') => {
                self.open_container(Token::Array(0, 0));
                parser.at += 1;
                return Ok(parser.next_byte() == Some(b']') && self.close(parser));
            }
            Some(b'"') => self.string(parser)?,
            Some(b'-' | b'0'..=b'9') => parser.number()?,
            Some(b'n') => parser.word("null", Token::Null)?,
            Some(b't') => parser.word("true", Token::Boolean(true))?,
            Some(b'f') => parser.word("false", Token::Boolean(false))?,
            _ => return Err(("a value", parser.at)),
        };
        self.tokens.push(token);
        Ok(true)
    }

    /// Closes complete containers after a value. Returns whether the text is complete.
    fn end(&mut self, parser: &mut TapeParser<'_>) -> Result<bool, Unparsed> {
        loop {
            let next = parser.next_byte();
            let Some(container) = self.open.last().and_then(|at| self.tokens.get_mut(*at)) else {
                return if next.is_none() { Ok(true) } else { Err(("the end of the text", parser.at)) };
            };
            match (container, next) {
                (Token::Array(n, _), Some(b',' | b']')) | (Token::Object(n, _), Some(b',' | b'}')) => *n += 1,
                (Token::Array(..), _) => return Err(("`,` or `]`", parser.at)),
                _ => return Err(("`,` or `}`", parser.at)),
            }
            if next != Some(b',') {
                self.close(parser);
                continue;
            }
            parser.at += 1;
            if let Some(Token::Object(..)) = self.open.last().and_then(|at| self.tokens.get(*at)) {
                self.key(parser)?;
            }
            return Ok(false);
        }
    }

    fn open_container(&mut self, token: Token) {
        self.open.push(self.tokens.len());
        self.tokens.push(token);
    }

    /// Consumes the bracket that ends the innermost container. Always `true`, as that value is complete.
    fn close(&mut self, parser: &mut TapeParser<'_>) -> bool {
        parser.at += 1;
        let behind = self.tokens.len();
        let container = self.open.pop().and_then(|at| self.tokens.get_mut(at));
        if let Some(Token::Array(_, end) | Token::Object(_, end)) = container {
            *end = behind;
        }
        true
    }

    /// Reads a key and the colon after it.
    fn key(&mut self, parser: &mut TapeParser<'_>) -> Result<(), Unparsed> {
        if parser.next_byte() != Some(b'"') {
            return Err(("a key", parser.at));
        }
        let key = self.string(parser)?;
        self.tokens.push(key);
        if parser.next_byte() != Some(b':') {
            return Err(("`:`", parser.at));
        }
        parser.at += 1;
        Ok(())
    }

    /// Reads a string.
    fn string(&mut self, parser: &mut TapeParser<'_>) -> Result<Token, Unparsed> {
        let quote = parser.at;
        let mut at = quote + 1;
        let mut escaped = false;
        loop {
            match parser.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0x20..) => at += 1,
                Some(_) => return Err(("an escape for a control character", at)),
                None => return Err(("the end of a string", parser.bytes.len())),
            }
        }
        parser.at = at + 1;
        if !escaped {
            return Ok(Token::Text(quote + 1, at));
        }
        let quoted = parser.text.get(quote..=at).unwrap_or_default();
        let text: String = serde_json::from_str(quoted).map_err(|_| ("a string with valid escapes", quote))?;
        let start = self.unescaped.len();
        self.unescaped.push_str(&text);
        Ok(Token::Unescaped(start, self.unescaped.len()))
    }
}

struct TapeParser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl TapeParser<'_> {
    /// The next byte that is not white space.
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn word(&mut self, word: &str, token: Token) -> Result<Token, Unparsed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let behind = rest.get(word.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !rest.starts_with(word.as_bytes()) || behind {
            return Err(("a value", self.at));
        }
        self.at += word.len();
        Ok(token)
    }

    fn number(&mut self) -> Result<Token, Unparsed> {
        let start = self.at;
        let byte = |at: usize| self.bytes.get(at).copied().unwrap_or_default();
        let digits = |mut at: usize| {
            let first = at;
            while byte(at).is_ascii_digit() {
                at += 1;
            }
            if at > first { Ok(at) } else { Err(("a digit", at)) }
        };
        let first = start + usize::from(byte(start) == b'-');
        let mut at = if byte(first) == b'0' { first + 1 } else { digits(first)? };
        if byte(at) == b'.' {
            at = digits(at + 1)?;
        }
        if let b'e' | b'E' = byte(at) {
            at += 1;
            at = digits(at + usize::from(matches!(byte(at), b'+' | b'-')))?;
        }
        if byte(at).is_ascii_alphanumeric() {
            return Err(("the end of a number", at));
        }
        self.at = at;
        Ok(Token::Number(start, at))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use avro_testing::{Rng, check_all, corrupt};
    use serde_json::Value as Json;

    /// The value at this index, as a tree.
    fn tree(tape: &Tape, text: &str, at: usize) -> Json {
        let mut next = at + 1;
        match tape.token(at) {
            Token::Null => Json::Null,
            Token::Boolean(value) => value.into(),
            Token::Number(..) => serde_json::from_str(tape.text(text, at)).unwrap_or_default(),
            Token::Text(..) | Token::Unescaped(..) => tape.text(text, at).into(),
            Token::Array(n, end) => {
                let items = (0..n).map(|_| {
                    let item = tree(tape, text, next);
                    next = tape.behind(next);
                    item
                });
                let items = items.collect();
                assert_eq!(next, end);
                Json::Array(items)
            }
            Token::Object(n, end) => {
                let pairs = (0..n).map(|_| {
                    let pair = (tape.text(text, next).to_string(), tree(tape, text, next + 1));
                    next = tape.behind(next + 1);
                    pair
                });
                let pairs = pairs.collect();
                assert_eq!(next, end);
                Json::Object(pairs)
            }
        }
    }

    /// Parses a text as serde_json does.
    fn check(text: &str) -> bool {
        let mut tape = Tape::default();
        let got = tape.parse(text).map(|()| tree(&tape, text, 0));
        match (serde_json::from_str::<Json>(text), &got) {
            (Ok(want), Ok(got)) => assert_eq!(*got, want, "{text}"),
            (Err(_), Err(_)) => {}
            // Too large for `f64`, but a number.
            (Err(e), Ok(_)) if e.to_string().starts_with("number out of range") => {}
            (want, got) => panic!("{text}: {got:?}, not {want:?}"),
        }
        got.is_ok()
    }

    const TEXTS: &[&str] = &[
        "null",
        " true\n",
        "false",
        "0",
        "-0",
        "12.50",
        "1e5",
        "-1.5E-3",
        r#""""#,
        r#""a""#,
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,[2,[]],{}]",
        r#"{"a":1,"b":[{"c":null}, "\u00e9\ud83e\udd80\n\\"],"\"":{"":true}}"#,
        "[[[[]]]]",
        "1e999",
        "\"é🦀\u{7f}\"",
    ];

    #[test]
    fn tape_of_random_text_equals_serde_json() {
        let broken = [
            "",
            " ",
            "nul",
            "nulll",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\n\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "1 2",
            "]",
            "}",
            "[1}",
            "{\"a\":1]",
            "{1:2}",
            "truefalse",
            "NaN",
            "\u{feff}1",
            "[1 2]",
        ];
        for text in TEXTS {
            assert!(check(text), "{text}");
        }
        for text in broken {
            assert!(!check(text), "{text}");
        }
        let rng = &mut Rng::new(7);
        let mut n_valid = 0;
        for text in TEXTS.iter().cycle().take(20_000) {
            let mut bytes = text.as_bytes().to_vec();
            corrupt(rng, &mut bytes);
            n_valid += String::from_utf8(bytes).is_ok_and(|text| check(&text)) as usize;
        }
        assert!((1_000..19_000).contains(&n_valid), "{n_valid}");
    }

    #[test]
    fn tape_of_deep_nesting_takes_no_stack() {
        let text = format!("{}{}", "[{\"a\":".repeat(500_000), "]");
        assert!(Tape::default().parse(&text).is_err());
        let text = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(Tape::default().parse(&text), Ok(()));
    }

    #[test]
    fn tape_error_names_expected_token() {
        let cases = [
            ("{\"a\" 1}", ("`:`", 5)),
            ("[1 2]", ("`,` or `]`", 3)),
            ("{\"a\":1", ("`,` or `}`", 6)),
            ("1 2", ("the end of the text", 2)),
            ("\"abc", ("the end of a string", 4)),
            ("{1:2}", ("a key", 1)),
            ("[1,]", ("a value", 3)),
            ("12a", ("the end of a number", 2)),
        ];
        check_all(cases, |(text, want)| {
            assert_eq!(Tape::default().parse(text), Err(want), "{text}");
        });
    }
}
