//! One table, files of different schemas: their Arrow schemas in, one that all of them can be read as out.
//!
//! Columns are matched by name, in the order in which they first appear. A column that some file lacks is nullable. Where
//! types differ they are promoted as the specification's schema resolution promotes them: int to long to float to double,
//! and string to bytes; records are merged field by field. Anything else is an error that names both files.

use arrow_schema::{DataType, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::{Result, plan_err};
use std::collections::HashMap;
use std::sync::Arc;

/// The schema of a table over files of these names and schemas, given in the order of the files.
pub(crate) fn merge<'a>(files: impl IntoIterator<Item = (&'a str, &'a SchemaRef)>) -> Result<SchemaRef> {
    let mut files = files.into_iter();
    let Some((first_name, first)) = files.next() else { return Ok(Arc::new(Schema::empty())) };
    check_names(first_name, first)?;
    let mut seen = vec![Arc::clone(first)];
    let mut merged = Merged::new(first_name, first);
    for (name, schema) in files {
        // Most files of a table have the same schema, and these are few.
        if seen.iter().any(|earlier| Arc::ptr_eq(earlier, schema)) {
            continue;
        }
        check_names(name, schema)?;
        merged.add(name, schema)?;
        seen.push(Arc::clone(schema));
    }
    match seen.len() {
        1 => Ok(Arc::clone(first)),
        _ => Ok(Arc::new(Schema::new(merged.fields))),
    }
}

/// DataFusion's schemas cannot hold two columns of one name.
fn check_names(file: &str, schema: &Schema) -> Result<()> {
    let mut names = HashMap::new();
    for field in schema.fields() {
        if names.insert(field.name(), ()).is_some() {
            return plan_err!("{file}: there are two columns named `{}`; SQL cannot tell them apart", field.name());
        }
    }
    Ok(())
}

/// The columns found so far, and for each the first file that has it.
struct Merged {
    fields: Vec<FieldRef>,
    from: Vec<String>,
    index: HashMap<String, usize>,
}

impl Merged {
    fn new(file: &str, schema: &Schema) -> Self {
        Merged {
            fields: schema.fields().to_vec(),
            from: vec![file.to_owned(); schema.fields().len()],
            index: schema.fields().iter().enumerate().map(|(i, field)| (field.name().clone(), i)).collect(),
        }
    }

    fn add(&mut self, file: &str, schema: &Schema) -> Result<()> {
        for (field, from) in self.fields.iter_mut().zip(&self.from) {
            match schema.fields().find(field.name()) {
                None => *field = nullable(field),
                Some((_, other)) => match merge_fields(field, other, field.name()) {
                    Ok(both) => *field = both,
                    Err(Conflict { path, a, b }) => {
                        return plan_err!("column `{path}` is {a} in {from} but {b} in {file}: they are not one table");
                    }
                },
            }
        }
        for field in schema.fields() {
            if !self.index.contains_key(field.name()) {
                self.index.insert(field.name().clone(), self.fields.len());
                self.fields.push(nullable(field));
                self.from.push(file.to_owned());
            }
        }
        Ok(())
    }
}

/// Two types that no type can hold.
struct Conflict {
    path: String,
    a: DataType,
    b: DataType,
}

fn nullable(field: &FieldRef) -> FieldRef {
    if field.is_nullable() { Arc::clone(field) } else { Arc::new(field.as_ref().clone().with_nullable(true)) }
}

fn merge_fields(a: &FieldRef, b: &FieldRef, path: &str) -> Result<FieldRef, Conflict> {
    let data_type = merge_types(a.data_type(), b.data_type(), path)?;
    let is_nullable = [a, b].iter().any(|field| field.is_nullable() || *field.data_type() == DataType::Null);
    if data_type == *a.data_type() && is_nullable == a.is_nullable() {
        return Ok(Arc::clone(a));
    }
    Ok(Arc::new(a.as_ref().clone().with_data_type(data_type).with_nullable(is_nullable)))
}

// SPEC: Schema Resolution
fn merge_types(a: &DataType, b: &DataType, path: &str) -> Result<DataType, Conflict> {
    use DataType::*;
    if a.equals_datatype(b) {
        return Ok(a.clone());
    }
    let merged = match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (Int32, to @ (Int64 | Float32 | Float64))
        | (Int64, to @ (Float32 | Float64))
        | (Float32, to @ Float64)
        | (to @ (Int64 | Float32 | Float64), Int32)
        | (to @ (Float32 | Float64), Int64)
        | (to @ Float64, Float32) => to.clone(),
        // Either promotes to the other; bytes can hold both.
        (Utf8View, to @ BinaryView) | (to @ BinaryView, Utf8View) => to.clone(),
        (Utf8, to @ Binary) | (to @ Binary, Utf8) => to.clone(),
        (Struct(a), Struct(b)) => Struct(merge_records(a, b, path)?),
        (List(a), List(b)) => List(merge_fields(a, b, &format!("{path}[]"))?),
        (Map(a, sorted), Map(b, _)) => Map(merge_fields(a, b, path)?, *sorted),
        _ => return Err(Conflict { path: path.to_owned(), a: a.clone(), b: b.clone() }),
    };
    Ok(merged)
}

fn merge_records(a: &Fields, b: &Fields, path: &str) -> Result<Fields, Conflict> {
    let mut fields = Vec::with_capacity(a.len());
    for field in a {
        fields.push(match b.find(field.name()) {
            None => nullable(field),
            Some((_, other)) => merge_fields(field, other, &format!("{path}.{}", field.name()))?,
        });
    }
    fields.extend(b.iter().filter(|field| a.find(field.name()).is_none()).map(nullable));
    Ok(fields.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::*;
    use arrow_schema::Field;

    fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
        Field::new(name, data_type, nullable)
    }

    fn record(fields: Vec<Field>) -> DataType {
        Struct(fields.into())
    }

    /// Merges a file `a` and a file `b`; the result as `name: type[?]`, or the error.
    fn check(a: Vec<Field>, b: Vec<Field>, expected: &str) {
        let [a, b] = [a, b].map(|fields| Arc::new(Schema::new(fields)));
        let found = match merge([("a", &a), ("b", &b)]) {
            Ok(schema) => {
                let text =
                    |f: &FieldRef| format!("{}: {}{}", f.name(), f.data_type(), if f.is_nullable() { "?" } else { "" });
                schema.fields().iter().map(text).collect::<Vec<_>>().join(", ")
            }
            Err(e) => e.strip_backtrace(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn types() {
        let one = |data_type| vec![field("x", data_type, false)];
        let conflict = |a: &str, b: &str| {
            format!("Error during planning: column `x` is {a} in a but {b} in b: they are not one table")
        };
        for (a, b, expected) in [
            (Int32, Int32, "x: Int32".to_owned()),
            (Int32, Int64, "x: Int64".to_owned()),
            (Float32, Int32, "x: Float32".to_owned()),
            (Int64, Float64, "x: Float64".to_owned()),
            (Float64, Float32, "x: Float64".to_owned()),
            (Null, Int32, "x: Int32?".to_owned()),
            (Utf8View, BinaryView, "x: BinaryView".to_owned()),
            (Utf8View, Int32, conflict("Utf8View", "Int32")),
            (Boolean, Int32, conflict("Boolean", "Int32")),
            (FixedSizeBinary(2), FixedSizeBinary(3), conflict("FixedSizeBinary(2)", "FixedSizeBinary(3)")),
        ] {
            check(one(a), one(b), &expected);
        }
    }

    #[test]
    fn columns() {
        check(
            vec![field("a", Int32, false), field("b", Utf8View, false)],
            vec![field("c", Boolean, false), field("a", Int64, true)],
            "a: Int64?, b: Utf8View?, c: Boolean?",
        );
        check(
            vec![field("r", record(vec![field("x", Int32, false), field("y", Int32, false)]), false)],
            vec![field("r", record(vec![field("z", Int32, false), field("x", Int64, false)]), false)],
            "r: Struct(\"x\": non-null Int64, \"y\": Int32, \"z\": Int32)",
        );
        check(
            vec![field("r", record(vec![field("x", Int32, false)]), false)],
            vec![field("r", record(vec![field("x", Utf8View, false)]), false)],
            "Error during planning: column `r.x` is Int32 in a but Utf8View in b: they are not one table",
        );
        check(
            vec![field("a", Int32, false)],
            vec![field("b", Int32, false), field("b", Int32, false)],
            "Error during planning: b: there are two columns named `b`; SQL cannot tell them apart",
        );
    }
}
