//! `SIMILAR TO`: translates SQL patterns to regular expressions.
//!
//! DataFusion 55 treats the pattern as a regular expression that may match anywhere, so `'abc' SIMILAR TO 'b'` is true
//! and `%` is a character. An SQL pattern must match the whole text; `%` is any text, `_` any character, and `\` or the
//! `ESCAPE` character escapes the next one.
//!
//! Delete when: DataFusion translates the pattern.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::DataType;
use datafusion::arrow::compute::cast as cast_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use datafusion::optimizer::AnalyzerRule;

use super::exprs::{self, Rewrite};

/// Plans `SIMILAR TO` as a regular expression match.
#[derive(Debug)]
pub(super) struct Similar;

impl AnalyzerRule for Similar {
    fn name(&self) -> &str {
        "avro_similar_to"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        exprs::rewrite(plan, self)
    }
}

impl Rewrite for Similar {
    fn expr(&self, expr: Expr, _schema: &DFSchema) -> Result<Transformed<Expr>> {
        let Expr::SimilarTo(Like { negated, expr, pattern, escape_char, .. }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let escape = escape_char.unwrap_or('\\');
        let regex = match pattern.as_ref() {
            Expr::Literal(value, _) if value.is_null() => lit(ScalarValue::Utf8(None)),
            Expr::Literal(value, _) if value.try_as_str().is_some() => {
                lit(regex(value.try_as_str().flatten().unwrap_or_default(), escape))
            }
            _ => {
                static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(Translate::new().into()));
                FUNCTION.call(vec![*pattern, lit(escape.to_string())])
            }
        };
        let op = if negated { Operator::RegexNotMatch } else { Operator::RegexMatch };
        Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(expr, op, Box::new(regex)))))
    }
}

/// The regular expression of a pattern.
fn regex(pattern: &str, escape: char) -> String {
    let mut regex = String::from("^(?s:");
    let mut characters = pattern.chars().peekable();
    let mut is_class = false;
    while let Some(c) = characters.next() {
        match c {
            c if c == escape => {
                let escaped = characters.next().unwrap_or(escape);
                literal(escaped, &mut regex);
            }
            ']' if is_class => {
                is_class = false;
                regex.push(']');
            }
            c if is_class => {
                // Characters with a meaning inside brackets of regular expressions.
                if matches!(c, '[' | '&' | '~' | '\\') {
                    regex.push('\\');
                }
                regex.push(c);
            }
            '[' => {
                is_class = true;
                regex.push('[');
                for sign in ['^', ']'] {
                    if characters.next_if_eq(&sign).is_some() {
                        regex.push_str(if sign == ']' { "\\]" } else { "^" });
                    }
                }
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => regex.push(c),
            '(' => regex.push_str("(?:"),
            c => literal(c, &mut regex),
        }
    }
    regex.push_str(")$");
    regex
}

/// Escapes a literal character.
fn literal(c: char, regex: &mut String) {
    if c.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(c);
}

/// [`regex`] for patterns that are not literals.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Translate {
    signature: Signature,
}

/// Returns the function, as no session registers it.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Arc<ScalarUDF> {
    Arc::new(Translate::new().into())
}

impl Translate {
    fn new() -> Translate {
        Translate { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Translate {
    fn name(&self) -> &str {
        "avro_similar_regex"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [patterns, ColumnarValue::Scalar(escape)] = args.args.as_slice() else {
            return exec_err!("ESCAPE must be a literal");
        };
        let escape = escape.try_as_str().flatten().and_then(|text| text.chars().next()).unwrap_or('\\');
        let patterns = cast_array(&patterns.to_array(args.number_rows)?, &DataType::Utf8)?;
        let regexes = patterns.as_string::<i32>().iter().map(|pattern| pattern.map(|pattern| regex(pattern, escape)));
        let regexes: ArrayRef = Arc::new(StringArray::from_iter(regexes));
        Ok(ColumnarValue::Array(regexes))
    }
}

#[cfg(test)]
mod tests {
    use super::regex;
    use avro_testing::check_all;

    #[test]
    fn patterns_become_regular_expressions() {
        let cases = [
            ("%b%", "^(?s:.*b.*)$"),
            ("a(b|c)_", "^(?s:a(?:b|c).)$"),
            ("a\\_b", "^(?s:a\\_b)$"),
            ("a.b$", "^(?s:a\\.b\\$)$"),
            ("[^]a-z]{2}", "^(?s:[^\\]a-z]{2})$"),
        ];
        check_all(cases, |(pattern, expected)| {
            assert_eq!(regex(pattern, '\\'), expected, "{pattern}");
        });
        assert_eq!(regex("a#%", '#'), "^(?s:a\\%)$");
    }
}
