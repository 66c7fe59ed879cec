//! Help examples of the tools that work block by block.

/// Examples of `meta`.
pub(crate) const META: &str = "\
Examples:
  avro-sql meta events.avro
  avro-sql meta --blocks 's3://bucket/logs/*.avro'
  avro-sql meta --key avro.codec events.avro
  avro-sql meta --json logs/ | jq .rows";

/// Examples of `head`.
pub(crate) const HEAD: &str = "\
Examples:
  avro-sql head events.avro
  avro-sql head -n 3 --format ndjson s3://bucket/logs/2024.avro";

/// Examples of `cat`.
pub(crate) const CAT: &str = "\
Examples:
  avro-sql cat logs/ --format ndjson
  avro-sql cat --sample 0.01 --seed 7 events.avro -o some.parquet
  avro-sql cat --offset 1000 -n 10 events.avro
  avro-sql cat monday.avro tuesday.avro both.avro               as avro-tools: both.avro is new";

/// Examples of `tojson`.
pub(crate) const TOJSON: &str = "\
Examples:
  avro-sql tojson events.avro | jq .id
  avro-sql tojson --head 3 --pretty events.avro
  avro-sql tojson --plain --reader-schema new.avsc logs/ -o all.ndjson";

/// Examples of `fromjson`.
pub(crate) const FROMJSON: &str = "\
Examples:
  avro-sql fromjson events.json events.avro --schema-file events.avsc
  avro-sql fromjson --plain --level 9 --schema-file events.avsc - events.avro < events.ndjson";

/// Examples of `concat`.
pub(crate) const CONCAT: &str = "\
Examples:
  avro-sql concat monday.avro tuesday.avro week.avro
  avro-sql concat 'logs/2024-*.avro' 2024.avro";

/// Examples of `recodec`.
pub(crate) const RECODEC: &str = "\
Examples:
  avro-sql recodec events.avro small.avro --codec zstandard --level 19
  avro-sql recodec events.avro - --codec null | less";

/// Examples of `repair`.
pub(crate) const REPAIR: &str = "\
Examples:
  avro-sql repair --report events.avro
  avro-sql repair events.avro whole.avro
  avro-sql repair -o prior events.avro before.avro
  avro-sql repair -o report events.avro                         as --report";

/// Examples of `random`.
pub(crate) const RANDOM: &str = "\
Examples:
  avro-sql random events.avsc test.avro --count 1000 --seed 1
  avro-sql random events.avro - --count 10 | avro-sql tojson -
  avro-sql random --schema '\"int\"' --count 5 ints.avro          also --schema-file FILE";

/// Examples of `explain-program`.
pub(crate) const EXPLAIN_PROGRAM: &str = "\
Examples:
  avro-sql explain-program events.avro
  avro-sql explain-program --columns id,user.name events.avro";

/// Examples of `fromtext`.
pub(crate) const FROMTEXT: &str = "\
Examples:
  avro-sql fromtext server.log log.avro --codec deflate";

/// Examples of `totext`.
pub(crate) const TOTEXT: &str = "\
Examples:
  avro-sql totext log.avro | grep error";

/// Examples of `fragtojson`.
pub(crate) const FRAGTOJSON: &str = "\
Examples:
  avro-sql fragtojson message.bin --schema-file events.avsc
  avro-sql fragtojson - --schema '\"long\"' < number.bin";

/// Examples of `jsontofrag`.
pub(crate) const JSONTOFRAG: &str = "\
Examples:
  avro-sql jsontofrag message.json message.bin --schema-file events.avsc";

/// Examples of `idl`.
pub(crate) const IDL: &str = "\
Examples:
  avro-sql idl shop.avdl shop.avpr
  avro-sql idl --import common/ shop.avdl               also searches common/ for imported files
  avro-sql schema shop.avdl#Order                       the schema of one type
  avro-sql schema --idl events.avro                     the other way: IDL of a schema";

/// Examples of `idl2schemata`.
pub(crate) const IDL2SCHEMATA: &str = "\
Examples:
  avro-sql idl2schemata shop.avdl schemas/";
