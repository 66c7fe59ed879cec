//! Makes the ops that write defaults.

use super::Compiler;
use crate::column::{Column, Content, SlabId};
use crate::plan::{Form, RecordTarget, Target};
use crate::program::{Branch, Op};
use crate::value::Value;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_schema::DataType;

impl Compiler<'_> {
    /// The ops that write this value, each time.
    pub(super) fn given(&mut self, value: &Value, target: &Target, column: &Column) -> Vec<Op> {
        let mut ops = match (value, &target.form, &column.content) {
            (Value::Null, ..) => return self.absent(column),
            (Value::Union(at, value), Form::Union(targets), Content::Union { ids, offsets, branches }) => {
                let (Some(target), Some(inner)) = (targets.get(*at), branches.get(*at)) else { return vec![] };
                let body = self.given(value, target, inner);
                let branch = Branch { body: self.code.body(body), level: inner.level, id: *at as u8 };
                vec![Op::Branch { ids: *ids, offsets: *offsets, branch }]
            }
            (Value::Union(at, value), Form::Union(targets), Content::Struct(children)) => {
                let Some(target) = targets.get(*at) else { return vec![] };
                return self.branch_of_struct(targets, *at, column, children, |compiler, child| {
                    compiler.given(value, target, &Column { valid: None, ..child.clone() })
                });
            }
            (Value::Record(values), Form::Record(target), Content::Struct(columns)) => {
                self.given_record(values, target, columns)
            }
            (Value::List(values), Form::List(target), Content::List { ends, items }) => {
                self.given_items(values, *ends, items, |compiler, value| compiler.given(value, target, items))
            }
            (Value::Map(values), Form::Map(entry), Content::Map { ends, entries }) => {
                let (Form::Record(target), Content::Struct(columns)) = (&entry.form, &entries.content) else {
                    return vec![];
                };
                self.given_items(values, *ends, entries, |compiler, (key, value)| {
                    compiler.given_record(&[key.clone(), value.clone()], target, columns)
                })
            }
            (Value::Json(text), _, Content::Text { ends, bytes, level }) => {
                let text = self.constants.slot(text.as_bytes());
                vec![Op::Text { ends: *ends, level: *level, bytes: *bytes, text }]
            }
            (Value::String(text), _, Content::Views(to)) => {
                vec![Op::View { to: *to, view: self.constants.view(text.as_bytes()) }]
            }
            (Value::Bytes(bytes), _, Content::Views(to)) => {
                vec![Op::View { to: *to, view: self.constants.view(bytes) }]
            }
            (value, _, content) => {
                let slot = self.constants.slot(&slot(value, column.field.data_type()));
                content.values().map(|to| Op::Constant { to, slot }).into_iter().collect()
            }
        };
        ops.extend(column.valid.map(|to| Op::One { to }));
        ops
    }

    fn given_record(&mut self, values: &[Value], target: &RecordTarget, columns: &[Column]) -> Vec<Op> {
        let mut ops = Vec::new();
        for ((value, target), column) in values.iter().zip(&target.columns).zip(columns) {
            ops.extend(self.given(value, target, column));
        }
        ops
    }

    /// The op that writes items, each by a body of its own.
    fn given_items<T>(
        &mut self,
        values: &[T],
        ends: SlabId,
        items: &Column,
        ops: impl FnMut(&mut Self, &T) -> Vec<Op>,
    ) -> Vec<Op> {
        let level = items.level;
        if values.is_empty() {
            return vec![Op::End { ends, level }];
        }
        vec![Op::Given { ends, level, items: self.bodies(values, level, ops) }]
    }
}

/// The bytes of a value's slot.
fn slot(value: &Value, data_type: &DataType) -> Vec<u8> {
    match value {
        Value::Boolean(value) => vec![u8::from(*value)],
        Value::Int(value) | Value::Enum(value) => value.to_ne_bytes().to_vec(),
        Value::Long(value) => value.to_ne_bytes().to_vec(),
        Value::Float(value) => value.to_ne_bytes().to_vec(),
        Value::Double(value) => value.to_ne_bytes().to_vec(),
        Value::Fixed(bytes) => bytes.clone(),
        Value::Decimal(value) => match data_type {
            DataType::Decimal256(..) => value.to_le_bytes().to_vec(),
            _ => value.as_i128().to_ne_bytes().to_vec(),
        },
        Value::Duration { months, days, millis } => {
            let nanos = i64::from(*millis) * 1_000_000;
            let interval = IntervalMonthDayNanoType::make_value(*months as i32, *days as i32, nanos);
            [&interval.months.to_ne_bytes()[..], &interval.days.to_ne_bytes(), &interval.nanoseconds.to_ne_bytes()]
                .concat()
        }
        _ => vec![],
    }
}
