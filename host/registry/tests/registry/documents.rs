//! Manifests that lie, and what else is no plugin.

use brewer_registry::{Digest, limits};

use crate::server::Reply;
use crate::world::{World, settings};

/// A pull of a plugin whose manifest was changed.
#[track_caller]
fn changed(change: impl Fn(String) -> String, expected: &[&str]) -> World {
    let world = World::new(|_, _| None);
    world.change_manifest(change);
    world.refuses(settings(), expected);
    world
}

/// A pull of a plugin whose manifest is answered so.
#[track_caller]
fn answered(reply: impl Fn() -> Reply + Send + Sync + 'static, expected: &[&str]) -> World {
    let world = World::new(move |seen, _| (seen.is_manifest() && seen.method == "GET").then(&reply));
    world.refuses(settings(), expected);
    world
}

#[test]
fn an_endless_manifest_ends_at_its_limit() {
    let world = answered(
        || {
            Reply::raw(|connection| {
                connection.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
                connection.flood(&[b' '; 64 << 10]);
            })
        },
        &["more than 4194304 bytes"],
    );
    assert!(world.server.sent() < 16 << 20, "{}", world.server.sent());
    answered(|| Reply::new(200, vec![b' '; limits::MANIFEST as usize + 1]), &["more than 4194304 bytes"]);
}

#[test]
fn what_is_no_manifest_is_refused() {
    answered(|| Reply::new(200, "<html>"), &["team/mine:1.0.0: its manifest is no JSON"]);
    answered(|| Reply::new(200, "{}"), &["it has no `mediaType`"]);
    let other = r#"{"schemaVersion":2,"mediaType":"text/plain","layers":[]}"#;
    answered(move || Reply::new(200, other), &["its manifest is `text/plain`; expected application/vnd.oci.image."]);
    let nothing = answered(
        || Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
        &["has no such thing", "MANIFEST_UNKNOWN manifest unknown"],
    );
    assert_eq!(nothing.server.seen().len(), 1);
}

#[test]
fn a_manifest_is_one_thing() {
    changed(|text| text.replacen('{', r#"{"manifests":[],"#, 1), &["both `layers` and `manifests`"]);
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let of_index = move || Reply::new(200, index).with("content-type", "application/vnd.oci.image.index.v1+json");
    answered(of_index, &["an index of several artefacts; expected one plugin"]);
    answered(move || Reply::new(200, index).with("content-type", "text/html"), &["calls its manifest text/html, but"]);
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let image = format!(r#"{{"schemaVersion":2,"mediaType":"{docker}","layers":[]}}"#);
    answered(move || Reply::new(200, image.clone()).with("content-type", docker), &["it is a Docker image"]);
}

#[test]
fn a_plugin_has_one_layer_and_it_is_a_component() {
    let layers = |count: usize| {
        move |text: String| {
            let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
            let layer = manifest["layers"][0].clone();
            manifest["layers"] = vec![layer; count].into();
            manifest.to_string()
        }
    };
    changed(layers(2), &["it has 2 layers; a plugin has one"]);
    changed(layers(0), &["it has 0 layers"]);
    changed(layers(1_000), &["it has 1000 layers"]);
    changed(
        |text| text.replace("application/wasm", "application/x-\\u001b[2Jtar"),
        &["its layer is `application/x-\\u{1b}[2Jtar`; expected application/wasm"],
    );
    changed(|text| text.replace("\"layers\"", "\"layer\""), &["its manifest is not as it must be"]);
}

#[test]
fn a_digest_is_read_strictly_and_never_becomes_a_path() {
    let world = World::new(|_, _| None);
    let digest = Digest::of(&world.component);
    let short = digest.to_string()[..20].to_owned();
    for wrong in [
        "sha256:../../../../etc/passwd".to_owned(),
        format!("sha256:{}", digest.hex().to_uppercase()),
        short,
        format!("sha512:{0}{0}", digest.hex()),
    ] {
        let world = changed(|text| text.replace(&digest.to_string(), &wrong), &["is no sha256 digest"]);
        assert!(world.server.seen().iter().all(|seen| seen.is_manifest()), "{wrong}");
    }
}

#[test]
fn sizes_are_those_of_the_bytes() {
    let size = |component: &[u8]| format!("\"size\":{}", component.len());
    let world = World::new(|_, _| None);
    let true_size = size(&world.component);
    changed(|text| text.replace(&true_size, "\"size\":7"), &["must have 7 bytes", "it sends more"]);
    let one_more = format!("\"size\":{}", world.component.len() + 1);
    changed(|text| text.replace(&true_size, &one_more), &["it ended too early"]);
    let too_large = limits::COMPONENT + 1;
    let world = changed(
        |text| text.replace(&true_size, &format!("\"size\":{too_large}")),
        &["its application/wasm has 268435457 bytes; at most 268435456 are allowed"],
    );
    assert_eq!(world.server.seen().len(), 1, "nothing of it is fetched");
    changed(|text| text.replace(&true_size, "\"size\":-1"), &["its manifest is not as it must be"]);
}

#[test]
fn a_lie_about_the_size_is_one_when_the_blob_is_there_already() {
    let world = World::new(|_, _| None);
    world.arrives();
    let true_size = format!("\"size\":{}", world.component.len());
    world.change_manifest(|text| text.replace(&true_size, "\"size\":7"));
    world.refuses(settings(), &["its descriptor says 7 bytes, but it has"]);
}

#[test]
fn what_the_registry_says_of_digests_counts_for_nothing() {
    let lie = Digest::of(b"other").to_string();
    let world = World::new(move |seen, registry| match registry.answer(seen) {
        Reply::Full { status, mut headers, body } => {
            headers.push(("docker-content-digest", lie.clone()));
            Some(Reply::Full { status, headers, body })
        }
        raw => Some(raw),
    });
    world.arrives();
}

#[test]
fn a_pinned_manifest_is_the_one() {
    let mut world = World::new(|seen, registry| {
        let bytes = registry.manifests.lock().unwrap().values().next().cloned().unwrap();
        seen.is_manifest().then(|| Reply::new(200, bytes.1).with("content-type", bytes.0))
    });
    let other = Digest::of(b"other");
    world.reference = world.reference.pinned(other);
    world.refuses(settings(), &["sent another manifest, sha256:", &format!("expected {other}")]);
}

#[test]
fn annotations_are_bounded_and_the_component_knows_better() {
    changed(
        |text| text.replace("\"1.0.0\"", &format!("\"{}\"", "x".repeat(limits::ANNOTATIONS))),
        &["its annotations have more than 65536 bytes"],
    );
    let world = World::new(|_, _| None);
    world.change_manifest(|text| text.replace("\"1.0.0\"", "\"6.6.6\""));
    let warnings = world.pull().unwrap().warnings;
    let expected = "the registry calls its version `6.6.6`; the component says `1.0.0`, and that counts";
    assert_eq!(warnings, [expected]);
}

#[test]
fn the_old_kind_of_layer_is_taken_with_a_word() {
    let world = World::new(|_, _| None);
    world.change_manifest(|text| text.replace("application/wasm", "application/vnd.wasm.content.layer.v1+wasm"));
    let warnings = world.pull().unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("old kind"), "{warnings:?}");
}
