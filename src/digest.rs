//! SHA-256 (FIPS 180-4) as text.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// 64 hexadecimal digits.
#[must_use]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
