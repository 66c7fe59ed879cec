//! Which files of a directory are data, by their names and, if those do not tell, their first bytes.
//!
//! SQL and all commands of `avro-sql` use these rules. With the extension `.avro`:
//!
//! 1. Files and directories whose names start with `.` or `_` are not data. `_key=value` is a partition directory.
//! 2. Empty files are not data.
//! 3. A file whose name ends with the extension, in any case, is data.
//! 4. A file whose name has no extension (`000000_0` of Hive, `part-m-00000` of MapReduce) is data if it begins with
//!    the four bytes of an Avro file.
//! 5. All others are left out.
//!
//! With another extension, rules 1 to 3 hold. With an empty one, all files that are neither hidden nor empty are data.

use std::fmt::Write;

/// First bytes of an Avro file.
pub const MAGIC: &[u8; 4] = b"Obj\x01";

/// Extension with which files without an extension may be data too.
const AVRO: &str = ".avro";

/// Maximum number of names in a message.
const NAMES_MAX: usize = 3;

/// Extensions of compressed files, the format, and the command that decompresses it.
const COMPRESSED: [(&str, &str, &str); 9] = [
    ("gz", "gzip", "gunzip"),
    ("gzip", "gzip", "gunzip"),
    ("bz2", "bzip2", "bunzip2"),
    ("xz", "xz", "unxz"),
    ("zst", "zstd", "unzstd"),
    ("zstd", "zstd", "unzstd"),
    ("lz4", "lz4", "unlz4"),
    ("z", "compress", "uncompress"),
    ("zip", "ZIP", "unzip"),
];

/// Extensions of files that are still being written, or belong to another file.
const UNFINISHED: [&str; 6] = ["tmp", "temp", "part", "inprogress", "crc", "lock"];

/// The rule for one directory.
#[derive(Debug, Clone, Copy)]
pub struct DataFiles<'a> {
    extension: &'a str,
}

/// What the name of a file tells about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Data.
    Data,
    /// Data if it begins with [`MAGIC`].
    Bare,
    /// Not data, but its name says that Avro is inside: `x.avro.gz`.
    AvroInside,
    /// Not data.
    Other,
    /// Hidden: not data, and not worth a warning.
    Hidden,
}

/// The files of a directory that are not data.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// Compressed Avro files, and files without an extension that are not Avro: some names, and the total.
    avro_inside: NameSample,
    bare: NameSample,
    /// Files that the store cannot name.
    unnamable: NameSample,
    other: NameSample,
    empty: usize,
}

#[derive(Debug, Clone, Default)]
struct NameSample {
    first: Vec<String>,
    n: usize,
}

impl<'a> DataFiles<'a> {
    /// Creates the rule for an extension, such as `.avro`.
    pub fn new(extension: &'a str) -> Self {
        DataFiles { extension }
    }

    /// Classifies a file by name. `below` has the names from the directory down to the file.
    pub fn named<'n>(&self, below: impl IntoIterator<Item = &'n str>) -> Named {
        let mut name = "";
        for part in below {
            if is_hidden(part) {
                return Named::Hidden;
            }
            name = part;
        }
        let (lower, extension) = (name.to_ascii_lowercase(), self.extension.to_ascii_lowercase());
        if lower.ends_with(&extension) {
            return Named::Data;
        }
        if extension == AVRO && !lower.contains('.') {
            return Named::Bare;
        }
        match lower.rfind(&format!("{extension}.")) {
            Some(at) if !UNFINISHED.iter().any(|ending| lower.ends_with(ending)) && at > 0 => Named::AvroInside,
            _ => Named::Other,
        }
    }
}

/// Returns whether files or directories of this name are hidden. Partition columns may start with `_`.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

impl LeftOut {
    /// Adds a file that is not data. `name` is its path below the directory.
    pub fn add(&mut self, name: &str, named: Named) {
        match named {
            Named::AvroInside => self.avro_inside.add(name),
            Named::Bare => self.bare.add(name),
            Named::Other => self.other.add(name),
            Named::Data | Named::Hidden => {}
        }
    }

    /// Adds a file that is empty.
    pub fn add_empty(&mut self) {
        self.empty += 1;
    }

    /// Returns whether there are files with other extensions, which may have other formats.
    pub(crate) fn has_others(&self) -> bool {
        self.other.n > 0
    }

    /// Returns whether there are files without an extension that are not Avro.
    pub(crate) fn has_bare(&self) -> bool {
        self.bare.n > 0
    }

    /// Adds a file that the store cannot name.
    pub(crate) fn add_unnamable(&mut self, name: &str) {
        self.unnamable.add(name);
    }

    /// Returns whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        [&self.avro_inside, &self.bare, &self.unnamable, &self.other].iter().all(|names| names.n == 0)
            && self.empty == 0
    }

    /// Returns a warning if files that look like data were left out beside others that were read. `directory` is for
    /// the message.
    ///
    /// Files without an extension that are not Avro are named only if `all_bare`, that is, if all data files have no
    /// extension: a `README` beside `x.avro` is expected.
    pub fn warning(&self, directory: &str, all_bare: bool) -> Option<String> {
        let mut parts = vec![];
        if self.avro_inside.n > 0 {
            parts.push(format!("{} ({})", self.avro_inside, self.remedy()));
        }
        if all_bare && self.bare.n > 0 {
            parts.push(format!("{} (not Avro)", self.bare));
        }
        if self.unnamable.n > 0 {
            parts.push(format!("{} (a control character in the name; rename it)", self.unnamable));
        }
        (!parts.is_empty()).then(|| format!("{directory}: left out {}", parts.join(", ")))
    }

    /// Describes the files left out, for an error: empty, or `; left out: ..`.
    pub fn reason(&self) -> String {
        let mut parts = vec![];
        if self.avro_inside.n > 0 {
            parts.push(format!("{} ({})", self.avro_inside, self.remedy()));
        }
        if self.unnamable.n > 0 {
            parts.push(format!("{} (a control character in the name; rename it)", self.unnamable));
        }
        if self.bare.n > 0 {
            parts.push(format!("{} (not Avro)", self.bare));
        }
        if self.other.n > 0 {
            parts.push(format!("{} (another extension)", self.other));
        }
        if self.empty > 0 {
            parts.push(format!("{} empty file{}", self.empty, if self.empty == 1 { "" } else { "s" }));
        }
        match parts.is_empty() {
            true => String::new(),
            false => format!("; left out: {}", parts.join(", ")),
        }
    }

    /// Advice for compressed Avro files.
    fn remedy(&self) -> String {
        let compression = self.avro_inside.first.first().and_then(|name| compression(name));
        match compression {
            Some((format, command)) => format!("{format}; decompress first: {command}"),
            None => "another extension; a glob such as '*' or the option file_extension reads it".to_owned(),
        }
    }
}

/// Returns the format and the decompression command if the name is that of a compressed file.
pub fn compression(name: &str) -> Option<(&'static str, &'static str)> {
    let (_, ending) = name.rsplit_once('.')?;
    let found = COMPRESSED.iter().find(|(known, ..)| known.eq_ignore_ascii_case(ending));
    found.map(|(_, format, command)| (*format, *command))
}

impl NameSample {
    fn add(&mut self, name: &str) {
        if self.first.len() < NAMES_MAX {
            self.first.push(name.to_owned());
        }
        self.n += 1;
    }
}

impl std::fmt::Display for NameSample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, name) in self.first.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            // Control characters would break the line.
            name.chars().try_for_each(|c| match c.is_control() {
                true => write!(f, "{}", c.escape_default()),
                false => f.write_char(c),
            })?;
        }
        match self.n - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn named_classifies_files() {
        use Named::*;
        let cases = [
            (".avro", "a.avro", Data),
            (".avro", "a.AVRO", Data),
            (".avro", "day=1/a.Avro", Data),
            (".avro", "_day=1/a.avro", Data),
            (".avro", "_day/a.avro", Hidden),
            (".avro", "_SUCCESS", Hidden),
            (".avro", ".a.avro.crc", Hidden),
            (".avro", "_temporary/0/a.avro", Hidden),
            (".avro", "000000_0", Bare),
            (".avro", "part-m-00000", Bare),
            (".avro", "README", Bare),
            (".avro", "v1.0/part-m-00000", Bare),
            (".avro", "a.avro.gz", AvroInside),
            (".avro", "a.avro.bak", AvroInside),
            (".avro", "a.avro.tmp", Other),
            (".avro", "a.csv", Other),
            (".avro", "000000_0.gz", Other),
            (".dat", "a.dat", Data),
            (".dat", "a.avro", Other),
            (".dat", "a", Other),
            ("", "a.csv", Data),
            ("", "_SUCCESS", Hidden),
        ];
        check_all(cases, |(extension, path, expected)| {
            assert_eq!(DataFiles::new(extension).named(path.split('/')), expected, "{extension} {path}");
        });
    }

    #[test]
    fn left_out_formats_reasons_and_warnings() {
        let mut left = LeftOut::default();
        assert_eq!((left.warning("d", true), left.reason().as_str()), (None, ""));
        for (name, named) in [("a.avro.gz", Named::AvroInside), ("README", Named::Bare), ("x.csv", Named::Other)] {
            left.add(name, named);
        }
        let gzip = "a.avro.gz (gzip; decompress first: gunzip)";
        assert_eq!(left.warning("d", false), Some(format!("d: left out {gzip}")));
        assert_eq!(left.warning("d", true), Some(format!("d: left out {gzip}, README (not Avro)")));
        let all = format!("; left out: {gzip}, README (not Avro), x.csv (another extension)");
        assert_eq!(left.reason(), all);
        for i in 0..5 {
            left.add(&format!("{i}.avro.gz"), Named::AvroInside);
        }
        left.add_empty();
        assert!(left.reason().contains("0.avro.gz, 1.avro.gz and 3 more"), "{}", left.reason());
        assert!(left.reason().ends_with("1 empty file"), "{}", left.reason());
    }
}
