//! A seed and a schema in; options for reading it out.

use crate::{Rng, evolved_schema, random_paths};
use avro_arrow::schema::Schema;
use avro_arrow::{Enums, ErrorKind, LogicalMaps, Options, Program, Strings, Unions};

/// Returns random options for data of this schema: Arrow types, a reader's schema that can read it, a projection.
/// `None` if all columns together exceed a limit.
pub fn random_options(rng: &mut Rng, schema: &Schema) -> Option<Options> {
    let mut options = Options::default()
        .with_strings(rng.pick(Strings::View, &[Strings::Utf8]))
        .with_enums(rng.pick(Enums::Dictionary, &[Enums::String]))
        .with_unions(rng.pick(Unions::Dense, &[Unions::Struct]))
        .with_logical_maps(rng.pick(LogicalMaps::List, &[LogicalMaps::Map]))
        .with_recursion_levels(rng.below(3));
    options.limits.arrow_fields = 2_000;
    if rng.one_in(3) {
        let reader = evolved_schema(rng, schema.json()).and_then(|json| Schema::parse(&json, &options.limits).ok());
        // Not every change can be followed.
        options.reader_schema = reader;
        if matches!(Program::compile(schema, &options), Err(e) if matches!(e.kind(), ErrorKind::Resolve { .. })) {
            options.reader_schema = None;
        }
    }
    if rng.one_in(2) {
        // Paths follow the Arrow type. Where that is too large, there is no program of all of it.
        let whole = Program::compile(schema, &options).ok()?;
        options.projection = Some(random_paths(rng, whole.arrow_schema()));
    }
    Some(options)
}
