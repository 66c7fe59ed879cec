//! Projections: resolves names and paths to the fields of each record to read.
//!
//! A path follows the Arrow type: it names the fields of records and passes through lists and maps.

use super::Planner;
use crate::error::{Error, Result};
use crate::schema::{Field as AvroField, Kind, NodeId};
use std::collections::{BTreeMap, HashMap};

/// The parts of a value to read.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Whether all of it is read, whatever is in `fields`.
    whole: bool,
    /// The fields to read in its records, by index: the column that each becomes and the parts to read.
    fields: BTreeMap<usize, (usize, Wanted)>,
}

/// All of a value.
pub(super) static WHOLE: Wanted = Wanted { whole: true, fields: BTreeMap::new() };

impl Wanted {
    /// The column of a record's field and the parts to read, if the field is read.
    pub(super) fn field(&self, at: usize) -> Option<(usize, &Wanted)> {
        if self.whole {
            return Some((at, &WHOLE));
        }
        self.fields.get(&at).map(|(column, wanted)| (*column, wanted))
    }

    /// Mutable access for additions. A new field becomes the next column.
    fn field_mut(&mut self, at: usize) -> &mut Wanted {
        let column = self.fields.len();
        &mut self.fields.entry(at).or_insert_with(|| (column, Wanted::default())).1
    }
}

/// The fields by name of each record that a path has passed.
type Places<'s> = HashMap<NodeId, HashMap<&'s str, usize>>;

impl<'a> Planner<'a> {
    /// The parts to read of a row with these fields.
    pub(super) fn wanted(&mut self, row: &[AvroField]) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        let Some(projection) = &self.options.projection else { return Ok(Wanted { whole: true, ..wanted }) };
        let mut places = Places::new();
        let n_open = self.open.len();
        for path in projection {
            let added = self.add_path(&mut wanted, &mut places, row, path);
            self.open.truncate(n_open);
            added?;
        }
        Ok(wanted)
    }

    fn add_path<'s>(
        &mut self,
        mut wanted: &mut Wanted,
        places: &mut Places<'s>,
        mut fields: &'s [AvroField],
        path: &str,
    ) -> Result<()>
    where
        'a: 's,
    {
        let (mut record, mut rest) = (self.reader.root(), path);
        let mut depth = 0;
        loop {
            let places = places.entry(record).or_insert_with(|| places_of(fields));
            let before = path.strip_suffix(rest).and_then(|before| before.strip_suffix('.'));
            let Some((at, behind)) = first_field(places, rest) else { return Err(unknown(path, before, fields)) };
            self.deeper(&mut depth)?;
            wanted = wanted.field_mut(at);
            let (Some(behind), Some(field)) = (behind, fields.get(at)) else { break };
            let inside = path.strip_suffix(behind).and_then(|inside| inside.strip_suffix('.')).unwrap_or(path);
            let wrong = |why: &str| Error::argument(format!("no column `{path}`: `{inside}` {why}"));

            // Through the types around the record.
            let mut node = field.node;
            (record, fields) = loop {
                node = self.unwrap_union(node).1;
                node = match &self.reader.node(node).kind {
                    Kind::Record(_) if self.is_json(node) => {
                        return Err(wrong(
                            "is of a type inside itself, read as JSON text; a higher `recursion_levels` expands it",
                        ));
                    }
                    Kind::Record(inner) => {
                        self.open.push(node);
                        break (node, &inner.fields);
                    }
                    Kind::Array(items) => {
                        self.deeper(&mut depth)?;
                        match self.pairs(node) {
                            Some((pair, values)) => {
                                // As for any map, the keys are kept.
                                self.deeper(&mut depth)?;
                                self.open.push(pair);
                                wanted.field_mut(0).whole = true;
                                wanted = wanted.field_mut(1);
                                values
                            }
                            None => *items,
                        }
                    }
                    Kind::Map(values) => {
                        self.deeper(&mut depth)?;
                        *values
                    }
                    Kind::Union(_) => {
                        return Err(wrong("is a union of several types, which is read whole or not at all"));
                    }
                    kind => return Err(wrong(&format!("has no fields: it is of the type {}", kind.word()))),
                };
            };
            rest = behind;
        }
        if std::mem::replace(&mut wanted.whole, true) {
            return Err(Error::argument(format!("column `{path}` is asked for twice")));
        }
        Ok(())
    }

    /// One level deeper, as what is read will be.
    fn deeper(&self, depth: &mut usize) -> Result<()> {
        *depth += 1;
        super::limit("nesting", *depth, self.options.limits.nesting)
    }
}

fn places_of(fields: &[AvroField]) -> HashMap<&str, usize> {
    let mut places = HashMap::new();
    for (at, field) in fields.iter().enumerate() {
        // Some real schemas give two fields one name: the name then means the first.
        places.entry(field.name.as_str()).or_insert(at);
    }
    places
}

/// The field at the start of a path, and the rest of the path. Names with dots, which the specification forbids, take
/// precedence over paths, the longest first.
fn first_field<'p>(places: &HashMap<&str, usize>, path: &'p str) -> Option<(usize, Option<&'p str>)> {
    if let Some(at) = places.get(path) {
        return Some((*at, None));
    }
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let (name, behind) = path.split_at(dot);
        places.get(name).map(|at| (*at, behind.strip_prefix('.')))
    })
}

fn unknown(path: &str, before: Option<&str>, fields: &[AvroField]) -> Error {
    let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let inside = before.map(|before| format!(" in `{before}`")).unwrap_or_default();
    Error::argument(format!("no column `{path}`;{inside} there are: {}", known.join(", ")))
}
