//! Prints programs: one op a line, bodies indented below the op that runs them.

use super::{Body, Branch, Leaf, Op, Program, SkipLeaf};
use crate::column::SlabId;
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
            if *op == Op::Leave {
                depth -= 1;
                continue;
            }
            write!(f, "{:1$}", "", depth * 2)?;
            match *op {
                Op::Start { to } => writeln!(f, "start -> {to}")?,
                Op::Read { leaf, to } | Op::ReadInside { leaf, to } => writeln!(f, "{leaf} -> {to}")?,
                Op::Enter { nulls } => {
                    let (null, or_null) = null_words(nulls.null_branch);
                    writeln!(f, "{null}record{or_null}, valid {}", nulls.valid)?;
                    depth += 1;
                }
                Op::Leave => {}
                Op::ReadNullable { leaf, to, nulls } | Op::ReadNullableInside { leaf, to, nulls } => {
                    let (null, or_null) = null_words(nulls.null_branch);
                    writeln!(f, "{null}{leaf}{or_null} -> {to}, valid {}", nulls.valid)?;
                }
                Op::Together { n } => writeln!(f, "the next {n} together")?,
                Op::Single => writeln!(f, "branch 0")?,
                Op::Choose { branches } => {
                    writeln!(f, "choose")?;
                    self.print_branches(f, branches, false, depth)?;
                }
                Op::Union { ids, offsets, branches } => {
                    writeln!(f, "union -> {ids}, offsets {offsets}")?;
                    self.print_branches(f, branches, true, depth)?;
                }
                Op::Items { ends, level, body, zero_width } => {
                    let limited = if zero_width { ", limited" } else { "" };
                    writeln!(f, "items -> {ends}, level {}{limited}", level.0)?;
                    self.print(f, body, depth + 1)?;
                }
                Op::Json { ends, level, bytes, pair } => {
                    let word = self.plan.schema.node(self.plan.resolution.pair(pair).writer).kind.word();
                    writeln!(f, "{word} as json -> {ends}, level {}, {bytes}", level.0)?;
                }
                Op::Zero { to, width } => writeln!(f, "zero({width}) -> {to}")?,
                Op::One { to } => writeln!(f, "one -> {to}")?,
                Op::End { ends, level } => writeln!(f, "no items -> {ends}, level {}", level.0)?,
                Op::Branch { ids, offsets, branch } => {
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
                Op::Given { ends, level, items } => {
                    writeln!(f, "{} items -> {ends}, level {}", items.n, level.0)?;
                    self.print_branches(f, items, false, depth)?;
                }
                Op::Text { ends, level, bytes, text } => {
                    let text = self.constants.slot_bytes(text).unwrap_or_default();
                    let text = String::from_utf8_lossy(text);
                    writeln!(f, "json {text} -> {ends}, level {}, {bytes}", level.0)?;
                }
                Op::Fail => writeln!(f, "fail")?,
                Op::SkipFixed { bytes } => writeln!(f, "skip {bytes} bytes")?,
                Op::SkipVarints { n } => writeln!(f, "skip {n} varints")?,
                Op::SkipBytes { n } => writeln!(f, "skip {n} lengths and bytes")?,
                Op::SkipNullable { skip, null_branch, n } => {
                    let what = match skip {
                        SkipLeaf::Varint => "varint".to_string(),
                        SkipLeaf::Bytes => "length and bytes".to_string(),
                        SkipLeaf::Fixed(n) => format!("{n} bytes"),
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

impl fmt::Display for SlabId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Boolean => f.write_str("boolean"),
            Leaf::Int => f.write_str("int"),
            Leaf::Long => f.write_str("long"),
            Leaf::Float => f.write_str("float"),
            Leaf::Double => f.write_str("double"),
            Leaf::Enum(n) => write!(f, "enum of {n}"),
            Leaf::Bytes => f.write_str("bytes"),
            Leaf::String => f.write_str("string"),
            Leaf::Fixed(n) => write!(f, "fixed({n})"),
            Leaf::Decimal128 => f.write_str("decimal128"),
            Leaf::Decimal256 => f.write_str("decimal256"),
            Leaf::FixedDecimal128(n) => write!(f, "fixed({n}) decimal128"),
            Leaf::FixedDecimal256(n) => write!(f, "fixed({n}) decimal256"),
            Leaf::Duration => f.write_str("duration"),
            Leaf::IntToLong => f.write_str("int to long"),
            Leaf::IntToFloat => f.write_str("int to float"),
            Leaf::IntToDouble => f.write_str("int to double"),
            Leaf::LongToFloat => f.write_str("long to float"),
            Leaf::LongToDouble => f.write_str("long to double"),
            Leaf::FloatToDouble => f.write_str("float to double"),
            Leaf::Symbol(table) => write!(f, "symbol by table {table}"),
            Leaf::Times(rescale) => write!(f, "number rescaled by {rescale}"),
            Leaf::Scaled128(rescale) => write!(f, "decimal128 rescaled by {rescale}"),
            Leaf::Scaled256(rescale) => write!(f, "decimal256 rescaled by {rescale}"),
            Leaf::SymbolText(texts) => write!(f, "symbol as text {texts}"),
        }
    }
}
