//! `-p name=value`: the values of `$name`. A value becomes a literal of the parsed statement; it is never read as SQL.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, UnaryOperator, Value, ValueWithSpan, VisitorMut};

use super::walk::visit;

/// Values by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Creates parameters; the last value of a name counts.
    pub(crate) fn new(values: &[(String, String)]) -> Self {
        Parameters(values.iter().cloned().collect())
    }

    /// Puts the values in the place of their names.
    pub(super) fn bind(&self, statement: &mut Statement) -> Result<()> {
        let mut binder = ParameterBinder { values: &self.0, missing: None };
        visit(statement, &mut binder);
        match binder.missing {
            Some(name) => plan_err!("${name} has no value; pass one with -p {name}=VALUE"),
            None => Ok(()),
        }
    }
}

struct ParameterBinder<'a> {
    values: &'a BTreeMap<String, String>,
    /// The first name without a value.
    missing: Option<String>,
}

impl VisitorMut for ParameterBinder<'_> {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr
            && let Some(name) = name.strip_prefix('$')
        {
            match self.values.get(name) {
                Some(value) => *expr = literal(value),
                // EXECUTE has the values of `$1`.
                None if name.bytes().all(|byte| byte.is_ascii_digit()) => {}
                None => self.missing = self.missing.take().or_else(|| Some(name.to_owned())),
            }
        }
        ControlFlow::Continue(())
    }
}

/// Returns a value as a literal: a number, `true`, `false` or `null` by its text, and anything else, or a text in
/// single quotes, as text.
fn literal(text: &str) -> Expr {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    let value = |value: Value| Expr::Value(value.into());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    if is("null") {
        value(Value::Null)
    } else if is("true") || is("false") {
        value(Value::Boolean(is("true")))
    } else if is_number(unsigned) {
        let number = value(Value::Number(unsigned.to_owned(), false));
        match unsigned.len() == text.len() {
            true => number,
            false => Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) },
        }
    } else {
        value(Value::SingleQuotedString(quoted.unwrap_or(text).to_owned()))
    }
}

/// Whether the text is a number in SQL. One with leading zeros is not, since a number would lose them.
fn is_number(text: &str) -> bool {
    let (digits, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(digits, e)| (digits, Some(e)));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_exponent = |e: &str| all(e.strip_prefix(['-', '+']).unwrap_or(e));
    all(whole) && (whole == "0" || !whole.starts_with('0')) && all(fraction) && exponent.is_none_or(is_exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_has_the_type_of_its_text() {
        let cases = [
            ("5", "5"),
            ("-5", "-5"),
            ("1.50", "1.50"),
            ("1e5", "1e5"),
            ("007", "'007'"),
            ("0", "0"),
            ("1.", "'1.'"),
            ("-", "'-'"),
            ("e5", "'e5'"),
            ("NULL", "NULL"),
            ("True", "true"),
            ("", "''"),
            ("'5'", "'5'"),
            ("it's", "'it''s'"),
            ("1; DROP TABLE t", "'1; DROP TABLE t'"),
            ("2024-01-01", "'2024-01-01'"),
        ];
        for (text, expected) in cases {
            assert_eq!(literal(text).to_string(), expected, "{text}");
        }
    }
}
