//! Converts an Arrow schema to an Avro schema: the inverse of this crate's type table, for engines that declare a
//! table's columns.

use super::compose::{JSON_LEVELS_MAX, PathStep, WrittenNames, write_name};
use super::parse::primitive;
use super::{Attributes, Enum, Fixed, Kind, Logical, Name, Node, NodeId, Schema};
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use arrow_schema::extension::{EXTENSION_TYPE_NAME_KEY, ExtensionType, Uuid};
use arrow_schema::{
    DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, IntervalUnit, Schema as ArrowSchema, TimeUnit,
};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// The prefix of the names of Avro attributes in Arrow metadata.
const PREFIX: &str = "avro.";

/// The key of a field's id in Parquet's metadata, and in Avro schemas.
const FIELD_IDS: (&str, &str) = ("PARQUET:field_id", "field-id");

impl Schema {
    /// Returns the schema of a reader for these columns.
    ///
    /// | Arrow | Avro |
    /// |---|---|
    /// | Null, Boolean, Int32, Int64, Float32, Float64 | null, boolean, int, long, float, double |
    /// | Int8, Int16, UInt8, UInt16; UInt32, UInt64; Float16 | int; long; float |
    /// | Utf8, Binary, and their large and view forms | string, bytes |
    /// | FixedSizeBinary | fixed; uuid if the extension type `arrow.uuid` |
    /// | Dictionary, RunEndEncoded | the type of the values |
    /// | Decimal32 to Decimal256 | decimal on bytes |
    /// | Date32, Date64; Time32, Time64 | date; time-millis, time-micros |
    /// | Timestamp with a time zone, without | timestamp-millis, -micros, -nanos; local-timestamp-… |
    /// | Interval(MonthDayNano) | duration |
    /// | Struct; List in all forms | record; array |
    /// | Map | map; where keys are not strings, an array of records of `key` and `value`, marked as Iceberg does |
    /// | Union | union, if Avro allows these types in one |
    /// | a nullable T | `["null", T]`, with the default null |
    ///
    /// Seconds become milliseconds, and nanoseconds of a time of day microseconds, which Arrow can cast back. Avro has
    /// no type for an elapsed time: Arrow's Duration becomes a long with arrow-avro's logical types
    /// `arrow.duration-nanos` and so on.
    ///
    /// Metadata that this crate writes is used, so the Arrow schema of an Avro schema gives a schema of the same types
    /// and names: `avro.name`, `avro.logicalType`, `avro.aliases`, `avro.doc`, `avro.…`, `PARQUET:field_id`; and of the
    /// schema's own `avro.schema` the name of the top level (or that it is not a record), the symbols of enums and the
    /// sizes of decimals on fixed. A dictionary whose field has [`ENUM_SYMBOLS`] is an enum.
    /// The following is lost: defaults other than null, documentation and aliases of types, the position of null in a
    /// union, `[T]` of one type, and conversions by options (a union as a struct, an expanded recursive type). Without
    /// `avro.schema`, an enum becomes a string, as which this crate can read it. So does a recursive type that became
    /// JSON text, which this crate cannot read as a string.
    ///
    /// Types without a name are named after their fields. Field names are kept even if Avro forbids them: this crate
    /// reads them, other readers may not.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Unsupported`] and the path of a type that Avro cannot express: other intervals, a
    /// decimal whose scale is negative or exceeds its precision, a union inside a union or of two types of a kind, and
    /// structs more than about 40 levels deep.
    pub fn from_arrow(arrow: &ArrowSchema) -> Result<Schema> {
        let limits = Limits::default();
        let origin = arrow.metadata().get("avro.schema").and_then(|json| Schema::parse(json, &limits).ok());
        let mut maker = Maker {
            named: origin.iter().flat_map(named_types).collect(),
            names: WrittenNames::default(),
            made: HashMap::new(),
            open: Vec::new(),
            refers_out: usize::MAX,
            path: String::new(),
            depth: 0,
        };
        let root = origin.as_ref().map(|origin| &origin.node(origin.root()).kind);
        let json = match (root, &**arrow.fields()) {
            (Some(kind), [value]) if !matches!(kind, Kind::Record(_)) && value.name() == "value" => {
                let part = PathStep::Field(value.name());
                let json = maker.inside(part, 1, |maker| maker.value(value, attributes_of(value), "value", ""))?;
                // A record alone would be the row: it was in a union of its own.
                let is_record = json.get("type").is_some_and(|word| word == "record");
                if is_record { Json::Array(vec![json]) } else { json }
            }
            (root, fields) => {
                let name = root.and_then(Kind::name).map(Name::full);
                maker.record(name, "row", fields.iter().map(|field| (field.name().as_str(), field)), "")?.0
            }
        };
        Schema::parse(&json.to_string(), &limits)
    }
}

/// The named types of a schema.
fn named_types(schema: &Schema) -> impl Iterator<Item = (&str, &Node)> {
    let nodes = (0..schema.len()).map(|idx| schema.node(NodeId(idx as u32)));
    nodes.filter_map(|node| Some((node.kind.name()?.full(), node)))
}

/// The metadata key by which a field of dictionaries declares the symbols of an enum, one on each line.
pub const ENUM_SYMBOLS: &str = "sql.enum_symbols";

struct Maker<'a> {
    /// The named types of the schema that the columns were made from, if any.
    named: HashMap<&'a str, &'a Node>,
    names: WrittenNames,
    /// By the name in the metadata: the types that can be referred to, with their Arrow types and names.
    made: HashMap<&'a str, Vec<(&'a DataType, Name)>>,
    /// The enclosing records, outermost first: the name in the metadata and the name.
    open: Vec<(Option<&'a str>, Name)>,
    /// The outermost of the open records that the innermost has referred to so far.
    refers_out: usize,
    path: String,
    /// Current nesting level of the JSON.
    depth: usize,
}

impl<'a> Maker<'a> {
    /// Makes a record of these fields, with its original name, or one made from `hint`.
    fn record(
        &mut self,
        original: Option<&'a str>,
        hint: &str,
        fields: impl Iterator<Item = (&'a str, &'a FieldRef)>,
        around: &str,
    ) -> Result<(Json, Name)> {
        let mut object = Attributes::new();
        object.insert("type".into(), json!("record"));
        let name = self.name(&mut object, original, hint, around);
        self.open.push((original, name.clone()));
        let mut columns = Vec::new();
        for (column, field) in fields {
            // The object, the array of fields, and the object of a field.
            let json = self.inside(PathStep::Field(column), 3, |maker| maker.field(column, field, name.namespace()))?;
            columns.push(json);
        }
        self.open.pop();
        object.insert("fields".into(), Json::Array(columns));
        Ok((Json::Object(object), name))
    }

    /// Gives a type its name, or one made from `hint`.
    fn name(&mut self, object: &mut Attributes, wanted: Option<&str>, hint: &str, around: &str) -> Name {
        let original = wanted.map(|name| Name::new(name, ""));
        let name = self.names.take(&original.clone().unwrap_or_else(|| Name::new(&valid_name(hint), "")));
        let mut aliases: Vec<Name> = original.into_iter().filter(|original| *original != name).collect();
        let node = wanted.and_then(|wanted| self.named.get(wanted)).copied();
        let (more, doc) = match node.map(|node| &node.kind) {
            Some(Kind::Record(t)) => (t.aliases.as_slice(), t.doc.as_deref()),
            Some(Kind::Enum(t)) => (t.aliases.as_slice(), t.doc.as_deref()),
            Some(Kind::Fixed(t)) => (t.aliases.as_slice(), t.doc.as_deref()),
            _ => (&[][..], None),
        };
        aliases.extend_from_slice(more);
        write_name(object, &name, &aliases, around);
        object.extend(doc.map(|doc| ("doc".to_owned(), json!(doc))));
        for (key, value) in node.iter().flat_map(|node| &node.attributes).filter(|(key, _)| !is_about_logical(key)) {
            object.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        name
    }

    /// Makes a field of a record.
    fn field(&mut self, name: &str, field: &'a Field, around: &str) -> Result<Json> {
        let mut object = Attributes::new();
        object.insert("name".into(), json!(name));
        let json = self
            .deeper(usize::from(field.is_nullable()), |maker| maker.type_of(field, field.data_type(), name, around))?;
        let mut attributes = attributes_of(field);
        // An attribute that does not concern the type was on the field, as in many real files. A type that was defined
        // before has it there.
        if json.get("logicalType").is_some() || matches!(field.data_type(), DataType::FixedSizeBinary(_)) {
            attributes.retain(|key, _| !is_about_logical(key));
        }
        let (json, has_null) = with_null(json, field.is_nullable());
        object.insert("type".into(), json);
        if has_null && field.is_nullable() && *field.data_type() != DataType::Null {
            object.insert("default".into(), Json::Null);
        }
        for (key, value) in attributes {
            object.entry(key).or_insert(value);
        }
        Ok(Json::Object(object))
    }

    /// Makes the type of a value that is not a record's field, with these attributes.
    fn value(&mut self, field: &'a Field, mut attributes: Attributes, hint: &str, around: &str) -> Result<Json> {
        let json = self
            .deeper(usize::from(field.is_nullable()), |maker| maker.type_of(field, field.data_type(), hint, around))?;
        if types_tell(field.data_type()) {
            attributes.retain(|key, _| !is_about_logical(key));
        }
        Ok(with_null(with_attributes(json, attributes), field.is_nullable()).0)
    }

    fn type_of(&mut self, field: &'a Field, data_type: &'a DataType, hint: &str, around: &str) -> Result<Json> {
        use DataType::*;
        let name = field.metadata().get("avro.name").map(String::as_str);
        let base = |kind: Kind| with_attributes(json!(kind.word()), base_logical(field, &kind));
        let logical = |word: &str, logical: &str| Ok(json!({"type": word, "logicalType": logical}));
        match data_type {
            Null => Ok(json!("null")),
            Boolean => Ok(base(Kind::Boolean)),
            Int8 | Int16 | Int32 | UInt8 | UInt16 => Ok(base(Kind::Int)),
            Int64 | UInt32 | UInt64 => Ok(base(Kind::Long)),
            Float16 | Float32 => Ok(base(Kind::Float)),
            Float64 => Ok(base(Kind::Double)),
            Utf8 | LargeUtf8 | Utf8View => Ok(self.text_of(name, around).unwrap_or_else(|| base(Kind::String))),
            Binary | LargeBinary | BinaryView => Ok(base(Kind::Bytes)),
            FixedSizeBinary(size) => self.fixed(field, data_type, *size, hint, around),
            Date32 | Date64 => logical("int", "date"),
            Time32(_) => logical("int", "time-millis"),
            Time64(_) => logical("long", "time-micros"),
            Timestamp(unit, zone) => {
                let unit = match unit {
                    TimeUnit::Second | TimeUnit::Millisecond => "millis",
                    TimeUnit::Microsecond => "micros",
                    TimeUnit::Nanosecond => "nanos",
                };
                let local = if zone.is_none() { "local-" } else { "" };
                logical("long", &format!("{local}timestamp-{unit}"))
            }
            Interval(IntervalUnit::MonthDayNano) => self.fixed(field, data_type, 12, hint, around),
            Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) | Decimal256(p, s) => {
                if *p == 0 || !(0..=i32::from(*p)).contains(&i32::from(*s)) {
                    return Err(self.unsupported(data_type));
                }
                match name.and_then(|name| self.named.get(name)).map(|node| &node.kind) {
                    Some(Kind::Fixed(fixed)) => match i32::try_from(fixed.size) {
                        Ok(size) => self.fixed(field, data_type, size, hint, around),
                        Err(_) => Err(self.unsupported(data_type)),
                    },
                    _ => Ok(with_attributes(json!("bytes"), decimal(*p, *s))),
                }
            }
            Dictionary(_, values) => match name.and_then(|name| self.named.get(name)).map(|node| &node.kind) {
                Some(Kind::Enum(e)) => Ok(self.enumeration(e, data_type, around)),
                _ => match symbols_of(field) {
                    Some(symbols) => Ok(self.declared(&symbols, hint, around)),
                    None => self.type_of(field, values, hint, around),
                },
            },
            RunEndEncoded(_, values) => self.type_of(field, values.data_type(), hint, around),
            List(items) | LargeList(items) | FixedSizeList(items, _) | ListView(items) | LargeListView(items) => {
                self.array(field, items, hint, around)
            }
            Map(entries, _) => self.map(entries, hint, around),
            Struct(fields) => {
                let fields = fields.iter().map(|field| (field.name().as_str(), field));
                self.structure(name, data_type, fields, hint, around)
            }
            Union(fields, _) => self.union(fields.iter().map(|(_, field)| field), data_type, around),
            Duration(unit) => {
                let unit = match unit {
                    TimeUnit::Second => "seconds",
                    TimeUnit::Millisecond => "millis",
                    TimeUnit::Microsecond => "micros",
                    TimeUnit::Nanosecond => "nanos",
                };
                logical("long", &format!("arrow.duration-{unit}"))
            }
            Interval(_) => Err(self.unsupported(data_type)),
        }
    }

    /// The record that a text stands for, as this crate reads recursive types as text.
    fn text_of(&mut self, name: Option<&str>, around: &str) -> Option<Json> {
        let at = self.open.iter().rposition(|(original, _)| original.is_some() && *original == name)?;
        self.refers_out = self.refers_out.min(at);
        let (_, name) = self.open.get(at)?;
        Some(self.names.reference(name, around))
    }

    /// A reference to the type made from an equal one, if any.
    fn made(&self, original: Option<&str>, data_type: &DataType, around: &str) -> Option<Json> {
        let made = self.made.get(original?)?;
        let (_, name) = made.iter().find(|(made, _)| *made == data_type)?;
        Some(self.names.reference(name, around))
    }

    /// Makes a nested record, or a reference to an equal one.
    fn structure(
        &mut self,
        original: Option<&'a str>,
        data_type: &'a DataType,
        fields: impl Iterator<Item = (&'a str, &'a FieldRef)>,
        hint: &str,
        around: &str,
    ) -> Result<Json> {
        if let Some(reference) = self.made(original, data_type, around) {
            return Ok(reference);
        }
        let refers_out = std::mem::replace(&mut self.refers_out, usize::MAX);
        let depth = self.open.len();
        let (json, name) = self.record(original, hint, fields, around)?;
        // A type that refers to an enclosing record means another type elsewhere.
        if let Some(original) = original
            && self.refers_out >= depth
        {
            self.made.entry(original).or_default().push((data_type, name));
        }
        self.refers_out = refers_out.min(self.refers_out);
        Ok(json)
    }

    fn array(&mut self, field: &'a Field, items: &'a FieldRef, hint: &str, around: &str) -> Result<Json> {
        let mut object = Attributes::new();
        object.insert("type".into(), json!("array"));
        // Iceberg's map, which was read as a list.
        object.extend(logical_of(field));
        object.insert(
            "items".into(),
            self.inside(PathStep::Items, 1, |maker| maker.value(items, without_id(items), hint, around))?,
        );
        object.extend(field_id(items).map(|id| ("element-id".to_owned(), id)));
        Ok(Json::Object(object))
    }

    fn map(&mut self, entries: &'a FieldRef, hint: &str, around: &str) -> Result<Json> {
        let DataType::Struct(fields) = entries.data_type() else { return Err(self.unsupported(entries.data_type())) };
        let [key, value] = &**fields else { return Err(self.unsupported(entries.data_type())) };
        let name = entries.metadata().get("avro.name").map(String::as_str);
        let mut object = Attributes::new();
        if name.is_none() && is_text(key.data_type()) {
            object.insert("type".into(), json!("map"));
            object.insert(
                "values".into(),
                self.inside(PathStep::Values, 1, |maker| maker.value(value, without_id(value), hint, around))?,
            );
            object.extend(field_id(key).map(|id| ("key-id".to_owned(), id)));
            object.extend(field_id(value).map(|id| ("value-id".to_owned(), id)));
            return Ok(Json::Object(object));
        }
        // Keys that are not strings: an array of records of `key` and `value`, with that name.
        let fields = ["key", "value"].into_iter().zip([key, value]);
        let items = |maker: &mut Self| maker.structure(name, entries.data_type(), fields, hint, around);
        let items = with_attributes(self.inside(PathStep::Items, 1, items)?, without_id(entries));
        object.insert("type".into(), json!("array"));
        object.insert("logicalType".into(), json!("map"));
        object.insert("items".into(), items);
        object.extend(field_id(entries).map(|id| ("element-id".to_owned(), id)));
        Ok(Json::Object(object))
    }

    // SPEC: Unions. They may not hold more than one type of a kind, but for those with names, nor other unions.
    fn union(
        &mut self,
        fields: impl Iterator<Item = &'a FieldRef>,
        data_type: &DataType,
        around: &str,
    ) -> Result<Json> {
        let null = json!("null");
        let mut branches: Vec<Json> = Vec::new();
        let mut has_null = false;
        let mut words = Vec::new();
        for field in fields {
            let part = PathStep::Branch(field.name());
            let mut attributes = attributes_of(field);
            if types_tell(field.data_type()) {
                attributes.retain(|key, _| !is_about_logical(key));
            }
            let json =
                self.inside(part, 1, |maker| match maker.type_of(field, field.data_type(), field.name(), around)? {
                    Json::Array(_) => Err(maker.unsupported(field.data_type())),
                    json => Ok(with_attributes(json, attributes)),
                })?;
            let word = match json.get("type").unwrap_or(&json) {
                Json::String(word) if !matches!(word.as_str(), "record" | "enum" | "fixed") => Some(word.clone()),
                _ => None,
            };
            if word.as_ref().is_some_and(|word| words.contains(word)) {
                return Err(self.unsupported(data_type));
            }
            words.extend(word);
            has_null |= field.is_nullable();
            branches.push(json);
        }
        if has_null && !branches.contains(&null) {
            branches.insert(0, null);
        }
        Ok(Json::Array(branches))
    }

    fn enumeration(&mut self, e: &'a Enum, data_type: &'a DataType, around: &str) -> Json {
        if let Some(reference) = self.made(Some(e.name.full()), data_type, around) {
            return reference;
        }
        let mut object = Attributes::new();
        object.insert("type".into(), json!("enum"));
        let name = self.name(&mut object, Some(e.name.full()), "", around);
        object.insert("symbols".into(), json!(e.symbols));
        if let Some(default) = &e.default {
            object.insert("default".into(), json!(default));
        }
        self.made.entry(e.name.full()).or_default().push((data_type, name));
        Json::Object(object)
    }

    /// Makes an enum of symbols that a field's metadata declares.
    fn declared(&mut self, symbols: &[&str], hint: &str, around: &str) -> Json {
        let mut object = Attributes::new();
        object.insert("type".into(), json!("enum"));
        self.name(&mut object, None, hint, around);
        object.insert("symbols".into(), json!(symbols));
        Json::Object(object)
    }

    fn fixed(
        &mut self,
        field: &'a Field,
        data_type: &'a DataType,
        size: i32,
        hint: &str,
        around: &str,
    ) -> Result<Json> {
        let original = field.metadata().get("avro.name").map(String::as_str);
        if let Some(reference) = self.made(original, data_type, around) {
            return Ok(reference);
        }
        let Ok(size) = usize::try_from(size) else { return Err(self.unsupported(data_type)) };
        let mut object = Attributes::new();
        object.insert("type".into(), json!("fixed"));
        let name = self.name(&mut object, original, hint, around);
        object.insert("size".into(), json!(size));
        let is_uuid = size == 16 && field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|n| n == Uuid::NAME);
        match data_type {
            DataType::Interval(_) => drop(object.insert("logicalType".into(), json!("duration"))),
            DataType::FixedSizeBinary(_) if is_uuid => drop(object.insert("logicalType".into(), json!("uuid"))),
            DataType::FixedSizeBinary(_) => {
                let fixed = Fixed { name: name.clone(), aliases: Vec::new(), doc: None, size };
                object.extend(base_logical(field, &Kind::Fixed(fixed)));
            }
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => {
                object.extend(decimal(*p, *s));
            }
            _ => {}
        }
        if let Some(original) = original {
            self.made.entry(original).or_default().push((data_type, name));
        }
        Ok(Json::Object(object))
    }

    /// Runs `make` one step further into the type.
    fn inside<T>(&mut self, part: PathStep<'_>, levels: usize, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let len = self.path.len();
        part.add_to(&mut self.path);
        let made = self.deeper(levels, make)?;
        self.path.truncate(len);
        Ok(made)
    }

    /// Runs `make` with `levels` more levels of JSON.
    fn deeper<T>(&mut self, levels: usize, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += levels;
        if self.depth > JSON_LEVELS_MAX {
            let what = format!("an Avro schema of more than {JSON_LEVELS_MAX} levels of JSON, at `{}`", self.path);
            return Err(ErrorKind::Unsupported { what }.into());
        }
        let made = make(self)?;
        self.depth -= levels;
        Ok(made)
    }

    #[cold]
    fn unsupported(&self, data_type: &DataType) -> crate::Error {
        ErrorKind::Unsupported { what: format!("Arrow's {data_type} as an Avro type, at `{}`", self.path) }.into()
    }
}

/// The logical type of a decimal.
fn decimal(precision: u8, scale: i8) -> Attributes {
    let attributes = [("logicalType", json!("decimal")), ("precision", json!(precision)), ("scale", json!(scale))];
    attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_about_logical(key: &str) -> bool {
    matches!(key, "logicalType" | "precision" | "scale")
}

/// Adds attributes to a type, unless it is a reference.
fn with_attributes(json: Json, attributes: Attributes) -> Json {
    match json {
        Json::String(word) if primitive(&word).is_some() && !attributes.is_empty() => {
            let mut object = Attributes::new();
            object.insert("type".into(), json!(word));
            object.extend(attributes.into_iter().filter(|(key, _)| key != "type"));
            Json::Object(object)
        }
        Json::Object(mut object) => {
            for (key, value) in attributes {
                object.entry(key).or_insert(value);
            }
            Json::Object(object)
        }
        other => other,
    }
}

/// Adds null to a type if it is not in it, and returns whether the type has null.
fn with_null(json: Json, nullable: bool) -> (Json, bool) {
    let null = json!("null");
    let has_null = json == null || json.as_array().is_some_and(|branches| branches.contains(&null));
    if has_null || !nullable {
        return (json, has_null);
    }
    let mut union = vec![null];
    match json {
        Json::Array(branches) => union.extend(branches),
        other => union.push(other),
    }
    (Json::Array(union), true)
}

/// Whether the Arrow type, or its Avro type, implies the logical type.
fn types_tell(data_type: &DataType) -> bool {
    use DataType::*;
    !matches!(data_type, Null | Struct(_) | Map(..) | Union(..) | Dictionary(..))
}

/// The attributes in a field's metadata without its id, which the enclosing object keeps.
fn without_id(field: &Field) -> Attributes {
    let mut attributes = attributes_of(field);
    attributes.shift_remove(FIELD_IDS.1);
    attributes
}

/// The attributes in a field's metadata.
fn attributes_of(field: &Field) -> Attributes {
    let mut keys: Vec<&String> = field.metadata().keys().collect();
    keys.sort_unstable();
    let attributes = keys.into_iter().filter_map(|metadata| {
        let text = field.metadata().get(metadata)?;
        let key = match metadata.strip_prefix(PREFIX) {
            None if metadata == FIELD_IDS.0 => FIELD_IDS.1,
            key => key?,
        };
        match key {
            "name" | "schema" => None,
            "doc" => Some((key.to_owned(), json!(text))),
            key => Some((key.to_owned(), json_of(text))),
        }
    });
    attributes.collect()
}

/// The symbols that a field's metadata declares, if Avro allows them.
fn symbols_of(field: &Field) -> Option<Vec<&str>> {
    let symbols: Vec<&str> = field.metadata().get(ENUM_SYMBOLS)?.split('\n').collect();
    symbols.iter().all(|symbol| valid_name(symbol) == *symbol).then_some(symbols)
}

fn field_id(field: &Field) -> Option<Json> {
    field.metadata().get(FIELD_IDS.0).map(|text| json_of(text))
}

/// The logical type in a field's metadata.
fn logical_of(field: &Field) -> Attributes {
    let about = ["logicalType", "precision", "scale"].into_iter();
    let about = about.filter_map(|key| Some((key, field.metadata().get(&format!("{PREFIX}{key}"))?)));
    about.map(|(key, text)| (key.to_owned(), json_of(text))).collect()
}

/// The logical type in a field's metadata, if the Arrow type of `kind` is the same with it.
fn base_logical(field: &Field, kind: &Kind) -> Attributes {
    let attributes = logical_of(field);
    let stays = match Logical::of(kind, &attributes, &[]) {
        None | Some(Logical::Uuid | Logical::BigDecimal) => true,
        Some(Logical::Decimal { precision, .. }) => precision > u32::from(DECIMAL256_MAX_PRECISION),
        Some(_) => false,
    };
    if stays { attributes } else { Attributes::new() }
}

/// The JSON that was written as this text; the text itself for a string.
fn json_of(text: &str) -> Json {
    let as_it_was = |json: &Json| {
        let again = json.to_string();
        !json.is_string() && again == text
    };
    serde_json::from_str::<Json>(text).ok().filter(as_it_was).unwrap_or_else(|| json!(text))
}

// SPEC: Names: letters, digits and underscores, not a digit first.
pub(crate) fn valid_name(hint: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = hint.chars().map(valid).collect();
    if name.starts_with(|c: char| !c.is_ascii_digit()) { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests;
