//! cosign's two formats, as bytes.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::Verdict;
use crate::{Digest, PrivateKey, PublicKey, Reference, printable};

/// The media type of what is signed at the tag.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that holds its signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The media type of a Sigstore bundle.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const PAYLOAD_KIND: &str = "cosign container image signature";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// What a statement says that is a signature and nothing else: others by the same key, of provenance for example, do
/// not say that the plugin may run.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// How a signature is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// At the tag `sha256-HEX.sig`, for cosign 1 and 2.
    Tag,
    /// A Sigstore bundle that refers to the manifest, for cosign 3.
    Bundle,
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tag => "cosign's tag",
            Self::Bundle => "Sigstore bundle",
        })
    }
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

/// What is signed at the tag, and its signature in base64.
pub fn sign_payload(reference: &Reference, manifest: &Digest, key: &PrivateKey) -> Result<(Vec<u8>, String), String> {
    // Who verifies does not look at the name: a copy in another registry is as good.
    let name = format!("{}/{}", reference.host(), reference.repository());
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": name },
            "image": { "docker-manifest-digest": manifest },
            "type": PAYLOAD_KIND,
        },
        "optional": null,
    })
    .to_string()
    .into_bytes();
    let signature = BASE64_STANDARD.encode(key.sign(&payload)?);
    Ok((payload, signature))
}

/// Who signed a payload.
pub fn check_payload(
    payload: &[u8],
    signature: Option<&str>,
    manifest: &Digest,
    keys: &BTreeMap<String, PublicKey>,
) -> Verdict {
    let Some(Ok(signature)) = signature.map(|text| BASE64_STANDARD.decode(text)) else {
        return Verdict::Invalid("it has no signature in base64".to_owned());
    };
    let parsed: Payload = match serde_json::from_slice(payload) {
        Ok(parsed) => parsed,
        Err(error) => return Verdict::Invalid(format!("its payload is none of cosign's: {error}")),
    };
    if parsed.critical.kind != PAYLOAD_KIND {
        return Verdict::Invalid(format!("its type is `{}`", printable(&parsed.critical.kind, 60)));
    }
    if parsed.critical.image.digest != *manifest {
        return Verdict::Invalid(format!("it is of another plugin, {}", parsed.critical.image.digest));
    }
    signer(payload, &[signature], keys)
}

/// The configuration that makes signatures an image in the eyes of old registries.
pub fn image_config(payloads: &[Digest]) -> Vec<u8> {
    json!({
        "architecture": "",
        "created": "0001-01-01T00:00:00Z",
        "history": vec![json!({ "created": "0001-01-01T00:00:00Z" }); payloads.len()],
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": payloads },
        "config": {},
    })
    .to_string()
    .into_bytes()
}

/// A Sigstore bundle that says that the key's owner signed the manifest.
pub fn sign_bundle(manifest: &Digest, key: &PrivateKey) -> Result<Vec<u8>, String> {
    let statement = json!({
        "_type": STATEMENT,
        "subject": [{ "digest": { "sha256": manifest.hex() } }],
        "predicateType": PREDICATE,
        "predicate": {},
    });
    sign_statement(statement.to_string().as_bytes(), key)
}

/// A Sigstore bundle with an in-toto statement, such as one of provenance, and the key owner's signature of it.
///
/// # Errors
/// If the system has no random numbers.
pub fn sign_statement(statement: &[u8], key: &PrivateKey) -> Result<Vec<u8>, String> {
    let signature = key.sign(&pre_authentication(STATEMENT_TYPE, statement))?;
    let hint = hex::decode(key.public().id().hex()).map_err(|error| error.to_string())?;
    let bundle = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": BASE64_STANDARD.encode(hint) } },
        "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(statement),
            "payloadType": STATEMENT_TYPE,
            "signatures": [{ "sig": BASE64_STANDARD.encode(signature) }],
        },
    });
    Ok(bundle.to_string().into_bytes())
}

/// What the manifest of a bundle says of it.
pub fn bundle_annotations() -> BTreeMap<String, String> {
    let annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", PREDICATE),
        // Nobody can check when it was, and the same signature has the same digest.
        ("org.opencontainers.image.created", "1970-01-01T00:00:00Z"),
    ];
    annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Who signed a bundle.
pub fn check_bundle(bytes: &[u8], manifest: &Digest, keys: &BTreeMap<String, PublicKey>) -> Verdict {
    match read_bundle(bytes, manifest) {
        Ok((message, signatures)) => signer(&message, &signatures, keys),
        Err(problem) => Verdict::Invalid(problem),
    }
}

/// What was signed, if it says what a signature of the manifest must say, and the signatures.
fn read_bundle(bytes: &[u8], manifest: &Digest) -> Result<(Vec<u8>, Vec<Vec<u8>>), String> {
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|error| format!("it is no Sigstore bundle: {error}"))?;
    if bundle.media_type != BUNDLE {
        return Err(format!("it is `{}`; expected {BUNDLE}", printable(&bundle.media_type, 90)));
    }
    if bundle.verification_material.public_key.is_none() {
        return Err("it is a keyless signature; keys alone are known here".to_owned());
    }
    let envelope = bundle.dsse_envelope.ok_or("it has no DSSE envelope")?;
    if envelope.payload_type != STATEMENT_TYPE {
        return Err(format!("its payload is `{}`; expected {STATEMENT_TYPE}", printable(&envelope.payload_type, 90)));
    }
    let decoded = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| "it is not in base64".to_owned());
    let payload = decoded(&envelope.payload)?;
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|error| format!("its payload is no in-toto statement: {error}"))?;
    if statement.kind != STATEMENT || statement.predicate_type != PREDICATE {
        let said = printable(&statement.predicate_type, 90);
        return Err(format!("it states `{said}`; a signature states {PREDICATE}"));
    }
    let hex = manifest.hex();
    if !statement.subject.iter().any(|subject| subject.digest.get("sha256") == Some(&hex)) {
        return Err("it is of another plugin".to_owned());
    }
    let signatures = envelope.signatures.iter().map(|signature| decoded(&signature.sig)).collect::<Result<_, _>>()?;
    Ok((pre_authentication(&envelope.payload_type, &payload), signatures))
}

/// What DSSE signs: type and payload with their lengths, so that nothing can be read as something else.
fn pre_authentication(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn signer(message: &[u8], signatures: &[Vec<u8>], keys: &BTreeMap<String, PublicKey>) -> Verdict {
    // A hint in a bundle is whatever somebody wrote there, so every key is tried.
    let verifies = |key: &PublicKey| signatures.iter().any(|signature| key.verifies(message, signature));
    match keys.iter().find(|(_, key)| verifies(key)) {
        Some((name, _)) => Verdict::SignedBy(name.clone()),
        None => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &PrivateKey) -> BTreeMap<String, PublicKey> {
        BTreeMap::from([("team-a".to_owned(), key.public().clone())])
    }

    fn key() -> PrivateKey {
        PrivateKey::generate("").unwrap().0
    }

    #[test]
    fn a_bundle_is_of_its_key_its_manifest_and_its_statement() {
        let (key, manifest) = (key(), Digest::of(b"manifest"));
        let bundle = String::from_utf8(sign_bundle(&manifest, &key).unwrap()).unwrap();
        let check = |text: &str| check_bundle(text.as_bytes(), &manifest, &keys(&key));
        let problem = |text: &str| match check(text) {
            Verdict::Invalid(problem) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(check(&bundle), Verdict::SignedBy("team-a".into()));
        assert_eq!(check_bundle(bundle.as_bytes(), &manifest, &keys(&self::key())), Verdict::Unknown);
        let other = check_bundle(bundle.as_bytes(), &Digest::of(b"other"), &keys(&key));
        assert_eq!(other, Verdict::Invalid("it is of another plugin".into()));
        assert!(problem(&bundle.replace("publicKey", "certificate")).contains("a keyless signature"));
        assert!(
            problem(&bundle.replace("in-toto+json", "other+json")).contains("expected application/vnd.in-toto+json")
        );
        assert!(problem("{}").contains("it is no Sigstore bundle"));

        // The same key's statement of something else, signed as well as a signature is.
        let statement = json!({
            "_type": STATEMENT,
            "subject": [{ "digest": { "sha256": manifest.hex() } }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        })
        .to_string();
        let signature = key.sign(&pre_authentication(STATEMENT_TYPE, statement.as_bytes())).unwrap();
        let mut parsed: serde_json::Value = serde_json::from_str(&bundle).unwrap();
        parsed["dsseEnvelope"]["payload"] = BASE64_STANDARD.encode(&statement).into();
        parsed["dsseEnvelope"]["signatures"][0]["sig"] = BASE64_STANDARD.encode(signature).into();
        assert!(problem(&parsed.to_string()).contains("it states `https://slsa.dev/provenance/v1`"));

        // A signature whose payload was changed, with the hint of the right key.
        let changed = statement.replace("https://slsa.dev/provenance/v1", PREDICATE);
        parsed["dsseEnvelope"]["payload"] = BASE64_STANDARD.encode(changed).into();
        assert_eq!(check(&parsed.to_string()), Verdict::Unknown);
    }

    #[test]
    fn a_payload_is_of_its_key_its_manifest_and_its_type() {
        let (key, manifest) = (key(), Digest::of(b"manifest"));
        let reference: Reference = "oci://a.b/team/x:1".parse().unwrap();
        let (payload, signature) = sign_payload(&reference, &manifest, &key).unwrap();
        let check = |payload: &[u8], signature: Option<&str>| check_payload(payload, signature, &manifest, &keys(&key));
        assert_eq!(check(&payload, Some(&signature)), Verdict::SignedBy("team-a".into()));
        assert!(matches!(check(&payload, None), Verdict::Invalid(_)));
        let altered = String::from_utf8(payload.clone()).unwrap().replace("a.b", "c.d");
        assert_eq!(check(altered.as_bytes(), Some(&signature)), Verdict::Unknown);
        let (copied, signature) = sign_payload(&reference, &Digest::of(b"other"), &key).unwrap();
        let Verdict::Invalid(problem) = check(&copied, Some(&signature)) else { panic!() };
        assert!(problem.contains("it is of another plugin, sha256:"), "{problem}");
        // What the key signed as something else is no signature.
        let other = String::from_utf8(payload).unwrap().replace(PAYLOAD_KIND, "a note");
        let signature = BASE64_STANDARD.encode(key.sign(other.as_bytes()).unwrap());
        assert_eq!(check(other.as_bytes(), Some(&signature)), Verdict::Invalid("its type is `a note`".into()));
    }
}
