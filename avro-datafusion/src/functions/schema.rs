//! `SELECT .. FROM avro_schema('path')`: files in, a row for each field of their schemas out, at every depth.

use super::file_table::{PerFile, Run, file_table, readable};
use crate::error::file_error;
use crate::listing::list::Found;
use crate::options::read::AvroOptions;
use crate::schema::header_cache::{Headers, Reads};
use arrow_array::builder::{BooleanBuilder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use avro_arrow::schema::{Field as AvroField, Kind, NodeId, Schema as AvroSchema};
use avro_arrow::tagged;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use futures::stream::{BoxStream, StreamExt, once};
use std::sync::Arc;

/// The table function `avro_schema('path')`: the fields of each file's own schema.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `path` | Utf8 | where the field is, as `items.price`: a path leads through arrays, maps and unions as if they were not there |
/// | `avro_type` | Utf8 | as `null \| array<record shop.item>`; a schema that is no record has one field, `value` |
/// | `logical_type` | Utf8 | of the type, or of the one type beside null |
/// | `arrow_type` | Utf8 | the type of the column; null inside a recursive type, where the column is text |
/// | `nullable` | Boolean | may its values be null? |
/// | `default` | Utf8 | what a reader takes for it where a writer has it not, as JSON |
/// | `doc` | Utf8 | its documentation |
/// | `aliases` | List(Utf8) | its other names |
/// | `hint` | Utf8 | what it does not mean though it seems to, such as a `logicalType` beside its type |
/// | `error` | Utf8 | why the schema of one of several files cannot be read; such a file has one row, in which all else but `file` is null |
///
/// Rows of a file come in the order of its schema. Only headers are read. The text of a schema is in `avro_metadata`.
#[derive(Debug)]
pub struct AvroSchemaFunc {
    options: AvroOptions,
}

impl AvroSchemaFunc {
    /// The function for files that are read with these options, unless a call gives others.
    pub fn new(options: AvroOptions) -> Self {
        AvroSchemaFunc { options }
    }
}

impl TableFunctionImpl for AvroSchemaFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("path", DataType::Utf8, true),
            Field::new("avro_type", DataType::Utf8, true),
            Field::new("logical_type", DataType::Utf8, true),
            Field::new("arrow_type", DataType::Utf8, true),
            Field::new("nullable", DataType::Boolean, true),
            Field::new("default", DataType::Utf8, true),
            Field::new("doc", DataType::Utf8, true),
            Field::new_list("aliases", Field::new_list_field(DataType::Utf8, true), true),
            Field::new("hint", DataType::Utf8, true),
            Field::new("error", DataType::Utf8, true),
        ]));
        file_table("avro_schema", &args, &self.options, |options| Fields {
            headers: Arc::new(Headers::new(options)),
            schema,
        })
    }
}

#[derive(Debug)]
struct Fields {
    headers: Arc<Headers>,
    schema: SchemaRef,
}

impl PerFile for Fields {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self, file: Found, run: &Run) -> BoxStream<'static, Result<RecordBatch>> {
        let (headers, schema, is_only) = (Arc::clone(&self.headers), Arc::clone(&self.schema), run.is_only_file);
        once(async move { fields(&file, is_only, &headers, schema).await }).boxed()
    }
}

async fn fields(file: &Found, is_only: bool, headers: &Headers, schema: SchemaRef) -> Result<RecordBatch> {
    let name = file.name();
    let header = headers.get(file.store.as_ref(), &file.object, &name).await.map(|(header, _)| header);
    let all = Reads { columns: None, batch_size: 1, reader: None };
    let compiled = header.and_then(|header| {
        let program = header.schema.program(all, &headers.options().describing()).map_err(|e| file_error(e, &name))?;
        Ok((header, program))
    });
    let (header, program) = match readable(compiled, is_only)? {
        Ok(compiled) => compiled,
        Err(error) => return unreadable(&name, &error, schema),
    };
    // Tagged structs are unions to whoever asks.
    let dense = tagged::dense_schema(program.arrow_schema());
    let columns = dense.as_ref().unwrap_or(program.arrow_schema()).fields();
    let avro = header.schema.avro();
    let mut rows = Rows::new(&name, avro);
    let root = avro.node(avro.root());
    // Not by recursion: named types may lead into one another thousands of times.
    let mut to_do: Vec<Place<'_>> = vec![];
    match &root.kind {
        Kind::Record(record) => {
            let fields = record.fields.iter().zip(columns);
            to_do.extend(fields.map(|(field, column)| Place::of(field, Some(column), "")));
        }
        _ => {
            let column = columns.first();
            to_do.push(Place { path: "value".into(), field: None, node: avro.root(), column });
        }
    }
    to_do.reverse();
    while let Some(place) = to_do.pop() {
        rows.push(&place);
        let first = to_do.len();
        inside(avro, &place, &mut to_do);
        if let Some(added) = to_do.get_mut(first..) {
            added.reverse();
        }
    }
    rows.finish(schema)
}

/// The row of a file whose schema cannot be read.
fn unreadable(name: &str, error: &str, schema: SchemaRef) -> Result<RecordBatch> {
    let column = |field: &FieldRef| -> ArrayRef {
        match field.name().as_str() {
            "file" => Arc::new(StringArray::from(vec![name])),
            "error" => Arc::new(StringArray::from(vec![error])),
            _ => new_null_array(field.data_type(), 1),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// A field of a record, or the one value of files that have no record.
struct Place<'a> {
    path: String,
    field: Option<&'a AvroField>,
    node: NodeId,
    /// Its values' column, where they have one.
    column: Option<&'a FieldRef>,
}

impl<'a> Place<'a> {
    fn of(field: &'a AvroField, column: Option<&'a FieldRef>, above: &str) -> Place<'a> {
        let path = if above.is_empty() { field.name.clone() } else { format!("{above}.{}", field.name) };
        Place { path, field: Some(field), node: field.node, column }
    }
}

/// Adds the fields of the records that this field is made of, through arrays, maps and unions. What has no column, as it became text,
/// is not looked into: so this ends even for recursive types.
fn inside<'a>(avro: &'a AvroSchema, place: &Place<'a>, to: &mut Vec<Place<'a>>) {
    let Some(column) = place.column else { return };
    let mut types = vec![(place.node, column)];
    while let Some((node, column)) = types.pop() {
        match (&avro.node(node).kind, column.data_type()) {
            (Kind::Record(record), DataType::Struct(columns)) => {
                let fields = record.fields.iter().zip(columns);
                to.extend(fields.map(|(field, column)| Place::of(field, Some(column), &place.path)));
            }
            (Kind::Array(items), DataType::List(item)) => types.push((*items, item)),
            // An array that is a map has records of key and value.
            (Kind::Array(items), DataType::Map(entries, _)) => types.push((*items, entries)),
            (Kind::Map(values), DataType::Map(entries, _)) => {
                if let DataType::Struct(entry) = entries.data_type()
                    && let Some(value) = entry.get(1)
                {
                    types.push((*values, value));
                }
            }
            (Kind::Union(branches), DataType::Union(columns, _)) if branches.len() == columns.len() => {
                let columns: Vec<_> = columns.iter().map(|(_, column)| column).collect();
                types.extend(branches.iter().copied().zip(columns).rev());
            }
            (Kind::Union(branches), data_type) => {
                let not_null: Vec<_> =
                    branches.iter().filter(|branch| avro.node(**branch).kind != Kind::Null).copied().collect();
                match (not_null.as_slice(), data_type) {
                    ([only], _) => types.push((*only, column)),
                    (several, DataType::Struct(columns)) if several.len() == columns.len() => {
                        types.extend(several.iter().copied().zip(columns).rev());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Rows of the table.
struct Rows<'a> {
    name: &'a str,
    avro: &'a AvroSchema,
    file: StringBuilder,
    path: StringBuilder,
    avro_type: StringBuilder,
    logical_type: StringBuilder,
    arrow_type: StringBuilder,
    nullable: BooleanBuilder,
    default: StringBuilder,
    doc: StringBuilder,
    aliases: ListBuilder<StringBuilder>,
    hint: StringBuilder,
    n: usize,
}

impl<'a> Rows<'a> {
    fn new(name: &'a str, avro: &'a AvroSchema) -> Self {
        Rows {
            name,
            avro,
            file: StringBuilder::new(),
            path: StringBuilder::new(),
            avro_type: StringBuilder::new(),
            logical_type: StringBuilder::new(),
            arrow_type: StringBuilder::new(),
            nullable: BooleanBuilder::new(),
            default: StringBuilder::new(),
            doc: StringBuilder::new(),
            aliases: ListBuilder::new(StringBuilder::new()),
            hint: StringBuilder::new(),
            n: 0,
        }
    }

    fn push(&mut self, place: &Place<'_>) {
        let Place { path, field, node, column } = place;
        self.file.append_value(self.name);
        self.path.append_value(path);
        self.avro_type.append_value(type_text(self.avro, *node));
        self.logical_type.append_option(logical_type(self.avro, *node));
        self.arrow_type.append_option(column.map(|column| column.data_type().to_string()));
        self.nullable.append_value(is_nullable(self.avro, *node));
        self.default.append_option(field.and_then(|field| field.default.as_ref()).map(ToString::to_string));
        self.doc.append_option(field.and_then(|field| field.doc.as_deref()));
        for alias in field.iter().flat_map(|field| &field.aliases) {
            self.aliases.values().append_value(alias);
        }
        self.aliases.append(true);
        self.hint.append_option(field.and_then(|field| self.avro.hint(field)));
        self.n += 1;
    }

    fn finish(mut self, schema: SchemaRef) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.avro_type.finish()),
            Arc::new(self.logical_type.finish()),
            Arc::new(self.arrow_type.finish()),
            Arc::new(self.nullable.finish()),
            Arc::new(self.default.finish()),
            Arc::new(self.doc.finish()),
            Arc::new(self.aliases.finish()),
            Arc::new(self.hint.finish()),
            new_null_array(&DataType::Utf8, self.n),
        ];
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

/// A type in words. It goes no deeper than its text does, as named types are not spelled out.
fn type_text(avro: &AvroSchema, node: NodeId) -> String {
    match &avro.node(node).kind {
        Kind::Array(items) => format!("array<{}>", type_text(avro, *items)),
        Kind::Map(values) => format!("map<{}>", type_text(avro, *values)),
        Kind::Union(branches) => {
            let branches: Vec<_> = branches.iter().map(|branch| type_text(avro, *branch)).collect();
            branches.join(" | ")
        }
        Kind::Fixed(fixed) => format!("fixed({}) {}", fixed.size, fixed.name),
        kind => match kind.name() {
            Some(name) => format!("{} {name}", kind.word()),
            None => kind.word().to_owned(),
        },
    }
}

/// The logical type of a type, or of the one type beside null.
fn logical_type(avro: &AvroSchema, node: NodeId) -> Option<&'static str> {
    let node = avro.node(node);
    match &node.kind {
        Kind::Union(branches) => {
            let mut not_null = branches.iter().map(|branch| avro.node(*branch)).filter(|n| n.kind != Kind::Null);
            let only = not_null.next().filter(|_| not_null.next().is_none())?;
            only.logical.map(|logical| logical.word())
        }
        _ => node.logical.map(|logical| logical.word()),
    }
}

fn is_nullable(avro: &AvroSchema, node: NodeId) -> bool {
    match &avro.node(node).kind {
        Kind::Null => true,
        Kind::Union(branches) => branches.iter().any(|branch| avro.node(*branch).kind == Kind::Null),
        _ => false,
    }
}
