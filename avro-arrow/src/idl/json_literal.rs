//! JSON values in IDL: tokens in, a value out. Numbers are Java's, with hexadecimal and octal digits.

use super::lexer::{TokenKind, unescaped};
use super::parser::Parser;
use super::types::JsonObject;
use crate::error::Result;
use serde_json::{Number, Value as Json};

/// Levels of JSON inside one another.
const LEVELS_MAX: usize = 128;

impl Parser<'_, '_> {
    /// Parses a JSON value.
    pub(super) fn json(&mut self, level: usize) -> Result<Json> {
        let token = self.peek();
        if level > LEVELS_MAX {
            return Err(self.error(token.start, format!("JSON of more than {LEVELS_MAX} levels")));
        }
        match token.kind {
            TokenKind::Mark('{') => {
                let mut object = JsonObject::new();
                self.list('{', '}', |parser| {
                    let (at, key) = (parser.peek().start, parser.string("a key in double quotes")?);
                    parser.mark(':', "after the key")?;
                    let value = parser.json(level + 1)?;
                    match object.insert(key, value) {
                        None => Ok(()),
                        Some(_) => Err(parser.error(at, "the key occurs twice")),
                    }
                })?;
                Ok(Json::Object(object))
            }
            TokenKind::Mark('[') => {
                let mut items = Vec::new();
                self.list('[', ']', |parser| {
                    items.push(parser.json(level + 1)?);
                    Ok(())
                })?;
                Ok(Json::Array(items))
            }
            TokenKind::Text => Ok(Json::String(self.string("a string")?)),
            TokenKind::Number | TokenKind::Word => {
                let word = self.text(token);
                match literal(word) {
                    Ok(value) => {
                        self.next();
                        Ok(value)
                    }
                    Err(problem) if token.kind == TokenKind::Number => Err(self.error(token.start, problem)),
                    Err(_) => Err(self.unexpected("a JSON value; strings are in double quotes")),
                }
            }
            TokenKind::Mark(_) | TokenKind::End => Err(self.unexpected("a JSON value")),
        }
    }

    /// Parses items between two marks, with commas between.
    pub(super) fn list(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.mark(open, "")?;
        if self.take(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(close) {
                return Ok(());
            }
            if !self.take(',') {
                return Err(self.unexpected(&format!("',' or '{close}'")));
            }
        }
    }

    /// Parses a string literal.
    pub(super) fn string(&mut self, what: &str) -> Result<String> {
        let token = self.peek();
        if token.kind != TokenKind::Text {
            return Err(self.unexpected(what));
        }
        let text = unescaped(self.text(token));
        self.next();
        text.map_err(|(at, what)| self.error(token.start + at, what))
    }
}

/// Returns the value of a number or a word.
fn literal(word: &str) -> std::result::Result<Json, String> {
    let not_finite = |word: &str| Json::String(word.to_owned());
    match word {
        "null" => return Ok(Json::Null),
        "true" => return Ok(Json::Bool(true)),
        "false" => return Ok(Json::Bool(false)),
        // As in the JSON that Java writes.
        "NaN" | "+NaN" | "-NaN" => return Ok(not_finite("NaN")),
        "Infinity" | "+Infinity" => return Ok(not_finite("Infinity")),
        "-Infinity" => return Ok(not_finite("-Infinity")),
        _ => {}
    }
    if let Some(integer) = integer(word) {
        let integer = integer.ok_or_else(|| format!("`{word}` is not a number of 64 bits"))?;
        return Ok(Json::from(integer));
    }
    let number = float(word).ok_or_else(|| format!("`{word}` is not a number"))?;
    match Number::from_f64(number) {
        Some(number) => Ok(Json::Number(number)),
        None => Ok(not_finite(if number > 0.0 { "Infinity" } else { "-Infinity" })),
    }
}

/// Returns the integer that a word is: decimal, hexadecimal or octal, with or without `L`. `Some(None)` if it is too
/// large, and `None` if it is not an integer.
pub(super) fn integer(word: &str) -> Option<Option<i64>> {
    let (sign, digits) = word.strip_prefix('-').map_or(("", word), |digits| ("-", digits));
    let digits = digits.strip_suffix(['l', 'L']).unwrap_or(digits);
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match (hex, digits.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits, 10),
    };
    let is_integer = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    is_integer.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok())
}

/// Returns the number that a word is, with or without `f` or `d` at its end.
fn float(word: &str) -> Option<f64> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    if !digits.contains(['.', 'e', 'E', 'p', 'P', 'f', 'F', 'd', 'D']) {
        return None;
    }
    let digits = digits.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(digits);
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let (mantissa, exponent) = hex.split_once(['p', 'P'])?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mantissa = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
        let exponent = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()? * 4)?;
        return Some(sign * mantissa as f64 * 2_f64.powi(exponent));
    }
    let is_decimal = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    digits.parse::<f64>().ok().filter(|_| is_decimal).map(|number| sign * number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn numbers_are_those_of_java() {
        let cases = [
            ("0", "0"),
            ("-12", "-12"),
            ("12L", "12"),
            ("0x1F", "31"),
            ("-0X10l", "-16"),
            ("017", "15"),
            ("00", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775808", "`9223372036854775808` is not a number of 64 bits"),
            ("08", "`08` is not a number"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1.", "1.0"),
            ("1e3", "1000.0"),
            ("-2.5E-3f", "-0.0025"),
            ("3d", "3.0"),
            ("0x1.8p1", "3.0"),
            ("-0x1p-2", "-0.25"),
            ("1e400", "\"Infinity\""),
            ("-1e400", "\"-Infinity\""),
            ("NaN", "\"NaN\""),
            ("-Infinity", "\"-Infinity\""),
            ("1x", "`1x` is not a number"),
            ("0x", "`0x` is not a number"),
            ("1.2.3", "`1.2.3` is not a number"),
            ("+1", "`+1` is not a number"),
            ("+1.0", "1.0"),
            ("true", "true"),
            ("inf", "`inf` is not a number"),
        ];
        check_all(cases, |(word, expected)| {
            let found = literal(word).map_or_else(|problem| problem, |json| json.to_string());
            assert_eq!(found, expected, "{word}");
        });
    }
}
