//! Avro files as DataFusion tables.
