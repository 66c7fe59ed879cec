//! A client of schema registries: Confluent's API, which others serve too, and Apicurio's own.
//!
//! ```no_run
//! use avro_arrow::message::SchemaId;
//! use avro_registry::RegistryClient;
//!
//! # async fn tour() -> avro_registry::Result<()> {
//! let registry = RegistryClient::builder("https://registry:8081").bearer("token").build()?;
//! // The schema of a message, with the types that it refers to in other subjects.
//! let schema = registry.schema(SchemaId::Number(7)).await?;
//! // The newest version of a subject.
//! let newest = registry.latest("orders-value").await?;
//! println!("{} version {} is {}", newest.subject, newest.version, newest.schema.canonical_form());
//! # Ok(())
//! # }
//! ```
//!
//! - [`RegistryClient`] looks up, registers and compares schemas. Found schemas are kept for ever, as ids never change
//!   their meaning; an unknown id is asked for again after seconds.
//! - [`BlockingRegistry`] does this from threads without async code, and resolves the ids of a
//!   [`MessageDecoder`](avro_arrow::message::MessageDecoder).
//! - [`Builder`] has the credentials, certificates, retries and [`Limits`]. [`Builder::environment`] takes what is not
//!   given from environment variables.
//!
//! Requests pass through the modules in this order: `client` → `references` → `api` (which requests, what answers mean)
//! → `transport` (retries, several addresses, redirects, credentials) → `exchange` (one request, its limits).
//!
//! Secrets are in no error and no debug output. A redirect to another server takes neither credentials nor a client
//! certificate with it.
#![forbid(unsafe_code)]

// In the order of the data: a module imports only from those above it.
mod secret;
mod error;
mod limits;
mod address;
mod credentials;
mod environment;
mod retries;
mod exchange;
mod token;
mod transport;
mod subject;
mod api;
mod cache;
mod references;
mod client;
mod builder;
mod blocking;

pub use blocking::BlockingRegistry;
pub use builder::Builder;
pub use client::{Compatibility, Registration, RegistryClient, SchemaVersion};
pub use credentials::{Credentials, OAuth, Tls};
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use retries::Retries;
pub use secret::Secret;
pub use subject::{ApicurioIds, Reference, SubjectStrategy, SubjectVersion};
