//! Makes the ops that write defaults.

use super::Compiler;
use crate::column::{BufferId, Column, ColumnBuffers};
use crate::plan::{ColumnShape, RecordTarget, Target};
use crate::program::{Branch, Op};
use crate::value::Value;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_schema::DataType;

impl Compiler<'_> {
    /// The ops that write this value, each time.
    pub(super) fn default_value(&mut self, value: &Value, target: &Target, column: &Column) -> Vec<Op> {
        let mut ops = match (value, &target.form, &column.content) {
            (Value::Null, ..) => return self.absent(column),
            (Value::Union(at, value), ColumnShape::Union(targets), ColumnBuffers::Union { ids, offsets, branches }) => {
                let (Some(target), Some(inner)) = (targets.get(*at), branches.get(*at)) else {
                    return self.broken("default branches");
                };
                let body = self.default_value(value, target, inner);
                let branch = Branch { body: self.code.body(body), level: inner.level, id: *at as u8 };
                vec![Op::WriteUnionBranch { ids: *ids, offsets: *offsets, branch }]
            }
            (Value::Union(at, value), ColumnShape::Union(targets), ColumnBuffers::Struct(children)) => {
                let Some(target) = targets.get(*at) else { return self.broken("default branches") };
                return self.branch_of_struct(targets, *at, column, children, |compiler, child| {
                    compiler.default_value(value, target, &Column { valid: None, ..child.clone() })
                });
            }
            (Value::Record(values), ColumnShape::Record(target), ColumnBuffers::Struct(columns)) => {
                self.default_record(values, target, columns)
            }
            (Value::List(values), ColumnShape::List(target), ColumnBuffers::List { offsets, items }) => self
                .default_items(values, *offsets, items, |compiler, value| compiler.default_value(value, target, items)),
            (Value::Map(values), ColumnShape::Map(entry), ColumnBuffers::Map { offsets, entries }) => {
                let (ColumnShape::Record(target), ColumnBuffers::Struct(columns)) = (&entry.form, &entries.content)
                else {
                    return self.broken("default entries");
                };
                self.default_items(values, *offsets, entries, |compiler, (key, value)| {
                    compiler.default_record(&[key.clone(), value.clone()], target, columns)
                })
            }
            (Value::Json(text), _, ColumnBuffers::Text { offsets, bytes, level }) => {
                let text = self.constants.slot(text.as_bytes());
                vec![Op::Text { offsets: *offsets, level: *level, bytes: *bytes, text }]
            }
            (Value::String(text), _, ColumnBuffers::Views(to)) => {
                vec![Op::View { to: *to, view: self.constants.view(text.as_bytes()) }]
            }
            (Value::Bytes(bytes), _, ColumnBuffers::Views(to)) => {
                vec![Op::View { to: *to, view: self.constants.view(bytes) }]
            }
            (value, _, content) => match (content.values(), slot(value, column.field.data_type())) {
                (Some(to), Some(bytes)) => vec![Op::Constant { to, slot: self.constants.slot(&bytes) }],
                _ => return self.broken("defaults"),
            },
        };
        ops.extend(column.valid.map(|to| Op::WriteValid { to }));
        ops
    }

    fn default_record(&mut self, values: &[Value], target: &RecordTarget, columns: &[Column]) -> Vec<Op> {
        let mut ops = Vec::new();
        for ((value, target), column) in values.iter().zip(&target.columns).zip(columns) {
            ops.extend(self.default_value(value, target, column));
        }
        ops
    }

    /// The op that writes items, each by a body of its own.
    fn default_items<T>(
        &mut self,
        values: &[T],
        offsets: BufferId,
        items: &Column,
        ops: impl FnMut(&mut Self, &T) -> Vec<Op>,
    ) -> Vec<Op> {
        let level = items.level;
        if values.is_empty() {
            return vec![Op::WriteOffset { offsets, level }];
        }
        vec![Op::DefaultItems { offsets, level, items: self.bodies(values, level, ops) }]
    }
}

/// The bytes of a value's slot; `None` if values of this kind have no slot of their own.
fn slot(value: &Value, data_type: &DataType) -> Option<Vec<u8>> {
    Some(match value {
        Value::Boolean(value) => vec![u8::from(*value)],
        Value::Int(value) | Value::Enum(value) => value.to_le_bytes().to_vec(),
        Value::Long(value) => value.to_le_bytes().to_vec(),
        Value::Float(value) => value.to_le_bytes().to_vec(),
        Value::Double(value) => value.to_le_bytes().to_vec(),
        Value::Fixed(bytes) => bytes.clone(),
        Value::Decimal(value) => match data_type {
            DataType::Decimal256(..) => value.to_le_bytes().to_vec(),
            _ => value.as_i128().to_le_bytes().to_vec(),
        },
        Value::Duration { months, days, millis } => {
            let nanos = i64::from(*millis) * 1_000_000;
            let interval = IntervalMonthDayNanoType::make_value(*months as i32, *days as i32, nanos);
            [&interval.months.to_le_bytes()[..], &interval.days.to_le_bytes(), &interval.nanoseconds.to_le_bytes()]
                .concat()
        }
        _ => return None,
    })
}
