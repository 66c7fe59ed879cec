//! The text of an IDL file in; tokens and documentation comments, with their places, out.

use std::ops::Range;

/// A word, a literal or a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdlToken {
    pub(super) kind: TokenKind,
    /// The byte where it starts.
    pub(super) start: usize,
    /// The byte after it.
    pub(super) end: usize,
    /// Index of the documentation comment before it, with only white space and other comments between.
    pub(super) doc: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An identifier or keyword, which may have backquotes, dots and dashes.
    Word,
    /// A string in double quotes.
    Text,
    /// A number, valid or not.
    Number,
    /// A single character.
    Mark(char),
    End,
}

/// The tokens of a file, of which the last is [`TokenKind::End`].
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) list: Vec<IdlToken>,
    /// The documentation comments, with `/**` and `*/`.
    pub(super) docs: Vec<Range<usize>>,
}

/// A byte and what is wrong there.
pub(super) type LexicalFault = (usize, String);

/// Ends the text in old files.
const SUBSTITUTE: char = '\u{1a}';

/// Splits a text into tokens.
pub(super) fn tokens(text: &str) -> Result<Tokens, LexicalFault> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Tokens { list: Vec::new(), docs: Vec::new() };
    let mut doc = None;
    loop {
        lexer.skip(|c| c.is_whitespace() || c == '\u{feff}');
        let start = lexer.at;
        let kind = match lexer.peek() {
            None | Some(SUBSTITUTE) => TokenKind::End,
            Some('/') => {
                if lexer.comment()? {
                    doc = Some(tokens.docs.len());
                    tokens.docs.push(start..lexer.at);
                }
                continue;
            }
            Some('"') => lexer.string()?,
            Some(c) if is_start(c) || c == '`' => lexer.word()?,
            Some(c) if lexer.is_number(c) => lexer.number(),
            Some(c @ ('(' | ')' | '{' | '}' | '[' | ']' | ':' | ';' | ',' | '@' | '=' | '?' | '<' | '>')) => {
                lexer.at += 1;
                TokenKind::Mark(c)
            }
            Some('\'') => return Err((start, "strings are in double quotes, found `'`".to_owned())),
            Some(c) => return Err((start, format!("unexpected character `{}`", c.escape_debug()))),
        };
        tokens.list.push(IdlToken { kind, start, end: lexer.at, doc: doc.take() });
        if kind == TokenKind::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, of: impl Fn(char) -> bool) {
        self.at = self.text.len() - self.rest().trim_start_matches(of).len();
    }

    /// Goes past a comment. Returns whether it is documentation.
    fn comment(&mut self) -> Result<bool, LexicalFault> {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            return Ok(false);
        }
        let Some(body) = rest.strip_prefix("/*") else {
            return Err((self.at, "unexpected character `/`; a comment starts with `//` or `/*`".to_owned()));
        };
        let Some(len) = body.find("*/") else {
            return Err((self.at, "the comment has no end; close it with `*/`".to_owned()));
        };
        self.at += len + 4;
        // `/**/` is an empty comment.
        Ok(body.starts_with('*') && len > 0)
    }

    fn string(&mut self) -> Result<TokenKind, LexicalFault> {
        let start = self.at;
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' | '\r' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.at += at + 1;
                    return Ok(TokenKind::Text);
                }
                _ => {}
            }
        }
        Err((start, "the string has no end on its line".to_owned()))
    }

    /// Goes past parts with dots and dashes between, each with or without backquotes.
    fn word(&mut self) -> Result<TokenKind, LexicalFault> {
        loop {
            let start = self.at;
            let quoted = self.peek() == Some('`');
            self.at += usize::from(quoted);
            let first = self.at;
            self.skip(is_part);
            if quoted {
                if self.peek() != Some('`') || first == self.at {
                    return Err((start, "expected a name and a backquote after the backquote".to_owned()));
                }
                self.at += 1;
            }
            let mut next = self.rest().chars();
            let is_separator = matches!(next.next(), Some('.' | '-'));
            if !is_separator || !next.next().is_some_and(|c| is_start(c) || c == '`') {
                return Ok(TokenKind::Word);
            }
            self.at += 1;
        }
    }

    fn is_number(&self, first: char) -> bool {
        let mut next = self.rest().chars().skip(1);
        match first {
            '0'..='9' => true,
            '.' => next.next().is_some_and(|c| c.is_ascii_digit()),
            '+' | '-' => next.next().is_some_and(|c| c.is_ascii_digit() || matches!(c, '.' | 'I' | 'N')),
            _ => false,
        }
    }

    /// Goes past everything that could belong to a number.
    fn number(&mut self) -> TokenKind {
        let rest = self.rest();
        let is_hex = rest.trim_start_matches(['+', '-']).get(..2).is_some_and(|two| two.eq_ignore_ascii_case("0x"));
        let mut last = None;
        let end = rest.find(|c: char| {
            let sign_of_exponent = match last {
                None => true,
                Some('p' | 'P') => true,
                Some('e' | 'E') => !is_hex,
                Some(_) => false,
            };
            let is_part =
                c.is_ascii_alphanumeric() || c == '.' || c == '_' || (matches!(c, '+' | '-') && sign_of_exponent);
            last = Some(c);
            !is_part
        });
        self.at += end.unwrap_or(rest.len());
        TokenKind::Number
    }
}

/// Whether a name may start with this character.
fn is_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether a name may have this character.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether this is a name that Avro allows, without dots.
pub(super) fn is_name(word: &str) -> bool {
    word.chars().next().is_some_and(is_start) && word.chars().all(is_part)
}

/// Returns the text of a string literal, given with its quotes, or the byte in it of a wrong escape.
pub(super) fn unescaped(literal: &str) -> Result<String, LexicalFault> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    let here = |rest: &str| 1 + inner.len() - rest.len();
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        text.push_str(plain);
        let wrong = |what: &str| (here(escape), what.to_owned());
        let body = escape.get(1..).unwrap_or_default();
        let (c, len) = match body.chars().next() {
            Some('u') => {
                let Some(first) = unit(escape) else { return Err(wrong("`\\u` needs four hexadecimal digits")) };
                let second = escape.get(6..).and_then(unit);
                let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
                match (char::from_u32(first.into()), pair) {
                    (Some(c), _) => (c, 5),
                    (None, Some(c)) => (c, 11),
                    (None, None) => return Err(wrong("half of a surrogate pair is not a character")),
                }
            }
            Some('0'..='7') => {
                // Up to three octal digits, of which three are at most 377.
                let most = if body.starts_with(['0', '1', '2', '3']) { 3 } else { 2 };
                let digits = body.bytes().take(most).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let value = u32::from_str_radix(body.get(..digits).unwrap_or_default(), 8).ok();
                (value.and_then(char::from_u32).unwrap_or_default(), digits)
            }
            Some('n') => ('\n', 1),
            Some('r') => ('\r', 1),
            Some('t') => ('\t', 1),
            Some('b') => ('\u{8}', 1),
            Some('f') => ('\u{c}', 1),
            Some(c @ ('\\' | '\'' | '"' | '/')) => (c, 1),
            _ => {
                return Err(wrong(
                    "unknown escape; known are \\n \\r \\t \\b \\f \\\\ \\\" \\' \\u0000 and octal digits",
                ));
            }
        };
        text.push(c);
        rest = body.get(len..).unwrap_or_default();
    }
    text.push_str(rest);
    Ok(text)
}

/// The code unit of an escape such as `\u0041` at the start of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    fn shown(text: &str) -> String {
        match tokens(text) {
            Ok(tokens) => {
                let texts = tokens.list.iter().map(|t| match t.doc {
                    Some(_) => format!("doc {}", &text[t.start..t.end]),
                    None => text[t.start..t.end].to_owned(),
                });
                texts.collect::<Vec<_>>().join("|")
            }
            Err((at, what)) => format!("{at}: {what}"),
        }
    }

    #[test]
    fn text_is_split_into_tokens() {
        let cases = [
            ("record A{int a;}", "record|A|{|int|a|;|}|"),
            ("@a.b-c(\"x\\\"y\")", "@|a.b-c|(|\"x\\\"y\"|)|"),
            ("a.`b`-c `d`", "a.`b`-c|`d`|"),
            ("a. b", "1: unexpected character `.`"),
            (
                "1 -1 0x1F 1.5e-3 .5 -Infinity +1.0 1e+5f 0x1p-3 0xe-1",
                "1|-1|0x1F|1.5e-3|.5|-Infinity|+1.0|1e+5f|0x1p-3|0xe|-1|",
            ),
            ("a // b\nc /* d */ e /** f */ g /**/ h", "a|c|e|doc g|h|"),
            ("/** a */ /* b */ c /** d */", "doc c|doc "),
            ("Структура _a 文字", "Структура|_a|文字|"),
            ("a \u{1a} #", "a|"),
            ("\u{feff}a", "a|"),
            ("\"a", "0: the string has no end on its line"),
            ("\"a\n\"", "0: the string has no end on its line"),
            ("'a'", "0: strings are in double quotes, found `'`"),
            ("/* a", "0: the comment has no end; close it with `*/`"),
            ("/ a", "0: unexpected character `/`; a comment starts with `//` or `/*`"),
            ("`a", "0: expected a name and a backquote after the backquote"),
            ("a #", "2: unexpected character `#`"),
        ];
        check_all(cases, |(text, expected)| {
            assert_eq!(shown(text), expected, "{text}");
        });
    }

    #[test]
    fn strings_are_unescaped() {
        let cases = [
            (r#""a\n\t\"\\\'\/\b\f\r""#, Ok("a\n\t\"\\'/\u{8}\u{c}\r")),
            (r#""\u00e9\ud83d\ude00""#, Ok("é😀")),
            (r#""\0\12\101\477""#, Ok("\0\nA\u{27}7")),
            (r#""a\x""#, Err(2)),
            (r#""\u12""#, Err(1)),
            (r#""\ud800""#, Err(1)),
        ];
        check_all(cases, |(literal, expected)| {
            assert_eq!(unescaped(literal).map_err(|(at, _)| at), expected.map(str::to_owned), "{literal}");
        });
    }
}
