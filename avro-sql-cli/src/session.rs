//! The session: resources and named tables in, a DataFusion context out.

use avro_datafusion::{AvroContext, AvroOptions};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::{Error, Result};
use crate::options::Resources;

/// A context in which paths and the tables named are tables.
pub(crate) async fn open(resources: &Resources, tables: &[(String, String)]) -> Result<SessionContext> {
    let config = SessionConfig::new()
        .with_target_partitions(resources.threads)
        .with_batch_size(resources.batch_rows)
        .with_information_schema(true);
    let context = avro_datafusion::session(config);
    if let Some(bytes) = resources.memory_bytes {
        // Said in SQL because a context that exists already takes a new limit in no other way. The unit is one of its own.
        let limit = format!("SET datafusion.runtime.memory_limit = '{}K'", bytes.div_ceil(1024));
        context.sql(&limit).await?;
    }
    for (name, path) in tables {
        let registered = context.register_avro(name, path, AvroOptions::default()).await;
        registered.map_err(|e| Error::from(e).within(&format!("table {name}")))?;
    }
    Ok(context)
}
