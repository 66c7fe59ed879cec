//! The object store registry of a session: registered stores, and stores created on demand.

use super::Service;
use super::configure::store;
use super::settings::Settings;
use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use object_store::ObjectStore;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use url::{Position, Url};

/// A registry of object stores that creates those of `s3://`, `gs://`, `az://` and `https://` URLs when they are first
/// used. Credentials, regions and endpoints come from the environment. Stores registered by hand take precedence.
///
/// [`register_all`](crate::register_all) wraps the registry of a session in one. No request is sent before a store is
/// used.
pub struct ObjectStores {
    /// The wrapped registry.
    registered: Arc<dyn ObjectStoreRegistry>,
    /// Stores created here, and stores of URLs with a user (the container, for Azure), which other registries do not
    /// tell apart. By scheme, user, host and port.
    made: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl ObjectStores {
    /// Wraps a registry.
    pub fn new(registered: Arc<dyn ObjectStoreRegistry>) -> Self {
        ObjectStores { registered, made: Mutex::default() }
    }

    fn made(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn ObjectStore>>> {
        // The map is consistent at every step, so a poisoned lock is fine.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(url: &Url) -> String {
    url[..Position::BeforePath].to_owned()
}

impl ObjectStoreRegistry for ObjectStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        if !url.username().is_empty() {
            return self.made().insert(key(url), store);
        }
        let made = self.made().remove(&key(url));
        self.registered.register_store(url, store).or(made)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match self.made().remove(&key(url)) {
            Some(store) => Ok(store),
            None => self.registered.deregister_store(url),
        }
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let Some(service) = Service::from_url(url) else {
            return match self.registered.get_store(url) {
                Err(_) if url.scheme() != "file" => plan_err!(
                    "no object store for {}://; supported are {}, and registered stores",
                    url.scheme(),
                    super::SERVICES.map(|service| service.schemes().join("://, ")).join("://, ") + "://"
                ),
                found => found,
            };
        };
        if let Some(store) = self.made().get(&key(url)) {
            return Ok(Arc::clone(store));
        }
        if let Ok(store) = self.registered.get_store(url) {
            return Ok(store);
        }
        let store = store(Settings::none(service), url)?;
        Ok(Arc::clone(self.made().entry(key(url)).or_insert(store)))
    }
}

impl fmt::Debug for ObjectStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made: Vec<String> = self.made().keys().cloned().collect();
        f.debug_struct("ObjectStores").field("registered", &self.registered).field("made", &made).finish()
    }
}

/// Wraps the registry of a session, unless it is wrapped already.
pub(crate) fn install(ctx: &SessionContext) -> Result<()> {
    let state = ctx.state_ref();
    let mut state = state.write();
    let registry = Arc::clone(&state.runtime_env().object_store_registry);
    // The marker is copied with the configuration into other sessions, which may have other registries.
    if let Some(installed) = state.config().get_extension::<ObjectStores>()
        && std::ptr::addr_eq(Arc::as_ptr(&installed), Arc::as_ptr(&registry))
    {
        return Ok(());
    }
    let stores = Arc::new(ObjectStores::new(registry));
    let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env());
    let runtime = runtime.with_object_store_registry(Arc::clone(&stores) as _).build_arc()?;
    let id = state.session_id().to_owned();
    state.config_mut().set_extension(stores);
    *state =
        SessionStateBuilder::new_from_existing(state.clone()).with_session_id(id).with_runtime_env(runtime).build();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;
    use datafusion::execution::object_store::DefaultObjectStoreRegistry;
    use object_store::memory::InMemory;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    #[cfg(feature = "cloud")]
    fn get_store_creates_known_schemes() {
        let stores = ObjectStores::new(Arc::new(DefaultObjectStoreRegistry::new()));
        // Two URLs, and whether they mean the same store.
        let cases = [
            ("s3://a/x", "s3://a/y/z", true),
            ("s3://a/x", "s3://b/x", false),
            ("s3://a/x", "s3a://a/x", false),
            ("gs://a/x", "gs://a", true),
            ("https://h/x", "https://h:8443/x", false),
            ("abfss://c@account.dfs.core.windows.net/x", "abfss://c@account.dfs.core.windows.net/y", true),
            ("abfss://c@account.dfs.core.windows.net/x", "abfss://d@account.dfs.core.windows.net/x", false),
            ("az://c/x", "az://c/y", true),
        ];
        check_all(cases, |(a, b, same)| {
            let (store, other) = (stores.get_store(&url(a)).unwrap(), stores.get_store(&url(b)).unwrap());
            assert_eq!(Arc::ptr_eq(&store, &other), same, "{a} {b}");
            assert!(a.starts_with(&store.to_string()), "{store}");
        });
        assert!(stores.get_store(&url("file:///x")).unwrap().to_string().starts_with("LocalFileSystem"));
        let error = stores.get_store(&url("hdfs://h/x")).unwrap_err().to_string();
        assert!(error.contains("no object store for hdfs://; supported are s3://, s3a://, gs://, az://"), "{error}");
    }

    #[test]
    fn registered_store_takes_precedence() {
        let registered = Arc::new(DefaultObjectStoreRegistry::new());
        let stores = ObjectStores::new(Arc::clone(&registered) as _);
        for (text, other) in
            [("s3://a", "s3://b"), ("abfs://c@h.dfs.core.windows.net", "abfs://d@h.dfs.core.windows.net")]
        {
            let by_hand: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            stores.register_store(&url(text), Arc::clone(&by_hand));
            assert!(Arc::ptr_eq(&stores.get_store(&url(text)).unwrap(), &by_hand), "{text}");
            assert!(!stores.get_store(&url(other)).is_ok_and(|store| Arc::ptr_eq(&store, &by_hand)), "{other}");
            assert!(Arc::ptr_eq(&stores.deregister_store(&url(text)).unwrap(), &by_hand));
        }
        let late: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let _ = stores.get_store(&url("s3://late"));
        stores.register_store(&url("s3://late"), Arc::clone(&late));
        assert!(Arc::ptr_eq(&stores.get_store(&url("s3://late")).unwrap(), &late));
        assert!(Arc::ptr_eq(&registered.get_store(&url("s3://late")).unwrap(), &late));
    }

    #[test]
    fn install_wraps_registry_once() {
        let ctx = SessionContext::new();
        let (id, catalogs) = (ctx.state().session_id().to_owned(), ctx.catalog_names());
        let by_hand: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        ctx.register_object_store(&url("s3://a"), Arc::clone(&by_hand));
        install(&ctx).unwrap();
        let registry = Arc::clone(&ctx.runtime_env().object_store_registry);
        install(&ctx).unwrap();
        assert!(Arc::ptr_eq(&registry, &ctx.runtime_env().object_store_registry), "not a second time");
        assert_eq!((ctx.state().session_id(), ctx.catalog_names()), (id.as_str(), catalogs));
        assert!(Arc::ptr_eq(&registry.get_store(&url("s3://a")).unwrap(), &by_hand));

        // Another session with the same configuration has its own registry.
        let other = SessionContext::new_with_config(ctx.copied_config());
        install(&other).unwrap();
        assert!(!Arc::ptr_eq(&registry, &other.runtime_env().object_store_registry));
        assert_eq!(other.runtime_env().object_store(ctx_url("s3://a")).is_ok(), cfg!(feature = "cloud"));
    }

    fn ctx_url(text: &str) -> datafusion::execution::object_store::ObjectStoreUrl {
        datafusion::execution::object_store::ObjectStoreUrl::parse(text).unwrap()
    }
}
