//! Limits on what a registry may answer.

/// Limits on answers. A larger one is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of an answer in bytes (16 MiB).
    pub answer_bytes: usize,
    /// Maximum number of schemas that one schema refers to, at all depths (500).
    pub references: usize,
    /// Maximum depth of references (32).
    pub reference_depth: usize,
    /// Maximum size of a schema and all that it refers to, in bytes (32 MiB).
    pub reference_bytes: usize,
    /// Limits on a schema.
    pub schema: avro_arrow::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            answer_bytes: 16 << 20,
            references: 500,
            reference_depth: 32,
            reference_bytes: 32 << 20,
            schema: avro_arrow::Limits::default(),
        }
    }
}
