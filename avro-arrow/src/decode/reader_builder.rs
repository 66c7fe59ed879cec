//! [`ReaderBuilder`]: options and a row filter, from which readers and decoders are built.

use crate::container::Header;
use crate::decode::decoder::Decoder;
use crate::decode::filter::{FilterProgram, RowFilter};
use crate::decode::parallel_reader::ParallelReader;
use crate::decode::reader::Reader;
use crate::error::Result;
use crate::limits::Limits;
use crate::options::{OnCorruptBlock, Options};
use crate::program::Program;
use crate::schema::Schema;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

/// Builds a [`Reader`], a [`ParallelReader`] or a [`Decoder`].
///
/// - [`with_projection`](Self::with_projection) selects columns, [`with_row_filter`](Self::with_row_filter) rows.
/// - [`with_reader_schema`](Self::with_reader_schema) resolves files of different schemas to one.
/// - [`with_batch_size`](Self::with_batch_size), [`with_limits`](Self::with_limits) and
///   [`with_on_corrupt_block`](Self::with_on_corrupt_block) control batches, memory and damaged files.
/// - [`with_options`](Self::with_options) sets all of [`Options`], such as the Arrow types of strings and unions.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro");
/// use arrow_array::{Array, BooleanArray, RecordBatch};
/// use avro_arrow::ReaderBuilder;
///
/// let reader = ReaderBuilder::new()
///     .with_batch_size(1024)
///     .with_projection(["s", "l"])
///     // Rows whose `l` is not null.
///     .with_row_filter(["l"], |columns: &RecordBatch| {
///         Ok((0..columns.num_rows()).map(|row| Some(columns.column(0).is_valid(row))).collect::<BooleanArray>())
///     })
///     .build(std::fs::File::open(path)?)?;
/// assert_eq!(reader.schema().fields().len(), 2);
/// for batch in reader {
///     println!("{} rows", batch?.num_rows());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ReaderBuilder {
    options: Options,
    filter: Option<ColumnsFilter>,
}

/// A row filter and the names of the columns that it is given.
struct ColumnsFilter {
    columns: Vec<String>,
    filter: Box<dyn CloneFilter>,
}

/// A [`RowFilter`] that can be cloned behind a pointer.
trait CloneFilter: RowFilter {
    fn clone_box(&self) -> Box<dyn CloneFilter>;
}

impl<F: RowFilter + Clone + 'static> CloneFilter for F {
    fn clone_box(&self) -> Box<dyn CloneFilter> {
        Box::new(self.clone())
    }
}

impl Clone for ColumnsFilter {
    fn clone(&self) -> Self {
        // Not `self.filter.clone_box()`: the box is a `CloneFilter` too where it is `Clone`.
        ColumnsFilter { columns: self.columns.clone(), filter: (*self.filter).clone_box() }
    }
}

impl fmt::Debug for ReaderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.filter.as_ref().map(|filter| &filter.columns);
        f.debug_struct("ReaderBuilder").field("options", &self.options).field("filter_columns", &columns).finish()
    }
}

impl ReaderBuilder {
    /// Returns a builder with the default [`Options`] and no row filter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all options. Setters that were called before have no effect then.
    #[must_use]
    pub fn with_options(self, options: Options) -> Self {
        ReaderBuilder { options, ..self }
    }

    /// Sets the maximum number of rows of a batch: [`Options::batch_size`].
    #[must_use]
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        self.options.batch_size = batch_size;
        self
    }

    /// Selects columns, or fields inside them, by path: [`Options::projection`].
    #[must_use]
    pub fn with_projection<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.options.projection = Some(paths.into_iter().map(Into::into).collect());
        self
    }

    /// Reads with this schema, by Avro's rules of schema resolution: [`Options::reader_schema`].
    #[must_use]
    pub fn with_reader_schema(mut self, schema: Schema) -> Self {
        self.options.reader_schema = Some(schema);
        self
    }

    /// Returns only the rows for which `filter`, evaluated on `columns`, is true: see [`Decoder::with_filter`].
    ///
    /// The columns are named as in [`Options::projection`] and need not be among those of the projection. Each thread
    /// of a [`ParallelReader`] has a clone of the filter, and the clones see the rows in no fixed order.
    #[must_use]
    pub fn with_row_filter<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
        filter: impl RowFilter + Clone + 'static,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.filter = Some(ColumnsFilter { columns, filter: Box::new(filter) });
        self
    }

    /// Sets the maximum sizes that a file may have: [`Options::limits`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets whether a corrupt block is an error or is skipped: [`Options::on_corrupt_block`].
    #[must_use]
    pub fn with_on_corrupt_block(mut self, on_corrupt_block: OnCorruptBlock) -> Self {
        self.options.on_corrupt_block = on_corrupt_block;
        self
    }

    /// Reads the header and returns a reader that decodes on the calling thread. `read` needs no buffer.
    ///
    /// # Errors
    /// Fails if the header cannot be read or is damaged, if the codec or the schema is not supported, or if the options
    /// or the filter's columns do not fit the schema (see [`Program::compile`]).
    pub fn build<R: Read>(self, mut read: R) -> Result<Reader<R>> {
        let (header, rest) = Header::read(&mut read, &self.options.limits)?;
        let mut decoder = self.build_decoder(&header)?;
        decoder.feed(rest.into());
        Ok(Reader::new(read, header, decoder))
    }

    /// Reads the header and returns a reader that decodes on `threads` threads, at least one.
    ///
    /// # Errors
    /// Fails as [`build`](Self::build) does, or if a thread cannot be started.
    pub fn build_parallel(self, read: impl Read + Send + 'static, threads: usize) -> Result<ParallelReader> {
        let ReaderBuilder { options, filter } = self;
        let mut program = None;
        ParallelReader::start(read, &options, threads, |output, decoder| {
            let Some(ColumnsFilter { columns, filter }) = &filter else { return Ok(()) };
            let program = match &mut program {
                Some(program) => program,
                none => none.insert(FilterProgram::compile(output, columns)?),
            };
            decoder.set_filter(program, (**filter).clone_box());
            Ok(())
        })
    }

    /// Returns a decoder for a whole file with this header.
    ///
    /// To decode byte ranges, or many files of one schema, compile a [`Program`] once and use [`Decoder::new`] or
    /// [`Decoder::for_range`].
    ///
    /// # Errors
    /// Fails if the options or the filter's columns do not fit the schema (see [`Program::compile`]).
    pub fn build_decoder(self, header: &Header) -> Result<Decoder> {
        let program = Arc::new(Program::compile(&header.schema, &self.options)?);
        let decoder = Decoder::new(header, Arc::clone(&program));
        match self.filter {
            Some(ColumnsFilter { columns, filter }) => {
                let program = FilterProgram::compile(&program, &columns)?;
                Ok(decoder.with_boxed_filter(&program, filter))
            }
            None => Ok(decoder),
        }
    }
}
