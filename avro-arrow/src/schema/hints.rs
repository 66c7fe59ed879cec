//! Hints about common mistakes in schemas.

use super::{Attributes, Field, Kind, Logical, Node, NodeId, Schema};

impl Schema {
    /// Returns a line for each field whose definition does not mean what it seems to.
    pub fn hints(&self) -> Vec<String> {
        let nodes = (0..self.len()).map(|at| self.node(NodeId::new(at)));
        let records = nodes.filter_map(|node| match &node.kind {
            Kind::Record(record) => Some(record),
            _ => None,
        });
        let fields = records.flat_map(|record| record.fields.iter().map(move |field| (record, field)));
        let hint = |(record, field): (&super::Record, &Field)| {
            Some(format!("field `{}` of record {}: {}", field.name, record.name, self.hint(field)?))
        };
        let short = (0..self.len()).map(|at| self.node(NodeId::new(at))).filter_map(|node| {
            let Some(Logical::Decimal { precision, .. }) = Logical::short_decimal(node) else { return None };
            let why = format!("it is too short for a decimal of {precision} digits, so it is read as bytes");
            Some(format!("{node}: {why}; short_decimals=true, or --lenient, reads decimals"))
        });
        fields.filter_map(hint).chain(short).collect()
    }

    /// Returns a hint for a field with `logicalType` beside its type.
    // SPEC: Logical Types: a logical type is an attribute of a type; on a field it means nothing.
    pub fn hint(&self, field: &Field) -> Option<String> {
        let about = |key: &&str| field.attributes.contains_key(*key);
        let attributes: Attributes = ["logicalType", "precision", "scale"]
            .into_iter()
            .filter(about)
            .filter_map(|key| Some((key.to_owned(), field.attributes.get(key)?.clone())))
            .collect();
        let node = self.only_type(field.node);
        if node.logical.is_some() {
            return None;
        }
        let logical = Logical::of(&node.kind, &attributes, &self.nodes)?.word();
        Some(format!(
            "`logicalType` beside the type means nothing; for a {logical}, write \
             \"type\": {{\"type\": \"{}\", \"logicalType\": \"{logical}\"}}",
            node.kind.word()
        ))
    }

    /// The type, or the type beside null.
    fn only_type(&self, id: NodeId) -> &Node {
        let node = self.node(id);
        let Kind::Union(branches) = &node.kind else { return node };
        let mut others = branches.iter().map(|branch| self.node(*branch)).filter(|node| node.kind != Kind::Null);
        match (others.next(), others.next()) {
            (Some(only), None) => only,
            _ => node,
        }
    }
}

/// The Avro type for a word that other systems use.
pub(super) fn of_word(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "null" | "none" | "void" => "`null`",
        "boolean" | "bool" => "`boolean`",
        "int" | "integer" | "int8" | "int16" | "int32" | "uint8" | "uint16" | "byte" | "short" | "smallint"
        | "tinyint" => "`int`",
        "long" | "int64" | "uint32" | "uint64" | "bigint" => "`long`",
        "float" | "float32" | "real" => "`float`",
        "double" | "float64" | "number" => "`double`",
        "bytes" | "binary" | "blob" | "bytea" => "`bytes`",
        "string" | "str" | "text" | "varchar" | "char" => "`string`",
        "uuid" => r#"{"type": "string", "logicalType": "uuid"}"#,
        "date" => r#"{"type": "int", "logicalType": "date"}"#,
        "time" => r#"{"type": "long", "logicalType": "time-micros"}"#,
        "datetime" | "timestamp" => r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
        "decimal" => r#"{"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}"#,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Limits;

    #[test]
    fn hint_names_misplaced_logical_type() {
        let fields = [
            (r#""type":"int","logicalType":"date""#, Some("a date, write \"type\": {\"type\": \"int\"")),
            (r#""type":["null","long"],"logicalType":"timestamp-millis""#, Some("a timestamp-millis")),
            (r#""type":"bytes","logicalType":"decimal","precision":4"#, Some("a decimal")),
            (r#""type":"string","logicalType":"date""#, None),
            (r#""type":{"type":"int","logicalType":"date"},"logicalType":"date""#, None),
            (r#""type":"int""#, None),
        ];
        for (field, expected) in fields {
            let json = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f",{field}}}]}}"#);
            let hints = Schema::parse(&json, &Limits::default()).unwrap().hints();
            match expected {
                Some(part) => assert!(hints.len() == 1 && hints[0].contains(part), "{field}: {hints:?}"),
                None => assert!(hints.is_empty(), "{field}: {hints:?}"),
            }
        }
    }

    #[test]
    fn hint_translates_words_of_other_systems() {
        for (word, expected) in [("int8", "did you mean `int`?"), ("String", "`string`"), ("bigint", "`long`")] {
            let e = Schema::parse(&format!("[\"{word}\"]"), &Limits::default()).unwrap_err().to_string();
            assert!(e.contains(expected), "{e}");
        }
        let own = Schema::parse(
            r#"[{"type":"fixed","name":"int8","size":1},{"type":"array","items":"int8"}]"#,
            &Limits::default(),
        );
        assert!(own.is_ok());
    }
}
