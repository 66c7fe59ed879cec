//! Avro's binary encoding, for tests and benches: values go in, and the bytes of rows, blocks and container files come
//! out. It does not use the crates under test.

/// The sync marker of files whose test does not need another.
pub const SYNC: [u8; 16] = *b"sync-0123456789!";

/// Appends a zig-zag varint.
#[inline]
pub fn put_long(value: i64, out: &mut Vec<u8>) {
    // SPEC: Primitive Types: zig-zag, then seven bits in each byte, the lowest first.
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends a length and the bytes.
#[inline]
pub fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_long(value.len() as i64, out);
    out.extend_from_slice(value);
}

/// Returns a zig-zag varint.
pub fn long(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_long(value, &mut out);
    out
}

/// Returns a length and the bytes.
pub fn bytes(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(value, &mut out);
    out
}

/// Returns a header with this metadata.
pub fn header(metadata: &[(&str, &[u8])]) -> Vec<u8> {
    header_with_sync(metadata, &SYNC)
}

/// Returns a header with this metadata and sync marker.
pub fn header_with_sync(metadata: &[(&str, &[u8])], sync: &[u8; 16]) -> Vec<u8> {
    let mut out = b"Obj\x01".to_vec();
    if !metadata.is_empty() {
        put_long(metadata.len() as i64, &mut out);
    }
    for (key, value) in metadata {
        put_bytes(key.as_bytes(), &mut out);
        put_bytes(value, &mut out);
    }
    out.push(0);
    out.extend(sync);
    out
}

/// Returns a block as it is stored, with its sync marker.
pub fn block(rows: i64, stored: &[u8]) -> Vec<u8> {
    block_with_sync(rows, stored, &SYNC)
}

/// Returns a block as it is stored, with this sync marker.
pub fn block_with_sync(rows: i64, stored: &[u8], sync: &[u8; 16]) -> Vec<u8> {
    let mut out = long(rows);
    put_bytes(stored, &mut out);
    out.extend(sync);
    out
}

/// Returns a file of this schema and codec, whose blocks are those of [`block`].
pub fn file(schema: &str, codec: &str, blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = header(&[("avro.schema", schema.as_bytes()), ("avro.codec", codec.as_bytes())]);
    file.extend(blocks.concat());
    file
}

/// Returns an uncompressed file of this metadata and sync marker, with `rows_per_block` of the encoded rows in each
/// block.
pub fn file_of_rows<R: AsRef<[u8]>>(
    metadata: &[(&str, &[u8])],
    rows: &[R],
    rows_per_block: usize,
    sync: &[u8; 16],
) -> Vec<u8> {
    let mut file = header_with_sync(metadata, sync);
    for block in rows.chunks(rows_per_block.max(1)) {
        let data: Vec<&[u8]> = block.iter().map(AsRef::as_ref).collect();
        file.extend(block_with_sync(block.len() as i64, &data.concat(), sync));
    }
    file
}

/// Values in Avro's binary encoding, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes the bytes.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Writes an `int`, a `long` or the index of an enum's symbol.
    pub fn long(&mut self, value: i64) {
        put_long(value, &mut self.bytes);
    }

    /// Writes a `boolean`.
    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// Writes a `float`.
    pub fn float(&mut self, value: f32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// Writes a `double`.
    pub fn double(&mut self, value: f64) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// Writes `bytes`.
    pub fn bytes(&mut self, value: &[u8]) {
        put_bytes(value, &mut self.bytes);
    }

    /// Writes a `string`.
    pub fn string(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Writes a `fixed`, or bytes that are encoded already.
    pub fn fixed(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// Writes a decimal of type `bytes`, in the fewest bytes that hold it, as Java writes it.
    pub fn decimal(&mut self, value: i64) {
        let all = value.to_be_bytes();
        let sign = if value < 0 { 0xff } else { 0 };
        let spare = |i: usize| i < 7 && all[i] == sign && (all[i + 1] ^ sign) & 0x80 == 0;
        let first = (0..8).find(|&i| !spare(i)).unwrap_or(7);
        self.bytes(&all[first..]);
    }

    /// Writes the index of a union's branch, whose value comes next.
    pub fn branch(&mut self, index: i64) {
        self.long(index);
    }

    /// Writes a value of `["null", T]`: the index of the branch, and the value if there is one.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Encoder, T)) {
        self.branch(i64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Writes an array or a map of `count` items.
    pub fn items(&mut self, count: u64, mut write: impl FnMut(&mut Encoder, u64)) {
        if count > 0 {
            self.long(count as i64);
            (0..count).for_each(|index| write(self, index));
        }
        self.long(0);
    }
}

/// The bytes of one value or row, written from left to right in a chain of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(pub Vec<u8>);

/// Begins a row.
pub fn row() -> Row {
    Row::default()
}

impl Row {
    /// Writes an int, a long, the index of a union's branch or of an enum's symbol, or an item count.
    #[must_use]
    pub fn long(mut self, value: i64) -> Row {
        put_long(value, &mut self.0);
        self
    }

    /// Writes a `string`.
    #[must_use]
    pub fn string(self, value: &str) -> Row {
        self.bytes(value.as_bytes())
    }

    /// Writes `bytes`.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Row {
        put_bytes(value, &mut self.0);
        self
    }

    /// Writes a `double`.
    #[must_use]
    pub fn double(self, value: f64) -> Row {
        self.raw(&value.to_le_bytes())
    }

    /// Writes a `float`.
    #[must_use]
    pub fn float(self, value: f32) -> Row {
        self.raw(&value.to_le_bytes())
    }

    /// Writes bytes unchanged: a `fixed`, a `boolean`.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Row {
        self.0.extend_from_slice(bytes);
        self
    }
}

impl AsRef<[u8]> for Row {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A value to write. It must be one of the schema's.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A `null`.
    Null,
    /// An `int`, a `long` or the index of an enum's symbol.
    Long(i64),
    /// A `double`.
    Double(f64),
    /// `bytes` or a `string`.
    Text(Vec<u8>),
    /// A `fixed`.
    Fixed(Vec<u8>),
    /// An `array`.
    Array(Vec<Value>),
    /// A `map`.
    Map(Vec<(&'static str, Value)>),
    /// The index of a union's branch, and its value.
    Union(i64, Box<Value>),
    /// The fields of a `record`.
    Record(Vec<Value>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Long(v)
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Text(v.as_bytes().to_vec())
    }
}

/// A value of `["null", T]`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        match v {
            None => Value::Union(0, Box::new(Value::Null)),
            Some(v) => Value::Union(1, Box::new(v.into())),
        }
    }
}

impl Value {
    /// Returns the bytes of the value.
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        self.encode(&mut out);
        out.into_bytes()
    }

    fn encode(&self, out: &mut Encoder) {
        match self {
            Value::Null => {}
            Value::Long(v) => out.long(*v),
            Value::Double(v) => out.double(*v),
            Value::Text(v) => out.bytes(v),
            Value::Fixed(v) => out.fixed(v),
            Value::Array(items) => out.items(items.len() as u64, |out, at| items[at as usize].encode(out)),
            Value::Map(entries) => out.items(entries.len() as u64, |out, at| {
                let (key, value) = &entries[at as usize];
                out.string(key);
                value.encode(out);
            }),
            Value::Union(branch, value) => {
                out.branch(*branch);
                value.encode(out);
            }
            Value::Record(fields) => fields.iter().for_each(|field| field.encode(out)),
        }
    }
}
