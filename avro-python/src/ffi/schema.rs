//! Types and fields as `ArrowSchema`, and back.

use super::{ArrowSchema, c_text};
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::Arc;

const DICTIONARY_ORDERED: i64 = 1;
const NULLABLE: i64 = 2;
const MAP_KEYS_SORTED: i64 = 4;

/// What an exported schema points to.
struct OwnedSchema {
    format: CString,
    name: CString,
    metadata: Vec<u8>,
    children: Vec<*mut ArrowSchema>,
    dictionary: *mut ArrowSchema,
}

/// Returns a schema as the struct of its columns.
pub(crate) fn export_schema(schema: &Schema) -> Result<ArrowSchema, String> {
    let columns = DataType::Struct(schema.fields().clone());
    export_field(&Field::new("", columns, false).with_metadata(schema.metadata().clone()))
}

pub(crate) fn export_field(field: &Field) -> Result<ArrowSchema, String> {
    let mut flags = if field.is_nullable() { NULLABLE } else { 0 };
    let mut dictionary = None;
    let (data_type, children): (&DataType, Vec<FieldRef>) = match field.data_type() {
        DataType::Dictionary(keys, values) => {
            if field.dict_is_ordered() == Some(true) {
                flags |= DICTIONARY_ORDERED;
            }
            dictionary = Some(export_field(&Field::new("", values.as_ref().clone(), true))?);
            (keys, vec![])
        }
        DataType::Map(entries, sorted) => {
            if *sorted {
                flags |= MAP_KEYS_SORTED;
            }
            (field.data_type(), vec![Arc::clone(entries)])
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => (field.data_type(), vec![Arc::clone(item)]),
        DataType::Struct(fields) => (field.data_type(), fields.iter().map(Arc::clone).collect()),
        DataType::Union(fields, _) => (field.data_type(), fields.iter().map(|(_, field)| Arc::clone(field)).collect()),
        DataType::RunEndEncoded(ends, values) => (field.data_type(), vec![Arc::clone(ends), Arc::clone(values)]),
        other => (other, vec![]),
    };
    let children = children.iter().map(|child| export_field(child)).collect::<Result<Vec<_>, _>>()?;
    let mut owned = Box::new(OwnedSchema {
        format: c_text(&format(data_type)?),
        name: c_text(field.name()),
        metadata: encode_metadata(field.metadata()),
        children: children.into_iter().map(|child| Box::into_raw(Box::new(child))).collect(),
        dictionary: dictionary.map_or(ptr::null_mut(), |values| Box::into_raw(Box::new(values))),
    });
    let metadata = if owned.metadata.is_empty() { ptr::null() } else { owned.metadata.as_ptr().cast::<c_char>() };
    Ok(ArrowSchema {
        format: owned.format.as_ptr(),
        name: owned.name.as_ptr(),
        metadata,
        flags,
        n_children: owned.children.len() as i64,
        children: owned.children.as_mut_ptr(),
        dictionary: owned.dictionary,
        release: Some(release),
        private_data: Box::into_raw(owned).cast(),
    })
}

/// Releases what `export_field` made.
unsafe extern "C" fn release(schema: *mut ArrowSchema) {
    // SAFETY: the consumer passes a struct of `export_field`, once; `private_data` and children are boxes made there.
    unsafe {
        let Some(schema) = schema.as_mut() else { return };
        let owned = Box::from_raw(schema.private_data.cast::<OwnedSchema>());
        for child in owned.children.iter().copied().chain([owned.dictionary]).filter(|child| !child.is_null()) {
            drop(Box::from_raw(child));
        }
        schema.release = None;
        schema.private_data = ptr::null_mut();
    }
}

/// Returns metadata in the encoding of the interface: the number of pairs, and each text after its length.
fn encode_metadata(metadata: &HashMap<String, String>) -> Vec<u8> {
    if metadata.is_empty() {
        return vec![];
    }
    let mut pairs: Vec<_> = metadata.iter().collect();
    pairs.sort_unstable();
    let mut out = (pairs.len() as i32).to_ne_bytes().to_vec();
    for text in pairs.into_iter().flat_map(|(key, value)| [key, value]) {
        out.extend((text.len() as i32).to_ne_bytes());
        out.extend(text.as_bytes());
    }
    out
}

fn format(data_type: &DataType) -> Result<String, String> {
    use DataType::*;
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 's',
        TimeUnit::Millisecond => 'm',
        TimeUnit::Microsecond => 'u',
        TimeUnit::Nanosecond => 'n',
    };
    Ok(match data_type {
        Null => "n".into(),
        Boolean => "b".into(),
        Int8 => "c".into(),
        UInt8 => "C".into(),
        Int16 => "s".into(),
        UInt16 => "S".into(),
        Int32 => "i".into(),
        UInt32 => "I".into(),
        Int64 => "l".into(),
        UInt64 => "L".into(),
        Float16 => "e".into(),
        Float32 => "f".into(),
        Float64 => "g".into(),
        Binary => "z".into(),
        LargeBinary => "Z".into(),
        BinaryView => "vz".into(),
        Utf8 => "u".into(),
        LargeUtf8 => "U".into(),
        Utf8View => "vu".into(),
        FixedSizeBinary(n) => format!("w:{n}"),
        Decimal32(precision, scale) => format!("d:{precision},{scale},32"),
        Decimal64(precision, scale) => format!("d:{precision},{scale},64"),
        Decimal128(precision, scale) => format!("d:{precision},{scale}"),
        Decimal256(precision, scale) => format!("d:{precision},{scale},256"),
        Date32 => "tdD".into(),
        Date64 => "tdm".into(),
        Time32(u) | Time64(u) => format!("tt{}", unit(u)),
        Timestamp(u, zone) => format!("ts{}:{}", unit(u), zone.as_deref().unwrap_or("")),
        Duration(u) => format!("tD{}", unit(u)),
        Interval(IntervalUnit::YearMonth) => "tiM".into(),
        Interval(IntervalUnit::DayTime) => "tiD".into(),
        Interval(IntervalUnit::MonthDayNano) => "tin".into(),
        List(_) => "+l".into(),
        LargeList(_) => "+L".into(),
        ListView(_) => "+vl".into(),
        LargeListView(_) => "+vL".into(),
        FixedSizeList(_, n) => format!("+w:{n}"),
        Struct(_) => "+s".into(),
        Map(..) => "+m".into(),
        Union(fields, mode) => {
            let ids: Vec<_> = fields.iter().map(|(id, _)| id.to_string()).collect();
            format!("+u{}:{}", if *mode == UnionMode::Dense { 'd' } else { 's' }, ids.join(","))
        }
        RunEndEncoded(..) => "+r".into(),
        other => return Err(format!("the type {other} has no form in Arrow's C interface")),
    })
}

/// Returns the columns of an exported struct.
pub(crate) fn import_schema(schema: &ArrowSchema) -> Result<Schema, String> {
    let field = import_field(schema)?;
    match field.data_type() {
        DataType::Struct(fields) => Ok(Schema::new_with_metadata(fields.clone(), field.metadata().clone())),
        other => Err(format!("expected the columns of a table, found an array of {other}")),
    }
}

/// Returns an exported field.
pub(crate) fn import_field(schema: &ArrowSchema) -> Result<Field, String> {
    if schema.release.is_none() {
        return Err("the Arrow schema was released".to_owned());
    }
    let text = |pointer: *const c_char| match pointer.is_null() {
        true => Ok(""),
        // SAFETY: the specification requires a zero-terminated text, which lives as long as the struct.
        false => unsafe { CStr::from_ptr(pointer) }.to_str().map_err(|_| "a name is not UTF-8".to_owned()),
    };
    let (format, name) = (text(schema.format)?, text(schema.name)?);
    let mut children = vec![];
    for at in 0..usize::try_from(schema.n_children).unwrap_or(0) {
        // SAFETY: the specification requires `n_children` pointers to valid structs.
        children.push(Arc::new(import_field(unsafe { &**schema.children.add(at) })?));
    }
    let mut data_type = parse_format(format, children, schema.flags & MAP_KEYS_SORTED != 0)?;
    // SAFETY: null, or a valid struct.
    if let Some(values) = unsafe { schema.dictionary.as_ref() } {
        data_type = DataType::Dictionary(Box::new(data_type), Box::new(import_field(values)?.data_type().clone()));
    }
    let field = Field::new(name, data_type, schema.flags & NULLABLE != 0);
    // SAFETY: the specification requires null or this encoding.
    Ok(field.with_metadata(unsafe { decode_metadata(schema.metadata) }))
}

/// Decodes metadata.
///
/// # Safety
/// The pointer must be null or point to metadata in the encoding of the interface.
unsafe fn decode_metadata(metadata: *const c_char) -> HashMap<String, String> {
    let mut pairs = HashMap::new();
    if metadata.is_null() {
        return pairs;
    }
    let mut at = metadata.cast::<u8>();
    // SAFETY: the caller promises the encoding, so all lengths are those of readable bytes.
    unsafe {
        let number = |at: &mut *const u8| {
            let n = ptr::read_unaligned(at.cast::<i32>());
            *at = at.add(4);
            usize::try_from(n).unwrap_or(0)
        };
        let text = |at: &mut *const u8| {
            let len = number(at);
            let bytes = std::slice::from_raw_parts(*at, len);
            *at = at.add(len);
            String::from_utf8_lossy(bytes).into_owned()
        };
        for _ in 0..number(&mut at) {
            let key = text(&mut at);
            let value = text(&mut at);
            pairs.insert(key, value);
        }
    }
    pairs
}

fn parse_format(format: &str, mut children: Vec<FieldRef>, sorted: bool) -> Result<DataType, String> {
    use DataType::*;
    let unknown = || format!("unknown Arrow format `{format}`");
    let unit = |text: &str| match text {
        "s" => Ok(TimeUnit::Second),
        "m" => Ok(TimeUnit::Millisecond),
        "u" => Ok(TimeUnit::Microsecond),
        "n" => Ok(TimeUnit::Nanosecond),
        _ => Err(unknown()),
    };
    let number = |text: &str| text.parse::<i32>().map_err(|_| unknown());
    let mut only = || match children.len() {
        1 => Ok(children.remove(0)),
        n => Err(format!("Arrow format `{format}` has one child, found {n}")),
    };
    Ok(match format {
        "n" => Null,
        "b" => Boolean,
        "c" => Int8,
        "C" => UInt8,
        "s" => Int16,
        "S" => UInt16,
        "i" => Int32,
        "I" => UInt32,
        "l" => Int64,
        "L" => UInt64,
        "e" => Float16,
        "f" => Float32,
        "g" => Float64,
        "z" => Binary,
        "Z" => LargeBinary,
        "vz" => BinaryView,
        "u" => Utf8,
        "U" => LargeUtf8,
        "vu" => Utf8View,
        "tdD" => Date32,
        "tdm" => Date64,
        "tts" | "ttm" => Time32(unit(&format[2..])?),
        "ttu" | "ttn" => Time64(unit(&format[2..])?),
        "tDs" | "tDm" | "tDu" | "tDn" => Duration(unit(&format[2..])?),
        "tiM" => Interval(IntervalUnit::YearMonth),
        "tiD" => Interval(IntervalUnit::DayTime),
        "tin" => Interval(IntervalUnit::MonthDayNano),
        "+l" => List(only()?),
        "+L" => LargeList(only()?),
        "+vl" => ListView(only()?),
        "+vL" => LargeListView(only()?),
        "+m" => Map(only()?, sorted),
        "+s" => Struct(Fields::from(children)),
        "+r" => match <[FieldRef; 2]>::try_from(children) {
            Ok([ends, values]) => RunEndEncoded(ends, values),
            Err(_) => return Err(unknown()),
        },
        _ => match format.split_once(':').ok_or_else(unknown)? {
            ("w", n) => FixedSizeBinary(number(n)?),
            ("+w", n) => FixedSizeList(only()?, number(n)?),
            ("d", parts) => {
                let parts: Vec<&str> = parts.split(',').collect();
                let (precision, scale, bits) = match parts.as_slice() {
                    [precision, scale] => (*precision, *scale, "128"),
                    [precision, scale, bits] => (*precision, *scale, *bits),
                    _ => return Err(unknown()),
                };
                let precision = precision.parse().map_err(|_| unknown())?;
                let scale = scale.parse().map_err(|_| unknown())?;
                match bits {
                    "32" => Decimal32(precision, scale),
                    "64" => Decimal64(precision, scale),
                    "128" => Decimal128(precision, scale),
                    "256" => Decimal256(precision, scale),
                    _ => return Err(unknown()),
                }
            }
            ("+ud", ids) => Union(union_fields(ids, children).ok_or_else(unknown)?, UnionMode::Dense),
            ("+us", ids) => Union(union_fields(ids, children).ok_or_else(unknown)?, UnionMode::Sparse),
            (kind, zone) if kind.len() == 3 && kind.starts_with("ts") => {
                Timestamp(unit(&kind[2..])?, (!zone.is_empty()).then(|| zone.into()))
            }
            _ => return Err(unknown()),
        },
    })
}

fn union_fields(ids: &str, children: Vec<FieldRef>) -> Option<UnionFields> {
    let ids: Vec<i8> = ids.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().ok()).collect::<Option<_>>()?;
    UnionFields::try_new(ids, children.iter().map(|child| child.as_ref().clone())).ok()
}
