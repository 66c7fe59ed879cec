//! Skips: ops that only move the cursor. Fixed widths are added up and varints counted, also across small records,
//! whose few ops are inlined. A larger record is a call, so none adds more than a few ops to its parent, and schemas
//! that refer to each type twice do not double at every level. Recursive types are skipped by `json::skip_value`,
//! which keeps its own list of open containers: their values can be nested deeper than the stack.

use super::code::ProgramCode;
use crate::column::ROWS;
use crate::program::{Body, Branch, Op, SkipScalar};
use crate::schema::{Kind, NodeId, Schema, Sizes};
use std::collections::HashMap;

/// A record of at most this many ops is inlined.
const INLINE_OPS: usize = 8;

/// Maximum number of values of one op. Nested records double it at every level, and an op continues to its last value
/// even at the end of the block.
const FUSED_MAX: u32 = 1 << 10;

pub(super) struct Skips<'a> {
    schema: &'a Schema,
    sizes: &'a Sizes,
    /// The ops that skip each record met so far.
    records: HashMap<NodeId, Vec<Op>>,
    /// Their bodies, each after those that it calls.
    pub(super) bodies: Vec<Body>,
}

impl<'a> Skips<'a> {
    pub(super) fn new(schema: &'a Schema, sizes: &'a Sizes) -> Self {
        Skips { schema, sizes, records: HashMap::new(), bodies: Vec::new() }
    }

    /// Appends ops that skip one value.
    pub(super) fn skip(&mut self, node: NodeId, code: &mut ProgramCode, ops: &mut Vec<Op>) {
        if let Some(bytes) = self.sizes.fixed(node) {
            return push(ops, Op::SkipFixed { bytes });
        }
        match &self.schema.node(node).kind {
            Kind::Int | Kind::Long | Kind::Enum(_) => push(ops, Op::SkipVarints { n: 1 }),
            Kind::Bytes | Kind::String => push(ops, Op::SkipBytes { n: 1 }),
            Kind::Array(items) => {
                let mut item = Vec::new();
                self.skip(*items, code, &mut item);
                let body = code.body(item);
                push(ops, Op::SkipItems { body });
            }
            Kind::Map(values) => {
                let mut entry = vec![Op::SkipBytes { n: 1 }];
                self.skip(*values, code, &mut entry);
                let body = code.body(entry);
                push(ops, Op::SkipItems { body });
            }
            Kind::Union(branches) => {
                if let Some(op) = self.nullable(branches) {
                    return push(ops, op);
                }
                let mut bodies = Vec::with_capacity(branches.len());
                for &branch in branches {
                    let mut body = Vec::new();
                    self.skip(branch, code, &mut body);
                    bodies.push(Branch { body: code.body(body), level: ROWS, id: 0 });
                }
                let branches = code.branches(bodies);
                push(ops, Op::SwitchBranch { branches });
            }
            Kind::Record(_) if self.schema.is_recursive(node) => push(ops, Op::SkipValue { node }),
            Kind::Record(record) => {
                if !self.records.contains_key(&node) {
                    let mut fields = Vec::new();
                    for field in &record.fields {
                        self.skip(field.node, code, &mut fields);
                    }
                    if fields.len() > INLINE_OPS {
                        self.bodies.push(code.body(fields));
                        fields = vec![Op::Call { sub: self.bodies.len() as u32 - 1 }];
                    }
                    self.records.insert(node, fields);
                }
                for op in self.records.get(&node).into_iter().flatten() {
                    push(ops, *op);
                }
            }
            // Of a fixed width, so they were skipped above.
            Kind::Null | Kind::Boolean | Kind::Float | Kind::Double | Kind::Fixed(_) => {}
        }
    }

    /// The op that skips a union of null and a scalar.
    fn nullable(&self, branches: &[NodeId]) -> Option<Op> {
        let is_null = |id: NodeId| matches!(self.schema.node(id).kind, Kind::Null);
        let (other, null_branch) = match *branches {
            [null, other] if is_null(null) => (other, 0),
            [other, null] if is_null(null) => (other, 1),
            _ => return None,
        };
        let skip = match &self.schema.node(other).kind {
            Kind::Int | Kind::Long | Kind::Enum(_) => SkipScalar::Varint,
            Kind::Bytes | Kind::String => SkipScalar::Bytes,
            _ => SkipScalar::Fixed(u32::try_from(self.sizes.fixed(other)?).ok()?),
        };
        Some(Op::SkipNullable { skip, null_branch, n: 1 })
    }
}

/// Appends an op, fused with the last one if it is of the same kind.
fn push(ops: &mut Vec<Op>, op: Op) {
    match (ops.last_mut(), op) {
        (_, Op::SkipFixed { bytes: 0 }) => {}
        (Some(Op::SkipFixed { bytes }), Op::SkipFixed { bytes: more }) => *bytes = bytes.saturating_add(more),
        (Some(Op::SkipVarints { n }), Op::SkipVarints { n: more }) if *n + more <= FUSED_MAX => *n += more,
        (Some(Op::SkipBytes { n }), Op::SkipBytes { n: more }) if *n + more <= FUSED_MAX => *n += more,
        (
            Some(Op::SkipNullable { skip, null_branch, n }),
            Op::SkipNullable { skip: more_skip, null_branch: more_branch, n: more },
        ) if (*skip, *null_branch) == (more_skip, more_branch) && *n + more <= FUSED_MAX => *n += more,
        _ => ops.push(op),
    }
}
