//! Help by topic: `avro-sql help TOPIC`, and `\? TOPIC` at the prompt. The examples run on `testdata/sql/events`.

use std::fmt::Write;

use avro_datafusion::{OPTIONS, OptionKind};

/// The names of the topics.
const TOPICS: [&str; 6] = ["sql", "types", "unions", "dates", "options", "s3"];

const SQL: &str = "\
Any path, glob or URL in quotes is a table: Avro, Parquet, Arrow, CSV, TSV, JSON, NDJSON.

  SELECT count(*) FROM 'events/';
  SELECT * FROM 'events/day=*/*.avro' LIMIT 3;
  DESCRIBE 'events/';

Names match in any case. Fields of records, items of lists and values of maps:

  SELECT id, address.city, tags[1], props['ref'] FROM 'events/' LIMIT 3;
  SELECT address.* FROM 'events/' LIMIT 3;
  SELECT tag, count(*) AS n FROM 'events/' e, UNNEST(e.tags) AS u(tag) GROUP BY ALL ORDER BY n DESC;

Also * EXCLUDE (a), * REPLACE (x AS a), GROUP BY ALL, QUALIFY, DISTINCT ON, UNION ALL BY NAME, FROM 't' alone.

Options of a call, and files that differ in their schemas:

  SELECT count(*) FROM read_avro('events/', enums => 'string', union_by_name => 'widen');

Where rows come from, and what files contain:

  SELECT _file, _row, id FROM read_avro('events/', virtual_columns => true) LIMIT 3;
  SELECT path, avro_type, doc FROM avro_schema('events/');
  SELECT file, value FROM avro_metadata('events/') WHERE key = 'avro.codec';
  SELECT * FROM avro_damage('events/');

COPY (SELECT ..) TO 'x.parquet' writes a file; so does -o x.parquet. \\df at the prompt lists all functions.
";

const TYPES: &str = "\
  Avro                                  SQL
  boolean, int, long, float, double     BOOLEAN, INTEGER, BIGINT, FLOAT, DOUBLE
  string, bytes, fixed(n)               VARCHAR, BYTEA, FIXED(n)
  enum                                  ENUM: compared with text; option enums=string makes it VARCHAR
  record                                STRUCT: r.field, r.*
  array                                 T[]: a[1] is the first item, UNNEST(a) returns a row for each
  map                                   MAP(VARCHAR, T): m['key'], map_keys(m), UNNEST(m) AS u(key, value)
  [\"null\", T]                           T that may be NULL
  other unions                          UNION, see `avro-sql help unions`
  decimal(p, s)                         DECIMAL(p, s), computed exactly
  date, time-*, uuid                    DATE, TIME, UUID
  timestamp-*                           TIMESTAMPTZ: an instant
  local-timestamp-*                     TIMESTAMP: a wall-clock time
  a record inside itself                JSON text; option recursion_levels=N expands N levels

  SELECT amount * 1.19 AS gross, at::date AS day FROM 'events/' LIMIT 3;
  SELECT arrow_typeof(at) FROM 'events/' LIMIT 1;

avro-sql schema --arrow FILE prints the Arrow types of a file.
";

const UNIONS: &str = "\
A union of several types, not counting null, keeps the type of each value.

  u.int, u.Sms, u.\"n.s.Sms\"     the value of a branch; NULL if the value has another branch
  union_tag(u)                  the name of the branch
  union_extract(u, 'int')       as u.int
  u::varchar, u::bigint         every branch is cast

A union of numbers computes, sorts and compares as a number. Any other union compares with text as text, with a number
by its numbers, and sorts by branch, then by value.

Option unions=struct reads a union as a record of its branches, unions=dense as an Arrow union:

  SELECT count(*) FROM read_avro('events/', unions => 'struct');
";

const DATES: &str = "\
timestamp-millis, -micros and -nanos are instants; local-timestamp-* are wall-clock times. A session starts in UTC.

  SET TIME ZONE 'Europe/Berlin';
  SELECT at, at AT TIME ZONE 'Asia/Tokyo' AS tokyo FROM 'events/' LIMIT 3;
  SELECT date_trunc('day', at) AS start, count(*) FROM 'events/' GROUP BY start ORDER BY start;
  SELECT date_bin(INTERVAL '15 minutes', at) AS quarter, count(*) FROM 'events/' GROUP BY quarter ORDER BY quarter;
  SELECT extract(year FROM at), to_char(at, 'DD Mon YYYY HH24:MI') FROM 'events/' LIMIT 3;
  SELECT count(*) FROM 'events/' WHERE at >= '2024-01-01' AND at < now() - INTERVAL '1 day';

\\set timezone 'Europe/Berlin' at the prompt keeps a time zone for later sessions.
";

const S3: &str = "\
Anywhere a path is accepted, so is a URL; a directory ends in `/`, and globs work:

  avro-sql -c \"SELECT count(*) FROM 's3://bucket/logs/2024/*/*.avro'\"
  avro-sql convert s3://bucket/logs/ all.parquet

  s3://BUCKET/..        AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_PROFILE, SSO,
                        web identity, containers, instances
                        another server: AWS_ENDPOINT_URL; a public bucket: AWS_SKIP_SIGNATURE=true
  gs://BUCKET/..        GOOGLE_SERVICE_ACCOUNT, application default credentials, instances
                        a public bucket: GOOGLE_SKIP_SIGNATURE=true
  az://CONTAINER/..     AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY, workload identity, az login
  https://HOST/..       single files, from servers that answer range requests

Options of a table override the environment:

  CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION 's3://bucket/logs/'
  OPTIONS ('aws.endpoint' 'http://localhost:9000', 'aws.region' 'us-east-1', 'aws.access_key_id' '..', ..);
";

/// Returns the text of a topic.
pub(crate) fn text(topic: &str) -> Option<String> {
    let text = match topic.to_ascii_lowercase().as_str() {
        "sql" => SQL,
        "types" => TYPES,
        "unions" | "union" => UNIONS,
        "dates" | "date" | "times" | "time" => DATES,
        "s3" | "gs" | "az" | "stores" => S3,
        "options" | "option" => return Some(options()),
        _ => return None,
    };
    Some(text.trim_end().to_owned())
}

/// Returns the topics as the end of an error or a help text lists them.
pub(crate) fn names() -> String {
    TOPICS.join(", ")
}

/// Returns the table of options.
fn options() -> String {
    let mut text = String::from(
        "Read options and limits are named arguments of read_avro, entries of OPTIONS (..) in CREATE EXTERNAL TABLE, and\n\
         --option NAME=VALUE of the command. SELECT * FROM avro_options() returns this table.\n",
    );
    let parts = [
        (OptionKind::Read, "Read options"),
        (OptionKind::Limit, "Limits; reading stops with an error beyond them"),
        (OptionKind::Write, "Write options: OPTIONS (..) of COPY and of tables"),
    ];
    for (kind, heading) in parts {
        let _ = write!(text, "\n{heading}:\n"); // writing to a String cannot fail, here and below
        for option in OPTIONS.iter().filter(|option| option.kind == kind) {
            let values = if option.default.is_empty() || option.values.starts_with(option.default) {
                option.values.to_owned()
            } else {
                option.default.to_owned()
            };
            let _ = writeln!(text, "  {:<17} {values:<26} {}", option.name, option.description);
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_text_that_fits_a_terminal() {
        for topic in TOPICS {
            let text = text(topic).unwrap_or_default();
            assert!(!text.is_empty(), "{topic}");
            assert!(text.lines().all(|line| line.chars().count() <= 140), "{topic}");
        }
        assert_eq!(text("nonsense"), None);
    }
}
