//! Avro IDL files in; the protocols and schemas beside them out, and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use avro_arrow::Limits;
use avro_arrow::idl::{Document, Import, Imported};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};

/// Imports files relative to the importing one, and then from other directories.
struct Files(Vec<PathBuf>);

impl Import for Files {
    fn import(&mut self, location: &str, from: &str) -> Result<Imported, String> {
        let beside = Path::new(from).parent().unwrap().join(location);
        let elsewhere = self.0.iter().map(|directory| directory.join(location));
        let path = std::iter::once(beside).chain(elsewhere).find(|path| path.is_file()).ok_or("no such file")?;
        let path = path.canonicalize().map_err(|e| e.to_string())?;
        let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
        Ok(Imported { name: path.display().to_string(), text })
    }
}

fn parse(path: &Path, directories: &[PathBuf]) -> Result<Document, String> {
    let name = path.canonicalize().unwrap().display().to_string();
    let text = fs::read_to_string(path).unwrap();
    let mut files = Files(directories.to_vec());
    Document::parse(&text, &name, &mut files, &Limits::default()).map_err(|e| e.to_string())
}

/// The IDL files of a folder.
fn idl_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "avdl")).collect();
    files.sort();
    files
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The document as JSON, and again after it was printed as IDL.
fn both_ways(document: &Document) -> (Json, Json) {
    let printed = document.to_idl().unwrap();
    assert!(printed.omitted.is_empty(), "{:?}", printed.omitted);
    let mut no_files = Files(Vec::new());
    let again = Document::parse(&printed.text, "printed.avdl", &mut no_files, &Limits::default());
    let again = again.unwrap_or_else(|e| panic!("{e}\n{}", printed.text));
    (document.json().unwrap(), again.json().unwrap())
}

/// The tests of Avro's own IDL compiler, where a checkout of Avro has them: `lang/java/idl/src/test/idl`.
#[test]
fn examples_of_avro_are_as_java_makes_them() {
    let Some(folder) = std::env::var_os("AVRO_IDL_EXAMPLES").map(PathBuf::from) else { return };
    let directories = [folder.join("putOnClassPath")];
    let mut wrong = Vec::new();
    for path in &idl_files(&folder.join("input")) {
        let stem = path.file_stem().unwrap().to_string_lossy().replace("_schema", "");
        let expected = ["avpr", "avsc"].map(|extension| folder.join(format!("output/{stem}.{extension}")));
        let expected = expected.iter().find(|path| path.is_file()).unwrap();
        match parse(path, &directories) {
            Err(e) => wrong.push(e),
            Ok(document) => {
                let (found, again) = both_ways(&document);
                if found != json(expected) {
                    wrong.push(format!("{}: {found:#}", path.display()));
                }
                if again != found {
                    wrong.push(format!("{} printed: {again:#}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/idl")
}

/// The JSON beside an IDL file: a protocol or a schema.
fn expected_of(path: &Path) -> PathBuf {
    let found = ["avpr", "avsc"].map(|extension| path.with_extension(extension)).into_iter().find(|p| p.is_file());
    found.unwrap_or_else(|| panic!("{} has no expected file", path.display()))
}

#[test]
fn files_are_the_json_beside_them() {
    let files = idl_files(&testdata());
    assert!(files.len() >= 7);
    for path in files {
        let document = parse(&path, &[]).unwrap();
        let (found, again) = both_ways(&document);
        let expected = expected_of(&path);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, format!("{found:#}\n")).unwrap();
        }
        // As text, since Java's order of keys counts.
        assert_eq!(format!("{found:#}\n"), fs::read_to_string(&expected).unwrap(), "{}", path.display());
        assert_eq!(format!("{again:#}"), format!("{found:#}"), "{} printed", path.display());
    }
}

/// Files in memory, by name.
struct Texts(Vec<(&'static str, &'static str)>);

impl Import for Texts {
    fn import(&mut self, location: &str, _: &str) -> Result<Imported, String> {
        let found = self.0.iter().find(|(name, _)| *name == location).ok_or("no such file")?;
        Ok(Imported { name: location.to_owned(), text: found.1.to_owned() })
    }
}

fn error_of(text: &str) -> String {
    let files = vec![
        ("b.avdl", "namespace b;\nrecord B { int x }"),
        ("c.avsc", r#"{"type":"record","name":"C","fields":[{"name":"d","type":"D"}]}"#),
        ("d.avsc", "{"),
        ("e.avpr", r#"{"protocol":"E","types":[],"messages":{"m":{}}}"#),
        ("f.avdl", "enum F { X }"),
    ];
    let found = Document::parse(text, "a.avdl", &mut Texts(files), &Limits::default());
    found.map_or_else(|e| e.to_string(), |document| document.json().map_or_else(|e| e.to_string(), |j| j.to_string()))
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let cases = [
        ("record R {\n  int a\n}", "a.avdl:3:1: expected ';' after the field, found '}'"),
        ("record R {\n  int a;\n", "a.avdl:2:9: expected a field or '}', found the end of the file"),
        ("record R { int; }", "a.avdl:1:15: expected the name of the field, found ';'"),
        ("record R { integer a; }", "a.avdl:1:12: the type `integer` is not defined"),
        ("record R { r a; }", "a.avdl:1:12: the type `r` is not defined; did you mean `R`?"),
        ("namespace n; record R { x.S a; }", "a.avdl:1:25: the type `x.S` is not defined"),
        ("record R { array<int a; }", "a.avdl:1:22: expected '>' after the type in the array, found `a`"),
        ("record R { int a, a; }", "a.avdl:1:19: the field `a` occurs twice"),
        (
            "record R { int a-b; }",
            "a.avdl:1:16: the field `a-b` has an invalid name: only letters, digits and `_` are allowed, and no digit first",
        ),
        ("record R { union { int, int } a; }", "a.avdl:1:25: the union has int twice"),
        ("record R { union { } a; }", "a.avdl:1:18: a union must have a branch"),
        (
            "record R { union { int? } a; }",
            "a.avdl:1:20: a union cannot directly contain a union; write `null` as a branch instead of `?`",
        ),
        ("record R { null? a; }", "a.avdl:1:12: `null?` would be a union that has null twice"),
        ("record R { void a; }", "a.avdl:1:12: `void` is only the type of a message; write `null`"),
        (
            "record R { decimal(2, 3) a; }",
            "a.avdl:1:20: the precision of a decimal must be at least 1 and at least its scale",
        ),
        ("record R { int a = \"x\"; }", "a.avdl:1:20: the default is not a value of its type"),
        ("record R { R a = {}; int b = 1.0; }", "a.avdl:1:30: the default is not a value of its type"),
        ("record R { int a = 99999999999; }", "a.avdl:1:20: the default is not a value of its type"),
        ("record R { int a = 08; }", "a.avdl:1:20: `08` is not a number"),
        ("record R { string a = 'x'; }", "a.avdl:1:23: strings are in double quotes, found `'`"),
        ("record R { string a = x; }", "a.avdl:1:23: expected a JSON value; strings are in double quotes, found `x`"),
        (
            "record R { string a = \"\\x\"; }",
            "a.avdl:1:24: unknown escape; known are \\n \\r \\t \\b \\f \\\\ \\\" \\' \\u0000 and octal digits",
        ),
        ("record R { array<int> a = [1,]; }", "a.avdl:1:30: expected a JSON value, found ']'"),
        (
            "record R { @x(1) R a; }",
            "a.avdl:1:12: the use of a named type cannot have annotations; write them where the type is declared",
        ),
        (
            "record R { @aliases([\"b\"]) int a; }",
            "a.avdl:1:12: the annotation `@aliases` is not allowed on a type; aliases of a field stand between its type and its name",
        ),
        (
            "record R { int @order(\"up\") a; }",
            "a.avdl:1:23: `@order` must be \"ascending\", \"descending\" or \"ignore\"",
        ),
        ("@x(1) @x(2) record R {}", "a.avdl:1:7: the annotation `@x` occurs twice"),
        ("@aliases(\"x\") record R {}", "a.avdl:1:10: `@aliases` must be a list of strings"),
        (
            "@namespace(\"a..b\") record R {}",
            "a.avdl:1:12: the namespace `a..b` is invalid: it must be names of letters, digits and `_` with dots between",
        ),
        ("record `int` {}", "a.avdl:1:8: a type cannot have the name `int` of a built-in type"),
        ("record R {} enum R { A }", "a.avdl:1:18: the type `R` is defined twice, with different definitions"),
        ("enum E { A, A }", "a.avdl:1:13: the symbol `A` occurs twice"),
        ("enum E { A } = B;", "a.avdl:1:16: the default `B` is not a symbol of the enum"),
        ("fixed F(-1);", "a.avdl:1:9: the size of the fixed must be from 0 to 2147483647"),
        (
            "protocol P { int m(int a) throws R; record R {} }",
            "a.avdl:1:34: `R` is not an error; declare it with `error`",
        ),
        ("protocol P { int m() oneway; }", "a.avdl:1:14: the one-way message `m` must return void"),
        ("protocol P { void m(int a; }", "a.avdl:1:26: expected ',' or ')', found ';'"),
        ("protocol P { void m(); int m(); }", "a.avdl:1:28: the message `m` is declared twice, differently"),
        ("protocol P {} record R {}", "a.avdl:1:15: expected the end of the file after the protocol, found `record`"),
        (
            "record R {} protocol P {}",
            "a.avdl:1:13: expected only types, as a protocol must have a file of its own, found `protocol`",
        ),
        ("record R {} namespace a;", "a.avdl:1:13: `namespace` must come before imports and types, `namespace` first"),
        ("messages", "a.avdl:1:1: expected `record`, `error`, `enum`, `fixed` or `import`, found `messages`"),
        ("import idl \"b.avdl\";", "b.avdl:2:18: expected ';' after the field, found '}'"),
        ("import idl \"x.avdl\";", "a.avdl:1:12: cannot import `x.avdl`: no such file"),
        ("import schema \"c.avsc\";", "a.avdl:1:15: the type `D` is not defined"),
        ("import schema \"d.avsc\";", "a.avdl:1:15: cannot import `d.avsc`: d.avsc is not JSON"),
        ("import protocol \"e.avpr\";", "a.avdl:1:17: cannot import `e.avpr`: the message `m` has no list `request`"),
        ("import json \"c.avsc\";", "a.avdl:1:8: expected `idl`, `protocol` or `schema`, found `json`"),
        ("", "a.avdl: it declares no type"),
    ];
    avro_testing::check_all(cases, |(text, expected)| {
        assert_eq!(error_of(text), expected, "{text}");
    });
}

#[test]
fn more_than_java_accepts_is_read() {
    let field = |kind: &str| {
        format!(r#"{{"type":"record","name":"R","namespace":"a","fields":[{{"name":"x","type":{kind}}}]}}"#)
    };
    let bare = r#"{"type":"fixed","name":"F","namespace":"","size":1}"#;
    let cases = [
        // A type without a namespace, from inside a namespace.
        ("namespace a; schema R; record R { F x; } @namespace(\"\") fixed F(1);", field(bare)),
        // A slash that is escaped, as in JSON.
        ("namespace a; schema R; record R { @y(\"\\/\") int x; }", field(r#"{"type":"int","y":"/"}"#)),
        // A name that Java takes for a number.
        ("enum NaN { A }", r#"[{"type":"enum","name":"NaN","symbols":["A"]}]"#.to_owned()),
        // An annotation of a message that returns a named type.
        (
            "protocol P { fixed F(1); @y(1) F m(); }",
            r#"{"protocol":"P","types":[{"type":"fixed","name":"F","size":1}],"messages":{"m":{"y":1,"request":[],"response":"F"}}}"#.to_owned(),
        ),
    ];
    avro_testing::check_all(cases, |(text, expected)| {
        assert_eq!(error_of(text), expected, "{text}");
    });
}

#[test]
fn a_type_is_chosen_by_name() {
    let text =
        "import idl \"f.avdl\"; record A { int x; } @namespace(\"n\") record B { F f; } @namespace(\"m\") enum B { Y }";
    let mut files = Texts(vec![("f.avdl", "enum F { X }")]);
    let document = Document::parse(text, "a.avdl", &mut files, &Limits::default()).unwrap();
    let of = |name| document.schema(name).map_or_else(|e| e.to_string(), |json| json.to_string());
    assert_eq!(of(Some("A")), r#"{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]}"#);
    assert_eq!(of(Some("F")), r#"{"type":"enum","name":"F","symbols":["X"]}"#);
    assert!(of(Some("n.B")).contains(r#""type":{"type":"enum","name":"F","namespace":"","symbols":["X"]}"#));
    assert_eq!(of(Some("B")), "a.avdl: several types have the name `B`; write one of n.B, m.B");
    assert_eq!(of(Some("C")), "a.avdl: there is no type `C`; it has F, A, B, B");
    assert_eq!(of(None), "a.avdl: it declares 3 types; name one with #NAME after the file or with --type: A, B, B");
}

#[test]
fn documentation_of_nothing_is_a_warning() {
    let text = "/** a */ import idl \"f.avdl\";\nenum E { /** b */ A } /** c */ record R { string @order(\"ignore\") s; }\n/** d */";
    let mut files = Texts(vec![("f.avdl", "enum F { X }")]);
    let document = Document::parse(text, "a.avdl", &mut files, &Limits::default()).unwrap();
    let places = document.warnings().iter().map(|warning| warning.split(": ").next().unwrap());
    assert_eq!(places.collect::<Vec<_>>(), ["a.avdl:1:1", "a.avdl:2:10", "a.avdl:3:1"]);
    let text = "record R { @order(\"ignore\") string s; }";
    let document = Document::parse(text, "a.avdl", &mut files, &Limits::default()).unwrap();
    assert!(document.warnings()[0].starts_with("a.avdl:1:12: `@order` has no meaning before a type"));
}

#[test]
fn sizes_are_limited() {
    let nested = format!("record R {{ {}int{} a; }}", "array<".repeat(5000), ">".repeat(5000));
    let json = format!("@x({}1{}) record R {{}}", "[".repeat(5000), "]".repeat(5000));
    let chain: String = (0..5000).map(|n| format!("record R{n} {{ R{} r; }}", n + 1)).collect();
    let many = format!("namespace {}; {}", "n".repeat(100_000), "record R { R? a; } ".repeat(300));
    let large = format!("// {}\nrecord R {{}}", "x".repeat(17 << 20));
    let default = format!("record R {{ array<int> a = [{}0]; }}", "0,".repeat(70_000));
    let cases = [
        (nested, "exceeds the limit `nesting` (128)"),
        (json, "JSON of more than 128 levels"),
        (chain + "fixed R5000(1); ", "exceeds the limit `nesting` (128)"),
        (many, "names with their namespaces exceed the limit `metadata_bytes`"),
        (large, "exceeds the limit `metadata_bytes`"),
        (default, "the default has too many values"),
    ];
    for (text, expected) in cases {
        let schema = Document::parse(&text, "", &mut Texts(Vec::new()), &Limits::default()).and_then(|d| d.json());
        let found = schema.map_or_else(|e| e.to_string(), |json| json.to_string().chars().take(100).collect());
        assert!(found.contains(expected), "{found} instead of {expected}");
    }
}
