//! `from_json`: JSON as values of a type, which JSON describes too, as in DuckDB: `{"a": "INTEGER", "b": ["VARCHAR"]}`.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{ArrayRef, ListArray, StringArray, StructArray, new_empty_array};
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use avro_arrow::json::{Tape, Token};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err, plan_datafusion_err, plan_err};

use super::document::{Document, Documents, coerced};
use super::path::{items, members};
use crate::sql_functions::function::{Arguments, Body, Definition, Kernel};
use crate::sql_functions::types::literal_text;

pub(super) const FROM_JSON: Definition = Definition {
    name: "from_json",
    aliases: &["json_transform"],
    usage: "from_json(json, structure)",
    about: "JSON as values of the types in `structure`; null where a value does not fit. \
        Records are objects of their fields, lists are arrays of one type.",
    example: "from_json('{\"a\": 1, \"b\": [\"x\"]}', '{\"a\": \"INTEGER\", \"b\": [\"VARCHAR\"]}')",
    n_args: 2..=2,
    body: Body::Kernel(Kernel {
        coerce: |types| match types {
            [json, structure] => Ok(vec![coerced("from_json", json)?, literal_text(structure)]),
            _ => plan_err!("from_json has two arguments"),
        },
        returns: |_, literals| match literals.get(1).copied().flatten().and_then(|text| text.try_as_str().flatten()) {
            Some(text) => Ok(Structure::parse(text)?.data_type()),
            None => plan_err!("from_json: the structure must be a literal such as '{{\"a\": \"INTEGER\"}}'"),
        },
        call: from_json,
    }),
};

/// Levels of a structure; more are an error.
const DEPTH_MAX: usize = 50;

/// The type of values.
#[derive(Debug, Clone)]
enum Structure {
    Json,
    Simple(DataType),
    List(Box<Structure>),
    Record(Vec<(String, Structure)>),
}

/// SQL's names of simple types.
const TYPES: &[(&[&str], DataType)] = &[
    (&["BOOLEAN", "BOOL"], DataType::Boolean),
    (&["TINYINT"], DataType::Int8),
    (&["SMALLINT"], DataType::Int16),
    (&["INTEGER", "INT"], DataType::Int32),
    (&["BIGINT"], DataType::Int64),
    (&["UTINYINT"], DataType::UInt8),
    (&["USMALLINT"], DataType::UInt16),
    (&["UINTEGER"], DataType::UInt32),
    (&["UBIGINT"], DataType::UInt64),
    (&["FLOAT", "REAL"], DataType::Float32),
    (&["DOUBLE"], DataType::Float64),
    (&["VARCHAR", "TEXT", "STRING"], DataType::Utf8),
    (&["DATE"], DataType::Date32),
    (&["TIME"], DataType::Time64(TimeUnit::Microsecond)),
    (&["TIMESTAMP"], DataType::Timestamp(TimeUnit::Microsecond, None)),
];

impl Structure {
    fn parse(text: &str) -> Result<Structure> {
        let mut tape = Tape::default();
        let parsed = tape.parse(text);
        parsed.map_err(|(expected, at)| {
            plan_datafusion_err!("from_json: expected {expected} at byte {at} of the structure")
        })?;
        Structure::at(&tape, text, 0, 0)
    }

    fn at(tape: &Tape, text: &str, place: usize, depth: usize) -> Result<Structure> {
        if depth > DEPTH_MAX {
            return plan_err!("from_json: the structure has more than {DEPTH_MAX} levels");
        }
        match tape.token(place) {
            Token::Object(..) => {
                let field =
                    |key: usize| Ok((tape.text(text, key).to_owned(), Structure::at(tape, text, key + 1, depth + 1)?));
                Ok(Structure::Record(members(tape, place).map(field).collect::<Result<_>>()?))
            }
            Token::Array(1, _) => Ok(Structure::List(Box::new(Structure::at(tape, text, place + 1, depth + 1)?))),
            Token::Text(..) | Token::Unescaped(..) => Structure::named(tape.text(text, place)),
            _ => plan_err!("from_json: a structure has names of types, objects, and arrays of one type"),
        }
    }

    fn named(name: &str) -> Result<Structure> {
        let upper = name.trim().to_ascii_uppercase();
        if upper == "JSON" {
            return Ok(Structure::Json);
        }
        if upper == "TIMESTAMPTZ" || upper == "TIMESTAMP WITH TIME ZONE" {
            return Ok(Structure::Simple(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))));
        }
        let decimal = upper.strip_prefix("DECIMAL(").and_then(|digits| digits.strip_suffix(')')?.split_once(','));
        if let Some((precision, scale)) = decimal
            && let (Ok(precision @ 1..=38), Ok(scale @ 0..=38)) = (precision.trim().parse(), scale.trim().parse())
            && i32::from(precision) >= i32::from(scale)
        {
            return Ok(Structure::Simple(DataType::Decimal128(precision, scale)));
        }
        match TYPES.iter().find(|(names, _)| names.contains(&upper.as_str())) {
            Some((_, data_type)) => Ok(Structure::Simple(data_type.clone())),
            None => {
                plan_err!("from_json: there is no type `{name}`; use a name such as BIGINT, DOUBLE, VARCHAR or JSON")
            }
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Structure::Json => DataType::Utf8,
            Structure::Simple(data_type) => data_type.clone(),
            Structure::List(item) => DataType::List(Arc::new(Field::new_list_field(item.data_type(), true))),
            Structure::Record(fields) => {
                DataType::Struct(fields.iter().map(|(name, of)| Field::new(name, of.data_type(), true)).collect())
            }
        }
    }

    /// Returns the values of JSON texts.
    fn build(&self, texts: &[Option<String>]) -> Result<ArrayRef> {
        let mut tape = Tape::default();
        // The parts of valid JSON are valid.
        let mut parsed = |text: &Option<String>| -> Option<(Tape, String)> {
            let text = text.clone()?;
            tape.parse(&text).ok()?;
            Some((std::mem::take(&mut tape), text))
        };
        match self {
            Structure::Json => {
                let kept = texts.iter().map(|text| text.as_deref().filter(|text| *text != "null"));
                Ok(Arc::new(kept.collect::<StringArray>()))
            }
            Structure::Simple(data_type) => {
                let values = texts.iter().map(|text| {
                    let (tape, text) = parsed(text)?;
                    Document { tape: &tape, text: &text }.string(0)
                });
                Ok(cast(&values.collect::<StringArray>(), data_type)?)
            }
            Structure::List(item) => {
                let mut parts = Vec::new();
                let mut lengths = Vec::with_capacity(texts.len());
                let mut valid = BooleanBufferBuilder::new(texts.len());
                for text in texts {
                    let before = parts.len();
                    let list = parsed(text).filter(|(tape, _)| matches!(tape.token(0), Token::Array(..)));
                    valid.append(list.is_some());
                    if let Some((tape, text)) = list {
                        let document = Document { tape: &tape, text: &text };
                        parts.extend(items(&tape, 0).map(|place| Some(document.json(place))));
                    }
                    lengths.push(parts.len() - before);
                }
                let DataType::List(field) = self.data_type() else { return exec_err!("a list has a type of lists") };
                let values = if parts.is_empty() { new_empty_array(field.data_type()) } else { item.build(&parts)? };
                let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
                Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(NullBuffer::new(valid.finish())))?))
            }
            Structure::Record(fields) => {
                let mut columns: Vec<Vec<Option<String>>> = vec![Vec::with_capacity(texts.len()); fields.len()];
                let mut valid = BooleanBufferBuilder::new(texts.len());
                for text in texts {
                    let record = parsed(text).filter(|(tape, _)| matches!(tape.token(0), Token::Object(..)));
                    valid.append(record.is_some());
                    for ((name, _), column) in fields.iter().zip(&mut columns) {
                        column.push(record.as_ref().and_then(|(tape, text)| {
                            let key = members(tape, 0).find(|key| tape.text(text, *key) == name)?;
                            Some(Document { tape, text }.json(key + 1))
                        }));
                    }
                }
                let values = fields.iter().zip(&columns).map(|((_, of), column)| of.build(column));
                let values = values.collect::<Result<Vec<_>>>()?;
                let DataType::Struct(types) = self.data_type() else { return exec_err!("a record has fields") };
                let nulls = Some(NullBuffer::new(valid.finish()));
                Ok(Arc::new(StructArray::try_new_with_length(Fields::clone(&types), values, nulls, texts.len())?))
            }
        }
    }
}

fn from_json(arguments: &Arguments) -> Result<ArrayRef> {
    let structure = arguments.texts(1)?;
    let Some(structure) = structure.get(0) else {
        return ScalarValue::try_from(arguments.returns)?.to_array_of_size(arguments.rows);
    };
    let structure = Structure::parse(structure)?;
    let mut documents = Documents::new(arguments, 0)?;
    let mut texts = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        texts.push(documents.get(row)?.map(|document| document.json(0)));
    }
    structure.build(&texts)
}
