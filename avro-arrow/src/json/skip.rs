//! Skips values that are not read.

use super::{Keys, branch_index, limit};
use crate::encoding::Cursor;
use crate::error::Fault;
use crate::limits::Limits;
use crate::schema::{Field, Kind, NodeId, Schema, is_zero_width};

/// Skips one value of the type `node`. It reads only what determines the value's end: varints, lengths and union
/// branches. Blocks of arrays and maps are skipped by their size in bytes, if it is given.
pub(crate) fn skip_value(schema: &Schema, node: NodeId, cursor: &mut Cursor<'_>, limits: &Limits) -> Result<(), Fault> {
    let mut open = Vec::new();
    let mut n_records = 0;
    let mut next = Some(node);
    while let Some(node) = next {
        skip_one(schema, node, cursor, limits, &mut open, &mut n_records)?;
        next = loop {
            let Some(last) = open.last_mut() else { break None };
            match last {
                Skipping::Fields(fields) => match fields.next() {
                    Some(field) => break Some(field.node),
                    None => n_records -= 1,
                },
                Skipping::Items { items, keys, left } => {
                    if *left == 0 {
                        *left = skip_item_blocks(schema, *items, *keys, cursor)?;
                    }
                    if *left > 0 {
                        *left -= 1;
                        if *keys == Keys::Strings {
                            cursor.bytes()?;
                        }
                        break Some(*items);
                    }
                }
            }
            open.pop();
        };
    }
    Ok(())
}

/// A container that `skip_value` is inside of.
enum Skipping<'s> {
    Fields(std::slice::Iter<'s, Field>),
    Items { items: NodeId, keys: Keys, left: u64 },
}

fn skip_one<'s>(
    schema: &'s Schema,
    mut node: NodeId,
    cursor: &mut Cursor<'_>,
    limits: &Limits,
    open: &mut Vec<Skipping<'s>>,
    n_records: &mut usize,
) -> Result<(), Fault> {
    if let Kind::Union(branches) = &schema.node(node).kind
        && let Some(branch) = branches.get(branch_index(cursor, branches.len())?)
    {
        node = *branch;
    }
    match &schema.node(node).kind {
        Kind::Null => {}
        Kind::Boolean => drop(cursor.take(1)?),
        Kind::Int | Kind::Long | Kind::Enum(_) => drop(cursor.long()?),
        Kind::Float => drop(cursor.take(4)?),
        Kind::Double => drop(cursor.take(8)?),
        Kind::Bytes | Kind::String => drop(cursor.bytes()?),
        Kind::Fixed(fixed) => drop(cursor.take(fixed.size)?),
        Kind::Array(items) => open.push(Skipping::Items { items: *items, keys: Keys::None, left: 0 }),
        Kind::Map(values) => open.push(Skipping::Items { items: *values, keys: Keys::Strings, left: 0 }),
        Kind::Record(_) if is_zero_width(schema, node) => {}
        Kind::Record(record) => {
            *n_records += 1;
            if *n_records > limits.value_nesting {
                return Err(limit("value_nesting", *n_records as u64, limits.value_nesting as u64));
            }
            open.push(Skipping::Fields(record.fields.iter()));
        }
        // The parser rejects a union directly inside a union.
        Kind::Union(_) => return Err(Fault::UnionBranch(0)),
    }
    Ok(())
}

/// The number of items in the next block to walk, or 0 at the end. Skips blocks of a given size and items without
/// bytes.
fn skip_item_blocks(schema: &Schema, items: NodeId, keys: Keys, cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
    loop {
        let before = cursor.clone();
        match cursor.item_block() {
            Ok((0, None)) => return Ok(0),
            Ok((_, Some(bytes))) => drop(cursor.take(usize::try_from(bytes).map_err(|_| Fault::End)?)?),
            Ok((_, None)) if keys == Keys::None && is_zero_width(schema, items) => {}
            Ok((count, None)) => return Ok(count),
            Err(fault) => {
                *cursor = before;
                return Err(fault);
            }
        }
    }
}
