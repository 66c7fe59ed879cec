//! Arrow types as text that tells all but metadata: the same in every process, and equal only for types of equal names.

use arrow_schema::{DataType, Field};
use std::fmt::Write;

/// Returns the text of a type, with the names and nullability of the fields inside it.
pub(crate) fn type_text(data_type: &DataType) -> String {
    let mut text = String::new();
    write_type(data_type, &mut text);
    text
}

fn write_type(data_type: &DataType, to: &mut String) {
    match data_type {
        DataType::Struct(fields) => {
            to.push_str("struct(");
            fields.iter().for_each(|field| write_field(field, to));
            to.push(')');
        }
        DataType::List(item) => {
            to.push_str("list(");
            write_field(item, to);
            to.push(')');
        }
        DataType::Map(entries, sorted) => {
            to.push_str(if *sorted { "sorted map(" } else { "map(" });
            write_field(entries, to);
            to.push(')');
        }
        DataType::Union(fields, mode) => {
            // Writing to a string does not fail.
            let _ = write!(to, "{mode:?} union(");
            fields.iter().for_each(|(id, field)| {
                let _ = write!(to, "{id} ");
                write_field(field, to);
            });
            to.push(')');
        }
        // Types without fields, whose texts have no metadata.
        leaf => {
            let _ = write!(to, "{leaf:?}");
        }
    }
}

fn write_field(field: &Field, to: &mut String) {
    // Names may have any characters.
    let _ = write!(to, "{:?} ", field.name());
    write_type(field.data_type(), to);
    to.push_str(if field.is_nullable() { "?, " } else { ", " });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn text_tells_names_but_not_metadata() {
        let of = |name: &str, nullable, metadata: HashMap<String, String>| {
            let field = Field::new(name, DataType::Int32, nullable).with_metadata(metadata);
            type_text(&DataType::List(Arc::new(Field::new("item", DataType::Struct(vec![field].into()), true))))
        };
        let doc = HashMap::from([("doc".to_owned(), "x".to_owned())]);
        assert_eq!(of("a", true, doc), of("a", true, HashMap::new()));
        assert_ne!(of("a", true, HashMap::new()), of("b", true, HashMap::new()));
        assert_ne!(of("a", true, HashMap::new()), of("a", false, HashMap::new()));
    }
}
