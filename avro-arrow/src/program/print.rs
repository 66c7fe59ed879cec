//! Prints programs: one op a line, bodies indented below the op that runs them.

use super::{Body, Branch, Op, Program, ScalarEncoding, SkipScalar};
use crate::column::BufferId;
use std::fmt::{self, Formatter};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.print(f, self.row, 0)?;
        for (sub, &body) in self.subs.iter().enumerate() {
            writeln!(f, "sub {sub}")?;
            self.print(f, body, 1)?;
        }
        Ok(())
    }
}

impl Program {
    fn print(&self, f: &mut Formatter<'_>, body: Body, mut depth: usize) -> fmt::Result {
        for op in self.body(body).unwrap_or_default() {
            if *op == Op::PopMask {
                depth -= 1;
                continue;
            }
            write!(f, "{:1$}", "", depth * 2)?;
            match *op {
                Op::RecordRowStart { to } => writeln!(f, "row start -> {to}")?,
                Op::Read { encoding, to } | Op::ReadMasked { encoding, to } => writeln!(f, "{encoding} -> {to}")?,
                Op::PushMask { nulls } => {
                    let (null, or_null) = null_words(nulls.null_branch);
                    writeln!(f, "{null}record{or_null}, valid {}", nulls.valid)?;
                    depth += 1;
                }
                Op::PopMask => {}
                Op::ReadNullable { encoding, to, nulls } | Op::ReadNullableMasked { encoding, to, nulls } => {
                    let (null, or_null) = null_words(nulls.null_branch);
                    writeln!(f, "{null}{encoding}{or_null} -> {to}, valid {}", nulls.valid)?;
                }
                Op::FusedVarints { n } => writeln!(f, "the next {n} as fused varints")?,
                Op::ExpectBranch0 => writeln!(f, "expect branch 0")?,
                Op::SwitchBranch { branches } => {
                    writeln!(f, "switch branch")?;
                    self.print_branches(f, branches, false, depth)?;
                }
                Op::Union { ids, offsets, branches } => {
                    writeln!(f, "union -> {ids}, offsets {offsets}")?;
                    self.print_branches(f, branches, true, depth)?;
                }
                Op::Items { offsets, level, body, zero_width } => {
                    let limited = if zero_width { ", limited" } else { "" };
                    writeln!(f, "items -> {offsets}, level {}{limited}", level.0)?;
                    self.print(f, body, depth + 1)?;
                }
                Op::Json { offsets, level, bytes, pair } => {
                    let word = self.plan.schema.node(self.plan.resolution.pair(pair).writer).kind.word();
                    writeln!(f, "{word} as json -> {offsets}, level {}, {bytes}", level.0)?;
                }
                Op::WriteZeros { to, width } => writeln!(f, "zeros({width}) -> {to}")?,
                Op::WriteValid { to } => writeln!(f, "valid -> {to}")?,
                Op::WriteOffset { offsets, level } => writeln!(f, "no items -> {offsets}, level {}", level.0)?,
                Op::WriteUnionBranch { ids, offsets, branch } => {
                    let Branch { body, level, id } = branch;
                    writeln!(f, "branch {id} -> {ids}, offsets {offsets}, level {}", level.0)?;
                    self.print(f, body, depth + 1)?;
                }
                Op::Constant { to, slot } => {
                    write!(f, "bytes")?;
                    for byte in self.constants.slot_bytes(slot).unwrap_or_default() {
                        write!(f, " {byte:02x}")?;
                    }
                    writeln!(f, " -> {to}")?;
                }
                Op::View { to, view } => {
                    let view = self.constants.view_of(view).unwrap_or_default();
                    writeln!(f, "text of {} -> {to}", view as u32)?;
                }
                Op::DefaultItems { offsets, level, items } => {
                    writeln!(f, "{} items -> {offsets}, level {}", items.n, level.0)?;
                    self.print_branches(f, items, false, depth)?;
                }
                Op::Text { offsets, level, bytes, text } => {
                    let text = self.constants.slot_bytes(text).unwrap_or_default();
                    let text = String::from_utf8_lossy(text);
                    writeln!(f, "json {text} -> {offsets}, level {}, {bytes}", level.0)?;
                }
                Op::Unresolvable => writeln!(f, "unresolvable")?,
                Op::SkipFixed { bytes } => writeln!(f, "skip {bytes} bytes")?,
                Op::SkipVarints { n } => writeln!(f, "skip {n} varints")?,
                Op::SkipBytes { n } => writeln!(f, "skip {n} lengths and bytes")?,
                Op::SkipNullable { skip, null_branch, n } => {
                    let what = match skip {
                        SkipScalar::Varint => "varint".to_string(),
                        SkipScalar::Bytes => "length and bytes".to_string(),
                        SkipScalar::Fixed(n) => format!("{n} bytes"),
                    };
                    let (null, or_null) = null_words(null_branch);
                    let times = if n == 1 { String::new() } else { format!(", {n} times") };
                    writeln!(f, "skip {null}{what}{or_null}{times}")?;
                }
                Op::SkipItems { body } => {
                    writeln!(f, "skip items")?;
                    self.print(f, body, depth + 1)?;
                }
                Op::Call { sub } => writeln!(f, "call {sub}")?,
                Op::SkipValue { node } => writeln!(f, "skip {}", self.plan.schema.node(node).kind.word())?,
            }
        }
        Ok(())
    }

    fn print_branches(
        &self,
        f: &mut Formatter<'_>,
        branches: super::Branches,
        is_union: bool,
        depth: usize,
    ) -> fmt::Result {
        for (at, branch) in self.branches(branches).unwrap_or_default().iter().enumerate() {
            write!(f, "{:1$}", "", depth * 2)?;
            match usize::from(branch.id) {
                id if is_union && id != at => writeln!(f, " {at} is {id}:")?,
                _ => writeln!(f, " {at}:")?,
            }
            self.print(f, branch.body, depth + 1)?;
        }
        Ok(())
    }
}

/// The text before and after the name of a nullable value.
fn null_words(null_branch: u8) -> (&'static str, &'static str) {
    if null_branch == 0 { ("null or ", "") } else { ("", " or null") }
}

impl fmt::Display for BufferId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

impl fmt::Display for ScalarEncoding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ScalarEncoding::Boolean => f.write_str("boolean"),
            ScalarEncoding::Int => f.write_str("int"),
            ScalarEncoding::Long => f.write_str("long"),
            ScalarEncoding::Float => f.write_str("float"),
            ScalarEncoding::Double => f.write_str("double"),
            ScalarEncoding::Enum(n) => write!(f, "enum of {n}"),
            ScalarEncoding::Bytes => f.write_str("bytes"),
            ScalarEncoding::String => f.write_str("string"),
            ScalarEncoding::Fixed(n) => write!(f, "fixed({n})"),
            ScalarEncoding::Decimal128 => f.write_str("decimal128"),
            ScalarEncoding::Decimal256 => f.write_str("decimal256"),
            ScalarEncoding::FixedDecimal128(n) => write!(f, "fixed({n}) decimal128"),
            ScalarEncoding::FixedDecimal256(n) => write!(f, "fixed({n}) decimal256"),
            ScalarEncoding::Duration => f.write_str("duration"),
            ScalarEncoding::IntToLong => f.write_str("int to long"),
            ScalarEncoding::IntToFloat => f.write_str("int to float"),
            ScalarEncoding::IntToDouble => f.write_str("int to double"),
            ScalarEncoding::LongToFloat => f.write_str("long to float"),
            ScalarEncoding::LongToDouble => f.write_str("long to double"),
            ScalarEncoding::FloatToDouble => f.write_str("float to double"),
            ScalarEncoding::Symbol(table) => write!(f, "symbol by table {table}"),
            ScalarEncoding::Times(rescale) => write!(f, "number rescaled by {rescale}"),
            ScalarEncoding::Scaled128(rescale) => write!(f, "decimal128 rescaled by {rescale}"),
            ScalarEncoding::Scaled256(rescale) => write!(f, "decimal256 rescaled by {rescale}"),
            ScalarEncoding::SymbolText(texts) => write!(f, "symbol as text {texts}"),
        }
    }
}
