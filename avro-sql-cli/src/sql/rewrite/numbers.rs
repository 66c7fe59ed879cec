//! Number literals: `1_000_000` and `1e3`.
//!
//! - DataFusion's parser reads `1_000_000` as a `1` named `_000_000`. [`without_underscores`] removes the underscores
//!   before parsing.
//! - A literal with a point is a decimal, one with an exponent a double, as in DuckDB. DataFusion's option
//!   `parse_float_as_decimal` makes both decimals; [`Exponents`] turns the second into a cast of its text.
//! - [`check_setting`] keeps that option on: turning it off would silently make all decimal arithmetic inexact.
//!
//! Remove when DataFusion's generic dialect reads underscores and its option ignores exponents.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::parser::{ResetStatement, Statement};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Query, Set, SetExpr, Statement as Sql, UnaryOperator, Value, Values,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// DataFusion's option that makes literals with a point decimals.
const DECIMALS: &str = "datafusion.sql_parser.parse_float_as_decimal";

/// Removes the underscores between the digits of numbers.
pub(super) fn without_underscores(sql: &str) -> Cow<'_, str> {
    let is_between = |three: &[u8]| matches!(three, [a, b'_', b] if a.is_ascii_digit() && b.is_ascii_digit());
    if !sql.as_bytes().windows(3).any(is_between) {
        return Cow::Borrowed(sql);
    }
    // The parser reports invalid SQL.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else {
        return Cow::Borrowed(sql);
    };
    let mut places = ByteOffsets::new(sql);
    let mut kept = String::with_capacity(sql.len());
    let mut from = 0;
    for pair in tokens.windows(2) {
        if let [number, rest] = pair
            && matches!(number.token, Token::Number(..))
            && let Token::Word(word) = &rest.token
            && word.quote_style.is_none()
            && is_digits(&word.value)
            && let Some(at) = places.offset(rest.span.start.line, rest.span.start.column)
        {
            kept.push_str(sql.get(from..at).unwrap_or_default());
            kept.extend(word.value.chars().filter(|c| *c != '_'));
            from = at + word.value.len();
        }
    }
    kept.push_str(sql.get(from..).unwrap_or_default());
    Cow::Owned(kept)
}

/// Whether a word continues the first digits of a number: `_000_000`, or `_000e3`.
fn is_digits(word: &str) -> bool {
    let (digits, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let is_group = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    digits.strip_prefix('_').is_some_and(|groups| groups.split('_').all(is_group)) && is_group(exponent)
}

/// Converts positions to byte offsets in one pass; they must come in order.
struct ByteOffsets<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    line: u64,
    column: u64,
}

impl ByteOffsets<'_> {
    fn new(text: &str) -> ByteOffsets<'_> {
        ByteOffsets { rest: text.char_indices().peekable(), line: 1, column: 1 }
    }

    fn offset(&mut self, line: u64, column: u64) -> Option<usize> {
        while (self.line, self.column) < (line, column) {
            match self.rest.next()? {
                (_, '\n') => (self.line, self.column) = (self.line + 1, 1),
                _ => self.column += 1,
            }
        }
        self.rest.peek().map(|(at, _)| *at)
    }
}

/// Turns literals with an exponent into doubles, and all literals of a column of `VALUES` that has one.
pub(super) struct Exponents;

impl VisitorMut for Exponents {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if let SetExpr::Values(Values { rows, .. }) = query.body.as_mut() {
            let n = rows.iter().map(|row| row.content.len()).max().unwrap_or(0);
            for at in 0..n {
                let column = |row: &'_ Vec<Expr>| row.get(at).and_then(number).is_some_and(has_exponent);
                if rows.iter().any(|row| column(&row.content)) {
                    for literal in rows.iter_mut().filter_map(|row| row.content.get_mut(at)) {
                        to_double(literal, |text| text.contains('.') || has_exponent(text));
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if matches!(expr, Expr::Value(_)) {
            to_double(expr, has_exponent);
        }
        ControlFlow::Continue(())
    }
}

fn has_exponent(number: &str) -> bool {
    number.contains(['e', 'E'])
}

/// Returns the text of a number without its sign.
fn number(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some(text),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => number(expr),
        _ => None,
    }
}

/// Turns a number into a double if its text satisfies a condition.
fn to_double(expr: &mut Expr, is_meant: impl Fn(&str) -> bool) {
    let literal = match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => return to_double(expr, is_meant),
        literal => literal,
    };
    let Some(text) = number(literal).filter(|text| is_meant(text)) else { return };
    let text = Value::SingleQuotedString(text.to_owned());
    *literal = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(text.into())),
        data_type: DataType::Double(ExactNumberInfo::None),
        array: false,
        format: None,
    };
}

/// Rejects changing the type of literals with a point.
pub(super) fn check_setting(statement: &Statement) -> Result<()> {
    let is_meant = match statement {
        Statement::Reset(ResetStatement::Variable(name)) => name.to_string().eq_ignore_ascii_case(DECIMALS),
        Statement::Statement(statement) => match statement.as_ref() {
            Sql::Set(Set::SingleAssignment { variable, values, .. }) => {
                let is_on =
                    values.iter().all(|value| value.to_string().trim_matches('\'').eq_ignore_ascii_case("true"));
                variable.to_string().eq_ignore_ascii_case(DECIMALS) && !is_on
            }
            _ => false,
        },
        _ => false,
    };
    match is_meant {
        true => plan_err!("{DECIMALS} cannot be turned off; write 1.5e0 or 1.5::DOUBLE for a double"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_between_digits_are_removed() {
        let cases = [
            ("SELECT 1_000_000", "SELECT 1000000"),
            ("SELECT 1_000.5, 1_0e3", "SELECT 1000.5, 10e3"),
            ("SELECT 'ä 1_000',\n 1_000", "SELECT 'ä 1_000',\n 1000"),
            ("SELECT a1_000, \"1_000\" -- 1_000\n, 2_0", "SELECT a1_000, \"1_000\" -- 1_000\n, 20"),
            ("SELECT 1 _000, 1__0, 1_x", "SELECT 1 _000, 1__0, 1_x"),
        ];
        for (sql, expected) in cases {
            assert_eq!(without_underscores(sql), expected);
        }
    }
}
