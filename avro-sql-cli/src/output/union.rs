//! Unions as text: the value of a branch, with the branch's name if it would be read back as another branch.
//!
//! The reader is `avro_arrow::json::Encoder::readable`, which uses the same rule for tags.

use arrow::array::UnionArray;
use arrow::datatypes::{DataType, UnionFields, UnionMode};
use arrow::error::ArrowError;

use super::value::{ColumnFormatter, quote};
use super::{TextStyle, UnionText};

/// The values of a union.
pub(super) struct Branches<'a> {
    union: &'a UnionArray,
    mode: UnionMode,
    branches: Vec<Branch<'a>>,
    tags: Tags,
}

struct Branch<'a> {
    id: i8,
    column: ColumnFormatter<'a>,
    shape: Shape,
    /// The branch's name as JSON, with the bracket before it and the colon.
    tag: String,
}

/// Which values have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tags {
    None,
    /// Those that look like values of another branch.
    Some,
    All,
}

/// The JSON form of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Null,
    Boolean,
    Integer,
    Fraction,
    Decimal,
    Text,
    Array,
    Object,
}

impl Shape {
    fn from_type(kind: &DataType) -> Shape {
        match kind {
            DataType::Null => Shape::Null,
            DataType::Boolean => Shape::Boolean,
            kind if kind.is_integer() => Shape::Integer,
            kind if kind.is_floating() => Shape::Fraction,
            kind if kind.is_decimal() => Shape::Decimal,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => Shape::Array,
            DataType::Map(..) | DataType::Struct(_) | DataType::Union(..) => Shape::Object,
            _ => Shape::Text,
        }
    }

    fn is_like(self, other: Shape) -> bool {
        let is_number = |shape| matches!(shape, Shape::Integer | Shape::Fraction | Shape::Decimal);
        self == other || (is_number(self) && is_number(other) && (self == Shape::Decimal || other == Shape::Decimal))
    }
}

impl<'a> Branches<'a> {
    pub(super) fn new(
        fields: &UnionFields,
        mode: UnionMode,
        union: &'a UnionArray,
        style: TextStyle,
    ) -> Result<Self, ArrowError> {
        let branches = fields.iter().map(|(id, field)| {
            let mut tag = "{".to_owned();
            quote(field.name(), &mut tag);
            tag.push(':');
            let column = ColumnFormatter::new(field, union.child(id).as_ref(), style)?;
            Ok(Branch { id, column, shape: Shape::from_type(field.data_type()), tag })
        });
        let branches: Vec<Branch<'a>> = branches.collect::<Result<_, ArrowError>>()?;
        let has = |shape| branches.iter().any(|branch| branch.shape == shape);
        let pairs =
            || branches.iter().enumerate().flat_map(|(at, a)| branches.iter().skip(at + 1).map(move |b| (a, b)));
        let alike = pairs().any(|(a, b)| a.shape.is_like(b.shape));
        let one_of = branches.iter().filter(|branch| branch.shape != Shape::Null).count() <= 1;
        let tags = match style.unions {
            UnionText::Bare => Tags::None,
            UnionText::Tagged if one_of => Tags::None,
            // `NaN` has a tag if there is another text branch; a map could look like that tag.
            UnionText::Tagged if alike || (has(Shape::Fraction) && has(Shape::Text) && has(Shape::Object)) => Tags::All,
            UnionText::Tagged => Tags::Some,
        };
        Ok(Branches { union, mode, branches, tags })
    }

    /// Returns the branch of a row's value and the index of the value in it.
    fn branch(&self, row: usize) -> Result<(&Branch<'a>, usize), ArrowError> {
        let id = self.union.type_id(row);
        let row = match self.mode {
            UnionMode::Dense => self.union.value_offset(row),
            UnionMode::Sparse => row,
        };
        let branch = self.branches.iter().find(|branch| branch.id == id);
        Ok((branch.ok_or_else(|| ArrowError::InvalidArgumentError(format!("a union has no branch {id}")))?, row))
    }

    /// Appends a value as JSON.
    pub(super) fn json(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        let (branch, row) = self.branch(row)?;
        match self.tags {
            Tags::All => branch.tagged(row, to),
            Tags::Some if branch.shape == Shape::Fraction && self.has_text() => {
                let start = to.len();
                branch.column.json(row, to)?;
                if to.get(start..).is_some_and(|json| json.starts_with('"')) {
                    to.truncate(start);
                    branch.tagged(row, to)?;
                }
                Ok(())
            }
            _ => branch.column.json(row, to),
        }
    }

    /// Appends a value as a cell. A text that could be read as JSON, such as `true`, is a JSON string.
    pub(super) fn text(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        let (branch, row) = self.branch(row)?;
        match self.tags {
            Tags::None => return branch.column.text(row, to),
            Tags::All => return branch.tagged(row, to),
            Tags::Some => {}
        }
        let start = to.len();
        branch.column.text(row, to)?;
        let cell = to.get(start..).unwrap_or_default();
        match branch.shape {
            Shape::Text if serde_json::from_str::<serde_json::Value>(cell).is_ok() => {
                to.truncate(start);
                branch.column.json(row, to)
            }
            Shape::Fraction if self.has_text() && !cell.ends_with(|c: char| c.is_ascii_digit()) => {
                to.truncate(start);
                branch.tagged(row, to)
            }
            _ => Ok(()),
        }
    }

    fn has_text(&self) -> bool {
        self.branches.iter().any(|branch| branch.shape == Shape::Text)
    }
}

impl Branch<'_> {
    fn tagged(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        to.push_str(&self.tag);
        self.column.json(row, to)?;
        to.push('}');
        Ok(())
    }
}
