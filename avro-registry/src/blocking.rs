//! A registry for code that is not async: requests run on a thread of their own.

use crate::client::{RegistryClient, SchemaVersion};
use crate::error::{Error, Result};
use crate::subject::SubjectVersion;
use avro_arrow::message::{ResolveError, ResolveSchema, SchemaId};
use avro_arrow::schema::Schema;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::thread;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// A registry that blocks the calling thread until an answer is there. Clones share its thread.
///
/// It can be used on any thread, also on those of an async runtime: requests do not run on the caller's runtime, so
/// they make progress while its thread waits. A call ends within the time that
/// [`Retries::total`](crate::Retries::total) allows for each request.
#[derive(Debug, Clone)]
pub struct BlockingRegistry {
    client: RegistryClient,
    jobs: UnboundedSender<Job>,
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

impl BlockingRegistry {
    /// Starts the thread of a client. It ends with the last clone.
    ///
    /// # Errors
    /// Fails if the system starts no thread.
    pub fn new(client: RegistryClient) -> Result<BlockingRegistry> {
        let failed = |e: std::io::Error| Error::setting(format!("no thread for requests to the registry: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (jobs, mut queue) = unbounded_channel::<Job>();
        let run = move || {
            runtime.block_on(async {
                while let Some(job) = queue.recv().await {
                    tokio::spawn(job);
                }
            });
        };
        thread::Builder::new().name("avro-registry".to_owned()).spawn(run).map_err(failed)?;
        Ok(BlockingRegistry { client, jobs })
    }

    /// Returns the client, which async code uses.
    pub fn client(&self) -> &RegistryClient {
        &self.client
    }

    /// Returns the schema with an id, as [`RegistryClient::schema`] does.
    ///
    /// # Errors
    /// Fails as [`RegistryClient::schema`] does.
    pub fn schema(&self, id: SchemaId) -> Result<Option<Arc<Schema>>> {
        let client = self.client.clone();
        self.wait(async move { client.schema(id).await })
    }

    /// Returns a version of a subject, or its newest one.
    ///
    /// # Errors
    /// Fails as [`RegistryClient::latest`] does.
    pub fn find(&self, wanted: &SubjectVersion) -> Result<Arc<SchemaVersion>> {
        let (client, wanted) = (self.client.clone(), wanted.clone());
        self.wait(async move { client.find(&wanted).await })
    }

    fn wait<T: Send + 'static>(&self, future: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (sender, answer) = mpsc::sync_channel(1);
        let job = async move {
            // The caller waits for it.
            let _ = sender.send(future.await);
        };
        let lost = || Error::setting("the thread for requests to the registry is gone");
        self.jobs.send(Box::pin(job)).map_err(|_| lost())?;
        answer.recv().map_err(|_| lost())?
    }
}

impl ResolveSchema for BlockingRegistry {
    fn resolve(&mut self, id: SchemaId) -> Result<Option<Schema>, ResolveError> {
        Ok(self.schema(id)?.map(|schema| Schema::clone(&schema)))
    }
}
