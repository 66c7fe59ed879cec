//! Tokens of SQL, for rewrites that work before the parser.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Whitespace};

/// Keywords that may follow an expression and never begin one.
pub(super) const AFTER_COLUMN: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::QUALIFY,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::AS,
    Keyword::ASC,
    Keyword::DESC,
    Keyword::NULLS,
    Keyword::AND,
    Keyword::OR,
    Keyword::IS,
    Keyword::IN,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::BETWEEN,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::END,
];

/// Returns a space.
pub(super) fn whitespace() -> Token {
    Token::Whitespace(Whitespace::Space)
}

/// Returns whether a token is white space or a comment.
pub(super) fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}
