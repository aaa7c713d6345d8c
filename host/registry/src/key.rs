//! Keys in cosign's formats: `cosign.pub`, a public key in PEM, and `cosign.key`, a private one that a password encrypts.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use crypto_secretbox::{
    XSalsa20Poly1305,
    aead::{Aead, KeyInit},
};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};

use crate::Digest;

/// What a public key on the curve P-256 begins with, in DER; the point follows.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point of that curve.
const POINT: usize = 65;

const PRIVATE_LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// The parameters that cosign uses now and used before. Others are refused: a key file that chooses them chooses how
/// much memory it takes to open it.
const SCRYPT: [u64; 2] = [1 << 16, 1 << 15];
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;

/// A public key: ECDSA on P-256, the kind that `cosign generate-key-pair` makes.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// In DER, as a SubjectPublicKeyInfo.
    der: Vec<u8>,
}

/// A private key that was opened.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

/// What is in the PEM of a private key.
#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PublicKey {
    /// Reads a key from PEM.
    ///
    /// # Errors
    /// If it is none, or of a kind that is not known here.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let pem = pem::parse(text).map_err(|_| "it is no public key in PEM".to_owned())?;
        match pem.tag() {
            "PUBLIC KEY" => Self::from_der(pem.contents()),
            "CERTIFICATE" => Err("it is a certificate; expected a public key".to_owned()),
            tag if tag.contains("PRIVATE") => Err("it is a private key; expected the public one".to_owned()),
            tag => Err(format!("it is a `{}`; expected a public key", crate::printable(tag, 60))),
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, String> {
        if der.strip_prefix(&P256).is_none_or(|point| point.len() != POINT) {
            return Err("it is no ECDSA key on the curve P-256, the kind that is known here".to_owned());
        }
        Ok(Self { der: der.to_owned() })
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        encode("PUBLIC KEY", &self.der)
    }

    /// What the key is called where it has no name: the SHA-256 of its DER.
    pub fn id(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// Whether the key's owner signed the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // `from_der` checked what the point follows.
        let point = self.der.get(P256.len()..).unwrap_or(&[]);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.id())
    }
}

impl PrivateKey {
    /// A new key, and its PEM, encrypted with `password`.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn generate(password: &str) -> Result<(Self, String), String> {
        let random = SystemRandom::new();
        let failed = |_| "the system has no random numbers".to_owned();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
        let (mut salt, mut nonce) = ([0; 32], [0; 24]);
        random.fill(&mut salt).map_err(failed)?;
        random.fill(&mut nonce).map_err(failed)?;
        let secret = derive(password, &salt, SCRYPT[0])?;
        let sealed = XSalsa20Poly1305::new(&secret.into())
            .encrypt(&nonce.into(), document.as_ref())
            .map_err(|_| "the key cannot be encrypted".to_owned())?;
        let sealed = Sealed {
            kdf: Kdf {
                name: "scrypt".to_owned(),
                params: Params { n: SCRYPT[0], r: SCRYPT_R, p: SCRYPT_P },
                salt: BASE64_STANDARD.encode(salt),
            },
            cipher: Cipher { name: "nacl/secretbox".to_owned(), nonce: BASE64_STANDARD.encode(nonce) },
            ciphertext: BASE64_STANDARD.encode(sealed),
        };
        let text = serde_json::to_vec(&sealed).map_err(|error| error.to_string())?;
        Ok((Self::from_pkcs8(document.as_ref())?, encode(PRIVATE_LABELS[0], &text)))
    }

    /// Opens a key with its password.
    ///
    /// # Errors
    /// If it is none of cosign's, if the password is another's, or if it is of a kind that is not known here.
    pub fn open(text: &str, password: &str) -> Result<Self, String> {
        let pem = pem::parse(text).map_err(|_| "it is no private key in PEM".to_owned())?;
        if !PRIVATE_LABELS.contains(&pem.tag()) {
            let tag = crate::printable(pem.tag(), 60);
            return Err(format!(
                "it is a `{tag}`; expected `{}`, as `brewer-host plugin keygen` writes it",
                PRIVATE_LABELS[0]
            ));
        }
        let damaged = |_| "the encrypted key is damaged".to_owned();
        let sealed: Sealed =
            serde_json::from_slice(pem.contents()).map_err(|_| "the encrypted key is damaged".to_owned())?;
        let Kdf { name, params: Params { n, r, p }, salt } = &sealed.kdf;
        if name != "scrypt" || !SCRYPT.contains(n) || *r != SCRYPT_R || *p != SCRYPT_P {
            let name = crate::printable(name, 30);
            return Err(format!(
                "it is encrypted by {name} with N={n}, r={r}, p={p}; cosign uses scrypt with N=65536, r=8, p=1"
            ));
        }
        if sealed.cipher.name != "nacl/secretbox" {
            return Err(format!(
                "its cipher is `{}`; expected nacl/secretbox",
                crate::printable(&sealed.cipher.name, 30)
            ));
        }
        let salt = BASE64_STANDARD.decode(salt).map_err(damaged)?;
        let nonce: [u8; 24] = BASE64_STANDARD
            .decode(&sealed.cipher.nonce)
            .map_err(damaged)?
            .try_into()
            .map_err(|_| "the encrypted key is damaged".to_owned())?;
        let ciphertext = BASE64_STANDARD.decode(&sealed.ciphertext).map_err(damaged)?;
        let secret = derive(password, &salt, *n)?;
        let opened = XSalsa20Poly1305::new(&secret.into())
            .decrypt(&nonce.into(), ciphertext.as_slice())
            .map_err(|_| "the password is not the key's".to_owned())?;
        Self::from_pkcs8(&opened)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, String> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new())
            .map_err(|_| "it is no ECDSA key on the curve P-256, the kind that is known here".to_owned())?;
        let public = PublicKey::from_der(&[&P256[..], pair.public_key().as_ref()].concat())?;
        Ok(Self { pair, public })
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature of a message, in ASN.1.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| "the system has no random numbers".to_owned())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.public.id())
    }
}

/// The secret that a password stands for; `n` is one of [`SCRYPT`].
fn derive(password: &str, salt: &[u8], n: u64) -> Result<[u8; 32], String> {
    let wrong = |_| "scrypt does not take these parameters".to_owned();
    let log_n = n.trailing_zeros() as u8;
    let params = scrypt::Params::new(log_n, SCRYPT_R, SCRYPT_P).map_err(wrong)?;
    let mut secret = [0; 32];
    scrypt::scrypt(password.as_bytes(), salt, &params, &mut secret)
        .map_err(|_| "scrypt does not take these parameters".to_owned())?;
    Ok(secret)
}

fn encode(tag: &str, contents: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, contents), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_with_its_password_alone() {
        let (key, text) = PrivateKey::generate("pass word").unwrap();
        let opened = PrivateKey::open(&text, "pass word").unwrap();
        assert_eq!(opened.public(), key.public());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem()).as_ref(), Ok(key.public()));
        assert_eq!(PrivateKey::open(&text, "password").unwrap_err(), "the password is not the key's");
        let signature = opened.sign(b"message").unwrap();
        assert!(key.public().verifies(b"message", &signature) && !key.public().verifies(b"massage", &signature));
        assert!(PublicKey::from_pem(&text).unwrap_err().contains("it is a private key"));
    }

    #[test]
    fn a_key_does_not_choose_how_much_memory_it_takes() {
        let (_, text) = PrivateKey::generate("").unwrap();
        let sealed = String::from_utf8(pem::parse(&text).unwrap().into_contents()).unwrap();
        let bomb = encode(PRIVATE_LABELS[0], sealed.replace("65536", "1073741824").as_bytes());
        let problem = PrivateKey::open(&bomb, "").unwrap_err();
        assert!(problem.contains("N=1073741824, r=8, p=1; cosign uses scrypt with N=65536"), "{problem}");
    }

    #[test]
    fn other_keys_are_refused_by_what_they_are() {
        // A P-384 key's beginning, and then nothing.
        let p384 = encode("PUBLIC KEY", &[0x30, 0x76, 0x30, 0x10]);
        assert!(PublicKey::from_pem(&p384).unwrap_err().contains("no ECDSA key on the curve P-256"));
        assert!(PublicKey::from_pem("rubbish").unwrap_err().contains("no public key in PEM"));
        assert!(PrivateKey::open(&p384, "").unwrap_err().contains("it is a `PUBLIC KEY`"));
    }
}
