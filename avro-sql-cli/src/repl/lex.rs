//! Splits SQL into tokens while it is typed. Unlike the engine's tokenizer, this one accepts unfinished text.

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword or a name.
    Word,
    Number,
    /// A value or path in single quotes.
    Text,
    /// A name in double quotes.
    Name,
    Comment,
    /// One other character.
    Symbol,
    Space,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// Its text, with quotes.
    pub(super) text: &'a str,
    /// Its first byte.
    pub(super) start: usize,
    /// Whether its closing quote is present, if it needs one.
    pub(super) ended: bool,
}

impl Token<'_> {
    /// Returns the text without quotes.
    pub(super) fn unquoted(&self) -> &str {
        match self.kind {
            TokenKind::Text | TokenKind::Name => {
                let text = self.text.get(1..).unwrap_or_default();
                if self.ended { text.get(..text.len().saturating_sub(1)).unwrap_or_default() } else { text }
            }
            _ => self.text,
        }
    }

    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Splits SQL into tokens, which together cover all of it.
pub(super) fn lex(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (kind, len, ended) = piece(rest, first);
        let (text, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        tokens.push(Token { kind, text, start: sql.len() - rest.len(), ended });
        rest = after;
    }
    tokens
}

/// Returns the kind of the token that `rest` starts with, its bytes, and whether it is complete.
fn piece(rest: &str, first: char) -> (TokenKind, usize, bool) {
    let until = |end: fn(char) -> bool| rest.find(end).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => (TokenKind::Space, until(|c| !c.is_whitespace()), true),
        '-' if rest.starts_with("--") => (TokenKind::Comment, rest.find('\n').unwrap_or(rest.len()), true),
        '/' if rest.starts_with("/*") => match comment(rest) {
            Some(len) => (TokenKind::Comment, len, true),
            None => (TokenKind::Comment, rest.len(), false),
        },
        '\'' | '"' => {
            let kind = if first == '"' { TokenKind::Name } else { TokenKind::Text };
            match quoted(rest, first) {
                Some(len) => (kind, len, true),
                None => (kind, rest.len(), false),
            }
        }
        c if c.is_ascii_digit() => {
            (TokenKind::Number, until(|c| !c.is_ascii_alphanumeric() && c != '.' && c != '_'), true)
        }
        c if c.is_alphabetic() || c == '_' => {
            (TokenKind::Word, until(|c| !c.is_alphanumeric() && c != '_' && c != '$'), true)
        }
        c => (TokenKind::Symbol, c.len_utf8(), true),
    }
}

/// Returns the bytes of a quoted token. A doubled quote belongs to the text.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => characters.next(),
                _ => return Some(at + 1),
            };
        }
    }
    None
}

/// Returns the bytes of a comment between `/*` and `*/`, which may be nested.
fn comment(rest: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    loop {
        let left = rest.get(at..)?;
        let next = left.find(['/', '*'])?;
        at += next;
        let left = rest.get(at..)?;
        if left.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if left.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lex_splits_into_tokens() {
        use TokenKind::*;
        type Case = (&'static str, &'static [(TokenKind, &'static str, bool)]);
        let cases: [Case; 9] = [
            ("", &[]),
            ("select 1.5e3", &[(Word, "select", true), (Space, " ", true), (Number, "1.5e3", true)]),
            ("'it''s'x", &[(Text, "'it''s'", true), (Word, "x", true)]),
            ("'it''", &[(Text, "'it''", false)]),
            ("\"a b\".ü", &[(Name, "\"a b\"", true), (Symbol, ".", true), (Word, "ü", true)]),
            ("-- a; 'b\nc", &[(Comment, "-- a; 'b", true), (Space, "\n", true), (Word, "c", true)]),
            ("/* /* */ x */y", &[(Comment, "/* /* */ x */", true), (Word, "y", true)]),
            ("/* x", &[(Comment, "/* x", false)]),
            (
                "a/b*é€",
                &[
                    (Word, "a", true),
                    (Symbol, "/", true),
                    (Word, "b", true),
                    (Symbol, "*", true),
                    (Word, "é", true),
                    (Symbol, "€", true),
                ],
            ),
        ];
        for (sql, expected) in cases {
            let found: Vec<_> = lex(sql).iter().map(|t| (t.kind, t.text, t.ended)).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }
}
