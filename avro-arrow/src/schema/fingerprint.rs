//! Fingerprints of schemas: a schema's Parsing Canonical Form in, a hash of it out.

use super::Schema;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt;

/// A hash of a schema's [canonical form](Schema::canonical_form), by which messages and registries name schemas. It is shown
/// as hexadecimal digits of its bytes, as Avro's tools show it.
///
/// Neither of the first two is safe against people who make schemas that collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fingerprint {
    /// CRC-64-AVRO, a Rabin fingerprint. Its bytes are little-endian, as in a message of the single-object encoding.
    Rabin(u64),
    /// MD5.
    Md5([u8; 16]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Schema {
    /// The [`Fingerprint::Rabin`] of this schema.
    pub fn rabin(&self) -> u64 {
        rabin(EMPTY, self.canonical_form().as_bytes())
    }

    /// The [`Fingerprint::Md5`] of this schema.
    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(self.canonical_form()).into()
    }

    /// The [`Fingerprint::Sha256`] of this schema.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.canonical_form()).into()
    }
}

impl Fingerprint {
    /// The hash that [`Fingerprint::Rabin`] is, of any bytes: as a checksum, those of all parts together.
    pub fn rabin_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
        parts.into_iter().fold(EMPTY, rabin)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rabin;
        let bytes: &[u8] = match self {
            Fingerprint::Rabin(n) => {
                rabin = n.to_le_bytes();
                &rabin
            }
            Fingerprint::Md5(bytes) => bytes,
            Fingerprint::Sha256(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The polynomial, and the fingerprint of no bytes.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// What the lowest byte becomes when it is shifted out.
const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut entry = byte as u64;
        let mut bit = 0;
        while bit < u8::BITS {
            entry = if entry & 1 == 0 { entry >> 1 } else { (entry >> 1) ^ EMPTY };
            bit += 1;
        }
        table[byte] = entry;
        byte += 1;
    }
    table
};

// SPEC: Schema Fingerprints, CRC-64-AVRO.
fn rabin(fingerprint: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(fingerprint, |fp, byte| (fp >> 8) ^ TABLE[usize::from(fp as u8 ^ byte)])
}
