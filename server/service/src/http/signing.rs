//! Signature of texts that clients send back unchanged.

use sha2::{Digest, Sha256};

/// Bytes of a signature.
const LENGTH: usize = 16;
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// True if both have the same bytes. Compares all bytes of texts of one length, so that the time does not tell how many are right.
pub(super) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && difference == 0
}

/// Secret key of signatures: HMAC with SHA-256 (RFC 2104), cut to 16 bytes.
#[derive(Clone)]
pub(super) struct SigningKey([u8; BLOCK]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Key of a secret.
    pub(super) fn new(secret: &str) -> Self {
        let mut key = [0; BLOCK];
        let digest;
        let secret = if secret.len() <= BLOCK {
            secret.as_bytes()
        } else {
            digest = Sha256::digest(secret);
            &digest[..]
        };
        key[..secret.len()].copy_from_slice(secret);
        Self(key)
    }

    /// The signature of `bytes`, followed by `bytes`.
    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        [&self.signature(bytes), bytes].concat()
    }

    /// The bytes that [`sign`](Self::sign) signed; `None` if the signature is wrong.
    pub(super) fn check<'a>(&self, signed: &'a [u8]) -> Option<&'a [u8]> {
        let (found, bytes) = signed.split_at_checked(LENGTH)?;
        is_equal(&self.signature(bytes), found).then_some(bytes)
    }

    fn signature(&self, bytes: &[u8]) -> [u8; LENGTH] {
        let pad = |mask: u8| self.0.map(|byte| byte ^ mask);
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(bytes).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        std::array::from_fn(|at| outer[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        // Test case 2 of the RFC, cut to 16 bytes.
        let signed = SigningKey::new("Jefe").sign(b"what do ya want for nothing?");
        let hex: String = signed[..LENGTH].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn a_changed_text_or_another_key_is_noticed() {
        let key = SigningKey::new("secret");
        let signed = key.sign(b"text");
        assert_eq!(key.check(&signed), Some(&b"text"[..]));
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert_eq!(key.check(&changed), None, "byte {at}");
        }
        assert_eq!(key.check(&signed[..LENGTH - 1]), None);
        assert_eq!(SigningKey::new("other").check(&signed), None);
    }
}
