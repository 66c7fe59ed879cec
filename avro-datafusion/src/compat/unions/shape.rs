//! Shapes of unions: their branches, the type they compute as, and their names in messages.

use arrow_schema::{DataType, FieldRef, Fields};
use avro_arrow::tagged::{is_tagged, null_branch, tagged_fields};
use datafusion::common::{DFSchema, DataFusionError, plan_datafusion_err};
use datafusion::logical_expr::{Expr, ExprSchemable};

/// A union: its non-null branches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UnionShape {
    pub(super) branches: Fields,
    /// Whether null is a branch.
    pub(super) has_null: bool,
}

/// Classes of types that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeClass {
    Null,
    Number,
    Text,
    Boolean,
    Bytes,
    Date,
    Time,
    Interval,
    Nested,
}

/// The union that a type is.
pub(super) fn union_of(data_type: &DataType) -> Option<UnionShape> {
    let tagged = match data_type {
        DataType::Struct(fields) if is_tagged(fields) => fields.clone(),
        DataType::Union(children, _) => tagged_fields(children),
        _ => return None,
    };
    let has_null = null_branch(&tagged).is_some();
    Some(UnionShape { branches: tagged, has_null })
}

/// The union that the items of a list are.
pub(super) fn items_of(data_type: &DataType) -> Option<UnionShape> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            union_of(item.data_type()).or_else(|| items_of(item.data_type()))
        }
        _ => None,
    }
}

/// The union that an expression is.
pub(super) fn union_of_expr(expr: &Expr, schema: &DFSchema) -> Option<UnionShape> {
    union_of(&expr.get_type(schema).ok()?)
}

/// Whether there is a union in a type, at any depth.
pub(super) fn has_union(data_type: &DataType) -> bool {
    union_of(data_type).is_some()
        || match data_type {
            DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => has_union(item.data_type()),
            _ => false,
        }
}

/// Returns whether a type is or contains a map.
pub(super) fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_map(field.data_type())),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_map(item.data_type())
        }
        _ => false,
    }
}

/// Returns whether a type contains one of Arrow's unions, at any depth.
pub(super) fn has_dense(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_dense(field.data_type())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_dense(item.data_type()),
        _ => false,
    }
}

impl UnionShape {
    /// Returns the widest type of a union of numbers; `None` if it has other types.
    pub(super) fn number(&self) -> Option<DataType> {
        use DataType::{Float32, Float64, Int32, Int64};
        let mut widest = None;
        for branch in &self.branches {
            widest = Some(match (widest, branch.data_type()) {
                (None, one @ (Int32 | Int64 | Float32 | Float64)) => one.clone(),
                (Some(Int32 | Int64), Int32 | Int64) => Int64,
                (Some(_), Int32 | Int64 | Float32 | Float64) => Float64,
                _ => return None,
            });
        }
        widest
    }

    /// Returns whether another union has branches of the same names and types in the same order; either may also have
    /// null.
    pub(super) fn has_branches_of(&self, other: &UnionShape) -> bool {
        let same =
            |(a, b): (&FieldRef, &FieldRef)| a.name() == b.name() && a.data_type().equals_datatype(b.data_type());
        self.branches.len() == other.branches.len() && self.branches.iter().zip(&other.branches).all(same)
    }

    /// The branches of this class.
    pub(super) fn of_class(&self, class: TypeClass) -> Vec<&FieldRef> {
        self.branches.iter().filter(|branch| class_of(branch.data_type()) == class).collect()
    }

    /// Returns the branch of this name, compared case-insensitively: its type's name, with or without the namespace.
    pub(super) fn branch(&self, name: &str) -> Option<&FieldRef> {
        let full = |branch: &FieldRef| branch.metadata().get("avro.name").cloned();
        let mut cased = self.branches.iter().filter(|branch| branch.name().eq_ignore_ascii_case(name));
        self.branches
            .iter()
            .find(|branch| branch.name() == name || full(branch).is_some_and(|full| full == name))
            .or_else(|| cased.next().filter(|_| cased.next().is_none()))
    }

    /// `int, string`.
    pub(super) fn names(&self) -> String {
        self.branches.iter().map(|branch| branch.name().as_str()).collect::<Vec<_>>().join(", ")
    }

    /// `a union of int and string`.
    pub(super) fn words(&self) -> String {
        let names: Vec<_> = self.branches.iter().map(|branch| branch.name().as_str()).collect();
        words(&names)
    }

    /// Returns an error about an expression that is this union.
    pub(super) fn refuse(&self, expr: &Expr, problem: &str) -> DataFusionError {
        let name = name_of(expr);
        let first = self.branches.first().map_or("", |branch| branch.name());
        plan_datafusion_err!(
            "{name}: {} {problem}; name a branch, as in {name}.{first}, or cast it, as in {name}::varchar",
            self.words()
        )
    }
}

fn words(names: &[&str]) -> String {
    match names {
        [] => "a union of nothing but null".to_owned(),
        [one] => format!("a union of {one}"),
        [others @ .., last] => format!("a union of {} and {last}", others.join(", ")),
    }
}

/// Formats an expression for a message.
pub(super) fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.clone(),
        Expr::Alias(alias) => alias.name.clone(),
        Expr::ScalarFunction(call) if call.name() == "get_field" => match call.args.as_slice() {
            [base, Expr::Literal(field, _)] => format!("{}.{}", name_of(base), field),
            _ => "the value".to_owned(),
        },
        _ => "the value".to_owned(),
    }
}

/// The class of a type.
pub(super) fn class_of(data_type: &DataType) -> TypeClass {
    use DataType::*;
    match data_type {
        Null => TypeClass::Null,
        Utf8 | LargeUtf8 | Utf8View => TypeClass::Text,
        Boolean => TypeClass::Boolean,
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => TypeClass::Bytes,
        Date32 | Date64 | Timestamp(..) => TypeClass::Date,
        Time32(_) | Time64(_) => TypeClass::Time,
        Interval(_) | Duration(_) => TypeClass::Interval,
        Dictionary(_, values) => class_of(values),
        RunEndEncoded(_, values) => class_of(values.data_type()),
        other if other.is_numeric() => TypeClass::Number,
        _ => TypeClass::Nested,
    }
}

impl TypeClass {
    /// Returns how messages call values of it.
    pub(super) fn word(self) -> &'static str {
        match self {
            TypeClass::Null => "null",
            TypeClass::Number => "a number",
            TypeClass::Text => "text",
            TypeClass::Boolean => "a boolean",
            TypeClass::Bytes => "bytes",
            TypeClass::Date => "a date or timestamp",
            TypeClass::Time => "a time of day",
            TypeClass::Interval => "an interval",
            TypeClass::Nested => "a record, list or map",
        }
    }
}

/// How DataFusion's type texts show the marker of a branch.
const MARK: &str = "\"avro.branch\"";
const DENSE: &str = "Union(Dense, ";

/// Returns whether a message spells out a union.
pub(super) fn is_in_text(text: &str) -> bool {
    text.contains(MARK) || text.contains(DENSE)
}

/// Returns the message without the types, if it spells out a union.
pub(super) fn in_words(text: &str) -> Option<String> {
    if !is_in_text(text) {
        return None;
    }
    // `Struct("int": Int32, metadata: {"avro.branch": "0/2"}, ..)`: a branch is the name before the marker.
    let mut names: Vec<&str> = Vec::new();
    for (at, _) in text.match_indices(MARK) {
        let before = text.get(..at).and_then(|before| before.rsplit_once(", metadata: {"));
        let name =
            before.and_then(|(before, _)| before.rsplit_once("\": ")).and_then(|(name, _)| name.rsplit_once('"'));
        if let Some((_, name)) = name
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    let what = if names.is_empty() { "a union".to_owned() } else { words(&names) };
    let hint = names.first().map_or("a branch".to_owned(), |name| format!("a branch, as in u.{name}"));
    let subject = text.split(['\'', '`']).nth(1).filter(|name| is_name(name)).map(|name| format!("{name}: "));
    Some(format!(
        "{}not defined for {what}; name {hint}, cast it, as in u::varchar, or read the table with the option unions=struct",
        subject.unwrap_or_else(|| "the operation is ".to_owned())
    ))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
