//! Help texts beside `--help`: examples for each command, the man page, and shell completions.

pub(crate) mod tools;

use clap::Command;
use clap_complete::{Shell, generate};

use crate::error::{Error, Result};
use crate::topics;

/// Examples of queries and of the most used commands.
pub(crate) const QUERY_EXAMPLES: &str = "\
Examples:
  avro-sql -c \"SELECT count(*) FROM 'logs/2024/**/*.avro'\"      a file, directory or glob is a table
  avro-sql -t events=logs/ -c \"SELECT kind, count(*) FROM events GROUP BY kind\"
  avro-sql -f report.sql -o report.parquet                      or .avro, .csv, .json, .ndjson, .md
  avro-sql                                                      the prompt; \\? for help
  avro-sql events.avro                                          the prompt, with the table events
  zcat x.csv.gz | avro-sql -c \"SELECT count(*) FROM '-'\"        also Avro, Parquet, NDJSON
  avro-sql -p day=2024-05-01 -c \"SELECT * FROM 'logs/' WHERE day = \\$day\"
  avro-sql convert events.avro events.parquet
  avro-sql index logs/                                          queries then read less of logs/
  avro-sql schema events.avro
  avro-sql count logs/
  avro-sql tojson --head 3 events.avro                          also head, cat, meta, fromjson
  avro-sql repair damaged.avro whole.avro                       also concat, recodec
  avro-sql help sql                                             also types, unions, dates, s3";

/// Examples of `convert`.
pub(crate) const CONVERT: &str = "\
Examples:
  avro-sql convert events.avro events.parquet
  avro-sql convert --codec snappy logs/ 'more/*.avro' all.parquet
  avro-sql convert rows.csv rows.avro --schema row.avsc --codec zstd --level 9
  avro-sql convert logs/ clicks.ndjson --select 'ts, user' --where \"kind = 'click'\"
  avro-sql convert logs/ by-day/ --to parquet --partition-by day
  avro-sql convert logs/ out/ --to parquet                      one file for each input
  avro-sql convert s3://a/logs/ s3://b/by-day/ --to parquet --partition-by day
  avro-sql convert --lenient damaged.avro rest.arrow";

/// Examples of `index`.
pub(crate) const INDEX: &str = "\
Examples:
  avro-sql index logs/
  avro-sql index --columns ts,user.id s3://bucket/logs/
  avro-sql index --index-dir indexes/ logs/                     then also give queries --index-dir";

/// Examples of `cache`.
pub(crate) const CACHE: &str = "\
Examples:
  avro-sql cache logs/                                          later queries of logs/ read columns
  avro-sql cache --columns ts,user_id 's3://bucket/logs/*.avro'
  avro-sql cache list
  avro-sql cache clear logs/                                    without a path: all copies
  avro-sql --option cache=auto -c \"SELECT ..\"                  queries make the copies themselves";

/// Examples of `schema`.
pub(crate) const SCHEMA: &str = "\
Examples:
  avro-sql schema events.avro > events.avsc
  avro-sql schema --arrow events.avro
  avro-sql schema --fingerprint rabin events.avsc               also fingerprint events.avsc
  avro-sql canonical events.avsc                                as schema --canonical
  avro-sql schema --idl events.avro > events.avdl               as Avro IDL
  avro-sql schema shop.avdl#Order                               one type of an IDL file
  avro-sql schema --merged logs/";

/// Examples of `compat`.
pub(crate) const COMPAT: &str = "\
Examples:
  avro-sql compat new.avsc old.avsc                             exit code 1 if new cannot read old
  avro-sql compat new.avsc events.avro";

/// Examples of `registry`.
pub(crate) const REGISTRY: &str = "\
Examples:
  export SCHEMA_REGISTRY_URL=https://registry:8081        or --registry URL
  avro-sql registry subjects
  avro-sql registry versions orders-value                 id, name and references of each version
  avro-sql registry get orders-value > orders.avsc        also orders-value@3, 7 (an id), a GUID
  avro-sql registry compat orders-value new.avsc          exit code 1 if it does not fit
  avro-sql registry register orders-value new.avsc
  avro-sql registry register orders-value new.avsc --reference shop.Item=items-value@2
  avro-sql --reader-schema registry:orders-value -c \"SELECT * FROM 'orders/'\"

docs/registry.md lists the environment variables for credentials and certificates.";

/// Examples of `count`.
pub(crate) const COUNT: &str = "\
Examples:
  avro-sql count events.avro
  avro-sql count --per-file 'logs/*.avro'
  curl -s https://example.com/x.avro | avro-sql count";

/// Examples of `ls`.
pub(crate) const LS: &str = "\
Examples:
  avro-sql ls logs/
  avro-sql ls 's3://bucket/logs/*.avro' --format ndjson
  avro-sql -c \"SELECT codec, sum(rows) FROM avro_files('logs/') GROUP BY codec\"";

/// Examples of `summarize`.
pub(crate) const SUMMARIZE: &str = "\
Examples:
  avro-sql summarize events.avro
  avro-sql summarize logs/ -o summary.csv
  avro-sql -c \"SUMMARIZE SELECT * FROM 'logs/' WHERE kind = 'click'\"";

/// Examples of `rpc`.
pub(crate) const RPC: &str = "\
Examples:
  avro-sql rpc protocol http://localhost:8080/
  avro-sql rpc send http://localhost:8080/ mail.avpr send --data '{\"to\": \"Ada\"}'
  avro-sql rpc send https://rpc.example.com/ sensors.avpr store --file readings.avro
  avro-sql rpc receive http://127.0.0.1:8080/ mail.avpr send --data '\"sent\"'
  avro-sql rpc send tcp://localhost:4141 mail.avpr send --file mail.json --timeout 5
  avro-sql rpcsend http://localhost:8080/ mail.avpr replay      as avro-tools";

/// Examples of `worker`.
pub(crate) const WORKER: &str = "\
Examples:
  avro-sql worker --listen 127.0.0.1:7001 &                     two workers on this machine
  avro-sql worker --listen 127.0.0.1:7002 &
  avro-sql --workers 127.0.0.1:7001,127.0.0.1:7002 -c \"SELECT count(*) FROM 's3://bucket/logs/'\"
  avro-sql worker --listen 0.0.0.0:7001 --token-file token --tls-cert cert.pem --tls-key key.pem
  avro-sql --workers dns://workers.example.com:7001 --token-file token --tls-ca ca.pem

Every option has an environment variable, such as AVRO_SQL_LISTEN and AVRO_SQL_TOKEN_FILE.
docs/cluster.md describes services, containers and Kubernetes.";

/// Examples of `completions`.
pub(crate) const COMPLETIONS: &str = "\
Examples:
  avro-sql completions bash > ~/.local/share/bash-completion/completions/avro-sql
  avro-sql completions zsh > ~/.zfunc/_avro-sql                 with ~/.zfunc in fpath
  avro-sql completions fish > ~/.config/fish/completions/avro-sql.fish";

/// Examples of `man`.
pub(crate) const MAN: &str = "\
Examples:
  avro-sql man > ~/.local/share/man/man1/avro-sql.1
  avro-sql man convert | man -l -";

/// Examples of `help`.
pub(crate) const HELP: &str = "\
Examples:
  avro-sql help convert                                         as avro-sql convert --help
  avro-sql help options                                         read options, limits, write options";

/// The shared options that have an effect on each command. Its help lists no others.
const SHARED: [(&str, &[&str]); 25] = [
    (
        "convert",
        &[
            "threads",
            "batch_size",
            "lenient",
            "option",
            "import",
            "schema_type",
            "reader_schema",
            "quiet",
            "no_progress",
        ],
    ),
    ("cache", &["threads", "option", "import", "schema_type", "reader_schema", "quiet", "no_progress"]),
    ("index", &["threads", "lenient", "option", "import", "index_dir", "quiet", "no_progress"]),
    ("schema", &["option", "import", "schema_type", "quiet"]),
    ("compat", &["import", "schema_type"]),
    ("registry", &["option", "import"]),
    ("count", &["threads", "lenient", "option", "quiet", "no_progress"]),
    ("meta", &["threads", "lenient", "option", "quiet", "no_progress"]),
    ("head", &["threads", "lenient", "option", "import", "schema_type", "reader_schema", "quiet", "no_progress"]),
    ("cat", &["threads", "lenient", "option", "import", "schema_type", "reader_schema", "quiet", "no_progress"]),
    ("tojson", &["threads", "lenient", "option", "import", "schema_type", "reader_schema", "quiet", "no_progress"]),
    ("fromjson", &["threads", "lenient", "option", "import", "schema_type", "quiet", "no_progress"]),
    ("concat", &["option", "quiet", "no_progress"]),
    ("recodec", &["threads", "option", "quiet", "no_progress"]),
    ("repair", &["option", "quiet", "no_progress"]),
    ("random", &["threads", "lenient", "import", "schema_type"]),
    ("explain-program", &["option", "import", "schema_type"]),
    ("fragtojson", &["lenient", "option", "import", "schema_type"]),
    ("jsontofrag", &["lenient", "option", "import", "schema_type"]),
    ("fromtext", &["quiet", "no_progress"]),
    ("worker", &["threads", "quiet"]),
    ("rpc", &["option", "quiet"]),
    ("totext", &["lenient", "option", "quiet", "no_progress"]),
    ("idl", &["import", "quiet"]),
    ("idl2schemata", &["import", "quiet"]),
];

/// Hides the shared options that have no effect on a command.
fn with_own_options(command: Command) -> Command {
    let Some((_, own)) = SHARED.iter().find(|(name, _)| *name == command.get_name()) else {
        let is_root = command.get_name() == "avro-sql";
        return if is_root { command } else { hidden(command, |_| false) };
    };
    hidden(command, |id| own.contains(&id))
}

/// Hides the global options that are not to be shown.
fn hidden(mut command: Command, is_shown: impl Fn(&str) -> bool) -> Command {
    let globals = command.get_arguments().filter(|option| option.is_global_set());
    let ids: Vec<_> = globals.map(|option| option.get_id().clone()).filter(|id| !is_shown(id.as_str())).collect();
    for id in ids {
        command = command.mut_arg(id, |option| option.hide(true));
    }
    command
}

/// Returns the completion script of a shell.
pub(crate) fn completions(shell: Shell, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut command, "avro-sql", &mut script);
    match (shell, String::from_utf8(script)) {
        // The bash script defines functions for a name with a hyphen under one name and calls them under another.
        (Shell::Bash, Ok(script)) => script.replace("avro__subcmd__sql__", "avro__sql__").into_bytes(),
        (_, Ok(script)) => script.into_bytes(),
        (_, Err(e)) => e.into_bytes(),
    }
}

/// Returns the help of `avro-sql` or of one command.
pub(crate) fn help(of: Option<&str>, command: Command) -> Result<String> {
    let found = chosen(of, command).map_err(|e| match of {
        Some(name) => Error::Usage(format!(
            "there is no command or topic `{name}`; topics are {} (see avro-sql --help)",
            topics::names()
        )),
        None => e,
    });
    Ok(found?.render_help().to_string())
}

/// Returns the definition of `avro-sql` or of one command.
fn chosen(of: Option<&str>, mut command: Command) -> Result<Command> {
    command.build();
    let Some(name) = of else { return Ok(command) };
    let found = command.find_subcommand(name).cloned().map(with_own_options);
    found.ok_or_else(|| Error::Usage(format!("there is no command `{name}` (see avro-sql --help)")))
}

/// Returns the man page of `avro-sql` or of one command.
pub(crate) fn page(of: Option<&str>, command: Command) -> Result<Vec<u8>> {
    let command = chosen(of, command)?;
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut page = Vec::new();
    // `clap_mangen` would make one paragraph of the examples.
    clap_mangen::Man::new(command.after_help(None)).render(&mut page)?;
    page.extend_from_slice(b".SH EXAMPLES\n.nf\n");
    for line in examples.lines().skip(1) {
        let line = line.trim_start().replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
        page.extend_from_slice(line.as_bytes());
        page.push(b'\n');
    }
    page.extend_from_slice(b".fi\n");
    Ok(page)
}
