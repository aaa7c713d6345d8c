//! Programs of others that read what we write, and write what we read: Python's `oras`, `wkg`, and Sigstore's own library.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use brewer_registry::{
    Digest, PrivateKey, PublicKey, Reference, Store, plugin,
    signature::{self, Form, Verdict, sign_statement},
};
use serde_json::{Value, json};

use crate::debian_registry::{Running, peer};
use crate::world::{World, client, component, settings};

fn oras(folder: &Path, arguments: [&str; 3]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/oras_client.py");
    let mut python = Command::new("python3");
    python.arg(script).args(arguments).env("PYTHONPATH", peer("oras")).env("HOME", folder).current_dir(folder);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn oras_pulls_what_we_push_and_we_pull_what_oras_pushes() {
    let registry = Running::start("", |_| {});
    let folder = registry.folder.path();
    let store = Store::open(&folder.join("store")).unwrap();
    let component = component(100 << 10);
    let reference = |path: &str| format!("oci://{}/team/{path}:1", registry.host).parse::<Reference>().unwrap();
    plugin::push(&client(settings()), &reference("ours"), &component, &BTreeMap::new(), 0).unwrap();
    let pulled = folder.join("pulled");
    fs::create_dir(&pulled).unwrap();
    oras(folder, ["pull", &format!("{}/team/ours:1", registry.host), &pulled.display().to_string()]);
    assert!(fs::read(pulled.join("mine.wasm")).unwrap() == component);

    fs::write(folder.join("theirs.wasm"), &component).unwrap();
    let file = folder.join("theirs.wasm").display().to_string();
    oras(folder, ["push", &format!("{}/team/theirs:1", registry.host), &file]);
    let theirs = plugin::pull(&client(settings()), &store, &reference("theirs")).unwrap();
    assert!(theirs.bytes == component && theirs.component == Digest::of(&component));
}

/// What `wkg oci push` of wkg 0.16.1 put into a Debian `docker-registry` for [`tiny_component`] in a file `tiny.wasm`: the
/// manifest, and its configuration.
const WKG_MANIFEST: &str = concat!(
    r#"{"config":{"digest":"sha256:0798915b07f664f86545af1439eaa5bae97d6aee40ab20ea176c60a62cd4cc1a","mediaType":"#,
    r#""application/vnd.wasm.config.v0+json","size":296},"layers":[{"annotations":{"org.opencontainers.image.title":"#,
    r#""tiny.wasm"},"digest":"sha256:024aaa9f240237396ee6c918698396fb9e8d85efbb4e69e321bb97f7e0bd36b4","mediaType":"#,
    r#""application/wasm","size":81}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#,
);
const WKG_CONFIG: &str = concat!(
    r#"{"created":"2026-12-01T15:59:53.780845723Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":"#,
    r#"["sha256:024aaa9f240237396ee6c918698396fb9e8d85efbb4e69e321bb97f7e0bd36b4"],"component":{"exports":"#,
    r#"["brewer:plugin/adaptor@0.1.0"],"imports":["brewer:plugin/tensor@0.1.0"],"target":null}}"#,
);

/// A component that imports an empty instance and exports it again.
fn tiny_component() -> Vec<u8> {
    let name = |name: &str| [&[0, name.len() as u8], name.as_bytes()].concat();
    let section = |kind: u8, body: Vec<u8>| [&[kind, body.len() as u8], &body[..]].concat();
    let import = [&[1][..], &name("brewer:plugin/tensor@0.1.0"), &[5, 0]].concat();
    let export = [&[1][..], &name("brewer:plugin/adaptor@0.1.0"), &[5, 0, 0]].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(7, vec![1, 0x42, 0]), section(10, import), section(11, export)].concat()
}

#[test]
fn we_pull_what_wkg_pushed_and_push_the_same() {
    let world = World::new(|_, _| None);
    let component = tiny_component();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    for blob in [component.as_slice(), WKG_CONFIG.as_bytes()] {
        world.registry.blobs.lock().unwrap().insert(Digest::of(blob).to_string(), blob.to_vec());
    }
    let manifest = (kind.to_owned(), WKG_MANIFEST.as_bytes().to_vec());
    world.registry.manifests.lock().unwrap().insert("team/mine:wkg".to_owned(), manifest);
    let at = |tag: &str| world.reference.to_string().replace("1.0.0", tag).parse::<Reference>().unwrap();
    let pulled = plugin::pull(&client(settings()), &world.store(), &at("wkg")).unwrap();
    assert!(pulled.bytes == component && pulled.warnings.is_empty());
    assert_eq!(pulled.manifest, Digest::of(WKG_MANIFEST.as_bytes()));

    // 2026-12-01T15:59:53Z, which we write without the fraction.
    plugin::push(&client(settings()), &at("ours"), &component, &BTreeMap::new(), 1_796_140_793).unwrap();
    let mut ours: Value =
        serde_json::from_slice(&world.registry.manifests.lock().unwrap()["team/mine:ours"].1).unwrap();
    let config = &world.registry.blobs.lock().unwrap()[ours["config"]["digest"].as_str().unwrap()];
    assert_eq!(String::from_utf8_lossy(config).replace("53Z", "53.780845723Z"), WKG_CONFIG, "byte for byte");
    // The component has no name, and wkg takes the file's.
    assert_eq!(ours["layers"][0]["annotations"]["org.opencontainers.image.title"], "plugin.wasm");
    ours["layers"][0]["annotations"]["org.opencontainers.image.title"] = json!("tiny.wasm");
    let mut theirs: Value = serde_json::from_str(WKG_MANIFEST).unwrap();
    ours["config"] = theirs["config"].take();
    theirs["config"] = ours["config"].clone();
    assert_eq!(ours, theirs);
}

/// Sigstore's library, run by Node.
fn sigstore(arguments: &[&str]) -> Output {
    Command::new("node").arg(peer("sigstore").join("check.mjs")).args(arguments).output().unwrap()
}

/// Whether it takes a bundle as signed by a key.
#[track_caller]
fn is_verified(folder: &Path, key: &PublicKey, bundle: &[u8]) -> bool {
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("key.pub"), key.to_pem()).unwrap();
    fs::write(path("bundle.json"), bundle).unwrap();
    let output = sigstore(&["verify", &path("key.pub"), &path("bundle.json")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("SIGNATURE_ERROR"), "{said}");
    output.status.success()
}

#[test]
fn sigstore_verifies_our_bundles_and_refuses_what_we_refuse() {
    let world = World::new(|_, _| None);
    let folder = world.folder.path();
    let (key, other) = (PrivateKey::generate("").unwrap().0, PrivateKey::generate("").unwrap().0);
    let manifest = client(settings()).resolve(&world.reference).unwrap();
    signature::sign(&client(settings()), &world.reference, &manifest, &key).unwrap();
    let artefacts = signature::fetch(&client(settings()), &world.reference, &manifest.digest).unwrap();
    let artefact = artefacts.iter().find(|artefact| artefact.form() == Form::Bundle).unwrap();
    let bundle = artefact.blobs().values().find(|blob| blob.starts_with(b"{\"mediaType\"")).unwrap();
    assert!(is_verified(folder, key.public(), bundle));
    assert!(!is_verified(folder, other.public(), bundle));
    let mut altered: Value = serde_json::from_slice(bundle).unwrap();
    let payload = BASE64_STANDARD.decode(altered["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap().replace(&manifest.digest.hex(), &Digest::of(b"other").hex());
    altered["dsseEnvelope"]["payload"] = json!(BASE64_STANDARD.encode(payload));
    assert!(!is_verified(folder, key.public(), altered.to_string().as_bytes()));

    // A statement of provenance is signed in the same form.
    let statement =
        json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1" });
    assert!(is_verified(folder, key.public(), &sign_statement(statement.to_string().as_bytes(), &key).unwrap()));
}

#[test]
fn we_verify_a_bundle_that_others_made() {
    let world = World::new(|_, _| None);
    let folder = world.folder.path();
    let manifest = client(settings()).resolve(&world.reference).unwrap();
    let output = sigstore(&["sign", &folder.display().to_string(), &manifest.digest.hex()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // It is put where a registry without the API has it.
    let bundle = fs::read(folder.join("node.sigstore.json")).unwrap();
    let put = |bytes: &[u8]| {
        world.registry.blobs.lock().unwrap().insert(Digest::of(bytes).to_string(), bytes.to_vec());
        json!({ "digest": Digest::of(bytes), "size": bytes.len() })
    };
    let typed = |mut part: Value, kind: &str| {
        part["mediaType"] = json!(kind);
        part
    };
    let image = "application/vnd.oci.image.manifest.v1+json";
    let referrer = json!({
        "schemaVersion": 2, "mediaType": image,
        "config": typed(put(b"{}"), "application/vnd.oci.empty.v1+json"),
        "layers": [typed(put(&bundle), "application/vnd.dev.sigstore.bundle.v0.3+json")],
        "subject": { "mediaType": image, "digest": manifest.digest, "size": manifest.size },
    });
    let referrer = referrer.to_string().into_bytes();
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [
        { "mediaType": image, "digest": Digest::of(&referrer), "size": referrer.len() },
    ] });
    let mut manifests = world.registry.manifests.lock().unwrap();
    manifests.insert(format!("team/mine:{}", Digest::of(&referrer)), (image.to_owned(), referrer));
    let tag = format!("team/mine:sha256-{}", manifest.digest.hex());
    manifests.insert(tag, (kind.to_owned(), index.to_string().into_bytes()));
    drop(manifests);
    let key = PublicKey::from_pem(&fs::read_to_string(folder.join("node.pub")).unwrap()).unwrap();
    let artefacts = signature::fetch(&client(settings()), &world.reference, &manifest.digest).unwrap();
    let found = signature::check(&artefacts, &manifest.digest, &[("node".to_owned(), key)].into());
    assert!(found.len() == 1 && found[0].verdict == Verdict::SignedBy("node".into()), "{found:?}");
}
