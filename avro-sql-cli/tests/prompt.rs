//! The prompt in a pseudo-terminal: sends keys and checks the screen.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use expect_test::expect;
use support::Folder;
use support::terminal::{CTRL_C, CTRL_D, Terminal, UP};

/// A query that takes longer than any test waits.
const LONG: &str =
    "SELECT count(*) FROM range(0, 1000000) a CROSS JOIN range(0, 1000000) b WHERE a.value * b.value = 7;";

fn folder() -> Folder {
    let folder = Folder::new();
    support::people(&folder);
    folder
}

/// Starts a prompt and waits until it reads keys.
fn prompt(folder: &Folder, arguments: &[&str]) -> Terminal {
    let mut terminal = Terminal::start(folder, arguments, &[]);
    terminal.see("avro-sql> ");
    terminal
}

#[test]
fn prompt_runs_statements_and_commands() {
    let folder = folder();
    folder.file("total.sql", "\\x\nSELECT count(*) AS n,\n  max(id) AS latest\nFROM people;\n\\x\n");
    let mut terminal = prompt(&folder, &["-t", "people=people.avro"]);
    terminal.ask("\\dt").ask("\\d people").ask("SELECT id, name\rFROM people\rORDER BY id;");
    terminal.ask("select nam from people;").ask("\\i total.sql").ask(".tables").ask("\\format markdown");
    terminal.ask("SELECT color, count(*) AS n FROM 'logs/' GROUP BY color ORDER BY n;").ask("\\o colors.parquet");
    terminal.ask("SELECT DISTINCT color FROM people;").ask("\\o").ask("\\format csv");
    terminal.ask("SELECT * FROM 'colors.parquet' ORDER BY 1;").press("\\q\r");
    assert_eq!(terminal.end(), 0);
    expect![[r#"
        avro-sql 0.1.0; \? for help
        avro-sql> \dt
        +--------+--------+------------+
        | schema | name   | type       |
        +--------+--------+------------+
        | public | people | BASE TABLE |
        +--------+--------+------------+
        avro-sql> \d people
        +-------------+-------------------------+-------------+
        | column_name | data_type               | is_nullable |
        +-------------+-------------------------+-------------+
        | id          | Int64                   | NO          |
        | name        | Utf8View                | YES         |
        | color       | Dictionary(Int32, Utf8) | NO          |
        | tags        | List(non-null Utf8View) | NO          |
        +-------------+-------------------------+-------------+
        avro-sql> SELECT id, name
        FROM people
        ORDER BY id;
        +----+----------+
        | id | name     |
        +----+----------+
        |  1 | Ann, "A" |
        |  2 | NULL     |
        |  3 | Çelik    |
        +----+----------+
        avro-sql> select nam from people;
        avro-sql: error: there is no column `nam`; did you mean `name`?
        avro-sql> \i total.sql
        expanded display is on
        -[ row 1 ]------------------------------
        n      | 3
        latest | 3
        expanded display is off
        avro-sql> .tables
        avro-sql: error: `.tables` is \dt here; \? lists all commands
        avro-sql> \format markdown
        avro-sql> SELECT color, count(*) AS n FROM 'logs/' GROUP BY color ORDER BY n;
        | color | n |
        | --- | ---: |
        | BLUE | 1 |
        | RED | 2 |
        avro-sql> \o colors.parquet
        avro-sql> SELECT DISTINCT color FROM people;
        avro-sql> \o
        avro-sql> \format csv
        avro-sql> SELECT * FROM 'colors.parquet' ORDER BY 1;
        color
        BLUE
        RED
        avro-sql> \q

    "#]]
    .assert_eq(&(terminal.text() + "\n"));
}

#[test]
fn named_file_is_a_table() {
    let folder = folder();
    let mut terminal = prompt(&folder, &["people.avro", "logs/"]);
    terminal.ask("\\format csv").ask("SELECT count(*) AS n FROM people JOIN logs USING (id);").press("\\q\r");
    assert_eq!(terminal.end(), 0);
    expect![[r#"
        avro-sql 0.1.0; \? for help
        table people: people.avro
        table logs: logs/
        avro-sql> \format csv
        avro-sql> SELECT count(*) AS n FROM people JOIN logs USING (id);
        n
        3
        avro-sql> \q

    "#]]
    .assert_eq(&(terminal.text() + "\n"));
}

#[test]
fn ctrl_c_cancels_query_and_keeps_prompt() {
    let folder = folder();
    let mut terminal = prompt(&folder, &["--no-progress"]);
    for _ in 0..2 {
        terminal.press(LONG).press("\r").wait(Duration::from_millis(700));
        terminal.below().press(CTRL_C);
        let took = terminal.see("avro-sql: interrupted");
        assert!(took < Duration::from_secs(10), "{took:?}");
        terminal.see("avro-sql> ");
        terminal.ask("SELECT 6 * 7 AS answer;");
        assert!(terminal.text().contains("|     42 |"), "{}", terminal.text());
    }
    // The current line is canceled, and an empty line stays empty.
    terminal.press("SELECT 'not this").press(CTRL_C).below().see("avro-sql> ");
    terminal.press(CTRL_C).below().see("avro-sql> ");
    terminal.ask("SELECT 'but this' AS said;");
    assert!(terminal.text().contains("| but this |"), "{}", terminal.text());
    terminal.press(CTRL_D);
    assert_eq!(terminal.end(), 0);
}

#[test]
fn history_is_kept() {
    let folder = folder();
    let mut terminal = prompt(&folder, &[]);
    terminal.ask("SELECT 'the\rfirst' AS a;").ask("SELECT 'second' AS a;");
    terminal.press(UP).press(UP).below().ask("");
    assert_eq!(terminal.text().matches("| first |").count(), 2, "{}", terminal.text());
    terminal.press("\\q\r");
    assert_eq!(terminal.end(), 0);
    assert!(folder.path(".local/share/avro-sql/history").exists());
    let mut terminal = prompt(&folder, &[]);
    terminal.press(UP).see("\\q");
    terminal.press(UP).see("first' AS a;");
    terminal.press(UP).press(UP).anywhere().see("SELECT 'second' AS a;"); // the first key moves up in the statement
}

#[test]
fn tab_completes() {
    let folder = folder();
    folder.file("files/Names.avro", folder.read("people.avro"));
    let mut terminal = prompt(&folder, &["-t", "people=people.avro"]);
    terminal.ask("CREATE VIEW odd AS SELECT 1 AS \"Id\", 2 AS id_two;");
    let cases = [
        ("sel\t", "select"),
        ("SEL\t", "SELECT"),
        ("select * from peo\t", "from people"),
        ("select * from 'peo\t", "from 'people.avro'"),
        ("select * from 'fil\t", "from 'files/"),
        ("select * from 'files/\t", "from 'files/Names.avro'"),
        ("select * from people where tag\t", "where tags"),
        ("select * from people p where p.col\t", "where p.color"),
        ("select * from 'people.avro' where tag\t", "where tags"),
        ("select * from odd where \"I\t", "where \"Id\""),
        ("select * from read_\t", "from read_avro("),
        ("select date_tr\t", "date_trunc("),
        ("\\d peo\t", "\\d people"),
        ("\\d 'fil\t", "\\d 'files/"),
        ("\\i peo\t", "\\i people.avro"),
        ("\\format ma\t", "\\format markdown"),
        ("\\tim\t", "\\timing"),
        ("\\x of\t", "\\x off"),
    ];
    for (keys, expected) in cases {
        terminal.press(keys).see(expected);
        terminal.press(CTRL_C).below().see("avro-sql> ");
    }
    // With several candidates, the second tab lists them.
    terminal.press("select * from people where \t\t").see("color");
    terminal.see("tags");
}

#[test]
fn mistakes_are_hinted() {
    let folder = folder();
    let mut terminal = prompt(&folder, &[]);
    terminal.press("selec 1;").see("-- Expected: an SQL statement, found: selec");
    terminal.press(CTRL_C).below().see("avro-sql> ");
    terminal.press("\\o").see("\\o [FILE]");
}

#[test]
fn start_up_scripts_run() {
    let folder = folder();
    folder.file(
        ".config/avro-sql/rc.sql",
        "CREATE VIEW p AS SELECT * FROM 'people.avro';\n\\timing on\nSELECT nonsense;\n",
    );
    let mut terminal = Terminal::start(&folder, &[], &[]);
    terminal.see("timing is on");
    terminal.see("rc.sql: line 3: there is no column `nonsense`");
    terminal.see("avro-sql> ");
    terminal.ask("SELECT count(*) AS n FROM p;");
    assert!(terminal.text().contains("1 row in 0."), "{}", terminal.text());
    let mut terminal = prompt(&folder, &["--no-rc"]);
    terminal.ask("SELECT count(*) AS n FROM p;");
    assert!(terminal.text().contains("table 'p' not found"), "{}", terminal.text());
}

#[test]
fn long_results_are_paged() {
    let folder = folder();
    let mut terminal = Terminal::start(&folder, &[], &[("PAGER", "sed s/^/paged:/")]);
    terminal.see("avro-sql> ");
    terminal.ask("SELECT * FROM range(0, 20) ORDER BY 1;");
    assert!(!terminal.text().contains("paged:"));
    terminal.ask("SELECT * FROM range(0, 2000) ORDER BY 1;");
    assert!(terminal.text().contains("paged:|  1999 |"), "{}", terminal.text());
    // Messages about a result come after it.
    terminal
        .ask("\\timing on")
        .ask("SELECT * FROM range(0, 20) ORDER BY 1;")
        .ask("SELECT * FROM range(0, 2000) ORDER BY 1;");
    let text = terminal.text();
    assert!(text.contains("---+\n20 rows in 0.") && text.contains("---+\n2000 rows in 0."), "{text}");
    terminal.ask("\\timing off");
    terminal.ask("\\pager off").ask("SELECT * FROM range(0, 2000) ORDER BY 1;");
    assert!(terminal.text().contains("200 of 2000 rows shown"), "{}", terminal.text());
    // Leaving the pager early is not a failure.
    let mut terminal = Terminal::start(&folder, &[], &[("PAGER", "head -n 4")]);
    terminal.see("avro-sql> ");
    terminal.ask("SELECT * FROM range(0, 100000000);").ask("SELECT 'still here' AS a;");
    assert!(terminal.text().contains("| still here |") && !terminal.text().contains("error"), "{}", terminal.text());
}

#[test]
fn results_go_to_files() {
    let folder = folder();
    let mut terminal = prompt(&folder, &[]);
    terminal.ask("\\o out.csv").ask("SELECT 1 AS a;");
    let names = folder.names();
    let temporary = names.iter().find(|name| name.starts_with(".out.csv.") && name.ends_with(".tmp"));
    assert!(temporary.is_some() && !folder.path("out.csv").exists(), "{names:?}");
    // The output of a failed statement is removed.
    terminal.ask("SELECT value, 1 / (value - 50000) AS b FROM range(0, 100000);").ask("SELECT 2 AS b;").ask("\\o");
    assert_eq!(folder.read("out.csv"), b"a\n1\nb\n2\n");
    terminal.ask("\\o two.parquet").ask("SELECT 1 AS a;").ask("SELECT 2 AS b;");
    assert!(terminal.text().contains("can hold the rows of one statement"), "{}", terminal.text());
    terminal.ask("\\o no/such/file.csv");
    assert!(terminal.text().contains("no/such/file.csv: No such file or directory"), "{}", terminal.text());
    terminal.ask("\\i missing.sql").ask("\\format arrow");
    assert!(terminal.text().contains("missing.sql: No such file or directory"), "{}", terminal.text());
    assert!(terminal.text().contains("cannot write arrow to the terminal"), "{}", terminal.text());
}

#[test]
fn sigterm_ends_prompt() {
    let folder = folder();
    let mut terminal = prompt(&folder, &["--no-progress"]);
    terminal.ask("SELECT 1 AS a;"); // from here on signals are handled
    terminate(&terminal);
    assert_eq!(terminal.end(), 130);
    let mut terminal = prompt(&folder, &["--no-progress"]);
    terminal.press(LONG).press("\r").wait(Duration::from_millis(500));
    terminate(&terminal);
    assert_eq!(terminal.end(), 130);
}

fn terminate(terminal: &Terminal) {
    let kill = std::process::Command::new("kill").args(["-TERM", &terminal.pid().to_string()]).status().unwrap();
    assert!(kill.success());
}

#[test]
fn input_is_colored() {
    let folder = folder();
    for (settings, expected) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut terminal = Terminal::start(&folder, &[], settings);
        terminal.see("avro-sql> ");
        terminal.press("select 'x'").see("select 'x'");
        assert_eq!(terminal.colored(), expected);
    }
}

#[test]
fn long_jobs_show_progress() {
    let folder = folder();
    let mut terminal = Terminal::start(&folder, &["-c", LONG], &[]);
    terminal.see(" rows  ");
    terminal.wait(Duration::from_millis(300)).press(CTRL_C).see("avro-sql: interrupted");
    assert_eq!(terminal.end(), 130);
    assert!(!terminal.text().contains(" rows"), "the bar is gone: {}", terminal.text());
    let read = "SELECT count(*) FROM range(0, 1000000) a CROSS JOIN range(0, 1000000) b CROSS JOIN 'people.avro' WHERE a.value * b.value = id";
    let mut terminal = Terminal::start(&folder, &["-c", read], &[]);
    terminal.see("% ");
    assert!(terminal.text().contains(" B of "), "{}", terminal.text());
    for option in ["--no-progress", "-q"] {
        let mut terminal = Terminal::start(&folder, &[option, "-c", LONG], &[]);
        terminal.wait(Duration::from_millis(1600));
        assert_eq!(terminal.text(), "");
        terminal.press(CTRL_C);
        assert_eq!(terminal.end(), 130);
    }
}

#[test]
fn wide_tables_fit_terminal() {
    let folder = folder();
    let wide = format!("SELECT 1 AS id, '{}' AS text, 2 AS n", "long ".repeat(50));
    let mut terminal = Terminal::start(&folder, &["-c", &wide], &[]);
    assert_eq!(terminal.end(), 0);
    assert!(terminal.text().lines().all(|line| line.chars().count() <= 100), "{}", terminal.text());
    assert!(terminal.text().contains("only part of long values shown; --max-width 0 shows all"), "{}", terminal.text());
    let mut terminal = Terminal::start(&folder, &["--format", "parquet", "-c", "SELECT 1"], &[]);
    assert_eq!(terminal.end(), 2);
    assert!(terminal.text().contains("cannot write parquet to a terminal"), "{}", terminal.text());
}
