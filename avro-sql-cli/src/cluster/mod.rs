//! More than one machine: sessions whose queries run on workers. Built only with the feature `cluster`.

#[cfg(feature = "cluster")]
mod addresses;
#[cfg(feature = "cluster")]
mod members;

#[cfg(feature = "cluster")]
pub(crate) use members::{Cluster, secrets, told_version, version};

#[cfg(not(feature = "cluster"))]
mod absent;
#[cfg(not(feature = "cluster"))]
pub(crate) use absent::{NoCluster as Cluster, absent};
