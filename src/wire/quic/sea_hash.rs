//! The hash function SeaHash, with its default seeds. It detects damage, and is no protection against forgery.

/// The initial state, from the specification.
const SEEDS: [u64; 4] = [0x16f1_1fe8_9b0d_677c, 0xb480_a793_d8e6_c86c, 0x6fe2_e5aa_f078_ebc9, 0x14f9_94a4_c525_9381];
const MULTIPLIER: u64 = 0x6eed_0e9d_a4d9_4a4f;

/// Hashes bytes that are given in pieces: the hash is that of all pieces together.
pub(super) struct SeaHash {
    lanes: [u64; 4],
    /// The bytes since the last whole word, little-endian, and zero above them.
    word: u64,
    length: u64,
}

impl SeaHash {
    pub fn new() -> Self {
        Self { lanes: SEEDS, word: 0, length: 0 }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.word |= u64::from(*byte) << (8 * (self.length % 8));
            self.length += 1;
            if self.length.is_multiple_of(8) {
                self.mix_word();
            }
        }
    }

    pub fn finish(mut self) -> u64 {
        if !self.length.is_multiple_of(8) {
            self.mix_word();
        }
        let [a, b, c, d] = self.lanes;
        diffuse(a ^ b ^ c ^ d ^ self.length)
    }

    fn mix_word(&mut self) {
        let [a, b, c, d] = self.lanes;
        self.lanes = [b, c, d, diffuse(a ^ self.word)];
        self.word = 0;
    }
}

fn diffuse(word: u64) -> u64 {
    let word = word.wrapping_mul(MULTIPLIER);
    let word = word ^ ((word >> 32) >> (word >> 60));
    word.wrapping_mul(MULTIPLIER)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn hash(pieces: &[impl AsRef<[u8]>]) -> u64 {
        let mut hash = SeaHash::new();
        pieces.iter().for_each(|piece| hash.write(piece.as_ref()));
        hash.finish()
    }

    #[test]
    fn the_vectors_of_the_specification_hold() {
        assert_eq!(hash(&["to be or not to be"]), 1_988_685_042_348_123_509);
        assert_eq!(hash(&["love is a wonderful terrible thing"]), 4_784_284_276_849_692_846);
    }

    proptest! {
        #[test]
        fn it_is_the_hash_of_the_reference(pieces in vec(vec(any::<u8>(), 0..50), 0..6)) {
            prop_assert_eq!(hash(&pieces), seahash::hash(&pieces.concat()));
        }
    }
}
