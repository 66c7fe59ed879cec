//! SQL over Avro: queries in, the times of ours and of DataFusion's own reader out.
fn main() {}
