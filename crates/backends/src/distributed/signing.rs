//! Signatures: with a key, only messages of those who have it are taken.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A secret that all programs of an installation share. Its `Debug` hides it.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

/// Why a signing key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing key must have at least 16 bytes; this one has {length}")]
pub struct KeyTooShort {
    /// How many it has.
    pub length: usize,
}

impl SigningKey {
    /// Takes a key of at least 16 bytes.
    ///
    /// # Errors
    /// If it is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, KeyTooShort> {
        if secret.len() < 16 { Err(KeyTooShort { length: secret.len() }) } else { Ok(Self(secret.to_vec())) }
    }

    /// HMAC-SHA256 (RFC 2104) over the parts, each after its length, so that no two different
    /// messages sign alike.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.mac(parts).finalize().into_bytes().to_vec()
    }

    /// Whether the signature is of these parts; takes equally long for every wrong one.
    pub(super) fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.mac(parts).verify_slice(signature).is_ok()
    }

    /// What tells this key from others without giving it away: 16 hexadecimal digits.
    pub(super) fn fingerprint(&self) -> String {
        self.sign(&[b"fingerprint"]).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_parts_and_key_only() {
        let key = SigningKey::new(b"0123456789abcdef").unwrap();
        let signature = key.sign(&[b"queue", b"body"]);
        assert!(key.verifies(&[b"queue", b"body"], &signature));
        assert!(!key.verifies(&[b"queueb", b"ody"], &signature));
        assert!(!key.verifies(&[b"queue", b"body!"], &signature));
        assert!(!SigningKey::new(b"0123456789abcdeF").unwrap().verifies(&[b"queue", b"body"], &signature));
        assert!(!key.verifies(&[b"queue", b"body"], &signature[..31]));
    }

    #[test]
    fn a_fingerprint_tells_keys_apart() {
        let fingerprint = |key| SigningKey::new(key).unwrap().fingerprint();
        assert_eq!(fingerprint(b"0123456789abcdef"), fingerprint(b"0123456789abcdef"));
        assert_ne!(fingerprint(b"0123456789abcdef"), fingerprint(b"0123456789abcdeF"));
        assert_eq!(fingerprint(b"0123456789abcdef").len(), 16);
    }

    #[test]
    fn keys_are_long_and_hidden() {
        assert_eq!(SigningKey::new(b"short").unwrap_err().length, 5);
        assert!(!format!("{:?}", SigningKey::new(b"0123456789abcdef").unwrap()).contains("0123"));
    }
}
