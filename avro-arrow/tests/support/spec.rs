//! Schema resolution as the specification describes it, value by value and without the library: a model of schemas and
//! values, and the value that a reader gets of a writer's.
//!
//! Where the library goes beyond the specification, so does this, and says so at the place.

use std::collections::HashSet;

/// A schema: its named types, and its outermost type.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) types: Vec<Named>,
    pub(crate) root: Type,
}

/// A named type.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Full names.
    pub(crate) aliases: Vec<String>,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Record(Vec<Field>),
    Enum(Vec<String>, Option<String>),
    /// The size, and whether it is a decimal(4, 2).
    Fixed(usize, bool),
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) kind: Type,
    /// The value that readers take, and its JSON.
    pub(crate) default: Option<(Value, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    /// A primitive type.
    Word(&'static str),
    /// bytes, decimal(4, 2).
    Decimal,
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    /// Index of a named type.
    Named(usize),
}

/// A value of some type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Int(i64),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    Symbol(String),
    Items(Vec<Value>),
    Entries(Vec<(String, Value)>),
    Record(Vec<Value>),
    Branch(usize, Box<Value>),
}

impl Named {
    pub(crate) fn full(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    fn kind(&self) -> &'static str {
        match self.body {
            Body::Record(_) => "record",
            Body::Enum(..) => "enum",
            Body::Fixed(..) => "fixed",
        }
    }
}

/// A writer's and a reader's schema.
pub(crate) struct Resolver<'m> {
    writer: &'m Model,
    reader: &'m Model,
    /// Whether names may be overlooked where only two types can be meant.
    lenient: bool,
    /// By the writer's named type: its full name after the reader's aliases rewrote it.
    names: Vec<String>,
}

/// Where a writer's type stands: whether another of its kind stands beside it in a union.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    Others,
    /// Names were compared already.
    Chosen,
}

impl<'m> Resolver<'m> {
    // SPEC: Aliases: "if the writer's schema was a record named Foo and the reader's schema is a record named Bar with
    // alias Foo, then the implementation would act as though Foo was named Bar when reading". A type of the reader's
    // that has the writer's very name keeps it.
    pub(crate) fn new(writer: &'m Model, reader: &'m Model, lenient: bool) -> Resolver<'m> {
        let mut used = vec![false; reader.types.len()];
        use_types(reader, &reader.root, &mut used);
        let known = || reader.types.iter().zip(&used).filter(|(_, used)| **used).map(|(named, _)| named);
        let own: HashSet<String> = known().map(Named::full).collect();
        let rewritten = |named: &Named| {
            let full = named.full();
            let by_alias = |other: &&Named| other.kind() == named.kind() && other.aliases.contains(&full);
            match known().find(by_alias) {
                Some(other) if !own.contains(&full) => other.full(),
                _ => full,
            }
        };
        Resolver { writer, reader, lenient, names: writer.types.iter().map(rewritten).collect() }
    }

    /// The reader's value, or nothing where an error is to be signalled.
    pub(crate) fn read(&self, value: &Value) -> Option<Value> {
        let (w, r) = (&self.writer.root, &self.reader.root);
        if !self.can(w, r, Beside::Nothing, &mut Vec::new()) {
            return None;
        }
        self.value(w, r, Beside::Nothing, value)
    }

    /// Whether the reader's schema reads any value at all.
    pub(crate) fn reads(&self) -> bool {
        self.can(&self.writer.root, &self.reader.root, Beside::Nothing, &mut Vec::new())
    }

    fn simple(full: &str) -> &str {
        full.rsplit('.').next().unwrap()
    }

    // SPEC: Schema Resolution: "both schemas are records with the same (unqualified) name", and so for enums and fixed.
    // Beyond it, an alias in another namespace will do.
    fn same_name(&self, w: usize, r: usize) -> bool {
        let (name, reader) = (Self::simple(&self.names[w]), &self.reader.types[r]);
        let old = &self.writer.types[w].name;
        name == reader.name || reader.aliases.iter().any(|alias| Self::simple(alias) == old)
    }

    /// How two types that are not unions match: nothing, or the smaller the better.
    // SPEC: "the first schema in the reader's union that matches". Implementations prefer the type itself to a
    // promotion.
    fn rank(&self, w: &Type, r: &Type, overlook: bool) -> Option<u8> {
        let of_a_kind = |w: usize, r: usize| match (&self.writer.types[w].body, &self.reader.types[r].body) {
            (Body::Record(_), Body::Record(_)) | (Body::Enum(..), Body::Enum(..)) => true,
            (Body::Fixed(a, _), Body::Fixed(b, _)) => a == b,
            _ => false,
        };
        let decimals = |w: usize, r: usize| is_decimal(&self.writer.types[w]) && is_decimal(&self.reader.types[r]);
        match (w, r) {
            (Type::Array(w), Type::Array(r)) | (Type::Map(w), Type::Map(r)) => match (&**w, &**r) {
                (Type::Union(_), _) | (_, Type::Union(_)) => Some(0),
                (w, r) => self.rank(w, r, overlook),
            },
            (Type::Named(w), Type::Named(r)) if of_a_kind(*w, *r) => match () {
                () if self.names[*w] == self.reader.types[*r].full() => Some(0),
                () if Self::simple(&self.names[*w]) == self.reader.types[*r].name => Some(1),
                () if self.same_name(*w, *r) => Some(2),
                () if decimals(*w, *r) => Some(3),
                () => overlook.then_some(4),
            },
            (Type::Named(w), Type::Named(r)) if decimals(*w, *r) => Some(3),
            (Type::Word(a), Type::Word(b)) if a == b => Some(0),
            (Type::Decimal, Type::Decimal) => Some(0),
            (Type::Decimal, Type::Word("bytes")) | (Type::Word("bytes"), Type::Decimal) => Some(1),
            // SPEC: "two schemas that are decimal logical types match if their scales and precisions match".
            (Type::Decimal, Type::Named(n)) => is_decimal(&self.reader.types[*n]).then_some(3),
            (Type::Named(n), Type::Decimal) => is_decimal(&self.writer.types[*n]).then_some(3),
            // Beyond the specification: an enum as text.
            (Type::Named(n), Type::Word("string")) => matches!(self.writer.types[*n].body, Body::Enum(..)).then_some(5),
            (w, r) => promotes(w, r).then_some(3),
        }
    }

    fn branch(&self, w: &Type, branches: &[Type], beside: Beside) -> Option<usize> {
        let same_kind = |r: &&Type| self.word(self.reader, r) == self.word(self.writer, w);
        let alone = branches.iter().filter(same_kind).count() == 1;
        let overlook = self.lenient && alone && beside == Beside::Nothing;
        let ranks = branches.iter().enumerate().filter_map(|(at, r)| Some((self.rank(w, r, overlook)?, at)));
        ranks.min().map(|(_, at)| at)
    }

    fn word(&self, of: &Model, kind: &Type) -> &'static str {
        match kind {
            Type::Word(word) => word,
            Type::Decimal => "bytes",
            Type::Array(_) => "array",
            Type::Map(_) => "map",
            Type::Union(_) => "union",
            Type::Named(n) => of.types[*n].kind(),
        }
    }

    fn beside(&self, branches: &[Type], branch: &Type) -> Beside {
        let word = self.word(self.writer, branch);
        let n = branches.iter().filter(|other| self.word(self.writer, other) == word).count();
        if n > 1 { Beside::Others } else { Beside::Nothing }
    }

    /// Whether names let two types meet that are not both unions.
    fn names_allow(&self, w: &Type, r: &Type, beside: Beside) -> bool {
        match (w, r) {
            (Type::Named(a), Type::Named(b)) => {
                let decimals = is_decimal(&self.writer.types[*a]) && is_decimal(&self.reader.types[*b]);
                let overlook = beside == Beside::Chosen || (beside == Beside::Nothing && self.lenient);
                decimals || overlook || self.same_name(*a, *b)
            }
            _ => true,
        }
    }

    /// Whether any value of the writer's type can be read: what every value would meet is an error of the schemas.
    fn can(&self, w: &Type, r: &Type, beside: Beside, seen: &mut Vec<(Type, Type)>) -> bool {
        if let (Type::Named(_), Type::Named(_)) = (w, r) {
            let pair = (w.clone(), r.clone());
            if seen.contains(&pair) {
                return true;
            }
            seen.push(pair);
        }
        let can = self.can_here(w, r, beside, seen);
        if let (Type::Named(_), Type::Named(_)) = (w, r) {
            seen.pop();
        }
        can
    }

    fn can_here(&self, w: &Type, r: &Type, beside: Beside, seen: &mut Vec<(Type, Type)>) -> bool {
        match (w, r) {
            (Type::Union(branches), r) => {
                branches.iter().any(|branch| self.can(branch, r, self.beside(branches, branch), seen))
            }
            (w, Type::Union(branches)) => match self.branch(w, branches, beside) {
                Some(at) => self.can(w, &branches[at], Beside::Chosen, seen),
                None => false,
            },
            _ if !self.names_allow(w, r, beside) => false,
            (Type::Array(w), Type::Array(r)) | (Type::Map(w), Type::Map(r)) => self.can(w, r, beside, seen),
            (Type::Named(a), Type::Named(b)) => match (&self.writer.types[*a].body, &self.reader.types[*b].body) {
                (Body::Record(w), Body::Record(r)) => fields(w, r).into_iter().zip(r).all(|(from, to)| match from {
                    Some(from) => self.can(&w[from].kind, &to.kind, Beside::Nothing, seen),
                    None => to.default.is_some(),
                }),
                _ => self.rank(w, r, true).is_some(),
            },
            _ => self.rank(w, r, true).is_some(),
        }
    }

    fn value(&self, w: &Type, r: &Type, beside: Beside, value: &Value) -> Option<Value> {
        match (w, r, value) {
            (Type::Union(branches), r, Value::Branch(at, value)) => {
                let branch = &branches[*at];
                let beside = self.beside(branches, branch);
                if !self.can(branch, r, beside, &mut Vec::new()) {
                    return None;
                }
                self.value(branch, r, beside, value)
            }
            (w, Type::Union(branches), value) => {
                let at = self.branch(w, branches, beside)?;
                let value = self.value(w, &branches[at], Beside::Chosen, value)?;
                Some(Value::Branch(at, Box::new(value)))
            }
            (Type::Array(w), Type::Array(r), Value::Items(items)) => {
                Some(Value::Items(items.iter().map(|item| self.value(w, r, beside, item)).collect::<Option<_>>()?))
            }
            (Type::Map(w), Type::Map(r), Value::Entries(entries)) => {
                let entry = |(key, value): &(String, Value)| Some((key.clone(), self.value(w, r, beside, value)?));
                Some(Value::Entries(entries.iter().map(entry).collect::<Option<_>>()?))
            }
            (Type::Named(a), Type::Named(b), value) => {
                match (&self.writer.types[*a].body, &self.reader.types[*b].body, value) {
                    (Body::Record(w), Body::Record(r), Value::Record(values)) => {
                        let field = |(from, to): (Option<usize>, &Field)| match from {
                            Some(from) => self.value(&w[from].kind, &to.kind, Beside::Nothing, &values[from]),
                            None => Some(to.default.as_ref()?.0.clone()),
                        };
                        let values = fields(w, r).into_iter().zip(r).map(field).collect::<Option<_>>()?;
                        Some(Value::Record(values))
                    }
                    // SPEC: "if the writer's symbol is not present in the reader's enum and the reader has a default
                    // value, then that value is used, otherwise an error is signalled".
                    (Body::Enum(..), Body::Enum(symbols, default), Value::Symbol(symbol)) => {
                        let known = symbols.contains(symbol).then(|| symbol.clone());
                        known.or_else(|| default.clone()).map(Value::Symbol)
                    }
                    (Body::Fixed(..), Body::Fixed(size, _), Value::Bytes(bytes)) => sized(bytes, *size),
                    _ => panic!("no pair of a value: {w:?} {r:?}"),
                }
            }
            (_, Type::Named(n), Value::Bytes(bytes)) => match self.reader.types[*n].body {
                Body::Fixed(size, _) => sized(bytes, size),
                _ => panic!("bytes as {r:?}"),
            },
            (_, _, Value::Symbol(symbol)) => Some(Value::Text(symbol.clone())),
            (_, Type::Word("long"), Value::Int(n)) => Some(Value::Long(*n)),
            (_, Type::Word("float"), Value::Int(n) | Value::Long(n)) => Some(Value::Float(*n as f32)),
            (_, Type::Word("double"), Value::Int(n) | Value::Long(n)) => Some(Value::Double(*n as f64)),
            (_, Type::Word("double"), Value::Float(n)) => Some(Value::Double((*n).into())),
            (_, Type::Word("string"), Value::Bytes(bytes)) => String::from_utf8(bytes.clone()).ok().map(Value::Text),
            (_, Type::Word("bytes") | Type::Decimal, Value::Text(text)) => {
                Some(Value::Bytes(text.clone().into_bytes()))
            }
            (_, _, value) => Some(value.clone()),
        }
    }
}

/// Notes the types that a type is made of.
fn use_types(model: &Model, kind: &Type, used: &mut Vec<bool>) {
    match kind {
        Type::Array(inner) | Type::Map(inner) => use_types(model, inner, used),
        Type::Union(branches) => branches.iter().for_each(|branch| use_types(model, branch, used)),
        Type::Named(at) if !std::mem::replace(&mut used[*at], true) => {
            if let Body::Record(fields) = &model.types[*at].body {
                fields.iter().for_each(|field| use_types(model, &field.kind, used));
            }
        }
        _ => {}
    }
}

// SPEC: "int is promotable to long, float, or double", and so on.
fn promotes(w: &Type, r: &Type) -> bool {
    let word = |kind: &Type| match kind {
        Type::Word(word) => *word,
        Type::Decimal => "bytes",
        _ => "",
    };
    matches!(
        (word(w), word(r)),
        ("int", "long" | "float" | "double")
            | ("long", "float" | "double")
            | ("float", "double")
            | ("string", "bytes")
            | ("bytes", "string")
    )
}

fn is_decimal(named: &Named) -> bool {
    matches!(named.body, Body::Fixed(_, true))
}

/// A decimal's two's complement in `size` bytes.
fn sized(bytes: &[u8], size: usize) -> Option<Value> {
    let mut number = bytes.first().map_or(0, |byte| if *byte >= 0x80 { -1i128 } else { 0 });
    for byte in bytes {
        number = (number << 8) | i128::from(*byte);
    }
    if bytes.len() != size && (number << (128 - 8 * size)) >> (128 - 8 * size) != number {
        return None;
    }
    Some(Value::Bytes(number.to_be_bytes()[16 - size..].to_vec()))
}

/// By the reader's field: the writer's. One that has its own name keeps it, then aliases are looked at.
// SPEC: "fields are matched by name"; Aliases.
fn fields(writer: &[Field], reader: &[Field]) -> Vec<Option<usize>> {
    let mut free: HashSet<usize> = (0..writer.len()).collect();
    let mut find = |name: &str| {
        let at = writer.iter().position(|field| field.name == name)?;
        free.remove(&at).then_some(at)
    };
    let mut found: Vec<Option<usize>> = reader.iter().map(|field| find(&field.name)).collect();
    for (from, field) in found.iter_mut().zip(reader) {
        if from.is_none() {
            *from = field.aliases.iter().find_map(|alias| find(alias));
        }
    }
    found
}
