//! Options as pairs of SQL names and values, the inverse of [`AvroOptions::set`].

use crate::options::list::OPTIONS;
use crate::options::read::{AvroOptions, Partitions};
use crate::options::write::{AvroWriteOptions, METADATA};
use datafusion::common::{Result, internal_err};

impl AvroOptions {
    /// Returns the names and values of the options that differ from the defaults, in an order in which they can be set.
    ///
    /// `schema`, `imports`, `schema_type`, `observer` and named partition columns have no text and are left out. So are
    /// entries of file headers that are not UTF-8.
    pub(crate) fn to_pairs(&self) -> Result<Vec<(String, String)>> {
        let mut pairs = vec![];
        // The limits come first: they apply to schemas.
        for (of_self, of_default) in self.texts().into_iter().zip(AvroOptions::default().texts()) {
            if let (name, Some(value)) = of_self
                && of_default.1.as_ref() != Some(&value)
            {
                pairs.push((name.to_owned(), value));
            }
        }
        for option in OPTIONS {
            let words: Vec<&str> = option.values.split(", ").collect();
            // Schemas and metadata are not words.
            let is_text = words.len() < 2 || option.values.starts_with("JSON");
            if is_text || (option.name == "partitions" && matches!(self.partitions, Partitions::Named(_))) {
                continue;
            }
            match words.iter().find(|word| self.has(option.name, word)) {
                Some(word) if *word != option.default => pairs.push((option.name.to_owned(), (*word).to_owned())),
                Some(_) => {}
                None => return internal_err!("option `{}` has a value without a name", option.name),
            }
        }
        for (key, value) in &self.writing.metadata {
            if let Ok(value) = std::str::from_utf8(value) {
                pairs.push((format!("{METADATA}{key}"), value.to_owned()));
            }
        }
        Ok(pairs)
    }

    /// Whether an option has this value: setting it changes nothing.
    fn has(&self, name: &str, word: &str) -> bool {
        // Schemas are expensive to compare, and metadata to copy.
        let bare = AvroOptions { schema: None, reader_schema: None, ..self.clone() };
        let bare = AvroOptions { writing: AvroWriteOptions { schema: None, metadata: vec![], ..bare.writing }, ..bare };
        let mut set = bare.clone();
        set.set(name, word).is_ok() && set == bare
    }

    /// Returns the options whose values are numbers or texts; `None` if an option is not set.
    fn texts(&self) -> Vec<(&'static str, Option<String>)> {
        // A new field must be added here, or be one of a few words, or be sent in another way.
        let AvroOptions {
            strings: _,
            enums: _,
            unions: _,
            logical_maps: _,
            decimals: _,
            recursion_levels,
            on_corrupt_block: _,
            observer: _,
            limits,
            file_extension,
            partitions: _,
            partition_types: _,
            virtual_columns: _,
            schema: _,
            reader_schema,
            field_match: _,
            type_names: _,
            short_decimals: _,
            imports: _,
            schema_type: _,
            on_conflict: _,
            index: _,
            index_path,
            cache: _,
            cache_path,
            cache_bytes,
            writing,
        } = self;
        let AvroWriteOptions { codec: _, level, block_bytes, schema, check_schema: _, metadata: _, index: _ } = writing;
        vec![
            ("block_bytes", Some(limits.block_bytes.to_string())),
            ("batch_bytes", Some(limits.batch_bytes.to_string())),
            ("metadata_bytes", Some(limits.metadata_bytes.to_string())),
            ("schema_nodes", Some(limits.schema_nodes.to_string())),
            ("arrow_fields", Some(limits.arrow_fields.to_string())),
            ("nesting", Some(limits.nesting.to_string())),
            ("value_nesting", Some(limits.value_nesting.to_string())),
            ("zero_width_items", Some(limits.zero_width_items.to_string())),
            ("recursion_levels", Some(recursion_levels.to_string())),
            ("file_extension", Some(file_extension.clone())),
            ("reader_schema", reader_schema.as_ref().map(|schema| schema.json().to_owned())),
            ("index_path", index_path.clone()),
            ("cache_path", cache_path.clone()),
            ("cache_size", Some(cache_bytes.to_string())),
            ("level", level.map(|level| level.to_string())),
            ("block_size", Some(block_bytes.to_string())),
            ("schema", schema.as_ref().map(|schema| schema.json().to_owned())),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from_pairs(pairs: &[(String, String)]) -> AvroOptions {
        let mut options = AvroOptions::default();
        pairs.iter().for_each(|(name, value)| options.set(name, value).unwrap());
        options
    }

    #[test]
    fn every_option_survives() {
        assert_eq!(AvroOptions::default().to_pairs().unwrap(), []);
        let mut all = AvroOptions::default();
        for option in OPTIONS {
            let values: Vec<&str> = match option.values {
                "a number" => vec!["7"],
                "a size" => vec!["65537"],
                "a directory" | "an extension" | "a text" => vec!["x y"],
                "JSON, or a file" => vec![r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#],
                words => words.split(", ").filter(|word| *word != option.default).collect(),
            };
            assert!(!values.is_empty(), "{}", option.name);
            for value in values {
                let mut options = AvroOptions::default();
                options.set(option.name, value).unwrap();
                let pairs = options.to_pairs().unwrap();
                assert_eq!(pairs, [(option.name.to_owned(), value.to_owned())]);
                assert_eq!(from_pairs(&pairs), options, "{}", option.name);
                all.set(option.name, value).unwrap();
            }
        }
        // A limit on the nesting of schemas of 7 admits the schemas above.
        assert_eq!(from_pairs(&all.to_pairs().unwrap()), all);
        assert_eq!(all.to_pairs().unwrap().len(), OPTIONS.len());
    }
}
