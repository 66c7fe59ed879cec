//! Schemas with the types that they refer to in other subjects, at any depth.

use crate::api::{Api, Link, Stored};
use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::transport::Transport;
use avro_arrow::schema::{Imports, Schema};
use std::collections::HashSet;
use std::sync::Arc;

/// Advice of [`Imports`] for schema files, which have no conflicting definitions in a registry.
const FILES_REMEDY: &str = "; name the right file with --import";

/// A schema on the way from the first one to the current one.
struct Step {
    link: Link,
    /// Its references that are not visited yet.
    left: std::vec::IntoIter<Link>,
}

/// Looks up referenced schemas, which versions of subjects are: these never change.
pub(crate) struct References<'c> {
    pub(crate) api: Api,
    pub(crate) transport: &'c Transport,
    pub(crate) limits: &'c Limits,
    pub(crate) known: &'c Cache<String, Stored>,
}

impl References<'_> {
    /// Parses a schema together with the schemas that it refers to. `label` is what errors call it.
    pub(crate) async fn complete(&self, stored: &Stored, label: &str) -> Result<Schema> {
        let limits = self.limits;
        let invalid = |e: avro_arrow::Error| Error::new(ErrorKind::Schema(e)).wanting(label);
        let over = |limit, max| Error::new(ErrorKind::Limit { limit, max }).wanting(label);
        if stored.links.is_empty() {
            return Schema::parse(&stored.text, &limits.schema).map_err(invalid);
        }
        let mut imports = Imports::default();
        let mut bytes = stored.text.len();
        let mut visited = HashSet::new();
        let start = Link { label: label.to_owned(), path: String::new(), references: None };
        let mut steps = vec![Step { link: start, left: stored.links.clone().into_iter() }];
        while let Some(step) = steps.last_mut() {
            let Some(link) = step.left.next() else {
                steps.pop();
                continue;
            };
            if let Some(from) = steps.iter().position(|step| step.link.path == link.path) {
                let round = steps.iter().skip(from).map(|step| &step.link).chain([&link]);
                let round: Vec<&str> = round.map(|link| link.label.as_str()).collect();
                return Err(Error::new(ErrorKind::Cycle(round.join(" → "))).wanting(label));
            }
            if !visited.insert(link.path.clone()) {
                continue;
            }
            if visited.len() > limits.references {
                return Err(over("references", limits.references));
            }
            if steps.len() > limits.reference_depth {
                return Err(over("reference_depth", limits.reference_depth));
            }
            let Some(found) = self.referenced(&link).await.map_err(|e| e.wanting(label))? else {
                let missing = ErrorKind::Malformed(format!("it refers to {}, which does not exist", link.label));
                return Err(Error::new(missing).wanting(label));
            };
            bytes += found.text.len();
            if bytes > limits.reference_bytes {
                return Err(over("reference_bytes", limits.reference_bytes));
            }
            imports.add(&found.text, &link.label);
            let left = found.links.clone().into_iter();
            steps.push(Step { link, left });
        }
        imports.parse(&stored.text, &limits.schema).map_err(|e| match e.to_string().strip_suffix(FILES_REMEDY) {
            Some(problem) => Error::new(ErrorKind::Malformed(problem.to_owned())).wanting(label),
            None => invalid(e),
        })
    }

    async fn referenced(&self, link: &Link) -> Result<Option<Arc<Stored>>> {
        let fetch = async { Ok(self.api.fetch(link, self.transport).await?.map(Arc::new)) };
        self.known.get(link.path.clone(), fetch).await
    }
}
