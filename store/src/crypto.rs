//! The hub's key, and encryption with it.

use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
};

use data_encoding::HEXLOWER_PERMISSIVE;
use easytier_probe::Secret;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};

const KEY_LEN: usize = 32;

/// The key that encrypts the secrets in the database; the same for all hubs on one database.
#[derive(Clone, PartialEq, Eq)]
pub struct HubKey([u8; KEY_LEN]);

/// Why a hub key cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubKeyError {
    /// The text is not a key.
    #[error("a hub key is 64 hexadecimal digits; make one with: openssl rand -hex 32")]
    Malformed,
    /// The file cannot be read or created.
    #[error("{path}: {source}")]
    File {
        /// The path of the file.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
}

/// Encrypted data that cannot be decrypted: it was encrypted with another key, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encrypted with another hub key, or damaged")]
pub struct Unsealable;

impl HubKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(random())
    }

    /// The key that follows from a long random secret (HKDF-SHA256). For another purpose it is another one.
    #[expect(clippy::expect_used, reason = "the key has the length that SHA-256 gives")]
    pub fn derived(secret: &Secret, purpose: &str) -> Self {
        let mut key = [0; KEY_LEN];
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"easytier-uptime").extract(secret.expose().as_bytes());
        let expanded = extracted.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
        expanded.expect("32 bytes");
        Self(key)
    }

    /// The key from its 64 hexadecimal digits (`HUB_KEY`).
    ///
    /// # Errors
    ///
    /// [`HubKeyError::Malformed`] for any other text.
    pub fn from_hex(text: &str) -> Result<Self, HubKeyError> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| HubKeyError::Malformed)?;
        bytes.try_into().map(Self).map_err(|_| HubKeyError::Malformed)
    }

    /// The key in a file (`HUB_KEY_FILE`).
    ///
    /// # Errors
    ///
    /// When the file cannot be read or does not hold a key.
    pub fn from_file(path: &Path) -> Result<Self, HubKeyError> {
        let text = fs::read_to_string(path)
            .map_err(|source| HubKeyError::File { path: path.display().to_string(), source })?;
        Self::from_hex(&text)
    }

    /// The key in a file that only its owner can read. The file is created with a new key when it does not exist.
    ///
    /// Two processes that start at the same time get the same key: the first to create the file wins, and it appears
    /// under its name only when it is complete.
    ///
    /// # Errors
    ///
    /// When the file can be neither read nor created, or does not hold a key.
    pub fn load_or_create(path: &Path) -> Result<Self, HubKeyError> {
        if !path.exists() {
            Self::generate()
                .create(path)
                .map_err(|source| HubKeyError::File { path: path.display().to_string(), source })?;
        }
        Self::from_file(path)
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        let draft = path.with_extension(format!("new-{}", std::process::id()));
        let mut file = create_private(&draft)?;
        let linked = self.fill(&mut file).and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Writes a file that only its owner can read, and that does not exist.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        self.fill(&mut create_private(path)?)
    }

    fn fill(&self, file: &mut fs::File) -> io::Result<()> {
        writeln!(file, "{}", HEXLOWER_PERMISSIVE.encode(&self.0))?;
        file.sync_all()
    }

    /// Encrypts with AES-256-GCM; the result begins with the random nonce. It can be decrypted only with the same `place`,
    /// so that an encrypted value cannot be moved to another column.
    #[expect(clippy::expect_used, reason = "a secret is far shorter than the limit of AES-GCM, 64 GiB")]
    pub(crate) fn seal(&self, place: &str, secret: &Secret) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut text = secret.expose().as_bytes().to_vec();
        self.cipher()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut text)
            .expect("a short secret");
        [nonce.as_slice(), &text].concat()
    }

    /// Decrypts what [`Self::seal`] encrypted for the same `place`.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, Unsealable> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut text = text.to_vec();
        let text =
            self.cipher().open_in_place(nonce, Aad::from(place.as_bytes()), &mut text).map_err(|_| Unsealable)?;
        String::from_utf8(text.to_vec()).map(Secret::from).map_err(|_| Unsealable)
    }

    /// A hash of `data` that says nothing without the key; of another `place` it is another one.
    pub fn keyed_hash(&self, place: &str, data: &[u8]) -> Vec<u8> {
        let of_place = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), place.as_bytes());
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, of_place.as_ref()), data).as_ref().to_vec()
    }

    #[expect(clippy::expect_used, reason = "the key has the length of the cipher's keys")]
    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0).expect("32 bytes"))
    }
}

impl fmt::Debug for HubKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubKey([redacted])")
    }
}

/// Random bytes of the system, fit for keys.
#[expect(clippy::expect_used, reason = "a system without random numbers cannot run a hub")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// Creates a file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_can_be_decrypted_with_its_key_and_place_only() {
        let key = HubKey::generate();
        let sealed = key.seal("here", &"s3cret".into());
        assert_eq!(key.open("here", &sealed), Ok("s3cret".into()));
        assert_eq!(key.open("there", &sealed), Err(Unsealable));
        assert_eq!(HubKey::generate().open("here", &sealed), Err(Unsealable));
        assert_eq!(key.open("here", b"short"), Err(Unsealable));
        assert_ne!(key.seal("here", &"s3cret".into()), sealed);
    }

    #[test]
    fn a_derived_key_depends_on_the_secret_and_the_purpose() {
        let sealed = HubKey::derived(&"a token".into(), "this").seal("here", &"s3cret".into());
        let opened = |secret: &str, purpose: &str| HubKey::derived(&secret.into(), purpose).open("here", &sealed);
        assert_eq!(opened("a token", "this"), Ok("s3cret".into()));
        assert_eq!(opened("another", "this"), Err(Unsealable));
        assert_eq!(opened("a token", "that"), Err(Unsealable));
    }

    #[test]
    fn a_keyed_hash_depends_on_key_place_and_data() {
        let key = HubKey::generate();
        let hash = key.keyed_hash("here", b"data");
        assert_eq!(key.keyed_hash("here", b"data"), hash);
        assert_eq!(hash.len(), 32);
        for other in [
            key.keyed_hash("there", b"data"),
            key.keyed_hash("here", b"date"),
            HubKey::generate().keyed_hash("here", b"data"),
        ] {
            assert_ne!(other, hash);
        }
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert!(HubKey::from_hex(&"aB".repeat(32)).is_ok());
        for wrong in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(matches!(HubKey::from_hex(wrong), Err(HubKeyError::Malformed)), "{wrong}");
        }
        assert_eq!(format!("{:?}", HubKey::generate()), "HubKey([redacted])");
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.key");
        let first = HubKey::load_or_create(&path).unwrap();
        assert_eq!(HubKey::load_or_create(&path).unwrap().0, first.0);
        first.create(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    }
}
