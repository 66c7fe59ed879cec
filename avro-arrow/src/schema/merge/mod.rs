//! Merges the schemas of many files to the schema of a reader that reads them all, with the provenance of its fields.
//!
//! Every source schema resolves to the merged one without an error. First equal types are found by union–find
//! (`unify`), then the merged schema is written as JSON text (`write`) and parsed like any other.

mod union_find;
mod fields;
mod defaults;
mod provenance;
mod shape;
mod strict;
mod unify;
mod widen;
mod to_json;

pub use provenance::{Note, Provenance};

use super::Schema;
use crate::error::{Error, Result};
use crate::limits::Limits;
use std::collections::HashMap;
use unify::{SourceSchema, Unified};

/// What to do with types that no single type can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnConflict {
    /// Fail with an error that names the path, both sources and both types.
    #[default]
    Error,
    /// Merge times, timestamps and decimals to the type of smaller units that holds both exactly, which must be read
    /// with [`Options::widen`](crate::Options::widen); merge all other types to a union. Types that a union cannot
    /// hold together are still an error: two logical types of one kind, such as `timestamp-millis` and
    /// `local-timestamp-millis`.
    Widen,
    /// Fail on any difference in content: fields, their order, types, null, symbols. Documentation, aliases, defaults,
    /// unknown attributes, namespaces and the name of the top level may differ.
    Strict,
}

/// The schema of a table over files of many schemas.
///
/// | | |
/// |---|---|
/// | fields | by name and by aliases of either side, in any order; new ones come last |
/// | renamed fields and types | called as in the last schema that has them, with the other names as aliases |
/// | fields that some schema lacks | take the default of the last schema that has a valid one; else they are nullable, with the default null |
/// | T and null, or T and a union of null and T | a union of null and T |
/// | int and long; any of them, float and double | long; double (not float, which does not hold every int) |
/// | string and bytes | bytes, which may not be text |
/// | uuid on a string and string | string |
/// | decimals of one scale | the one of more digits |
/// | records, enums, fixed of one size | by name without the namespace, and by aliases; by any name where no schema has a choice of types |
/// | enums | all symbols, new ones last |
/// | a union of several types, and any type | the union of all types |
/// | all else | see [`OnConflict`] |
///
/// Attributes and documentation come from the first schema that has them. If two different types have one name, a
/// number is appended to the second's name, and its name becomes an alias.
///
/// The order of the schemas affects only what the specification leaves open: the order of fields, symbols and branches,
/// which name is current, and which default and attributes are taken.
#[derive(Debug, Clone)]
pub struct MergedSchema {
    /// The merged schema, to which each source schema resolves. If all sources have one text, it is that schema.
    pub schema: Schema,
    /// The provenance of the fields in their order; fields of a nested record follow the field they are in. A type
    /// that is used several times is listed at its first use. Items of arrays, values of maps and the top level are
    /// listed if there is a note. Empty for a single schema that is too deep to be written again.
    pub fields: Vec<Provenance>,
}

impl MergedSchema {
    /// Merges schemas, in the order in which they were written, each with the name of its source. Schemas of equal
    /// text are merged once, so the cost depends on the number of distinct schemas.
    ///
    /// # Errors
    /// - [`ErrorKind::Conflict`](crate::ErrorKind::Conflict): types conflict under `conflicts`.
    /// - [`ErrorKind::Limit`](crate::ErrorKind::Limit): the merged schema exceeds `limits`.
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): its types would be nested too deeply.
    /// - [`ErrorKind::Argument`](crate::ErrorKind::Argument): there are no schemas.
    pub fn of<'s>(
        sources: impl IntoIterator<Item = (&'s str, &'s Schema)>,
        conflicts: OnConflict,
        limits: &Limits,
    ) -> Result<MergedSchema> {
        let sources = distinct(sources);
        let Some(first) = sources.first() else { return Err(Error::argument("no schemas to merge")) };
        if conflicts == OnConflict::Strict {
            for other in sources.iter().skip(1) {
                strict::check(first, other)?;
            }
        }
        let only = (sources.len() == 1).then(|| first.schema.clone());
        let unified = Unified::new(sources);
        match (to_json::write(&unified, conflicts), only) {
            (Ok((_, fields)), Some(schema)) => Ok(MergedSchema { schema, fields }),
            // A schema too deep to be written can still be read, unless a limit forbids it.
            (Err(_), Some(schema)) => Ok(MergedSchema { schema, fields: Vec::new() }),
            (written, None) => {
                let (json, fields) = written?;
                Ok(MergedSchema { schema: Schema::parse(&json.to_string(), limits)?, fields })
            }
        }
    }
}

/// The distinct schemas, in the order of their first sources.
fn distinct<'s>(sources: impl IntoIterator<Item = (&'s str, &'s Schema)>) -> Vec<SourceSchema<'s>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    // Clones of a schema share their text, which is compared once.
    let mut shared: HashMap<*const u8, usize> = HashMap::new();
    let mut distinct: Vec<SourceSchema<'s>> = Vec::new();
    for (newest, (label, schema)) in sources.into_iter().enumerate() {
        let of_text = || *places.entry(schema.json()).or_insert(distinct.len());
        let place = *shared.entry(schema.json().as_ptr()).or_insert_with(of_text);
        match distinct.get_mut(place) {
            Some(source) => (source.last, source.newest, source.n) = (label, newest, source.n + 1),
            None => distinct.push(SourceSchema { schema, first: label, last: label, n: 1, newest }),
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
