//! Checksums: batches or values in, one number out that depends on every value, its row and its column, but not on how
//! the values are laid out. Two engines that decode the same rows have the same checksum.
//!
//! Each value has a hash: numbers, dates, times and unscaled decimals that of the integer, floats that of their bits,
//! strings, bytes and enum symbols that of their bytes; lists, maps and records combine those of their parts. The text
//! of a UUID is as good as its 16 bytes. A hash counts with a weight that its row and column have alone.

use crate::random::mix;

/// Where the hashes of strings and bytes begin: not at 0, which is the hash of the number.
const TEXT: u64 = 0x0074_6578_7400;

/// The hash of a null.
const NULL: u64 = 0x6e75_6c6c;

/// The checksum of the rows so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// The number of rows.
    pub rows: u64,
    /// The sum over all their values.
    pub sum: u64,
}

impl Checksum {
    /// Adds a batch: the hashes of each column, and the number of rows.
    fn add(&mut self, columns: impl Iterator<Item = Result<Vec<u64>, String>>, rows: usize) -> Result<(), String> {
        for (index, column) in (0..).zip(columns) {
            for (row, hash) in (self.rows..).zip(column?) {
                self.value(index, row, hash);
            }
        }
        self.rows += rows as u64;
        Ok(())
    }

    fn value(&mut self, column: u64, row: u64, hash: u64) {
        let place = mix(row << 16 ^ column) | 1;
        self.sum = self.sum.wrapping_add(hash.wrapping_mul(place));
    }

    /// Adds a row of apache-avro's values.
    pub fn add_values<'a>(&mut self, row: impl Iterator<Item = &'a apache_avro::types::Value>) -> Result<(), String> {
        for (index, value) in (0..).zip(row) {
            let hash = of_value(value)?;
            self.value(index, self.rows, hash);
        }
        self.rows += 1;
        Ok(())
    }
}

fn of_int(value: i128) -> u64 {
    (value as u64) ^ ((value >> 64) as u64).wrapping_mul(0x9e37_79b9)
}

fn of_bytes(value: &[u8]) -> u64 {
    value.iter().fold(TEXT + value.len() as u64, |hash, &byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

fn of_text(value: &str) -> u64 {
    uuid(value.as_bytes()).map_or_else(|| of_bytes(value.as_bytes()), |uuid| of_bytes(&uuid))
}

/// The bytes of a UUID's text, if it is one.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let (mut bytes, mut digits) = ([0u8; 16], 0);
    for (index, &c) in text.iter().enumerate() {
        if [8, 13, 18, 23].contains(&index) {
            (c == b'-').then_some(())?;
        } else {
            let digit = char::from(c).to_digit(16)?;
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit as u8;
            digits += 1;
        }
    }
    Some(bytes)
}

/// The hash of several values in their order.
fn of_parts(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(17, |hash, part| hash.wrapping_mul(0x0100_0000_01b3).wrapping_add(part).rotate_left(5))
}

/// The walk over Arrow's arrays, once for each of the two versions of Arrow that the engines give.
macro_rules! arrow_checksum {
    ($version:ident, $arrow:ident) => {
        impl Checksum {
            /// Adds a batch.
            pub fn $version(&mut self, batch: &$arrow::RecordBatch) -> Result<(), String> {
                self.add(batch.columns().iter().map(|c| $version::hashes(c.as_ref())), batch.num_rows())
            }
        }

        mod $version {
            use super::{NULL, of_bytes, of_int, of_parts, of_text};
            use $arrow::types::*;
            use $arrow::*;

            /// The hash of each value.
            pub(super) fn hashes(array: &dyn Array) -> Result<Vec<u64>, String> {
                let mut out = plain(array)?;
                if let Some(nulls) = array.logical_nulls() {
                    for (hash, valid) in out.iter_mut().zip(nulls.iter()) {
                        if !valid {
                            *hash = NULL;
                        }
                    }
                }
                Ok(out)
            }

            /// The hash of each value; anything at all for nulls.
            fn plain(array: &dyn Array) -> Result<Vec<u64>, String> {
                let any = array.as_any();
                let n = 0..array.len();
                macro_rules! ints {
                    ($t:ty) => {
                        if let Some(a) = any.downcast_ref::<PrimitiveArray<$t>>() {
                            return Ok(a.values().iter().map(|&v| of_int(i128::from(v))).collect());
                        }
                    };
                }
                macro_rules! slices {
                    ($t:ty, $hash:path) => {
                        if let Some(a) = any.downcast_ref::<$t>() {
                            return Ok(n.map(|i| $hash(a.value(i))).collect());
                        }
                    };
                }
                macro_rules! lists {
                    ($t:ty) => {
                        if let Some(a) = any.downcast_ref::<$t>() {
                            let items = hashes(a.values())?;
                            let parts = a.offsets().windows(2).map(|w| items.get(w[0] as usize..w[1] as usize));
                            return Ok(parts.map(|p| of_parts(p.unwrap_or(&[]).iter().copied())).collect());
                        }
                    };
                }
                ints!(Int32Type);
                ints!(Int64Type);
                ints!(Date32Type);
                ints!(Decimal32Type);
                ints!(Decimal64Type);
                ints!(Decimal128Type);
                ints!(Time32MillisecondType);
                ints!(Time64MicrosecondType);
                ints!(TimestampMillisecondType);
                ints!(TimestampMicrosecondType);
                ints!(TimestampNanosecondType);
                slices!(StringViewArray, of_text);
                slices!(StringArray, of_text);
                slices!(BinaryViewArray, of_bytes);
                slices!(BinaryArray, of_bytes);
                slices!(FixedSizeBinaryArray, of_bytes);
                lists!(ListArray);
                if let Some(a) = any.downcast_ref::<Float32Array>() {
                    return Ok(a.values().iter().map(|v| u64::from(v.to_bits())).collect());
                }
                if let Some(a) = any.downcast_ref::<Float64Array>() {
                    return Ok(a.values().iter().map(|v| v.to_bits()).collect());
                }
                if let Some(a) = any.downcast_ref::<BooleanArray>() {
                    return Ok(a.values().iter().map(u64::from).collect());
                }
                if let Some(a) = any.downcast_ref::<Decimal256Array>() {
                    return Ok(a.values().iter().map(|v| of_int(v.as_i128())).collect());
                }
                if let Some(a) = any.downcast_ref::<IntervalMonthDayNanoArray>() {
                    let parts = |v: &_| {
                        let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(*v);
                        of_parts([i64::from(months), i64::from(days), nanos].map(|p| of_int(p.into())).into_iter())
                    };
                    return Ok(a.values().iter().map(parts).collect());
                }
                if let Some(a) = any.downcast_ref::<DictionaryArray<Int32Type>>() {
                    let values = hashes(a.values().as_ref())?;
                    let of = |&k: &i32| values.get(k as usize).copied().unwrap_or(NULL);
                    return Ok(a.keys().values().iter().map(of).collect());
                }
                if let Some(a) = any.downcast_ref::<StructArray>() {
                    let columns: Result<Vec<_>, _> = a.columns().iter().map(|c| hashes(c.as_ref())).collect();
                    let columns = columns?;
                    return Ok(n.map(|i| of_parts(columns.iter().map(|c| c[i]))).collect());
                }
                if let Some(a) = any.downcast_ref::<MapArray>() {
                    // Maps have no order in apache-avro: the entries are added up.
                    let entries = plain(a.entries())?;
                    let parts = a.offsets().windows(2).map(|w| entries.get(w[0] as usize..w[1] as usize));
                    let sum = |p: Option<&[u64]>| p.unwrap_or(&[]).iter().fold(3, |s: u64, &e| s.wrapping_add(e));
                    return Ok(parts.map(sum).collect());
                }
                if let Some(a) = any.downcast_ref::<UnionArray>() {
                    let mut children = std::collections::HashMap::new();
                    for &id in a.type_ids().iter() {
                        if let std::collections::hash_map::Entry::Vacant(slot) = children.entry(id) {
                            slot.insert(hashes(a.child(id).as_ref())?);
                        }
                    }
                    return Ok(n.map(|i| children[&a.type_id(i)][a.value_offset(i)]).collect());
                }
                if any.is::<NullArray>() {
                    return Ok(vec![NULL; array.len()]);
                }
                Err(format!("no checksum for {}", array.data_type()))
            }
        }
    };
}

arrow_checksum!(add_arrow59, arrow_array);
arrow_checksum!(add_arrow60, arrow60);

/// The hash of one of apache-avro's values.
fn of_value(value: &apache_avro::types::Value) -> Result<u64, String> {
    use apache_avro::types::Value::*;
    Ok(match value {
        Null => NULL,
        Boolean(v) => u64::from(*v),
        Int(v) | Date(v) | TimeMillis(v) => of_int((*v).into()),
        Long(v)
        | TimeMicros(v)
        | TimestampMillis(v)
        | TimestampMicros(v)
        | TimestampNanos(v)
        | LocalTimestampMillis(v)
        | LocalTimestampMicros(v)
        | LocalTimestampNanos(v) => of_int((*v).into()),
        Float(v) => u64::from(v.to_bits()),
        Double(v) => v.to_bits(),
        Bytes(v) | Fixed(_, v) => of_bytes(v),
        String(v) | Enum(_, v) => of_text(v),
        Union(_, v) => of_value(v)?,
        Array(items) => of_parts(items.iter().map(of_value).collect::<Result<Vec<_>, _>>()?.into_iter()),
        Map(entries) => {
            let mut sum = 3u64;
            for (key, value) in entries {
                sum = sum.wrapping_add(of_parts([of_text(key), of_value(value)?].into_iter()));
            }
            sum
        }
        Record(fields) => of_parts(fields.iter().map(|(_, v)| of_value(v)).collect::<Result<Vec<_>, _>>()?.into_iter()),
        Decimal(v) => {
            let bytes = Vec::try_from(v).map_err(|e| e.to_string())?;
            let sign = bytes.first().map_or(0, |&b| i128::from(b as i8 >> 7));
            of_int(bytes.iter().fold(sign, |n, &b| n << 8 | i128::from(b)))
        }
        Duration(v) => {
            let (months, days, millis) = (u32::from(v.months()), u32::from(v.days()), u32::from(v.millis()));
            let parts = [months.into(), days.into(), i128::from(millis) * 1_000_000];
            of_parts(parts.map(of_int).into_iter())
        }
        Uuid(v) => of_bytes(v.as_bytes()),
        BigDecimal(_) => return Err("no checksum for big-decimal".into()),
    })
}
