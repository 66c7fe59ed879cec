//! The schemas that messages are written with: an id in, its schema out, of those that are known or else from whom the caller
//! appointed.

use super::SchemaId;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Why a [`ResolveSchema`] has no answer.
pub type ResolveError = Box<dyn std::error::Error + Send + Sync>;

/// Asked for the schemas that a [`SchemaStore`] does not know, such as a schema registry's client. Closures are.
pub trait ResolveSchema: Send {
    /// The schema of this id. `None` says that there is no such schema, which is remembered, as schemas are.
    ///
    /// # Errors
    /// Where it cannot be found out, such as when a registry cannot be reached: the message at hand fails with
    /// [`ErrorKind::Resolver`], and the next one of the id asks again.
    fn resolve(&mut self, id: SchemaId) -> Result<Option<Schema>, ResolveError>;
}

impl<F: FnMut(SchemaId) -> Result<Option<Schema>, ResolveError> + Send> ResolveSchema for F {
    fn resolve(&mut self, id: SchemaId) -> Result<Option<Schema>, ResolveError> {
        self(id)
    }
}

/// Schemas by their ids, and whom to ask for others.
#[derive(Default)]
pub struct SchemaStore {
    known: HashMap<SchemaId, Arc<Schema>>,
    /// The resolver said that there are none.
    unknown: HashMap<SchemaId, ()>,
    resolver: Option<Box<dyn ResolveSchema>>,
}

/// So many ids without a schema are remembered: messages can name any number of them.
const UNKNOWN_MAX: usize = 1 << 16;

impl SchemaStore {
    /// A store of no schemas.
    pub fn new() -> SchemaStore {
        SchemaStore::default()
    }

    /// A store of the one schema of messages without ids.
    pub fn single(schema: Schema) -> SchemaStore {
        let mut store = SchemaStore::new();
        store.insert(SchemaId::Unnamed, schema);
        store
    }

    /// Asks this one for schemas that it does not know, once for each.
    #[must_use]
    pub fn with_resolver(self, resolver: impl ResolveSchema + 'static) -> SchemaStore {
        SchemaStore { resolver: Some(Box::new(resolver)), ..self }
    }

    /// Knows the schema of this id from here on. A decoder that has met the id before goes on with the schema it had.
    pub fn insert(&mut self, id: SchemaId, schema: Schema) {
        self.unknown.remove(&id);
        self.known.insert(id, Arc::new(schema));
    }

    /// The same for [`SingleObject`](super::Framing::SingleObject) messages, whose id is made of the schema itself.
    pub fn insert_rabin(&mut self, schema: Schema) -> SchemaId {
        let id = SchemaId::Rabin(schema.rabin());
        self.insert(id, schema);
        id
    }

    /// The schema of this id.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSchema`] where there is none, [`ErrorKind::Resolver`] where that cannot be found out.
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
    use std::sync::atomic::{AtomicU32, Ordering};

    fn schema(json: &str) -> Schema {
        Schema::parse(json, &Default::default()).unwrap()
    }

    #[test]
    fn each_id_is_asked_for_once_but_after_a_failure() {
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
            (2, "schema id 2 is not known", 2),
            (2, "schema id 2 is not known", 2),
            (3, "schema id 3 cannot be looked up: timeout 2", 3),
            (3, "schema id 3 cannot be looked up: timeout 3", 4),
            (1, "\"int\"", 4),
        ];
        for (number, want, n_asked) in cases {
            let found = store.get(SchemaId::Number(number));
            let found = found.map_or_else(|e| e.to_string(), |schema| schema.json().to_owned());
            assert_eq!((found.as_str(), asked.load(Ordering::Relaxed)), (want, n_asked));
        }
        store.insert(SchemaId::Number(2), schema("\"null\""));
        assert_eq!(store.get(SchemaId::Number(2)).unwrap().json(), "\"null\"");
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn without_a_resolver() {
        let mut store = SchemaStore::single(schema("\"int\""));
        assert_eq!(store.get(SchemaId::Unnamed).unwrap().json(), "\"int\"");
        assert_eq!(
            store.get(SchemaId::Rabin(1)).unwrap_err().to_string(),
            "schema fingerprint 0000000000000001 is not known"
        );
    }

    #[test]
    fn any_number_of_ids_without_a_schema() {
        let mut store = SchemaStore::new().with_resolver(|_| Ok(None));
        for number in 0..70_000 {
            assert!(store.get(SchemaId::Number(number)).is_err());
        }
        assert!(store.unknown.len() <= UNKNOWN_MAX);
    }
}
