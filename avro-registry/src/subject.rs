//! Subjects: their names, references between them, and how they become parts of a path.

use crate::error::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A reference of a schema to a type in another subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The full name of the type.
    pub name: String,
    /// The subject that has the type.
    pub subject: String,
    /// The version of the subject.
    pub version: u32,
}

/// A subject, or one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubjectVersion {
    /// The subject.
    pub subject: String,
    /// The version's number; `None` for the newest.
    pub version: Option<u32>,
}

impl SubjectVersion {
    /// Parses `SUBJECT`, `SUBJECT@VERSION` or `SUBJECT@latest`. A subject may have an `@`, if no number is after it.
    ///
    /// ```
    /// use avro_registry::SubjectVersion;
    ///
    /// let third = SubjectVersion::parse("orders-value@3");
    /// assert_eq!((third.subject.as_str(), third.version), ("orders-value", Some(3)));
    /// ```
    pub fn parse(text: &str) -> SubjectVersion {
        if let Some((subject, version)) = text.rsplit_once('@')
            && !subject.is_empty()
        {
            if version == "latest" {
                return SubjectVersion { subject: subject.to_owned(), version: None };
            }
            if let Ok(version) = version.parse() {
                return SubjectVersion { subject: subject.to_owned(), version: Some(version) };
            }
        }
        SubjectVersion { subject: text.to_owned(), version: None }
    }
}

/// How producers name the subject of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SubjectStrategy {
    /// `TOPIC-value` or `TOPIC-key`; the default.
    #[default]
    TopicName,
    /// The record's full name.
    RecordName,
    /// `TOPIC-RECORD`, with the record's full name.
    TopicRecordName,
}

impl SubjectStrategy {
    /// Returns the subject of a topic's keys or values, whose schema has the full name `record`.
    ///
    /// ```
    /// use avro_registry::SubjectStrategy;
    ///
    /// assert_eq!(SubjectStrategy::TopicName.subject("orders", "shop.Order", false), "orders-value");
    /// assert_eq!(SubjectStrategy::TopicRecordName.subject("orders", "shop.Order", false), "orders-shop.Order");
    /// ```
    pub fn subject(self, topic: &str, record: &str, is_key: bool) -> String {
        match self {
            SubjectStrategy::TopicName => format!("{topic}-{}", if is_key { "key" } else { "value" }),
            SubjectStrategy::RecordName => record.to_owned(),
            SubjectStrategy::TopicRecordName => format!("{topic}-{record}"),
        }
    }
}

/// What the ids in messages of Apicurio's framing are, if the address is that of Apicurio's own API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApicurioIds {
    /// Ids of contents, the default of Apicurio 3.
    Content,
    /// Ids of versions of artifacts, the default of Apicurio 2.
    Global,
}

/// Characters that are encoded in a part of a path: all but those that no URL gives a meaning.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns text as a part of a path.
pub(crate) fn segment(text: &str) -> Result<String> {
    match text {
        // URLs drop these parts, also when they are encoded.
        "" | "." | ".." => Err(Error::setting(format!("`{text}` cannot be the name of a subject"))),
        _ => Ok(utf8_percent_encode(text, &ENCODED).to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn segment_is_one_part_of_a_path() {
        assert_eq!(segment("a/b ?#%é:").unwrap(), "a%2Fb%20%3F%23%25%C3%A9%3A");
        assert_eq!(segment("orders-value_1.x~").unwrap(), "orders-value_1.x~");
        for wrong in ["", ".", ".."] {
            assert!(segment(wrong).is_err());
        }
    }

    #[test]
    fn version_follows_the_last_at() {
        let cases = [
            ("orders-value", "orders-value", None),
            ("orders-value@3", "orders-value", Some(3)),
            ("7@latest", "7", None),
            ("a@b", "a@b", None),
            ("a@b@2", "a@b", Some(2)),
            ("@2", "@2", None),
            ("a@-1", "a@-1", None),
        ];
        check_all(cases, |(text, subject, version)| {
            assert_eq!(SubjectVersion::parse(text), SubjectVersion { subject: subject.to_owned(), version });
        });
    }

    #[test]
    fn subject_follows_strategy() {
        assert_eq!(SubjectStrategy::TopicName.subject("t", "a.R", true), "t-key");
        assert_eq!(SubjectStrategy::RecordName.subject("t", "a.R", true), "a.R");
    }
}
