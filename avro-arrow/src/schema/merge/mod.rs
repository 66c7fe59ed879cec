//! One table, many writers' schemas: schemas with the names of what they are from in, the schema of a reader that reads all of
//! them out, and which of them brought what.
//!
//! Every one of the schemas resolves to the merged one without an error. What is the same is found first (`unify`), then the
//! merged schema is written as JSON text (`write`) and parsed like any other.

mod classes;
mod columns;
mod defaults;
mod report;
mod shape;
mod strict;
mod unify;
mod widen;
mod write;

pub use report::{Note, Provenance};

use super::Schema;
use crate::error::{Error, Result};
use crate::limits::Limits;
use std::collections::HashMap;
use unify::{Source, Unified};

/// What becomes of types that no single type can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnConflict {
    /// An error that names the place, both sources and both types.
    #[default]
    Error,
    /// Times, timestamps and decimals become the one of smaller units that holds both exactly, and have to be read with
    /// [`Options::widen`](crate::Options::widen); all else becomes a union. What a union cannot have side by side is still an error: two
    /// logical types of one kind, such as `timestamp-millis` and `local-timestamp-millis`.
    Widen,
    /// An error, and so is all else that makes two sources hold different things: fields, their order, types, null, symbols. What
    /// may differ are documentation, aliases, defaults, unknown attributes, namespaces, and the name of the top level.
    Strict,
}

/// The schema of a table over files of many schemas.
///
/// | | |
/// |---|---|
/// | fields | by name, and by aliases of either side, whatever their order; those of the first schema, then new ones as they appear |
/// | renamed fields and types | called as in the last schema that has them, with the other names as aliases |
/// | fields that some schema lacks | take the default of the last schema that has a valid one; else they are nullable, with the default null |
/// | T and null, or and a union of null and T | a union of null and T |
/// | int and long; any of them, float and double | long; double (not float, which does not hold every int) |
/// | string and bytes | bytes, which may not be text |
/// | uuid on a string and string | string |
/// | decimals of one scale | the one of more digits |
/// | records, enums, fixed of one size | by name without the namespace, and by aliases; by any name where no schema has a choice of types |
/// | enums | all symbols, new ones last |
/// | a union of several types, and any type | the union of all types |
/// | all else | see [`OnConflict`] |
///
/// Attributes and documentation are those of the first schema that has them. Where two types that are not the same have the
/// same name, the second has a number behind its name, and its name as an alias.
///
/// Only where the specification has no word for it do the results differ by the order of the schemas: in the order of
/// fields, symbols and branches, in which name is the current one, and in which default and which attributes are taken.
#[derive(Debug, Clone)]
pub struct MergedSchema {
    /// The schema that every one of the schemas resolves to. If all have one text, the schema of this text.
    pub schema: Schema,
    /// Where its fields come from, in their order, those of records inside after the field they are in. A type that is used at
    /// several places is listed at the first. Items of arrays, values of maps and the top level are listed if there is
    /// something to note. None of a single schema that is too deep to be written anew.
    pub fields: Vec<Provenance>,
}

impl MergedSchema {
    /// Merges schemas, in the order in which they were written, each with the name of what it is from.
    ///
    /// Schemas of equal text are merged once, so what it takes grows with the number of different ones.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict), as `conflicts` says;
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) where the merged schema exceeds `limits`;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where its types would be too deep inside one another;
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where there are no schemas.
    pub fn of<'s>(
        sources: impl IntoIterator<Item = (&'s str, &'s Schema)>,
        conflicts: OnConflict,
        limits: &Limits,
    ) -> Result<MergedSchema> {
        let sources = distinct(sources);
        let Some(first) = sources.first() else { return Err(Error::argument("there are no schemas to merge")) };
        if conflicts == OnConflict::Strict {
            for other in sources.iter().skip(1) {
                strict::check(first, other)?;
            }
        }
        let only = (sources.len() == 1).then(|| first.schema.clone());
        let unified = Unified::new(sources);
        match (write::write(&unified, conflicts), only) {
            (Ok((_, fields)), Some(schema)) => Ok(MergedSchema { schema, fields }),
            // What is too deep to be written is still one that can be read, or a limit says so.
            (Err(_), Some(schema)) => Ok(MergedSchema { schema, fields: Vec::new() }),
            (written, None) => {
                let (json, fields) = written?;
                Ok(MergedSchema { schema: Schema::parse(&json.to_string(), limits)?, fields })
            }
        }
    }
}

/// The different ones among the schemas, in the order of their first sources.
fn distinct<'s>(sources: impl IntoIterator<Item = (&'s str, &'s Schema)>) -> Vec<Source<'s>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    // Clones of a schema share their text, which need not be looked at again.
    let mut shared: HashMap<*const u8, usize> = HashMap::new();
    let mut distinct: Vec<Source<'s>> = Vec::new();
    for (newest, (label, schema)) in sources.into_iter().enumerate() {
        let of_text = || *places.entry(schema.json()).or_insert(distinct.len());
        let place = *shared.entry(schema.json().as_ptr()).or_insert_with(of_text);
        match distinct.get_mut(place) {
            Some(source) => (source.last, source.newest, source.n) = (label, newest, source.n + 1),
            None => distinct.push(Source { schema, first: label, last: label, n: 1, newest }),
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
