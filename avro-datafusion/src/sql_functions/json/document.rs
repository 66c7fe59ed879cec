//! JSON documents: a column's JSON, parsed row by row, and parts of it written as text.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use avro_arrow::json::{Tape, Token};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, exec_datafusion_err};

use super::path::{Path, members};
use crate::compat::quote;
use crate::sql_functions::function::{Arguments, wrong};
use crate::sql_functions::types::{is_bytes, is_text};

/// Returns the type to which JSON of this type is converted.
pub(super) fn coerced(name: &str, data_type: &DataType) -> Result<DataType> {
    match data_type {
        text if is_text(text) || text.is_null() => Ok(DataType::Utf8View),
        // Bytes of one size have no cast to views.
        DataType::FixedSizeBinary(_) => Ok(DataType::Binary),
        bytes if is_bytes(bytes) => Ok(DataType::BinaryView),
        other => Err(wrong(name, "JSON as text or bytes (to_json(x) makes it)", other)),
    }
}

/// The JSON of an argument.
pub(super) struct Documents {
    array: ArrayRef,
    is_one: bool,
    tape: Tape,
    /// The row that was parsed last.
    parsed: Option<usize>,
}

/// A parsed document.
pub(super) struct Document<'a> {
    pub(super) tape: &'a Tape,
    pub(super) text: &'a str,
}

impl Documents {
    pub(super) fn new(arguments: &Arguments, at: usize) -> Result<Documents> {
        let array = arguments.array(at)?;
        let array = match array.data_type() {
            DataType::Binary => cast(&array, &DataType::BinaryView)?,
            _ => array,
        };
        Ok(Documents { array, is_one: arguments.is_literal(at), tape: Tape::default(), parsed: None })
    }

    /// Returns the document of a row; `None` if it is null.
    pub(super) fn get(&mut self, row: usize) -> Result<Option<Document<'_>>> {
        let row = if self.is_one { 0 } else { row };
        if self.array.is_null(row) {
            return Ok(None);
        }
        let text = text_of(&self.array, row)?;
        if self.parsed != Some(row) {
            self.tape.parse(text).map_err(|(expected, at)| malformed(text, expected, at))?;
            self.parsed = Some(row);
        }
        Ok(Some(Document { tape: &self.tape, text }))
    }

    /// Whether the row has JSON; `None` if it is null.
    pub(super) fn is_valid(&mut self, row: usize) -> Option<bool> {
        self.get(row).map_or(Some(false), |document| document.map(|_| true))
    }
}

fn text_of(array: &ArrayRef, row: usize) -> Result<&str> {
    match array.data_type() {
        DataType::BinaryView => {
            let bytes = array.as_binary_view().value(row);
            std::str::from_utf8(bytes)
                .map_err(|e| exec_datafusion_err!("bytes are not JSON: not UTF-8 at byte {}", e.valid_up_to()))
        }
        _ => Ok(array.as_string_view().value(row)),
    }
}

/// Characters of a document that an error shows.
const SHOWN: usize = 40;

fn malformed(text: &str, expected: &str, at: usize) -> datafusion::error::DataFusionError {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("..");
    }
    exec_datafusion_err!(
        "'{shown}' is not JSON: expected {expected} at byte {at}; TRY_CAST(x AS JSON) makes such text null"
    )
}

impl Document<'_> {
    /// Writes a value as JSON without spaces.
    pub(super) fn json(&self, place: usize) -> String {
        let mut json = String::new();
        write(self.tape, self.text, place, &mut json);
        json
    }

    /// Returns a value as text, a string without its quotes; `None` for JSON's null.
    pub(super) fn string(&self, place: usize) -> Option<String> {
        match self.tape.token(place) {
            Token::Null => None,
            Token::Text(..) | Token::Unescaped(..) => Some(self.tape.text(self.text, place).to_owned()),
            _ => Some(self.json(place)),
        }
    }

    /// Returns DuckDB's name of a value's type.
    pub(super) fn type_name(&self, place: usize) -> &'static str {
        match self.tape.token(place) {
            Token::Null => "NULL",
            Token::Boolean(_) => "BOOLEAN",
            Token::Text(..) | Token::Unescaped(..) => "VARCHAR",
            Token::Array(..) => "ARRAY",
            Token::Object(..) => "OBJECT",
            Token::Number(..) => {
                let digits = self.tape.text(self.text, place);
                match (digits.parse::<u64>(), digits.parse::<i64>()) {
                    (Ok(_), _) => "UBIGINT",
                    (_, Ok(_)) => "BIGINT",
                    _ => "DOUBLE",
                }
            }
        }
    }

    /// Returns the places of all values; keys are not values.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> {
        let end = self.tape.behind(0);
        let mut is_value = vec![true; end];
        for key in (0..end).flat_map(|place| members(self.tape, place)) {
            if let Some(is_value) = is_value.get_mut(key) {
                *is_value = false;
            }
        }
        is_value.into_iter().enumerate().filter(|(_, is_value)| *is_value).map(|(place, _)| place)
    }

    /// Returns the maximum number of containers inside each other.
    pub(super) fn depth(&self) -> usize {
        let mut open: Vec<usize> = Vec::new();
        let mut most = 0;
        for place in 0..self.tape.behind(0) {
            while open.last().is_some_and(|end| *end <= place) {
                open.pop();
            }
            if let Token::Array(_, end) | Token::Object(_, end) = self.tape.token(place) {
                open.push(end);
                most = most.max(open.len());
            }
        }
        most
    }

    /// Returns the first value at a path.
    pub(super) fn first(&self, path: &Path) -> Option<usize> {
        path.find(self.tape, self.text).first().copied()
    }
}

/// Writes a value as JSON without spaces. Numbers keep their digits.
pub(super) fn write(tape: &Tape, text: &str, place: usize, to: &mut String) {
    /// A container that is being written: the index after it, its bracket, and whether it has an item so far.
    struct OpenContainer {
        end: usize,
        is_object: bool,
        has_item: bool,
    }
    let mut open: Vec<OpenContainer> = Vec::new();
    let (mut at, end) = (place, tape.behind(place));
    // Whether the next token is a value after its key.
    let mut is_member = false;
    loop {
        while let Some(container) = open.last().filter(|container| container.end == at) {
            to.push(if container.is_object { '}' } else { ']' });
            open.pop();
        }
        if at >= end {
            return;
        }
        if let Some(container) = open.last_mut()
            && !is_member
        {
            if container.has_item {
                to.push(',');
            }
            container.has_item = true;
        }
        let is_key = !is_member && open.last().is_some_and(|container| container.is_object);
        is_member = false;
        match tape.token(at) {
            Token::Null => to.push_str("null"),
            Token::Boolean(value) => to.push_str(if value { "true" } else { "false" }),
            Token::Number(..) => to.push_str(tape.text(text, at)),
            Token::Text(..) => {
                to.push('"');
                to.push_str(tape.text(text, at));
                to.push('"');
            }
            Token::Unescaped(..) => quote(tape.text(text, at), to),
            Token::Array(_, end) => {
                to.push('[');
                open.push(OpenContainer { end, is_object: false, has_item: false });
            }
            Token::Object(_, end) => {
                to.push('{');
                open.push(OpenContainer { end, is_object: true, has_item: false });
            }
        }
        if is_key {
            to.push(':');
            is_member = true;
        }
        at += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn values_are_written_without_spaces() {
        let cases = [
            ("{ }", "{}"),
            ("[ ]", "[]"),
            (r#" [ 1 , 2.50 , -1e3 , 12345678901234567890123 ] "#, "[1,2.50,-1e3,12345678901234567890123]"),
            (r#"{"a" : {"b" : [ ] , "c" : [ { } , null ]} , "a" : true}"#, r#"{"a":{"b":[],"c":[{},null]},"a":true}"#),
            (r#""é\u00e9\n\"""#, r#""éé\n\"""#),
        ];
        check_all(cases, |(text, expected)| {
            let mut tape = Tape::default();
            tape.parse(text).unwrap();
            let mut json = String::new();
            write(&tape, text, 0, &mut json);
            assert_eq!(json, expected);
        });
    }

    #[test]
    fn deep_nesting_is_written() {
        let text = "[".repeat(100_000) + &"]".repeat(100_000);
        let mut tape = Tape::default();
        tape.parse(&text).unwrap();
        let mut json = String::new();
        write(&tape, &text, 0, &mut json);
        assert_eq!(json, text);
    }
}
