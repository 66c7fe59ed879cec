//! Calls: their constants, a schema and options as pairs of a name and a value; and calls that are ready to run.

use arrow_array::ArrayRef;
use arrow_schema::FieldRef;
use datafusion::common::{Result, ScalarValue, plan_err};
use std::fmt;

/// The functions that decode messages with the schemas of the ids in them.
pub(super) const DECODING: [&str; 3] = ["from_avro", "avro_to_json", "avro_error"];

/// A call whose schemas are loaded.
pub(super) trait PreparedCall: fmt::Debug + Send + Sync {
    /// Returns the type of the result for values of this type.
    fn field(&self, value: &FieldRef) -> Result<FieldRef>;

    /// Computes the results.
    fn call(&self, values: &ArrayRef, field: &FieldRef) -> Result<ArrayRef>;
}

/// The constants of a call, by which prepared decoders are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallConstants {
    /// Text, a path or a URL.
    pub(super) schema: Option<String>,
    /// Names in lower case.
    pub(super) options: Vec<(String, String)>,
}

impl CallConstants {
    /// Parses the arguments after the value of a call of `function`; `None` stands for one that is not a constant.
    ///
    /// An even number of arguments has no schema.
    pub(super) fn parse(function: &str, usage: &str, arguments: &[Option<&ScalarValue>]) -> Result<CallConstants> {
        let mut texts = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match argument.map(text) {
                Some(Some(text)) => texts.push(text),
                Some(None) => return plan_err!("{function}: the schema and the options must not be NULL; use {usage}"),
                None => {
                    return plan_err!("{function}: the schema and the options must be constants; use {usage}");
                }
            }
        }
        let schema = (texts.len() % 2 == 1).then(|| texts.remove(0));
        let options = texts.chunks(2).filter_map(|pair| match pair {
            [name, value] => Some((name.to_ascii_lowercase(), value.clone())),
            _ => None,
        });
        Ok(CallConstants { schema, options: options.collect() })
    }

    /// Returns the value of an option; the last one counts.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Formats a constant as text; `None` for NULL.
fn text(value: &ScalarValue) -> Option<String> {
    match value.try_as_str() {
        Some(text) => text.map(str::to_owned),
        None if value.is_null() => None,
        None => Some(value.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn parse_takes_schema_and_pairs() {
        let text = |text: &str| ScalarValue::from(text);
        let cases = [
            (vec![], None, vec![]),
            (vec![text("\"int\"")], Some("\"int\""), vec![]),
            (vec![text("Framing"), text("bare")], None, vec![("framing", "bare")]),
            (vec![text("a.avsc"), text("id"), ScalarValue::Int64(Some(7))], Some("a.avsc"), vec![("id", "7")]),
        ];
        check_all(cases, |(arguments, schema, options)| {
            let call = CallConstants::parse("f", "f(x)", &arguments.iter().map(Some).collect::<Vec<_>>()).unwrap();
            let found: Vec<_> = call.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!((call.schema.as_deref(), found), (schema, options));
        });
        assert!(CallConstants::parse("f", "f(x)", &[None]).is_err());
        assert!(CallConstants::parse("f", "f(x)", &[Some(&ScalarValue::Utf8(None))]).is_err());
    }
}
