//! The house rules that a compiler does not know, over the source files of all crates of this workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::files_in;
use support::imports::Imports;

const MAX_LINES: usize = 600;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All Rust files below these folders, with their text.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = workspace();
    let mut todo: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).filter(|f| f.is_dir()).collect();
    let mut sources = Vec::new();
    while let Some(folder) = todo.pop() {
        for path in files_in(&folder) {
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort();
    sources
}

fn all_sources() -> Vec<(String, String)> {
    let crates = [
        "avro-arrow",
        "avro-registry",
        "avro-datafusion",
        "avro-sql-cli",
        "avro-python",
        "avro-testing",
        "benches",
        "benches/sql",
    ];
    let folders: Vec<String> =
        crates.iter().flat_map(|c| ["src", "tests", "examples"].map(|folder| format!("{c}/{folder}"))).collect();
    let folders = folders.iter().map(String::as_str).chain(["fuzz/fuzz_targets"]);
    let sources = sources(&folders.collect::<Vec<_>>());
    assert!(sources.len() > 50);
    sources
}

#[test]
fn files_begin_with_module_doc_and_are_short() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        if !text.starts_with("//! ") {
            wrong.push(format!("{name} does not start with `//!`: what comes in, what goes out"));
        }
        let n_lines = text.lines().count();
        if n_lines > MAX_LINES {
            wrong.push(format!("{name} has {n_lines} lines, more than {MAX_LINES}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sources_have_no_disabled_or_unfinished_tests() {
    // Written so that this file does not contain them.
    let marks = [
        ["#[ign", "ore"],
        ["#[should", "_panic"],
        ["todo", "!("],
        ["unimplemented", "!("],
        ["TO", "DO"],
        ["FIX", "ME"],
    ];
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for (at, line) in text.lines().enumerate() {
            if let Some(mark) = marks.map(|halves| halves.concat()).iter().find(|mark| line.contains(*mark)) {
                wrong.push(format!("{name}:{}: {mark}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where hot loops need it (a bench by hand and a test that counts what is allocated too), and where data pass to C.
const UNSAFE: [&str; 6] = [
    "avro-arrow/src/column/arrays.rs",
    "avro-arrow/src/column/buffers.rs",
    "avro-arrow/src/exec/",
    "avro-arrow/tests/memory.rs",
    "avro-python/src/ffi/",
    "benches/src/limit/",
];

#[test]
fn unsafe_is_only_in_listed_files() {
    let mut wrong = Vec::new();
    let mut not_needed = UNSAFE.to_vec();
    for (name, text) in all_sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let has = code
            .into_iter()
            .any(|line| ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| line.contains(word)));
        if has && !UNSAFE.iter().any(|place| name.starts_with(place)) && !name.ends_with("tidy.rs") {
            wrong.push(name);
        } else if has {
            not_needed.retain(|place| !name.starts_with(place));
        }
    }
    assert!(wrong.is_empty(), "unsafe in {}", wrong.join(", "));
    assert!(not_needed.is_empty(), "no unsafe in {}", not_needed.join(", "));
}

/// The crates, and the file of each that declares its modules.
const ROOTS: [(&str, &str); 6] = [
    ("avro-arrow", "lib.rs"),
    ("avro-registry", "lib.rs"),
    ("avro-datafusion", "lib.rs"),
    ("avro-sql-cli", "lib.rs"),
    ("avro-python", "lib.rs"),
    ("avro-testing", "lib.rs"),
];

#[test]
fn modules_use_only_those_declared_before_them() {
    let mut wrong = Vec::new();
    for (package, root) in ROOTS {
        let src = format!("{package}/src");
        let declared = fs::read_to_string(workspace().join(&src).join(root)).unwrap();
        let order: Vec<&str> = declared.lines().filter_map(declared_module).collect();
        assert!(order.len() > 10, "modules of {src}/{root}: {order:?}");
        for (name, text) in sources(&[&src]) {
            let Some(module) = module_of(&name, &src) else { continue };
            // Tests may use everything.
            if name.contains("tests.rs") {
                continue;
            }
            let text = text.split("#[cfg(test)]\n#[allow(").next().unwrap_or_default();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let place = order.iter().position(|m| *m == module).unwrap_or_else(|| panic!("{name} is not in {root}"));
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                for used in line.split("crate::").skip(1) {
                    let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let Some(other) = order.iter().position(|m| *m == used) else { continue };
                    if other > place {
                        wrong.push(format!("{name}:{}: `{module}` uses `{used}`, which comes after it", at + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn declared_module(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// The module of the crate that a file is in.
fn module_of<'a>(name: &'a str, src: &str) -> Option<&'a str> {
    let inside = name.strip_prefix(src)?.strip_prefix('/')?;
    let module = inside.split('/').next()?;
    let module = module.strip_suffix(".rs").unwrap_or(module);
    (module != "lib" && module != "main").then_some(module)
}

/// Modules that use each other because they stand for a recursion: in each group, the first part of their names.
const RECURSIVE: [(&str, &[&str]); 3] = [
    // In the grammar of IDL, types have annotations, annotations and defaults have values, and files have files.
    ("avro-arrow", &["idl::annotations", "idl::json_literal", "idl::parser", "idl::reader", "idl::type_syntax"]),
    // A correlated subquery inside another is pushed down, and becomes a lateral join as its outer one did.
    ("avro-datafusion", &["compat::lateral::push", "compat::lateral::rule"]),
    // A union's value may be a record, and a record's field a union.
    ("avro-sql-cli", &["output::union", "output::value"]),
];

#[test]
fn modules_of_all_depths_use_each_other_one_way() {
    let mut found = Vec::new();
    for (package, _) in ROOTS {
        let src = format!("{package}/src/");
        let files: Vec<(String, String)> = sources(&[&src])
            .into_iter()
            .filter(|(name, _)| !name.contains("tests.rs") && !name.contains("/tests/"))
            .map(|(name, text)| (name.strip_prefix(&src).unwrap_or(&name).to_owned(), text))
            .collect();
        let circles = Imports::read(&files).circles();
        found.extend(circles.into_iter().map(|circle| (package, circle)));
    }
    let is_allowed = |package: &str, circle: &[String]| {
        RECURSIVE.iter().any(|(of, modules)| *of == package && circle.iter().all(|m| modules.contains(&m.as_str())))
    };
    let wrong: Vec<_> = found.iter().filter(|(package, circle)| !is_allowed(package, circle)).collect();
    assert!(wrong.is_empty(), "modules that use each other: {wrong:#?}");
    assert_eq!(found.len(), RECURSIVE.len(), "a circle is gone: remove it from `RECURSIVE`, of {found:#?}");
}

/// Names of types that a crate uses for several: the name says all that there is to say, or modules tell them apart.
const SEVERAL: [(&str, &str); 10] = [
    // `Decoder` decodes files, and `json::Decoder` JSON rows, as `arrow_json` and `arrow_avro` call theirs.
    ("avro-arrow", "Decoder"),
    // Messages are called after what they encode.
    ("avro-datafusion", "Function"),
    // Those of another process, and those that this crate registers.
    ("avro-datafusion", "Functions"),
    // The session of other languages wraps that of the command.
    ("avro-sql-cli", "Session"),
    // With and without the cargo feature.
    ("avro-sql-cli", "Cluster"),
    ("avro-datafusion", "Registries"),
    // Visitors inside of the functions that use them.
    ("avro-sql-cli", "Find"),
    // What a Python object owns, an exported structure owns, and two streams of batches: modules tell them apart.
    ("avro-python", "Inner"),
    ("avro-python", "Owned"),
    ("avro-python", "Batches"),
];

#[test]
fn type_names_are_used_once_in_a_crate() {
    let mut wrong = Vec::new();
    for (package, _) in ROOTS {
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, text) in sources(&[&format!("{package}/src")]) {
            let text = text.split("#[cfg(test)]\n#[allow(").next().unwrap_or_default();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            if !name.contains("tests.rs") {
                text.lines().filter_map(defined_type).for_each(|t| files.entry(t).or_default().push(name.clone()));
            }
        }
        for (name, files) in files.into_iter().filter(|(_, files)| files.len() > 1) {
            if !SEVERAL.contains(&(package, name.as_str())) {
                wrong.push(format!("{name}: {}", files.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "types of one name:\n{}", wrong.join("\n"));
}

/// The name of the type that a line defines. Associated types are indented.
fn defined_type(line: &str) -> Option<String> {
    let item = line.trim_start();
    let item = match item.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => item.strip_prefix("pub ").unwrap_or(item),
    };
    let is_associated = line.starts_with(' ') && item.starts_with("type ");
    let name = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| item.strip_prefix(kind))?;
    let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!is_associated && !name.is_empty()).then_some(name)
}

#[test]
fn architecture_names_existing_files() {
    let roots = [
        "",
        "avro-arrow/",
        "avro-arrow/src/",
        "avro-registry/",
        "avro-registry/src/",
        "avro-datafusion/",
        "avro-datafusion/src/",
        "avro-sql-cli/",
        "avro-sql-cli/src/",
        "avro-python/src/",
        "avro-testing/src/",
    ];
    let mut missing = Vec::new();
    for document in ["ARCHITECTURE.md", "docs/internals.md"] {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        let code = text.split('`').skip(1).step_by(2);
        for name in code.filter(|name| name.ends_with(".rs") || name.ends_with(".md") || name.ends_with(".py")) {
            let is_path = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
            if is_path && !roots.iter().any(|root| workspace().join(root).join(name).exists()) {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Phrases to avoid in sources: home-made for what the field has words for, or riddles without the sentence before.
const PHRASES: [&str; 9] =
    ["The same", "anew", " at hand", "whom", "heed", " is none", "are none", "other letters", "so many"];

#[test]
fn prose_has_no_phrases_to_avoid() {
    let mut wrong = Vec::new();
    // This file lists the phrases.
    for (name, text) in all_sources().iter().filter(|(name, _)| !name.ends_with("tidy.rs")) {
        for (at, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            let doc = trimmed.strip_prefix("///").or_else(|| trimmed.strip_prefix("//!"));
            let is_table = doc.is_some_and(|doc| doc.trim_start().starts_with('|'));
            let phrases = PHRASES.iter().copied().filter(|phrase| line.contains(phrase));
            let question = doc.filter(|doc| doc.ends_with('?')).map(|_| "a doc that ends with `?`");
            let is_long = trimmed.starts_with("//") && !is_table && line.chars().count() > 120;
            let long = is_long.then_some("a comment line over 120 columns");
            for rule in phrases.chain(question).chain(long) {
                wrong.push(format!("{name}:{}: {rule}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
