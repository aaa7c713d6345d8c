//! Signatures in a registry: made in both forms, found in both, and what is none.

use std::{collections::BTreeMap, fs, process::Command, sync::atomic::Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use brewer_registry::{
    Digest, PrivateKey, PublicKey, Reference, Result,
    document::Descriptor,
    signature::{self, Finding, Form, Verdict},
};
use serde_json::{Value, json};

use crate::world::{World, client, settings};

/// A registry with a plugin, and a key.
struct Signing {
    world: World,
    key: PrivateKey,
    manifest: Descriptor,
}

impl Signing {
    fn new(has_referrers: bool) -> Self {
        let world = World::new(|_, _| None);
        world.registry.has_referrers.store(has_referrers, Ordering::SeqCst);
        let key = PrivateKey::generate("").unwrap().0;
        let manifest = client(settings()).resolve(&world.reference).unwrap();
        Self { world, key, manifest }
    }

    fn sign(&self, key: &PrivateKey) {
        signature::sign(&client(settings()), &self.world.reference, &self.manifest, key).unwrap();
    }

    fn findings(&self) -> Result<Vec<Finding>> {
        self.findings_of(&self.world.reference, &self.manifest.digest)
    }

    fn findings_of(&self, reference: &Reference, manifest: &Digest) -> Result<Vec<Finding>> {
        let candidates = signature::fetch(&client(settings()), reference, manifest)?;
        Ok(signature::check(&candidates, manifest, &self.keys()))
    }

    fn keys(&self) -> BTreeMap<String, PublicKey> {
        BTreeMap::from([("team-a".to_owned(), self.key.public().clone())])
    }

    /// Everything that the registry has under a tag.
    fn tagged(&self, tag: &str) -> Option<Value> {
        let manifests = self.world.registry.manifests.lock().unwrap();
        Some(serde_json::from_slice(&manifests.get(&format!("team/mine:{tag}"))?.1).unwrap())
    }

    fn tag(&self, suffix: &str) -> String {
        format!("sha256-{}{suffix}", self.manifest.digest.hex())
    }

    fn blob(&self, descriptor: &Value) -> Vec<u8> {
        self.world.registry.blobs.lock().unwrap()[descriptor["digest"].as_str().unwrap()].clone()
    }

    /// Puts a manifest under a tag, as anybody who may write to the registry can.
    fn put(&self, tag: &str, manifest: &Value) {
        let bytes = manifest.to_string().into_bytes();
        let kind = manifest["mediaType"].as_str().unwrap().to_owned();
        let mut manifests = self.world.registry.manifests.lock().unwrap();
        manifests.insert(format!("team/mine:{}", Digest::of(&bytes)), (kind.clone(), bytes.clone()));
        manifests.insert(format!("team/mine:{tag}"), (kind, bytes));
    }
}

fn signed_by_team(form: Form) -> Finding {
    Finding { form, verdict: Verdict::SignedBy("team-a".into()) }
}

#[test]
fn both_forms_are_made_and_found_with_and_without_the_api() {
    for has_referrers in [true, false] {
        let signing = Signing::new(has_referrers);
        assert_eq!(signing.findings().unwrap(), []);
        let other = PrivateKey::generate("").unwrap().0;
        signing.sign(&other);
        signing.sign(&signing.key);
        let unknown = |form| Finding { form, verdict: Verdict::Unknown };
        let findings = signing.findings().unwrap();
        assert_eq!(findings.len(), 4, "those that were there stay");
        for finding in [Form::Bundle, Form::Tag].into_iter().flat_map(|form| [signed_by_team(form), unknown(form)]) {
            assert!(findings.contains(&finding), "{finding}");
        }
        assert_eq!(signing.tagged(&signing.tag("")).is_some(), !has_referrers, "the tag stands for the API alone");
        // Who has signed does not sign again.
        signing.sign(&signing.key);
        assert_eq!(signing.findings().unwrap().len(), 4);
    }
}

#[test]
fn openssl_verifies_the_tags_signature() {
    let signing = Signing::new(true);
    signing.sign(&signing.key);
    let manifest = signing.tagged(&signing.tag(".sig")).unwrap();
    let layer = &manifest["layers"][0];
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("payload"), signing.blob(layer)).unwrap();
    fs::write(path("signature"), BASE64_STANDARD.decode(signature).unwrap()).unwrap();
    fs::write(path("key"), signing.key.public().to_pem()).unwrap();
    let arguments = ["dgst", "-sha256", "-verify", &path("key"), "-signature", &path("signature"), &path("payload")];
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let config: Value = serde_json::from_slice(&signing.blob(&manifest["config"])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], layer["digest"]);
}

#[test]
fn a_copied_or_altered_signature_is_none() {
    let signing = Signing::new(false);
    signing.sign(&signing.key);
    // The signatures of one plugin at the tags of another.
    let other = Digest::of(b"another manifest");
    for suffix in [".sig", ""] {
        let signatures = signing.tagged(&signing.tag(suffix)).unwrap();
        signing.put(&format!("sha256-{}{suffix}", other.hex()), &signatures);
    }
    let findings = signing.findings_of(&signing.world.reference, &other).unwrap();
    let problems: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2);
    assert!(
        problems.iter().all(|problem| problem.contains("not a signature: it is of another plugin")),
        "{problems:?}"
    );

    let mut signatures = signing.tagged(&signing.tag(".sig")).unwrap();
    signatures["layers"][0]["annotations"] = json!({ "dev.cosignproject.cosign/signature": "!" });
    signing.put(&signing.tag(".sig"), &signatures);
    let findings = signing.findings().unwrap();
    assert_eq!(findings[1].verdict, Verdict::Invalid("it has no signature in base64".into()));
    assert_eq!(findings[0], signed_by_team(Form::Bundle));
}

#[test]
fn the_api_and_the_tag_may_disagree() {
    let signing = Signing::new(false);
    signing.sign(&signing.key);
    // The registry learns to keep referrers, and another signs after that.
    signing.world.registry.has_referrers.store(true, Ordering::SeqCst);
    let other = PrivateKey::generate("").unwrap().0;
    signing.sign(&other);
    let bundles: Vec<_> = signing.findings().unwrap().into_iter().filter(|found| found.form == Form::Bundle).collect();
    assert_eq!(bundles.len(), 2, "each once");
    assert!(bundles.contains(&signed_by_team(Form::Bundle)));
}

#[test]
fn floods_of_referrers_are_refused() {
    let signing = Signing::new(false);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let entry = |number: usize| json!({ "mediaType": kind, "digest": Digest::of(&number.to_le_bytes()), "size": 10 });
    let index = |count: usize| {
        json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": (0..count).map(entry).collect::<Vec<_>>() })
    };
    signing.put(&signing.tag(""), &index(10_000));
    let error = signing.findings().unwrap_err().to_string();
    assert!(error.contains("there are 10000 signatures and the like; at most 32 are looked at"), "{error}");
    let asked = signing.world.server.seen().len();
    assert!(asked < 10, "{asked}");
    // What is gone is no signature, and no error.
    signing.put(&signing.tag(""), &index(3));
    assert_eq!(signing.findings().unwrap(), []);

    signing.sign(&signing.key);
    let mut signatures = signing.tagged(&signing.tag(".sig")).unwrap();
    signatures["layers"][0]["size"] = json!(1u64 << 40);
    signing.put(&signing.tag(".sig"), &signatures);
    let error = signing.findings().unwrap_err().to_string();
    assert!(error.contains("it has 1099511627776 bytes, which is too many"), "{error}");
}
