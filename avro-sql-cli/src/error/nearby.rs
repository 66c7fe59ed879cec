//! Nearest names: finds the existing path, column or field that resembles a misspelled one most.
//!
//! Called only after a failure, so it may be slow; but directories may be large, and only a part of one is read.

use std::fs;
use std::path::{Component, Path, PathBuf};

use strsim::osa_distance;

/// Maximum number of names that are listed if none resembles the missing one.
const COLUMNS_LISTED: usize = 12;

/// Maximum number of directory entries that are compared.
const ENTRIES_MAX: usize = 10_000;

/// Returns an existing path that resembles a missing one.
pub(crate) fn nearby(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    let mut changed = false;
    for component in path.components() {
        let Component::Normal(name) = component else {
            found.push(component);
            continue;
        };
        if found.join(name).exists() {
            found.push(name);
            continue;
        }
        let name = name.to_str()?;
        let directory = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
        let entries = fs::read_dir(directory).ok()?.take(ENTRIES_MAX).flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        // A name that differs only in its extension is nearer than any other.
        let stem = |name: &str| Path::new(name).file_stem().map(ToOwned::to_owned);
        let same = |other: &&String| stem(other) == stem(name);
        let near =
            names.iter().find(same).map(String::as_str).or_else(|| nearest(name, names.iter().map(String::as_str)))?;
        found.push(near);
        changed = true;
    }
    (changed && found.exists()).then_some(found)
}

/// Returns the name with the minimal optimal-string-alignment distance from `wanted`, if that is at most two fifths of
/// the longer name.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (osa_distance(&wanted.to_lowercase(), &name.to_lowercase()), name));
    let (edits, name) = near.min_by_key(|(edits, _)| *edits)?;
    let longest = wanted.chars().count().max(name.chars().count());
    (longest > 2 && edits * 5 <= longest * 2).then_some(name)
}

/// Returns the error that the record `said` has no field `wanted`.
pub(crate) fn no_field(wanted: &str, fields: &[&str], said: &str) -> String {
    format!("there is no field `{wanted}` in the record `{said}`; {}", instead(wanted, fields, "it has no fields"))
}

/// Returns a hint: the existing name that resembles `wanted`, or all names.
pub(crate) fn instead(wanted: &str, there: &[&str], nothing: &str) -> String {
    if let Some(near) = nearest(wanted, there.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match there.len() {
        0 => nothing.to_owned(),
        n if n > COLUMNS_LISTED => {
            let listed = there.iter().take(COLUMNS_LISTED).copied().collect::<Vec<_>>().join(", ");
            format!("there are {listed} and {} others", n - COLUMNS_LISTED)
        }
        _ => format!("there are {}", there.join(", ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn nearest_finds_similar_name() {
        let cases: [(&str, &[&str], Option<&str>); 8] = [
            ("nam", &["id", "name"], Some("name")),
            ("cuont", &["cot", "count"], Some("count")),
            ("NAME", &["name"], Some("name")),
            ("xyz", &["name", "id"], None),
            ("a", &["b"], None),
            ("", &["b"], None),
            ("événement", &["evenement", "x"], Some("evenement")),
            ("created", &["created_at", "updated_at"], Some("created_at")),
        ];
        check_all(cases, |(wanted, names, expected)| {
            assert_eq!(nearest(wanted, names.iter().copied()), expected, "{wanted}");
        });
    }

    #[test]
    fn nearby_finds_similar_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("logs/2024")).unwrap();
        for name in ["logs/2024/events.avro", "people.avro", "people.csv"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for (path, expected) in [
            ("people", Some("people.avro")),
            ("peolpe.csv", Some("people.csv")),
            ("log/2024/events.avro", Some("logs/2024/events.avro")),
            ("logs/2024/event.avro", Some("logs/2024/events.avro")),
            ("logs/2024/other.avro", None),
            ("people.avro", None),
            ("nothing/at/all", None),
        ] {
            assert_eq!(nearby(&dir.path().join(path)), expected.map(|name| dir.path().join(name)), "{path}");
        }
    }
}
