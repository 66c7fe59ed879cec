//! SQL as it is being typed, in; pieces of it, out. Unlike the engine's tokenizer this one takes text that does not end.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word,
    Number,
    /// Between single quotes: a value or a path.
    Text,
    /// A name between double quotes.
    Name,
    Comment,
    /// One character of any other kind.
    Symbol,
    Space,
}

/// A piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// All of it, with quotes.
    pub(super) text: &'a str,
    /// The byte where it starts.
    pub(super) start: usize,
    /// Is its closing quote there, where it needs one?
    pub(super) ended: bool,
}

impl Token<'_> {
    /// The text without its quotes.
    pub(super) fn unquoted(&self) -> &str {
        match self.kind {
            Kind::Text | Kind::Name => {
                let text = self.text.get(1..).unwrap_or_default();
                if self.ended { text.get(..text.len().saturating_sub(1)).unwrap_or_default() } else { text }
            }
            _ => self.text,
        }
    }

    /// Is it this keyword?
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Takes SQL apart; together, the pieces are all of it.
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

/// The kind of the piece that `rest` starts with, its bytes, and whether it ends.
fn piece(rest: &str, first: char) -> (Kind, usize, bool) {
    let until = |end: fn(char) -> bool| rest.find(end).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => (Kind::Space, until(|c| !c.is_whitespace()), true),
        '-' if rest.starts_with("--") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), true),
        '/' if rest.starts_with("/*") => match comment(rest) {
            Some(len) => (Kind::Comment, len, true),
            None => (Kind::Comment, rest.len(), false),
        },
        '\'' | '"' => {
            let kind = if first == '"' { Kind::Name } else { Kind::Text };
            match quoted(rest, first) {
                Some(len) => (kind, len, true),
                None => (kind, rest.len(), false),
            }
        }
        c if c.is_ascii_digit() => (Kind::Number, until(|c| !c.is_ascii_alphanumeric() && c != '.' && c != '_'), true),
        c if c.is_alphabetic() || c == '_' => {
            (Kind::Word, until(|c| !c.is_alphanumeric() && c != '_' && c != '$'), true)
        }
        c => (Kind::Symbol, c.len_utf8(), true),
    }
}

/// Bytes of what is between quotes, with them. A quote twice is one of the text's.
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

/// Bytes of a comment between `/*` and `*/`, which may have others in it.
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
    fn pieces() {
        use Kind::*;
        type Case = (&'static str, &'static [(Kind, &'static str, bool)]);
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
