//! Fingerprints of schemas: hashes of the Parsing Canonical Form.

use super::Schema;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt;

/// A hash of a schema's [canonical form](Schema::canonical_form), by which messages and registries identify schemas.
/// It is displayed as hexadecimal bytes, as in Avro's tools.
///
/// The first two are not safe against deliberate collisions.
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
    /// Returns the schema's [`Fingerprint::Rabin`].
    pub fn rabin(&self) -> u64 {
        rabin(EMPTY, self.canonical_form().as_bytes())
    }

    /// Returns the schema's [`Fingerprint::Md5`].
    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(self.canonical_form()).into()
    }

    /// Returns the schema's [`Fingerprint::Sha256`].
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.canonical_form()).into()
    }
}

impl Fingerprint {
    /// Returns the [`Fingerprint::Rabin`] hash of any bytes, those of all parts together, as a checksum.
    pub fn rabin_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
        parts.into_iter().fold(EMPTY, rabin)
    }

    /// Returns the [`Fingerprint::Sha256`] hash of any bytes, those of all parts together.
    pub fn sha256_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
        let mut hash = Sha256::new();
        parts.into_iter().for_each(|part| hash.update(part));
        hash.finalize().into()
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

/// The polynomial, which is also the fingerprint of no bytes.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// The effect of shifting out the lowest byte.
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
