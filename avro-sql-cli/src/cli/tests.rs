//! Tests of the arguments.

use super::*;
use avro_testing::check_all;

#[test]
fn definition_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_command_has_examples_in_its_help() {
    for command in CommandLine::command().get_subcommands().chain([&CommandLine::command()]) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let first = format!("\n  avro-sql {}", command.get_name()).replace(" avro-sql avro-sql", " avro-sql");
        assert!(help.starts_with("Examples:") && help.contains(&first), "{}: {help}", command.get_name());
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{}", command.get_name());
    }
}

#[test]
fn usage_errors_are_one_line() {
    let cases: [(&[&str], &str); 31] = [
        (&["--nonsense"], "unexpected argument '--nonsense' found (see avro-sql --help)"),
        (&["count", "--nonsense"], "unexpected argument '--nonsense' found (see avro-sql count --help)"),
        (&["recodec", "a", "b", "--codec", "c"], "bzip2, xz] (see avro-sql recodec --help)"),
        (&["head", "-3", "a.avro"], "use -n 3 for the number of rows (see avro-sql head --help)"),
        (&["nosuch.avro"], "`nosuch.avro` is neither a command nor a file"),
        (&["SELECT\n1"], "`SELECT 1` is not a command; pass SQL in quotes with -c"),
        (&["recode"], "neither a command nor a file; did you mean the command `recodec`? (see avro-sql --help)"),
        (&["-q", "SELECT 1"], "`SELECT 1` is not a command; pass SQL in quotes with -c"),
        (&["-e", "SELECT 1"], "-e is -c here; pass SQL in quotes"),
        (&["induce"], "`induce` is a command of avro-tools only"),
        (&["help", "nonsense"], "there is no command or topic `nonsense`"),
        (&["-c"], "a value is required for '--command <SQL>'"),
        (&["-t", "x"], "expected NAME=PATH"),
        (&["--option", "unions"], "expected NAME=VALUE"),
        (&["--option", "compression=9"], "unknown Avro option `compression`"),
        (&["count", "a.avro", "--option", "block_bytes=many"], "expected a number"),
        (&["convert", "a.avro", "b.arrow", "--option", "strings=view"], "the output format determines it"),
        (&["--threads", "0"], "0 is not in 1..=65535"),
        (&["schema", "a.avro", "--arrow", "--fingerprint", "md5"], "'--arrow' cannot be used with '--fingerprint"),
        (&["schema", "a.avro", "--fingerprint", "md4"], "[possible values: rabin, md5, sha256]"),
        (&["convert", "a.avro"], "needs at least one input and an output"),
        (&["convert", "a.avro", "b.txt"], ".parquet, .arrow, .feather"),
        (&["convert", "a.avro", "b.parquet", "--level", "99"], "--level 99: Parquet's zstd has levels 1 to 22"),
        (&["-c", "SELECT 1", "-o", "b.xlsx"], "from the name `b.xlsx`; known extensions are .avro"),
        (&["cat", "a.avro", "-o", "b.csv.gz"], "or use --format"),
        (&["rpc", "send", "localhost"], "expected a URL such as http://localhost:8080/ (see avro-sql rpc --help)"),
        (&["rpc", "send", "avro://h:1/"], "use http:// or tcp://"),
        (&["rpcsend", "tcp://h"], "the URL has no port"),
        (&["rpcsend", "http://h/", "p.avpr"], "a protocol file and the name of a message (see avro-sql rpc --help)"),
        (&["rpc", "protocol", "http://h/", "p.avpr"], "takes only the URL of a server"),
        (&["rpc", "send", "http://h/", "p", "m", "--error", "1"], "--error is for rpc receive"),
    ];
    check_all(cases, |(arguments, expected)| {
        let arguments = ["avro-sql"].iter().chain(arguments).map(OsString::from);
        match parse(arguments) {
            Err(Error::Usage(text)) => {
                assert!(text.contains(expected) && !text.contains('\n'), "{text:?} has no {expected:?}");
            }
            other => panic!("{expected}: {other:?}"),
        }
    });
}
