//! `SELECT .. FROM avro_schema('path')`: a row for each field of the files' schemas, at every depth.

use super::file_table::{PerFile, Run, file_table, readable};
use crate::error::file_error;
use crate::listing::listed::ListedFile;
use crate::options::read::AvroOptions;
use crate::schema::header_cache::{HeaderCache, Reads};
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
/// | `path` | Utf8 | path of the field, such as `items.price`; arrays, maps and unions have no component of their own |
/// | `avro_type` | Utf8 | such as `null \| array<record shop.item>`; a schema that is not a record has one field, `value` |
/// | `logical_type` | Utf8 | logical type of the type, or of the only non-null branch |
/// | `arrow_type` | Utf8 | type of the column; null inside a recursive type, whose column is text |
/// | `nullable` | Boolean | whether values may be null |
/// | `default` | Utf8 | default value as JSON |
/// | `doc` | Utf8 | documentation |
/// | `aliases` | List(Utf8) | aliases |
/// | `hint` | Utf8 | likely mistake, such as a `logicalType` beside its type instead of inside it |
/// | `error` | Utf8 | why the schema of one of several files cannot be read; such a file has one row, null but for `file` |
///
/// Rows come in schema order. Only headers are read. The schema text is in `avro_metadata`.
#[derive(Debug)]
pub struct AvroSchemaFunc {
    options: AvroOptions,
}

impl AvroSchemaFunc {
    /// Creates the function with these default options; options of a call take precedence.
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
            headers: Arc::new(HeaderCache::new(options)),
            schema,
        })
    }
}

#[derive(Debug)]
struct Fields {
    headers: Arc<HeaderCache>,
    schema: SchemaRef,
}

impl PerFile for Fields {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self, file: ListedFile, run: &Run) -> BoxStream<'static, Result<RecordBatch>> {
        let (headers, schema, is_only) = (Arc::clone(&self.headers), Arc::clone(&self.schema), run.is_only_file);
        once(async move { fields(&file, is_only, &headers, schema).await }).boxed()
    }
}

async fn fields(file: &ListedFile, is_only: bool, headers: &HeaderCache, schema: SchemaRef) -> Result<RecordBatch> {
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
    // Tagged structs are shown as unions.
    let dense = tagged::dense_schema(program.arrow_schema());
    let columns = dense.as_ref().unwrap_or(program.arrow_schema()).fields();
    let avro = header.schema.avro();
    let mut rows = FieldRows::new(&name, avro);
    let root = avro.node(avro.root());
    // Iterative, as named types may nest thousands of levels.
    let mut to_do: Vec<SchemaField<'_>> = vec![];
    match &root.kind {
        Kind::Record(record) => {
            let fields = record.fields.iter().zip(columns);
            to_do.extend(fields.map(|(field, column)| SchemaField::new(field, Some(column), "")));
        }
        _ => {
            let column = columns.first();
            to_do.push(SchemaField { path: "value".into(), field: None, node: avro.root(), column });
        }
    }
    to_do.reverse();
    while let Some(field) = to_do.pop() {
        rows.push(&field);
        let first = to_do.len();
        inside(avro, &field, &mut to_do);
        if let Some(added) = to_do.get_mut(first..) {
            added.reverse();
        }
    }
    rows.finish(schema)
}

/// Returns the row of a file whose schema cannot be read.
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

/// A field of a record, or the only value of a schema that is not a record.
struct SchemaField<'a> {
    path: String,
    field: Option<&'a AvroField>,
    node: NodeId,
    /// Its column, if it has one.
    column: Option<&'a FieldRef>,
}

impl<'a> SchemaField<'a> {
    fn new(field: &'a AvroField, column: Option<&'a FieldRef>, above: &str) -> SchemaField<'a> {
        let path = if above.is_empty() { field.name.clone() } else { format!("{above}.{}", field.name) };
        SchemaField { path, field: Some(field), node: field.node, column }
    }
}

/// Adds the fields of records inside this field, through arrays, maps and unions. Text columns of recursive types are
/// not entered, so this terminates.
fn inside<'a>(avro: &'a AvroSchema, field: &SchemaField<'a>, to: &mut Vec<SchemaField<'a>>) {
    let Some(column) = field.column else { return };
    let mut types = vec![(field.node, column)];
    while let Some((node, column)) = types.pop() {
        match (&avro.node(node).kind, column.data_type()) {
            (Kind::Record(record), DataType::Struct(columns)) => {
                let fields = record.fields.iter().zip(columns);
                to.extend(fields.map(|(inner, column)| SchemaField::new(inner, Some(column), &field.path)));
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

/// Builder of the output rows.
struct FieldRows<'a> {
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

impl<'a> FieldRows<'a> {
    fn new(name: &'a str, avro: &'a AvroSchema) -> Self {
        FieldRows {
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

    fn push(&mut self, field: &SchemaField<'_>) {
        let SchemaField { path, field, node, column } = field;
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

/// Returns a type as text. Named types are not expanded.
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

/// Returns the logical type of the type, or of the only non-null branch.
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
