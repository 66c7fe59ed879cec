//! Names the build: coordinator and workers exchange plans only if they are the same build.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=AVRO_SQL_BUILD_ID");
    if env::var_os("CARGO_FEATURE_CLUSTER").is_none() {
        return;
    }
    let given = env::var("AVRO_SQL_BUILD_ID").ok().filter(|id| !id.is_empty());
    let id = given.or_else(commit).unwrap_or_else(|| "release".to_owned());
    println!("cargo::rustc-env=AVRO_SQL_BUILD_ID={id}");
}

/// Returns the commit; `None` if this is not a clone of the project, such as a package in another one's folder.
fn commit() -> Option<String> {
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
