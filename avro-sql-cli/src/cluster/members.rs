//! The workers of a session: which answer, and which version they run.

use std::sync::{Arc, PoisonError, RwLock};

use avro_datafusion::cluster::{Channels, SharedFiles, TlsFiles, Token, WorkerLost, channel, enable_distributed};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use datafusion_distributed::WorkerResolver;
use futures::future::join_all;
use url::Url;

use super::addresses;
use crate::error::{Error, Result, n_of, print_note};
use crate::options::{Security, Workers};

/// What separates the version of a worker from the number of its threads.
const THREADS: &str = "; threads ";

/// The workers of a session.
pub(crate) struct Cluster {
    options: Workers,
    channels: Channels,
    members: Arc<RwLock<Vec<Member>>>,
}

/// A worker, and what it said last.
#[derive(Debug, Clone)]
struct Member {
    url: Url,
    /// The number of its threads, or why it is not used.
    state: Result<usize, String>,
}

/// Tells the planner which workers there are.
struct Answering(Arc<RwLock<Vec<Member>>>);

impl WorkerResolver for Answering {
    fn get_urls(&self) -> datafusion::error::Result<Vec<Url>> {
        Ok(answering(&self.0).map(|(url, _)| url).collect())
    }
}

/// Returns the workers that answer, with their threads.
fn answering(members: &RwLock<Vec<Member>>) -> impl Iterator<Item = (Url, usize)> {
    let members = members.read().unwrap_or_else(PoisonError::into_inner).clone();
    members.into_iter().filter_map(|Member { url, state }| Some((url, state.ok()?)))
}

/// Returns the version of this build. Plans travel only between equal ones.
pub(crate) fn version() -> String {
    let (own, build) = (env!("CARGO_PKG_VERSION"), env!("AVRO_SQL_BUILD_ID"));
    format!("{own}+{build} (DataFusion {})", datafusion::DATAFUSION_VERSION)
}

/// Returns token and certificates.
pub(crate) fn secrets(security: &Security) -> Result<(Option<Token>, TlsFiles)> {
    let token = security.token_file.as_deref().map(Token::read).transpose()?;
    let tls = TlsFiles {
        certificate: security.tls_cert.clone(),
        key: security.tls_key.clone(),
        ca: security.tls_ca.clone(),
        client_ca: security.tls_client_ca.clone(),
        server_name: security.tls_name.clone(),
    };
    Ok((token, tls))
}

/// Returns what a worker says when it is asked for its version.
pub(crate) fn told_version(threads: usize) -> String {
    format!("{}{THREADS}{threads}", version())
}

impl Cluster {
    /// Finds the workers and asks each for its version. Those that do not answer are left out, with a note.
    pub(crate) async fn connect(options: &Workers) -> Result<Arc<Cluster>> {
        let mut options = options.clone();
        // Certificates of machines found by a name usually have that name.
        if options.security.tls_name.is_none()
            && let [only] = options.addresses.as_slice()
            && let Some((name, _)) = only.strip_prefix("dns://").and_then(|rest| rest.rsplit_once(':'))
        {
            options.security.tls_name = Some(name.to_owned());
        }
        let (token, tls) = secrets(&options.security)?;
        let cluster = Cluster { options, channels: Channels::new(token, tls)?, members: Arc::default() };
        cluster.refresh(true).await?;
        Ok(Arc::new(cluster))
    }

    /// Looks again for workers, and asks each whether it is there. Notes name those that are left out since now.
    async fn refresh(&self, notes: bool) -> Result<()> {
        let urls = addresses::resolve(&self.options).await?;
        let members: Vec<Member> = join_all(urls.into_iter().map(|url| self.ask(url))).await;
        let known = std::mem::take(&mut *self.members.write().unwrap_or_else(PoisonError::into_inner));
        let mut reasons = Vec::new();
        for member in &members {
            let Err(reason) = &member.state else { continue };
            reasons.push(reason.clone());
            let is_told = known.iter().any(|other| other.url == member.url && other.state.is_err());
            if notes && !is_told && members.iter().any(|member| member.state.is_ok()) {
                print_note(&format!("avro-sql: warning: {reason}; the worker is not used"));
            }
        }
        let n = members.iter().filter(|member| member.state.is_ok()).count();
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members;
        match (n, reasons.is_empty()) {
            (0, true) => Err(Error::Failed("there are no workers; name some with --workers".to_owned())),
            (0, false) => Err(Error::Failed(format!("no worker can be used: {}", reasons.join("; ")))),
            _ => Ok(()),
        }
    }

    async fn ask(&self, url: Url) -> Member {
        let name = channel::name(&url);
        let state = match self.channels.version(&url).await {
            Ok(told) => match told.split_once(THREADS) {
                Some((theirs, threads)) if theirs == version() => Ok(threads.parse().unwrap_or(1)),
                _ => {
                    let theirs = told.split(THREADS).next().unwrap_or_default();
                    Err(format!("worker {name}: it runs version {theirs}, but this is version {}", version()))
                }
            },
            Err(e) => Err(match WorkerLost::of(&e) {
                Some(lost) => format!("worker {name} cannot be reached: {}", lost.cause()),
                None => Error::from(e).to_string(),
            }),
        };
        Member { url, state }
    }

    /// Makes a session run its queries on the workers.
    pub(crate) fn enable(&self, context: &SessionContext) -> Result<()> {
        // The planner splits work only if it counts on several threads.
        let threads = answering(&self.members).map(|(_, threads)| threads).max().unwrap_or(1).max(2);
        let mut builder = self.channels.install(SessionStateBuilder::new_from_existing(context.state()));
        let config = builder.config().get_or_insert_default();
        config.options_mut().execution.target_partitions = threads;
        if self.options.shared_files {
            config.set_extension(Arc::new(SharedFiles));
        }
        let state = enable_distributed(builder, Answering(Arc::clone(&self.members))).build();
        *context.state_ref().write() = state;
        Ok(())
    }

    /// Whether a query failed because a worker went away, and there are others that can run it.
    pub(crate) async fn lost_a_worker(&self, e: &Error) -> bool {
        if !WorkerLost::is_in(&e.to_string()) {
            return false;
        }
        if self.refresh(false).await.is_err() {
            return false;
        }
        let n = answering(&self.members).count();
        print_note(&format!(
            "avro-sql: warning: {e}; the query starts again on {}",
            n_of(u64::try_from(n).unwrap_or(0), "worker")
        ));
        true
    }

    /// Returns a line for each worker, after it was asked.
    pub(crate) async fn table(&self) -> String {
        let _ = self.refresh(false).await;
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner).clone();
        let line = |member: &Member| match &member.state {
            Ok(threads) => {
                format!(
                    "{}: ready, {}",
                    channel::name(&member.url),
                    n_of(u64::try_from(*threads).unwrap_or(0), "thread")
                )
            }
            Err(reason) => format!("{}: not used; {reason}", channel::name(&member.url)),
        };
        members.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
