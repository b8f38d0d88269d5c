//! Signatures by HMAC-SHA256, as several services ask for them.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac};

/// The code of `text` under `key`, in hexadecimal digits.
pub(super) fn hex(key: &[u8], text: &[u8]) -> String {
    digits(code(key, text).as_ref())
}

/// The code of `text` under `key`, in Base64.
pub(super) fn base64(key: &[u8], text: &[u8]) -> String {
    STANDARD.encode(code(key, text))
}

/// The SHA-256 of `text` in hexadecimal digits: a short name for a text of any length.
pub(super) fn fingerprint(text: &str) -> String {
    digits(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn code(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn a_code_is_that_of_the_standard() {
        let hex = hex(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(base64(b"Jefe", b"what do ya want for nothing?"), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }
}
