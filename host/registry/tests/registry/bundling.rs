//! Bundles: made, pushed, pulled, written and read back, by us and by skopeo.

use std::{collections::BTreeMap, fs, path::Path};

use brewer_registry::{
    Bundle, Client, Digest, PrivateKey, Reference, Store,
    bundle::{self, FileKind, NewFile, layout},
    plugin,
    signature::{self, Form, Signatures, Verdict},
};

use crate::debian::skopeo;
use crate::debian_registry::Running;
use crate::world::{client, named_component, settings};

pub fn store(folder: &Path, name: &str) -> Store {
    Store::open(&folder.join(name)).unwrap()
}

fn file(kind: FileKind, name: &str, text: &str) -> NewFile {
    NewFile { kind, name: name.into(), bytes: text.into() }
}

/// Two plugins, an experiment with characters that Go escapes, and a README.
pub fn suite(store: &Store) -> Bundle {
    let plugins =
        ["one", "two"].map(|name| (name.to_owned(), plugin::add(store, &named_component(name, 1000)).unwrap()));
    let files = vec![
        file(FileKind::Experiment, "a.json", r#"{"a": "<b> & c"}"#),
        file(FileKind::Readme, "README.md", "# Suite\n"),
    ];
    bundle::create(store, "A suite <for> R&D", Some("1.0.0"), &BTreeMap::from(plugins), files).unwrap()
}

/// All that a registry has of a bundle's signatures.
fn signatures_of(bundle: &Bundle, client: &Client, reference: &Reference) -> Signatures {
    let of_index = signature::fetch(client, reference, &bundle.index).unwrap();
    bundle.fetch_signatures(client, reference, [(bundle.index, of_index)].into()).unwrap()
}

fn signed(client: &Client, reference: &Reference, key: &PrivateKey) {
    let manifest = client.resolve(reference).unwrap();
    signature::sign(client, reference, &manifest, key).unwrap();
}

#[test]
fn a_bundle_is_the_same_wherever_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (store(folder.path(), "one"), store(folder.path(), "other"));
    let made = suite(&one);
    assert_eq!(suite(&other), made);
    assert_eq!(made.title, "A suite <for> R&D");
    assert_eq!(made.plugins.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(made.files_of(FileKind::Experiment), ["a.json"]);
    assert_eq!(made.file(&one, "README.md").unwrap(), b"# Suite\n");
    let missing = made.file(&one, "b.json").unwrap_err().to_string();
    assert!(missing.contains("it has no file `b.json`; it has README.md, a.json"), "{missing}");

    for (name, files, expected) in [
        ("../x", vec![], "`../x` is no name of a plugin"),
        ("x", vec![file(FileKind::Readme, "../../x", "")], "`../../x` is no name of a file"),
        ("x", vec![file(FileKind::Readme, ".x", "")], "`.x` is no name of a file"),
        ("x", vec![file(FileKind::Readme, "x", ""), file(FileKind::Lock, "x", "")], "it has two files x"),
    ] {
        let plugins = [(name.to_owned(), made.plugins["one"])].into();
        let error = bundle::create(&one, "t", None, &plugins, files).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let absent = [("x".to_owned(), Digest::of(b"absent"))].into();
    let error = bundle::create(&one, "t", None, &absent, vec![]).unwrap_err().to_string();
    assert!(error.contains("the store has no plugin sha256:"), "{error}");
}

#[test]
fn a_bundle_goes_round_with_its_signatures() {
    let registry = Running::start("", |_| {});
    let folder = registry.folder.path();
    let client = client(settings());
    let author = store(folder, "author");
    let made = suite(&author);
    let reference: Reference = format!("oci://{}/team/suite:1", registry.host).parse().unwrap();
    let pushed = bundle::push(&client, &author, &reference, &made, &Signatures::new()).unwrap();
    assert_eq!(pushed.digest(), Some(made.index));
    let key = PrivateKey::generate("").unwrap().0;
    signed(&client, &reference, &key);
    signed(&client, &format!("oci://{}/team/suite@{}", registry.host, made.plugins["one"]).parse().unwrap(), &key);

    // Registry, folder, tar, another repository: one digest, and every signature.
    let keys = [("team".to_owned(), key.public().clone())].into();
    let check = |bundle: &Bundle, signatures: &Signatures| {
        assert_eq!(bundle, &made);
        for signed in [made.index, made.plugins["one"]] {
            let found = signature::check(&signatures[&signed], &signed, &keys);
            let by_team = |form| {
                found.iter().any(|found| found.form == form && found.verdict == Verdict::SignedBy("team".into()))
            };
            assert!(found.len() == 2 && by_team(Form::Tag) && by_team(Form::Bundle), "{found:?}");
        }
        assert_eq!(signatures.len(), 2);
    };
    let mine = store(folder, "mine");
    let pulled = bundle::pull(&client, &mine, &reference).unwrap();
    let signatures = signatures_of(&pulled, &client, &reference);
    check(&pulled, &signatures);
    for name in ["layout", "suite.tar"] {
        let path = folder.join(name);
        layout::export(&mine, &pulled, &signatures, &path).unwrap();
        let (read, found) = layout::import(&store(folder, &format!("of-{name}")), &path).unwrap();
        check(&read, &found);
        let error = layout::export(&mine, &pulled, &signatures, &path).unwrap_err().to_string();
        assert!(error.contains("it is there already"), "{error}");
    }
    let again = folder.join("again.tar");
    layout::export(&mine, &pulled, &signatures, &again).unwrap();
    assert!(fs::read(again).unwrap() == fs::read(folder.join("suite.tar")).unwrap(), "the same bytes");

    let elsewhere: Reference = format!("oci://{}/elsewhere/suite:2", registry.host).parse().unwrap();
    bundle::push(&client, &mine, &elsewhere, &pulled, &signatures).unwrap();
    let copied = bundle::pull(&client, &store(folder, "other"), &elsewhere).unwrap();
    check(&copied, &signatures_of(&copied, &client, &elsewhere));
    // A second push of the same adds nothing.
    bundle::push(&client, &mine, &elsewhere, &pulled, &signatures).unwrap();
    check(&copied, &signatures_of(&copied, &client, &elsewhere));
    // A plugin of it is one by itself, too.
    let one = format!("oci://{}/elsewhere/suite@{}", registry.host, made.plugins["one"]).parse().unwrap();
    assert_eq!(plugin::pull(&client, &mine, &one).unwrap().bytes, named_component("one", 1000));
}

#[test]
fn skopeo_carries_a_bundle_without_changing_a_digest() {
    let registry = Running::start("", |_| {});
    let (folder, host) = (registry.folder.path(), registry.host.as_str());
    let mine = store(folder, "mine");
    let made = suite(&mine);
    let reference: Reference = format!("oci://{host}/team/suite:1").parse().unwrap();
    bundle::push(&client(settings()), &mine, &reference, &made, &Signatures::new()).unwrap();
    let from = format!("docker://{host}/team/suite:1");
    let show = |path: &Path| path.display().to_string();
    let (layout_path, tar) = (folder.join("copied"), folder.join("copied.tar"));
    for (to, path) in
        [(format!("oci:{}:1", show(&layout_path)), &layout_path), (format!("oci-archive:{}:1", show(&tar)), &tar)]
    {
        skopeo(folder, &["copy", "--all", "--src-tls-verify=false", &from, &to]);
        let (read, _) = layout::import(&store(folder, "of-skopeo"), path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read, made);
        let there = format!("docker://{host}/copied/suite:1");
        skopeo(folder, &["copy", "--all", "--dest-tls-verify=false", &to, &there]);
        let copied = format!("oci://{host}/copied/suite:1").parse().unwrap();
        assert_eq!(bundle::pull(&client(settings()), &mine, &copied).unwrap(), made);
    }
    // What skopeo reads of ours.
    let exported = folder.join("ours");
    layout::export(&mine, &made, &Signatures::new(), &exported).unwrap();
    let from_ours = format!("oci:{}:1.0.0", show(&exported));
    skopeo(folder, &["copy", "--all", "--dest-tls-verify=false", &from_ours, &format!("docker://{host}/ours/suite:1")]);
    let ours = format!("oci://{host}/ours/suite:1").parse().unwrap();
    assert_eq!(bundle::pull(&client(settings()), &mine, &ours).unwrap().index, made.index);

    // Without --all it takes the first child alone, which says so.
    skopeo(
        folder,
        &["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &format!("docker://{host}/half/suite:1")],
    );
    let half = format!("oci://{host}/half/suite:1").parse().unwrap();
    let error = bundle::pull(&client(settings()), &mine, &half).unwrap_err().to_string();
    assert!(error.contains("it was copied without them; copy it again with `skopeo copy --all`"), "{error}");
    let as_plugin = plugin::pull(&client(settings()), &mine, &half).unwrap_err();
    assert!(as_plugin.is_input(), "{as_plugin}");
}
