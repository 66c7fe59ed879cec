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
        1 row
        avro-sql> \d people
        +-------------+---------------------+-------------+
        | column_name | data_type           | is_nullable |
        +-------------+---------------------+-------------+
        | id          | BIGINT              | NO          |
        | name        | VARCHAR             | YES         |
        | color       | ENUM('RED', 'BLUE') | NO          |
        | tags        | VARCHAR[]           | NO          |
        +-------------+---------------------+-------------+
        4 rows
        avro-sql> SELECT id, name
        FROM people
        ORDER BY id;
        +--------+----------+
        |     id | name     |
        | BIGINT | VARCHAR  |
        +--------+----------+
        |      1 | Ann, "A" |
        |      2 | NULL     |
        |      3 | Çelik    |
        +--------+----------+
        3 rows
        avro-sql> select nam from people;
        avro-sql: error: there is no column `nam`; did you mean `name`?
          select nam from people
                 ^
        avro-sql> \i total.sql
        expanded display is on
        -[ row 1 ]------------------------------
        n      | 3
        latest | 3
        1 row
        expanded display is off
        avro-sql> .tables
        +--------+--------+------------+
        | schema | name   | type       |
        +--------+--------+------------+
        | public | people | BASE TABLE |
        +--------+--------+------------+
        1 row
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
    .assert_eq(&(without_times(&terminal.text()) + "\n"));
}

/// Removes the times of statements.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.split_once(" in 0.") {
        Some((rows, time)) if time.ends_with(" s") => rows.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
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
    assert_eq!(terminal.text().matches("| first ").count(), 2, "{}", terminal.text());
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
    terminal.ask("CREATE VIEW home AS SELECT named_struct('city', 'Quito', 'zip', 'x') AS address;");
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
        ("select * from read_av\t", "from read_avro("),
        ("select date_tr\t", "date_trunc("),
        ("select tag\t", "select tags"),
        ("select * from home where address.ci\t", "where address.city"),
        ("select address.z\t", "select address.zip"),
        ("\\set max_w\t", "\\set max_width"),
        ("\\set pager o\t", "\\set pager o"),
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
    terminal.press("selec 1;").see("-- expected a statement, found `selec`");
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
    assert!(terminal.text().contains("paged:|   1999 |"), "{}", terminal.text());
    // Messages about a result come after it.
    terminal
        .ask("\\timing on")
        .ask("SELECT * FROM range(0, 20) ORDER BY 1;")
        .ask("SELECT * FROM range(0, 2000) ORDER BY 1;");
    let text = terminal.text();
    assert!(text.contains("---+\n20 rows in 0.") && text.contains("---+\n2,000 rows in 0."), "{text}");
    terminal.ask("\\timing off");
    terminal.ask("\\pager off").ask("SELECT * FROM range(0, 2000) ORDER BY 1;");
    let text = terminal.text();
    assert!(text.contains("2,000 rows (40 shown) in 0.") && text.contains("\\set max_rows all"), "{text}");
    assert!(text.contains("|     19 |\n|      … |\n|   1980 |"), "{text}");
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
fn cd_changes_directory_of_paths() {
    let folder = folder();
    let mut terminal = prompt(&folder, &[]);
    terminal.ask("\\cd logs").ask("SELECT count(*) AS n FROM '1.avro';").ask(".cd no/such");
    assert!(terminal.text().contains("|      2 |"), "{}", terminal.text());
    assert!(terminal.text().contains("no/such: No such file or directory"), "{}", terminal.text());
    terminal.ask("\\copy people TO 'x'");
    assert!(terminal.text().contains("is COPY .. TO 'PATH'"), "{}", terminal.text());
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
    assert!(terminal.text().contains("1 row; --max-width 0 shows all"), "{}", terminal.text());
    let mut terminal = Terminal::start(&folder, &["--format", "parquet", "-c", "SELECT 1"], &[]);
    assert_eq!(terminal.end(), 2);
    assert!(terminal.text().contains("cannot write parquet to a terminal"), "{}", terminal.text());
}

#[test]
fn open_statement_has_its_own_prompt() {
    let folder = folder();
    let mut terminal = prompt(&folder, &["-t", "people=people.avro"]);
    terminal.press("SELECT id\r").below().see("-> `;` ends the statement");
    // A command is heard, and the statement stays open.
    terminal.press("\\timing on\r").see("timing is on");
    terminal.see("avro-sql> SELECT id");
    terminal.press("FROM peo\t").see("FROM people");
    terminal.ask("\rWHERE id = 3;");
    let text = terminal.text();
    assert!(text.contains("|      3 |\n+--------+\n1 row in "), "{text}");
    // In a text, a backslash is text.
    terminal.ask("SELECT '\r\\x' AS a;");
    assert!(terminal.text().contains("| \\x "), "{}", terminal.text());
    // Ctrl-C and \r discard the statement, \g runs it.
    terminal.press("SELECT 1 +\r").below().see("-> `;` ends");
    terminal.press(CTRL_C).below().see("avro-sql> ");
    terminal.ask("SELECT 1 +\r\\r");
    terminal.ask("SELECT 40 +\r2 AS answer\r\\g");
    let text = terminal.text();
    assert!(text.contains("|     42 |") && !text.contains("error"), "{text}");
}

#[test]
fn settings_are_kept() {
    let folder = folder();
    let mut terminal = prompt(&folder, &[]);
    terminal
        .ask("\\set max_rows 4")
        .ask("\\pset null '(none)'")
        .ask("\\set timezone 'Asia/Tokyo'")
        .ask("\\set color red");
    assert!(
        terminal.text().contains("there is no setting `color`; settings are expanded, format"),
        "{}",
        terminal.text()
    );
    assert_eq!(folder.read(".config/avro-sql/settings"), b"max_rows = 4\nnull = '(none)'\ntimezone = 'Asia/Tokyo'\n");
    let mut terminal = prompt(&folder, &[]);
    terminal
        .ask("SELECT value, NULL AS n FROM range(0, 1000) ORDER BY 1;")
        .ask("SHOW TIME ZONE;")
        .ask("\\set max_rows");
    let text = terminal.text();
    assert!(text.contains("|      1 | (none) |\n|      … | …      |\n|    998 | (none) |"), "{text}");
    assert!(
        text.contains("1,000 rows (4 shown)") && text.contains("Asia/Tokyo") && text.contains("max_rows = 4"),
        "{text}"
    );
    terminal.ask("\\set max_rows default").ask(".nullvalue default");
    assert_eq!(folder.read(".config/avro-sql/settings"), b"timezone = 'Asia/Tokyo'\n");
    // The command line wins, and --no-rc reads nothing.
    terminal.ask(".maxrows 4");
    let mut terminal = prompt(&folder, &["--max-rows", "6"]);
    terminal.ask("SELECT * FROM range(0, 1000);");
    assert!(terminal.text().contains("(6 shown)"), "{}", terminal.text());
    let mut terminal = prompt(&folder, &["--no-rc"]);
    terminal.ask("\\set max_rows");
    assert!(terminal.text().contains("max_rows = default"), "{}", terminal.text());
}

#[test]
fn other_prompts_words_work() {
    let folder = folder();
    let mut terminal = prompt(&folder, &["-t", "people=people.avro"]);
    terminal.ask(".tables").ask(".schema people").ask(".mode line").ask("SELECT 7 AS seven;").ask(".mode table");
    terminal.ask(".once one.csv").ask("SELECT 1 AS a;").ask("SELECT 2 AS b;").ask(".shell echo from the shell; exit 3");
    terminal.ask(".headers off").ask("\\x on").ask("\\dt").ask("\\? options");
    let text = terminal.text();
    assert!(text.contains("seven | 7") && text.contains("from the shell\nexit code 3"), "{text}");
    assert!(text.contains("`.headers` is always on") && text.contains("recursion_levels"), "{text}");
    assert_eq!(text.matches("| public | people |").count(), 2, "a list stays a table with \\x: {text}");
    assert_eq!(folder.read("one.csv"), b"a\n1\n");
}

#[test]
fn editor_and_watch_run_the_last_statement() {
    let folder = folder();
    let editor = folder.path("editor.sh");
    folder.file("editor.sh", "sed -i 's/first/edited/' \"$1\"\n");
    let mut terminal = Terminal::start(&folder, &[], &[("EDITOR", &format!("sh {}", editor.display()))]);
    terminal.see("avro-sql> ");
    terminal.ask("\\watch").ask("SELECT 'first' AS a;").ask("\\e");
    let text = terminal.text();
    assert!(text.contains("run one first") && text.contains("| edited "), "{text}");
    terminal.press("\\watch 0.1\r").wait(Duration::from_millis(1500));
    terminal.below().press(CTRL_C).see("avro-sql> ");
    assert!(terminal.text().matches("| edited ").count() > 3, "{}", terminal.text());
    terminal.ask("\\watch soon");
    assert!(terminal.text().contains("takes a number of seconds, not `soon`"), "{}", terminal.text());
}

#[test]
fn errors_show_the_place() {
    let folder = folder();
    let mut terminal = prompt(&folder, &["-t", "people=people.avro"]);
    terminal.ask("select nam from people;").ask("select * frm people;").ask("select * from 'peple.avro';");
    let text = terminal.text();
    assert!(text.contains("did you mean `name`?\n  select nam from people\n         ^\n"), "{text}");
    assert!(text.contains("found `frm`\n  select * frm people\n           ^\n"), "{text}");
    assert!(text.contains("no such file: peple.avro; did you mean 'people.avro'?\n"), "{text}");
}
