//! The columnar copies of a table's files, and their columns in memory: finding them for a scan, making and removing
//! copies.

use crate::block_index::FileIndex;
use crate::block_index::format::Identity;
use crate::cache::{
    self, AutoCopies, CacheOptions, ColumnCache, ColumnLoader, CopyMaker, FileCached, FileColumns, PlannedCopy,
    ScanColumns, ScanCopies, build_files, directory_of, index_of,
};
use crate::listing::listed::ListedFile;
use crate::listing::location::file_name;
use crate::options::read::CacheUse;
use crate::table::provider::AvroTable;
use crate::virtual_columns::without;
use arrow_schema::FieldRef;
use avro_arrow::OnCorruptBlock;
use datafusion::catalog::Session;
use datafusion::common::{Result, plan_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use std::sync::Arc;

/// What describes the blocks of each file, if anything does.
pub(super) type FileBlocks = Vec<Option<Arc<FileIndex>>>;

impl AvroTable {
    /// Makes the columnar copies of the table's files in the directory of the option `cache_path`, unless they are up
    /// to date. Columns that a file's copy has already are kept.
    ///
    /// The work runs on the runtime of the caller, in as many tasks as the session has target partitions. Each copy
    /// appears when it is complete.
    ///
    /// # Errors
    /// If no directory is set, a column does not exist, a file cannot be read, or a copy cannot be written. Copies of
    /// files that were done before remain.
    pub async fn build_copies(&self, session: &dyn Session, cache: &CacheOptions) -> Result<Vec<FileCached>> {
        let options = self.format.options();
        let n_tasks = session.config().target_partitions();
        let maker = self.copy_maker(session)?;
        let columns = self.columns_named(cache.columns.as_deref())?;
        build_files(maker, self.listed(session).await?, &columns, options, cache, n_tasks).await
    }

    /// Removes the columnar copies of the table's files, whatever version of the files they are of, and returns how
    /// many there were. Their columns in memory are dropped, too.
    ///
    /// # Errors
    /// If no directory is set, or a copy cannot be removed.
    pub async fn remove_copies(&self, session: &dyn Session) -> Result<u64> {
        let directory = directory_of(self.format.options())?;
        let files = self.listed(session).await?;
        if let Some(columns) = session.config().get_extension::<ColumnCache>() {
            files.iter().for_each(|file| columns.remove(&file.name()));
        }
        cache::remove_copies(&directory, &files)
    }

    async fn listed(&self, session: &dyn Session) -> Result<Vec<ListedFile>> {
        let mut listed = vec![];
        for (store_url, files) in self.files(session, &[]).await? {
            let store = session.runtime_env().object_store(&store_url)?;
            listed.extend(files.into_iter().map(|file| ListedFile {
                store: Arc::clone(&store),
                store_url: store_url.clone(),
                object: file.object_meta,
            }));
        }
        Ok(listed)
    }

    /// Returns the columns of these names, or all that the files have.
    fn columns_named(&self, names: Option<&[String]>) -> Result<Vec<FieldRef>> {
        let own = without(self.schema.file_schema());
        let Some(names) = names else { return Ok(own.fields().to_vec()) };
        let mut columns: Vec<FieldRef> = vec![];
        for name in names {
            let same = |field: &&FieldRef| field.name() == name;
            let folded = |field: &&FieldRef| field.name().eq_ignore_ascii_case(name);
            match own.fields().iter().find(same).or_else(|| own.fields().iter().find(folded)) {
                Some(field) if columns.contains(field) => {}
                Some(field) => columns.push(Arc::clone(field)),
                None => {
                    let known: Vec<_> = own.fields().iter().map(|field| field.name().as_str()).collect();
                    return plan_err!("no column `{name}` in the files; available: {}", known.join(", "));
                }
            }
        }
        Ok(columns)
    }

    fn copy_maker(&self, session: &dyn Session) -> Result<CopyMaker> {
        let headers = self.format.headers();
        Ok(CopyMaker::new(
            Arc::clone(headers),
            Arc::new(self.format.reader(&self.schema)),
            without(self.schema.file_schema()).fields().clone(),
            directory_of(headers.options())?,
            session.config().target_partitions(),
            MemoryConsumer::new("AvroCache").register(&session.runtime_env().memory_pool),
        ))
    }

    /// Finds the columns of these files that are in memory, for a scan, and attaches them.
    pub(super) fn in_memory(
        &self,
        session: &dyn Session,
        store: &dyn ObjectStore,
        store_url: &ObjectStoreUrl,
        files: &mut [PartitionedFile],
    ) -> ScanColumns {
        let headers = self.format.headers();
        let options = headers.options();
        let may_use = options.cache != CacheUse::Ignore && options.on_corrupt_block == OnCorruptBlock::Error;
        let Some(cache) = session.config().get_extension::<ColumnCache>().filter(|_| may_use) else {
            return ScanColumns::default();
        };
        let planned_at = cache.tick();
        let mut planned = vec![];
        for file in files.iter_mut().filter(|_| !cache.is_empty()) {
            let name = file_name(store_url, &file.object_meta.location);
            let known = if cache.has(&name) { headers.known(store, &file.object_meta) } else { None };
            let Some(header) = known else { continue };
            let identity = Identity::new(&file.object_meta, header.header.sync, header.schema.avro());
            if let Some(columns) = cache.get(&name, &identity) {
                file.extensions.insert_arc(Arc::clone(&columns));
                planned.push((name, header, columns));
            }
        }
        let (reader, pool) = (Arc::new(self.format.reader(&self.schema)), &session.runtime_env().memory_pool);
        let n_tasks = session.config().target_partitions();
        let loader = ColumnLoader::new(cache, Arc::clone(headers), reader, Arc::clone(pool), n_tasks, planned_at);
        ScanColumns { n_files: files.len(), planned, loader: Some(Arc::new(loader)) }
    }

    /// Finds the copies of these files for a scan, and attaches them. Also returns the blocks of each file: those of
    /// its index, the row groups of its copy, or the groups of its columns in memory.
    pub(super) async fn copies(
        &self,
        session: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        store_url: &ObjectStoreUrl,
        files: &mut [PartitionedFile],
        indexes: &[Option<Arc<FileIndex>>],
        limit: Option<usize>,
    ) -> (ScanCopies, FileBlocks) {
        let headers = self.format.headers();
        let copies = cache::copies(headers, store, store_url, files).await;
        let is_auto = headers.options().cache == CacheUse::Auto && limit.is_none();
        let auto = is_auto.then(|| self.copy_maker(session).ok()).flatten().map(AutoCopies::new);
        let scan = ScanCopies::new(store_url, files, &copies, auto);
        let blocks = |(index, copy): (&Option<Arc<FileIndex>>, &Option<Arc<PlannedCopy>>)| {
            index.clone().or_else(|| copy.as_deref().map(index_of))
        };
        let blocks = indexes.iter().zip(&copies).map(blocks).zip(files.iter());
        let in_memory = |file: &PartitionedFile| Some(Arc::clone(file.extensions.get_arc::<FileColumns>()?.index()));
        let blocks = blocks.map(|(blocks, file)| blocks.or_else(|| in_memory(file))).collect();
        for (file, copy) in files.iter_mut().zip(copies) {
            if let Some(copy) = copy {
                file.extensions.insert_arc(copy);
            }
        }
        (scan, blocks)
    }
}
