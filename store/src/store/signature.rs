//! Signatures that all hubs of a database make alike.

use super::Store;

impl Store {
    /// A signature of `data` with the hub's key: 32 bytes that every hub of this database makes alike, and nobody else. For
    /// another `purpose` it is another one.
    pub fn signature(&self, purpose: &str, data: &[u8]) -> Vec<u8> {
        self.shared.key.keyed_hash(purpose, data)
    }
}
