//! The compiler: turns a plan into a program. Only this module knows both.
//!
//! The targets become columns of buffers first (`columns`). Then the sources become ops that write these buffers.
//! Bodies are emitted before the ops that run them, so that each body is one range.

mod code;
mod columns;
mod defaults;
mod skip;

use super::constants::{Constants, Rescale};
use super::{Branch, Branches, MASK_DEPTH_MAX, Nulls, Op, Program, ScalarEncoding, Starts};
use crate::column::{Column, ColumnBuffers, Layout, LevelId, ROWS};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::plan::{ColumnShape, FieldStep, Plan, RecordSource, RecordTarget, Scalar, Target, ValueSource};
use crate::schema::Sizes;
use arrow_schema::DataType;
use code::{OPS_MAX, ProgramCode};
use skip::Skips;

/// Maximum bytes of constants that views point into.
const TEXT_MAX: usize = i32::MAX as usize;

pub(super) fn compile(plan: Plan, options: &Options, starts: Starts) -> Result<Program> {
    let sizes = Sizes::of(&plan.schema);
    let mut layout = Layout::default();
    layout.add_level();
    let mut compiler = Compiler {
        layout,
        code: ProgramCode::default(),
        skips: Skips::new(&plan.schema, &sizes),
        constants: Constants::default(),
        broken: None,
    };
    let columns: Vec<Column> = plan.target.columns.iter().map(|target| compiler.column(target, ROWS)).collect();
    let mut row = compiler.row(&plan.row, &plan.target, &columns);
    let starts = (starts == Starts::Written).then(|| compiler.starts(&mut row));
    let row = compiler.code.body(row);
    let Compiler { layout, code, skips: Skips { bodies: subs, .. }, constants, broken } = compiler;
    if let Some(what) = broken {
        return Err(Error::internal(format!("a plan whose {what} do not fit its columns")));
    }
    if code.too_large {
        let what = format!("a schema of more than {OPS_MAX} ops; unions as structs take the most");
        return Err(ErrorKind::Unsupported { what }.into());
    }
    let Some(constants) = constants.finish(TEXT_MAX) else {
        return Err(ErrorKind::Unsupported { what: "more than 2 GiB of defaults and symbols".to_string() }.into());
    };
    let min_row_bytes = sizes.min(plan.schema.root());
    Ok(Program {
        plan,
        ops: code.ops,
        branches: code.branches,
        subs,
        row,
        layout,
        columns,
        constants,
        starts,
        min_row_bytes,
        options: options.clone(),
    })
}

struct Compiler<'a> {
    layout: Layout,
    code: ProgramCode,
    skips: Skips<'a>,
    constants: Constants,
    /// Parts of the plan that contradict each other: a bug in `plan`, and the program must not run.
    broken: Option<&'static str>,
}

impl Compiler<'_> {
    /// Notes a contradiction in the plan, for which there are no ops.
    #[cold]
    fn broken(&mut self, what: &'static str) -> Vec<Op> {
        self.broken = Some(what);
        vec![]
    }

    /// The ops that read a row.
    fn row(&mut self, source: &ValueSource, target: &RecordTarget, columns: &[Column]) -> Vec<Op> {
        match source {
            ValueSource::Single(row) => {
                let mut ops = vec![Op::ExpectBranch0];
                ops.extend(self.row(row, target, columns));
                ops
            }
            ValueSource::Branches { branches, .. } => {
                self.switch_branch(branches, ROWS, |compiler, branch| match branch {
                    Some(row) => compiler.row(row, target, columns),
                    None => compiler.never(columns),
                })
            }
            ValueSource::Record(record) => self.record(record, target, columns),
            _ => self.broken("rows"),
        }
    }

    fn record(&mut self, source: &RecordSource, target: &RecordTarget, columns: &[Column]) -> Vec<Op> {
        let mut ops = Vec::new();
        for step in &source.steps {
            match step {
                FieldStep::Skip(node) => self.skips.skip(*node, &mut self.code, &mut ops),
                FieldStep::Read { column, source } => {
                    ops.extend(match (target.columns.get(*column), columns.get(*column)) {
                        (Some(target), Some(column)) => self.read(source, target, column),
                        _ => self.broken("fields"),
                    });
                }
                FieldStep::Default { column, value } => {
                    ops.extend(match (target.columns.get(*column), columns.get(*column)) {
                        (Some(target), Some(column)) => self.default_value(value, target, column),
                        _ => self.broken("fields"),
                    });
                }
            }
        }
        ops
    }

    /// The ops that read a value of a column.
    fn read(&mut self, source: &ValueSource, target: &Target, column: &Column) -> Vec<Op> {
        if self.code.too_large {
            return vec![];
        }
        match (source, &target.form, &column.content) {
            (ValueSource::Scalar(scalar), ..) => self.scalar(scalar, column),
            (ValueSource::Single(value), ..) => {
                let mut ops = vec![Op::ExpectBranch0];
                ops.extend(self.read(value, target, column));
                ops
            }
            (ValueSource::Nullable { null_branch, value }, ..) => {
                let Some(valid) = column.valid else { return self.broken("nullable values") };
                let nulls = Nulls { valid, null_branch: *null_branch };
                let present = self.read(value, target, column);
                self.nullable(present, nulls, column)
            }
            (ValueSource::Present(value), ..) => {
                let mut ops = Vec::from_iter(column.valid.map(|to| Op::WriteValid { to }));
                ops.extend(self.read(value, target, column));
                ops
            }
            (
                ValueSource::Branches { branches, .. },
                ColumnShape::Union(targets),
                ColumnBuffers::Union { ids, offsets, branches: columns },
            ) => {
                let mut bodies = Vec::with_capacity(branches.len());
                for branch in branches {
                    let (at, value) = match branch {
                        Some(ValueSource::Branch { branch, value }) => (*branch, Some(value)),
                        _ => (0, None),
                    };
                    let (Some(target), Some(column)) = (targets.get(at), columns.get(at)) else {
                        return self.broken("branches");
                    };
                    let body = match value {
                        Some(value) => self.read(value, target, column),
                        None => self.never(std::slice::from_ref(column)),
                    };
                    bodies.push(Branch { body: self.code.body(body), level: column.level, id: at as u8 });
                }
                let branches = self.code.branches(bodies);
                vec![Op::Union { ids: *ids, offsets: *offsets, branches }]
            }
            (ValueSource::Branches { branches, .. }, ..) => {
                self.switch_branch(branches, column.level, |compiler, branch| match branch {
                    Some(value) => compiler.read(value, target, column),
                    None => compiler.never(std::slice::from_ref(column)),
                })
            }
            (
                ValueSource::Branch { branch, value },
                ColumnShape::Union(targets),
                ColumnBuffers::Union { ids, offsets, branches: columns },
            ) => {
                let (Some(target), Some(inner)) = (targets.get(*branch), columns.get(*branch)) else {
                    return self.broken("branches");
                };
                let body = self.read(value, target, inner);
                let body = self.code.body(body);
                let (ids, offsets) = (*ids, *offsets);
                vec![Op::WriteUnionBranch {
                    ids,
                    offsets,
                    branch: Branch { body, level: inner.level, id: *branch as u8 },
                }]
            }
            (ValueSource::Branch { branch, value }, ColumnShape::Union(targets), ColumnBuffers::Struct(children)) => {
                let Some(target) = targets.get(*branch) else { return self.broken("branches") };
                self.branch_of_struct(targets, *branch, column, children, |compiler, child| {
                    compiler.read(value, target, child)
                })
            }
            (
                ValueSource::Items { item, zero_width },
                ColumnShape::List(to),
                ColumnBuffers::List { offsets, items },
            )
            | (
                ValueSource::Items { item, zero_width },
                ColumnShape::Map(to),
                ColumnBuffers::Map { offsets, entries: items },
            ) => {
                let body = self.read(item, to, items);
                let body = self.code.body(body);
                vec![Op::Items { offsets: *offsets, level: items.level, body, zero_width: *zero_width }]
            }
            (ValueSource::Entries(values), ColumnShape::Map(entry), ColumnBuffers::Map { offsets, entries }) => {
                let (ColumnShape::Record(RecordTarget { columns: targets, .. }), ColumnBuffers::Struct(columns)) =
                    (&entry.form, &entries.content)
                else {
                    return self.broken("entries");
                };
                let ([_, target], [key, column]) = (targets.as_slice(), columns.as_slice()) else {
                    return self.broken("entries");
                };
                let mut body = self.scalar(&Scalar::String, key);
                body.extend(self.read(values, target, column));
                let body = self.code.body(body);
                vec![Op::Items { offsets: *offsets, level: entries.level, body, zero_width: false }]
            }
            (ValueSource::Record(record), ColumnShape::Record(target), ColumnBuffers::Struct(columns)) => {
                self.record(record, target, columns)
            }
            (ValueSource::Json(pair), _, ColumnBuffers::Text { offsets, bytes, level }) => {
                vec![Op::Json { offsets: *offsets, level: *level, bytes: *bytes, pair: *pair }]
            }
            (ValueSource::Absent, ..) => self.absent(column),
            _ => self.broken("values"),
        }
    }

    /// The ops that read a union of null and a value read by `present`.
    fn nullable(&mut self, present: Vec<Op>, nulls: Nulls, column: &Column) -> Vec<Op> {
        // An enum without symbols cannot write zero, not even for a null.
        if let [Op::Read { encoding, to }] = *present.as_slice()
            && encoding != ScalarEncoding::Enum(0)
        {
            return vec![Op::ReadNullable { encoding, to, nulls }];
        }
        if let Some(masked) = masked(&present) {
            return [vec![Op::PushMask { nulls }], masked, vec![Op::PopMask]].concat();
        }
        let mut bodies = vec![self.absent(column), [vec![Op::WriteValid { to: nulls.valid }], present].concat()];
        if nulls.null_branch == 1 {
            bodies.reverse();
        }
        self.switch_branch(bodies, column.level, |_, ops| ops)
    }

    /// The op that reads the index of a union and runs the branch's body, in this level.
    fn switch_branch<T>(
        &mut self,
        branches: impl IntoIterator<Item = T>,
        level: LevelId,
        ops: impl FnMut(&mut Self, T) -> Vec<Op>,
    ) -> Vec<Op> {
        let branches = self.bodies(branches, level, ops);
        vec![Op::SwitchBranch { branches }]
    }

    /// A body of each branch's ops, in this level. Each is emitted before the next one's ops are made, and none after
    /// too many: all of them at once could take any amount of memory.
    fn bodies<T>(
        &mut self,
        of: impl IntoIterator<Item = T>,
        level: LevelId,
        mut ops: impl FnMut(&mut Self, T) -> Vec<Op>,
    ) -> Branches {
        let mut bodies = Vec::new();
        for one in of {
            if self.code.too_large {
                break;
            }
            let ops = ops(self, one);
            bodies.push(Branch { body: self.code.body(ops), level, id: 0 });
        }
        self.code.branches(bodies)
    }

    /// The ops for values without a type in the reader's schema: nothing after them is read.
    fn never(&mut self, columns: &[Column]) -> Vec<Op> {
        if self.code.too_large {
            return vec![];
        }
        let mut ops = vec![Op::Unresolvable];
        for column in columns {
            ops.extend(self.absent(column));
        }
        ops
    }

    /// The ops that write a branch of a union as a struct, with the others absent.
    fn branch_of_struct(
        &mut self,
        targets: &[Target],
        branch: usize,
        column: &Column,
        children: &[Column],
        write: impl FnOnce(&mut Self, &Column) -> Vec<Op>,
    ) -> Vec<Op> {
        // The struct has no field for null.
        let branches = targets.iter().enumerate().filter(|(_, target)| !matches!(target.form, ColumnShape::Null));
        let chosen = branches.map(|(at, _)| at).position(|at| at == branch);
        let is_null = chosen.is_none();
        let mut ops = Vec::from_iter(
            column.valid.map(|to| if is_null { Op::WriteZeros { to, width: 1 } } else { Op::WriteValid { to } }),
        );
        let mut write = Some(write);
        for (at, child) in children.iter().enumerate() {
            match write.take_if(|_| chosen == Some(at)) {
                Some(write) => {
                    ops.extend(child.valid.map(|to| Op::WriteValid { to }));
                    ops.extend(write(self, child));
                }
                None => ops.extend(self.absent(child)),
            }
        }
        ops
    }

    /// The encoding that reads a decimal with more digits after the point.
    fn scaled(&mut self, rescale: Rescale, wide: bool) -> ScalarEncoding {
        let constant = self.constants.rescale(rescale);
        if wide { ScalarEncoding::Scaled256(constant) } else { ScalarEncoding::Scaled128(constant) }
    }

    /// The ops that read a scalar.
    fn scalar(&mut self, scalar: &Scalar, column: &Column) -> Vec<Op> {
        let wide = matches!(column.field.data_type(), DataType::Decimal256(..));
        let encoding = match scalar {
            Scalar::Null => return vec![],
            Scalar::Boolean => ScalarEncoding::Boolean,
            Scalar::Int => ScalarEncoding::Int,
            Scalar::Long => ScalarEncoding::Long,
            Scalar::Float => ScalarEncoding::Float,
            Scalar::Double => ScalarEncoding::Double,
            Scalar::IntToLong => ScalarEncoding::IntToLong,
            Scalar::IntToFloat => ScalarEncoding::IntToFloat,
            Scalar::IntToDouble => ScalarEncoding::IntToDouble,
            Scalar::LongToFloat => ScalarEncoding::LongToFloat,
            Scalar::LongToDouble => ScalarEncoding::LongToDouble,
            Scalar::FloatToDouble => ScalarEncoding::FloatToDouble,
            Scalar::Bytes => ScalarEncoding::Bytes,
            Scalar::String => ScalarEncoding::String,
            Scalar::Fixed(size) => ScalarEncoding::Fixed(*size as u32),
            Scalar::Enum(n_symbols) => ScalarEncoding::Enum(*n_symbols as u32),
            Scalar::Symbol { table, .. } => ScalarEncoding::Symbol(self.constants.table(table)),
            Scalar::SymbolText(symbols) => ScalarEncoding::SymbolText(self.constants.texts(symbols)),
            Scalar::DecimalBytes if wide => ScalarEncoding::Decimal256,
            Scalar::DecimalBytes => ScalarEncoding::Decimal128,
            Scalar::DecimalFixed(size) if wide => ScalarEncoding::FixedDecimal256(*size as u32),
            Scalar::DecimalFixed(size) => ScalarEncoding::FixedDecimal128(*size as u32),
            Scalar::IntTimes(factor) => ScalarEncoding::Times(self.constants.rescale(Rescale::Int(*factor))),
            Scalar::LongTimes(factor) => ScalarEncoding::Times(self.constants.rescale(Rescale::Long(*factor))),
            Scalar::ScaledBytes(zeros) => self.scaled(Rescale::Bytes(*zeros), wide),
            Scalar::ScaledFixed(size, zeros) => self.scaled(Rescale::Fixed(*size as u32, *zeros), wide),
            Scalar::Duration => ScalarEncoding::Duration,
        };
        match column.content.values() {
            Some(to) => vec![Op::Read { encoding, to }],
            None => self.broken("scalars"),
        }
    }
}

/// Maximum number of values of an optional record that is read by predication: all values are read without a branch,
/// as if each could be null. Larger records are skipped by a branch where they are absent. (Three records of three
/// values each, of which one is present: 49 ms with a branch, 27 without. The limit is chosen, not measured.)
const MASKED_OPS_MAX: usize = 16;

/// The ops of a record under predication, if they are few and simple.
fn masked(ops: &[Op]) -> Option<Vec<Op>> {
    let depth = ops.iter().fold((0, 0), |(depth, most), op| match op {
        Op::PushMask { .. } => (depth + 1, most.max(depth + 1)),
        Op::PopMask => (depth - 1, most),
        _ => (depth, most),
    });
    if ops.len() > MASKED_OPS_MAX || depth.1 + 1 > MASK_DEPTH_MAX {
        return None;
    }
    let masked = ops.iter().map(|op| match *op {
        // An enum without symbols cannot write zero, not even in an absent record.
        Op::Read { encoding: ScalarEncoding::Enum(0), .. } => None,
        Op::Read { encoding, to } => Some(Op::ReadMasked { encoding, to }),
        Op::ReadNullable { encoding, to, nulls } => Some(Op::ReadNullableMasked { encoding, to, nulls }),
        // Ops that read nothing are harmless in an absent record.
        Op::WriteZeros { .. } | Op::WriteValid { .. } | Op::Constant { .. } | Op::View { .. } => Some(*op),
        Op::ReadMasked { .. } | Op::ReadNullableMasked { .. } | Op::PushMask { .. } | Op::PopMask => Some(*op),
        _ => None,
    });
    masked.collect()
}
