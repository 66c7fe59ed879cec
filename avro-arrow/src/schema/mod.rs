//! Avro schemas: JSON text in, an arena of nodes out. References are resolved to node ids while parsing, so nothing after
//! it looks names up; a recursive type is a cycle of ids. A schema's canonical form is a text again.
//!
//! Parsing is lenient about what real files get wrong and that does not change how their data is encoded: names with
//! characters that the specification forbids, defaults of the wrong type, the same named type defined twice alike.

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
mod text;
mod validity;
mod widen;

pub use fingerprint::Fingerprint;
pub(crate) use from_arrow::valid_name;
pub use imports::Imports;
pub use logical::Logical;
pub use merge::{MergedSchema, Note, OnConflict, Provenance};
pub use names::Name;
pub(crate) use size::{Sizes, is_zero_width};

use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// Attributes that the specification gives no meaning, as they stand in the schema, in their order.
pub type Attributes = serde_json::Map<String, Json>;

/// A parsed Avro schema. Cheap to clone.
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

/// One type of a schema.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// What it is and what it is made of.
    pub kind: Kind,
    /// Its logical type, where that is known and valid on this kind.
    pub logical: Option<Logical>,
    /// All other attributes; `logicalType`, `precision` and `scale` too, where they were not understood.
    pub attributes: Attributes,
}

/// What a type is made of.
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
    /// So many bytes.
    Fixed(Fixed),
    /// The index of a symbol.
    Enum(Enum),
    /// Its fields, one after the other.
    Record(Record),
}

/// A `fixed` type.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// Its full name.
    pub name: Name,
    /// Its other names.
    pub aliases: Vec<Name>,
    /// Its documentation.
    pub doc: Option<String>,
    /// Bytes of a value; 0 is legal.
    pub size: usize,
}

/// An `enum` type.
#[derive(Debug, Clone, PartialEq)]
pub struct Enum {
    /// Its full name.
    pub name: Name,
    /// Its other names.
    pub aliases: Vec<Name>,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its symbols, by index.
    pub symbols: Vec<String>,
    /// What a reader takes for a symbol it does not know.
    pub default: Option<String>,
}

/// A `record` (or `error`) type.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its full name.
    pub name: Name,
    /// Its other names.
    pub aliases: Vec<Name>,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its fields, in the order of their bytes.
    pub fields: Vec<Field>,
}

/// The attribute that keeps a field's name from before it was written: one that Avro does not allow, such as `a-b`.
pub const ORIGINAL_NAME: &str = "original-name";

/// [`ORIGINAL_NAME`] as the key of an Arrow field's metadata.
pub const ORIGINAL_NAME_KEY: &str = "avro.original-name";

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Its documentation.
    pub doc: Option<String>,
    /// What a reader takes where the writer has no such field. Kept as it stands: only its use checks it.
    pub default: Option<Json>,
    /// Its type.
    pub node: NodeId,
    /// All other attributes, `order` among them.
    pub attributes: Attributes,
}

/// Schemas are the same if their texts are.
impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.json == other.json
    }
}

impl Eq for Schema {}

impl Schema {
    /// The outermost type.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The node with this id. Ids come from the same schema.
    // Indexed without a check of its own: ids are made by the parser of this very arena.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Can a value of this type hold a value of the same type, at any depth? A walk that stops at such types comes to an
    /// end, and is nowhere deeper than [`Limits::nesting`](crate::Limits::nesting).
    pub fn is_recursive(&self, id: NodeId) -> bool {
        self.recursive.get(id.index()).is_some_and(|r| *r)
    }

    /// How many branches of a union before this one have the same tag in JSON. Not 0 only in unions of two types of one kind,
    /// which the specification forbids.
    pub(crate) fn nth_of_tag(&self, branches: &[NodeId], branch: usize) -> usize {
        let tag = |branch: &NodeId| self.node(*branch).kind.tag();
        let of_branch = branches.get(branch).map(tag);
        branches.iter().take(branch).filter(|other| Some(tag(other)) == of_branch).count()
    }

    /// The tag of a union's branch in JSON: the name of its type, and a number where a branch before it has the same.
    // SPEC: JSON Encoding. Of unions that are valid, the number is never needed.
    pub(crate) fn tag_of(&self, branches: &[NodeId], branch: usize) -> String {
        let tag = branches.get(branch).map_or("", |branch| self.node(*branch).kind.tag());
        match self.nth_of_tag(branches, branch) {
            0 => tag.to_owned(),
            nth => format!("{tag}_{nth}"),
        }
    }

    /// The branch that a tag in JSON means.
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

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true: a schema has at least its root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The text it was parsed from.
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl NodeId {
    pub(crate) fn new(index: usize) -> NodeId {
        NodeId(index as u32)
    }

    /// Its index in the arena, for tables beside it.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A type as errors and reports name it: `int`, `long (timestamp-millis)`, `record a.B`, `fixed a.F(2)`.
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
    /// The types that it is made of, by index.
    pub(crate) fn child(&self, idx: usize) -> Option<NodeId> {
        match self {
            Kind::Array(items) | Kind::Map(items) => (idx == 0).then_some(*items),
            Kind::Union(branches) => branches.get(idx).copied(),
            Kind::Record(record) => record.fields.get(idx).map(|f| f.node),
            _ => None,
        }
    }

    /// The name of a named type.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Kind::Fixed(t) => Some(&t.name),
            Kind::Enum(t) => Some(&t.name),
            Kind::Record(t) => Some(&t.name),
            _ => None,
        }
    }

    /// What tags its values in the JSON of a union: its full name, or the word for it.
    pub(crate) fn tag(&self) -> &str {
        self.name().map_or(self.word(), Name::full)
    }

    /// The specification's word for it: `null`, `boolean`, `record`, …
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
