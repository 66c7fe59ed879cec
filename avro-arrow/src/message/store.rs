//! A store of the schemas that messages were written with, by their ids, which asks a resolver for unknown ids.

use super::SchemaId;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The error of a [`ResolveSchema`].
pub type ResolveError = Box<dyn std::error::Error + Send + Sync>;

/// Looks up schemas that a [`SchemaStore`] does not have, such as a client of a schema registry. Closures implement
/// it.
pub trait ResolveSchema: Send {
    /// Returns the schema with this id, or `None` if no schema has it. The store remembers either answer.
    ///
    /// # Errors
    /// Fails if the schema cannot be looked up, such as when a registry cannot be reached. The current message fails
    /// with [`ErrorKind::Resolver`], and the next message with the id asks again.
    fn resolve(&mut self, id: SchemaId) -> Result<Option<Schema>, ResolveError>;
}

impl<F: FnMut(SchemaId) -> Result<Option<Schema>, ResolveError> + Send> ResolveSchema for F {
    fn resolve(&mut self, id: SchemaId) -> Result<Option<Schema>, ResolveError> {
        self(id)
    }
}

/// Schemas by their ids, with a resolver for others.
#[derive(Default)]
pub struct SchemaStore {
    known: HashMap<SchemaId, Arc<Schema>>,
    /// Ids for which the resolver has no schema.
    unknown: HashMap<SchemaId, ()>,
    resolver: Option<Box<dyn ResolveSchema>>,
}

/// Maximum number of ids without a schema that are remembered, as messages can name any number of them.
const UNKNOWN_MAX: usize = 1 << 16;

impl SchemaStore {
    /// Creates an empty store.
    pub fn new() -> SchemaStore {
        SchemaStore::default()
    }

    /// Creates a store with one schema, for messages without ids.
    pub fn single(schema: Schema) -> SchemaStore {
        let mut store = SchemaStore::new();
        store.insert(SchemaId::Unnamed, schema);
        store
    }

    /// Sets the resolver, which is asked once for each unknown id.
    #[must_use]
    pub fn with_resolver(self, resolver: impl ResolveSchema + 'static) -> SchemaStore {
        SchemaStore { resolver: Some(Box::new(resolver)), ..self }
    }

    /// Adds the schema with this id. A decoder that has met the id before keeps the schema it had.
    pub fn insert(&mut self, id: SchemaId, schema: Schema) {
        self.unknown.remove(&id);
        self.known.insert(id, Arc::new(schema));
    }

    /// Adds a schema for [`SingleObject`](super::Framing::SingleObject) messages and returns its id, which is computed
    /// from the schema.
    pub fn insert_rabin(&mut self, schema: Schema) -> SchemaId {
        let id = SchemaId::Rabin(schema.rabin());
        self.insert(id, schema);
        id
    }

    /// Returns the schema with this id.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::UnknownSchema`] if the schema is missing, and with [`ErrorKind::Resolver`] if the
    /// look-up fails.
    pub fn get(&mut self, id: SchemaId) -> Result<Arc<Schema>> {
        if let Some(schema) = self.known.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let unknown = || Error::new(ErrorKind::UnknownSchema { id: id.to_string() });
        let Some(resolver) = self.resolver.as_mut().filter(|_| !self.unknown.contains_key(&id)) else {
            return Err(unknown());
        };
        let answer = resolver.resolve(id);
        match answer.map_err(|error| Error::new(ErrorKind::Resolver { id: id.to_string(), error }))? {
            Some(schema) => {
                let schema = Arc::new(schema);
                self.known.insert(id, Arc::clone(&schema));
                Ok(schema)
            }
            None => {
                if self.unknown.len() >= UNKNOWN_MAX {
                    self.unknown.clear();
                }
                self.unknown.insert(id, ());
                Err(unknown())
            }
        }
    }
}

impl fmt::Debug for SchemaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaStore").field("ids", &self.known.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use avro_testing::check_all;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn schema(json: &str) -> Schema {
        Schema::parse(json, &Default::default()).unwrap()
    }

    #[test]
    fn resolver_is_asked_once_for_each_id_unless_it_fails() {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let mut store = SchemaStore::new().with_resolver(move |id| {
            let n = counter.fetch_add(1, Ordering::Relaxed);
            match id {
                SchemaId::Number(1) => Ok(Some(schema("\"int\""))),
                SchemaId::Number(2) => Ok(None),
                _ => Err(format!("timeout {n}").into()),
            }
        });
        store.insert(SchemaId::Number(4), schema("\"long\""));
        let cases = [
            (4, "\"long\"", 0),
            (1, "\"int\"", 1),
            (1, "\"int\"", 1),
            (2, "schema id 2 is unknown", 2),
            (2, "schema id 2 is unknown", 2),
            (3, "schema id 3 cannot be looked up: timeout 2", 3),
            (3, "schema id 3 cannot be looked up: timeout 3", 4),
            (1, "\"int\"", 4),
        ];
        check_all(cases, |(number, want, n_asked)| {
            let found = store.get(SchemaId::Number(number));
            let found = found.map_or_else(|e| e.to_string(), |schema| schema.json().to_owned());
            assert_eq!((found.as_str(), asked.load(Ordering::Relaxed)), (want, n_asked));
        });
        store.insert(SchemaId::Number(2), schema("\"null\""));
        assert_eq!(store.get(SchemaId::Number(2)).unwrap().json(), "\"null\"");
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn store_without_resolver_knows_inserted_ids() {
        let mut store = SchemaStore::single(schema("\"int\""));
        assert_eq!(store.get(SchemaId::Unnamed).unwrap().json(), "\"int\"");
        assert_eq!(
            store.get(SchemaId::Rabin(1)).unwrap_err().to_string(),
            "schema fingerprint 0100000000000000 is unknown"
        );
    }

    #[test]
    fn store_remembers_unknown_ids_up_to_limit() {
        let mut store = SchemaStore::new().with_resolver(|_| Ok(None));
        for number in 0..70_000 {
            assert!(store.get(SchemaId::Number(number)).is_err());
        }
        assert!(store.unknown.len() <= UNKNOWN_MAX);
    }
}
