//! Avro schemas, parsed from JSON text into an arena of nodes. References are resolved to node ids while parsing, so
//! later code looks up no names; a recursive type is a cycle of ids.
//!
//! Parsing accepts common mistakes that do not change how data is encoded: names with forbidden characters, defaults
//! of the wrong type, a named type defined twice alike.

mod canonical;
mod fingerprint;
mod compose;
mod from_arrow;
mod graph;
mod hints;
mod imports;
mod logical;
mod merge;
mod names;
mod parse;
mod size;
mod lenient_json;
mod validity;
mod widen;

pub use fingerprint::Fingerprint;
pub use from_arrow::ENUM_SYMBOLS;
pub(crate) use from_arrow::valid_name;
pub use imports::Imports;
pub(crate) use lenient_json::of_schema as json_of_text;
pub use logical::Logical;
pub use merge::{MergedSchema, Note, OnConflict, Provenance};
pub use names::Name;
pub(crate) use parse::{is_primitive, json_of};
pub(crate) use size::{Sizes, is_zero_width};

use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// Attributes without a meaning in the specification, unchanged and in their order.
pub type Attributes = serde_json::Map<String, Json>;

/// A parsed Avro schema, cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema {
    nodes: Arc<[Node]>,
    root: NodeId,
    recursive: Arc<[bool]>,
    json: Arc<str>,
    /// The name of a type that is defined twice, if there is one.
    repeated: Option<Arc<str>>,
}

/// Index of a node in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// A type of a schema.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// The kind of the type, with its parts.
    pub kind: Kind,
    /// The logical type, if it is known and valid on this kind.
    pub logical: Option<Logical>,
    /// All other attributes, including `logicalType`, `precision` and `scale` if they are invalid.
    pub attributes: Attributes,
}

/// The kind of a type. It is exhaustive, as Avro's kinds are fixed by its encoding.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// No bytes.
    Null,
    /// One byte, 0 or 1.
    Boolean,
    /// A zig-zag varint of 32 bits.
    Int,
    /// A zig-zag varint of 64 bits.
    Long,
    /// Four bytes, little-endian.
    Float,
    /// Eight bytes, little-endian.
    Double,
    /// A length and that many bytes.
    Bytes,
    /// A length and that many bytes of UTF-8.
    String,
    /// Blocks of items of one type.
    Array(NodeId),
    /// Blocks of string keys with values of one type.
    Map(NodeId),
    /// The index of a branch, and its value.
    Union(Vec<NodeId>),
    /// A fixed number of bytes.
    Fixed(Fixed),
    /// The index of a symbol.
    Enum(Enum),
    /// The fields one after the other.
    Record(Record),
}

/// A `fixed` type.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// The full name.
    pub name: Name,
    /// The aliases.
    pub aliases: Vec<Name>,
    /// The documentation.
    pub doc: Option<String>,
    /// Size of a value in bytes, which may be 0.
    pub size: usize,
}

/// An `enum` type.
#[derive(Debug, Clone, PartialEq)]
pub struct Enum {
    /// The full name.
    pub name: Name,
    /// The aliases.
    pub aliases: Vec<Name>,
    /// The documentation.
    pub doc: Option<String>,
    /// The symbols, by index.
    pub symbols: Vec<String>,
    /// The symbol that a reader uses for an unknown one.
    pub default: Option<String>,
}

/// A `record` (or `error`) type.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The full name.
    pub name: Name,
    /// The aliases.
    pub aliases: Vec<Name>,
    /// The documentation.
    pub doc: Option<String>,
    /// The fields, in the order of their encoding.
    pub fields: Vec<Field>,
}

/// The attribute that keeps the original name of a field whose name Avro does not allow, such as `a-b`.
pub const ORIGINAL_NAME: &str = "original-name";

/// [`ORIGINAL_NAME`] as the key of an Arrow field's metadata.
pub const ORIGINAL_NAME_KEY: &str = "avro.original-name";

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// The name.
    pub name: String,
    /// The aliases.
    pub aliases: Vec<String>,
    /// The documentation.
    pub doc: Option<String>,
    /// The value that a reader uses if the writer has no such field. It is unchecked until it is used.
    pub default: Option<Json>,
    /// The type.
    pub node: NodeId,
    /// All other attributes, such as `order`.
    pub attributes: Attributes,
}

/// Schemas are equal if their texts are.
impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.json == other.json
    }
}

impl Eq for Schema {}

impl Schema {
    /// Returns the id of the outermost type.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// Returns the node with this id, which must come from this schema.
    // Indexed without a check of its own: ids are made by the parser of this very arena.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Whether a value of this type can contain another value of the type, at any depth. A walk that stops at such
    /// types ends, at a depth of at most [`Limits::nesting`](crate::Limits::nesting).
    pub fn is_recursive(&self, id: NodeId) -> bool {
        self.recursive.get(id.index()).is_some_and(|r| *r)
    }

    /// The number of earlier branches with the same tag in JSON. It is not 0 only in unions of two types of one kind,
    /// which the specification forbids.
    pub(crate) fn nth_of_tag(&self, branches: &[NodeId], branch: usize) -> usize {
        let tag = |branch: &NodeId| self.node(*branch).kind.tag();
        let of_branch = branches.get(branch).map(tag);
        branches.iter().take(branch).filter(|other| Some(tag(other)) == of_branch).count()
    }

    /// The tag of a union's branch in JSON: the name of its type, with a number if an earlier branch has the same.
    // SPEC: JSON Encoding. Of unions that are valid, the number is never needed.
    pub(crate) fn tag_of(&self, branches: &[NodeId], branch: usize) -> String {
        let tag = branches.get(branch).map_or("", |branch| self.node(*branch).kind.tag());
        match self.nth_of_tag(branches, branch) {
            0 => tag.to_owned(),
            nth => format!("{tag}_{nth}"),
        }
    }

    /// The branch with this tag in JSON.
    pub(crate) fn branch_of_tag(&self, branches: &[NodeId], tag: &str) -> Option<usize> {
        let with = |tag: &str, nth: usize| {
            let same = branches.iter().enumerate().filter(|(_, branch)| self.node(**branch).kind.tag() == tag);
            same.map(|(at, _)| at).nth(nth)
        };
        let numbered = || {
            let (tag, nth) = tag.rsplit_once('_')?;
            with(tag, nth.parse().ok().filter(|nth| *nth > 0)?)
        };
        with(tag, 0).or_else(numbered)
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Always `false`, as a schema has at least its root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the JSON text of the schema.
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl NodeId {
    pub(crate) fn new(index: usize) -> NodeId {
        NodeId(index as u32)
    }

    /// Returns the index in the arena, for tables that parallel it.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Formats a type for messages: `int`, `long (timestamp-millis)`, `record a.B`, `fixed a.F(2)`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        match &self.kind {
            Kind::Fixed(fixed) => write!(f, " {}({})", fixed.name, fixed.size)?,
            kind => kind.name().map_or(Ok(()), |name| write!(f, " {name}"))?,
        }
        match self.logical {
            Some(Logical::Decimal { precision, scale }) => write!(f, " (decimal({precision}, {scale}))"),
            Some(logical) => write!(f, " ({})", logical.word()),
            None => Ok(()),
        }
    }
}

impl Kind {
    /// The child type with this index.
    pub(crate) fn child(&self, idx: usize) -> Option<NodeId> {
        match self {
            Kind::Array(items) | Kind::Map(items) => (idx == 0).then_some(*items),
            Kind::Union(branches) => branches.get(idx).copied(),
            Kind::Record(record) => record.fields.get(idx).map(|f| f.node),
            _ => None,
        }
    }

    /// Returns the name of a named type.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Kind::Fixed(t) => Some(&t.name),
            Kind::Enum(t) => Some(&t.name),
            Kind::Record(t) => Some(&t.name),
            _ => None,
        }
    }

    /// The tag of its values in JSON unions: its full name, or its word.
    pub(crate) fn tag(&self) -> &str {
        self.name().map_or(self.word(), Name::full)
    }

    /// Returns the specification's word for the kind: `null`, `boolean`, `record`, …
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Fixed(_) => "fixed",
            Kind::Enum(_) => "enum",
            Kind::Record(_) => "record",
        }
    }
}
