//! Bundles: made, pushed, pulled, written and read back, by us and by skopeo, and what is none.

use std::{collections::BTreeMap, fs, path::Path};

use brewer_registry::{
    Bundle, Client, Digest, PrivateKey, Reference, Result, Store,
    bundle::{self, FileKind, NewFile, layout},
    plugin,
    signature::{self, Form, Signatures, Verdict},
};
use serde_json::{Value, json};

use crate::debian::skopeo;
use crate::debian_registry::Running;
use crate::server::Reply;
use crate::world::{World, client, component, listing, named_component, settings};

fn store(folder: &Path, name: &str) -> Store {
    Store::open(&folder.join(name)).unwrap()
}

fn file(kind: FileKind, name: &str, text: &str) -> NewFile {
    NewFile { kind, name: name.into(), bytes: text.into() }
}

/// Two plugins, an experiment with characters that Go escapes, and a README.
fn suite(store: &Store) -> Bundle {
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
    bundle.fetch_signatures(client, reference, of_index).unwrap()
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

/// A bundle's index, changed, in a registry of the test's own.
struct Hostile {
    world: World,
    index: Value,
}

impl Hostile {
    fn new() -> Self {
        let world = World::new(|_, _| None);
        let store = Store::open(&world.folder.path().join("author")).unwrap();
        let made = suite(&store);
        bundle::push(&client(settings()), &store, &world.reference, &made, &Signatures::new()).unwrap();
        let name = format!("team/mine:{}", made.index);
        let index = serde_json::from_slice(&world.registry.manifests.lock().unwrap()[&name].1).unwrap();
        Self { world, index }
    }

    fn put(&self, name: &str, kind: &str, bytes: Vec<u8>) {
        let mut manifests = self.world.registry.manifests.lock().unwrap();
        manifests.insert(format!("team/mine:{}", Digest::of(&bytes)), (kind.to_owned(), bytes.clone()));
        manifests.insert(format!("team/mine:{name}"), (kind.to_owned(), bytes));
    }

    /// The manifest of a child.
    fn child(&self, number: usize) -> Value {
        let name = format!("team/mine:{}", self.index["manifests"][number]["digest"].as_str().unwrap());
        serde_json::from_slice(&self.world.registry.manifests.lock().unwrap()[&name].1).unwrap()
    }

    /// Puts another manifest in the place of a child.
    fn replace_child(&mut self, number: usize, manifest: &Value) {
        let bytes = manifest.to_string().into_bytes();
        self.index["manifests"][number]["digest"] = json!(Digest::of(&bytes));
        self.index["manifests"][number]["size"] = json!(bytes.len());
        self.put("child", "application/vnd.oci.image.manifest.v1+json", bytes);
    }

    fn pull(&self) -> Result<Bundle> {
        let kind = self.index["mediaType"].as_str().unwrap_or("application/vnd.oci.image.index.v1+json");
        self.put("1.0.0", kind, self.index.to_string().into_bytes());
        bundle::pull(&client(settings()), &self.world.store(), &self.world.reference)
    }

    /// The pull is refused so, and nothing of it is in the store.
    #[track_caller]
    fn refuses(&self, expected: &str) {
        let error = self.pull().unwrap_err().to_string();
        assert!(error.contains(expected) && error.len() < 700, "{error}");
        assert!(listing(&self.world.store_path()).is_empty());
    }
}

#[test]
fn an_index_that_is_no_bundle_is_refused() {
    let changed = |change: &dyn Fn(&mut Hostile), expected: &str| {
        let mut hostile = Hostile::new();
        change(&mut hostile);
        hostile.refuses(expected);
    };
    changed(&|hostile| hostile.index["annotations"] = json!({}), "it is an index, but no bundle");
    changed(&|hostile| hostile.index["manifests"] = json!([]), "it has 0 children");
    changed(
        &|hostile| {
            let child = hostile.index["manifests"][0].clone();
            hostile.index["manifests"] = json!(vec![child; 65]);
        },
        "it has 65 children; expected its contents and up to 63 plugins",
    );
    changed(
        &|hostile| {
            let child = hostile.index["manifests"][1].clone();
            hostile.index["manifests"][2] = child;
        },
        "twice",
    );
    let index_type = "application/vnd.oci.image.index.v1+json";
    changed(
        &|hostile| hostile.index["manifests"][1]["mediaType"] = json!(index_type),
        "a child of it is `application/",
    );
    changed(&|hostile| hostile.index["manifests"][1]["size"] = json!(7), "must have 7 bytes, but has");
    changed(&|hostile| hostile.index["manifests"].as_array_mut().unwrap().swap(0, 1), "its first child is not");
    changed(
        &|hostile| drop(hostile.index["manifests"].as_array_mut().unwrap().pop()),
        "its configuration names other plugins than it has",
    );
    changed(
        &|hostile| {
            let mut contents = hostile.child(0);
            contents["layers"][0]["mediaType"] = json!("application/x-tar");
            hostile.replace_child(0, &contents);
        },
        "`application/x-tar` is no file of a bundle",
    );
    changed(
        &|hostile| {
            let mut contents = hostile.child(0);
            contents["layers"][0]["annotations"]["org.opencontainers.image.title"] = json!("../../x");
            hostile.replace_child(0, &contents);
        },
        "`../../x` is no name of a file",
    );
    changed(
        &|hostile| {
            let mut contents = hostile.child(0);
            contents["layers"][1]["digest"] = contents["layers"][0]["digest"].clone();
            hostile.replace_child(0, &contents);
        },
        "two descriptors of sha256:",
    );
    changed(
        &|hostile| {
            let mut plugin = hostile.child(1);
            plugin["layers"][0]["size"] = json!(1u64 << 40);
            hostile.replace_child(1, &plugin);
        },
        "its application/wasm has 1099511627776 bytes",
    );
}

#[test]
fn a_bundle_that_lacks_a_part_is_not_in_the_store() {
    let hostile = Hostile::new();
    let blob = hostile.child(2)["layers"][0]["digest"].as_str().unwrap().to_owned();
    hostile.world.registry.blobs.lock().unwrap().remove(&blob);
    hostile.refuses("has no such thing");
    let hostile = Hostile::new();
    let child = hostile.index["manifests"][2]["digest"].as_str().unwrap().to_owned();
    hostile.world.registry.manifests.lock().unwrap().remove(&format!("team/mine:{child}"));
    hostile.refuses("has no such thing");
}

#[test]
fn an_altered_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mine = store(folder.path(), "mine");
    let made = suite(&mine);
    let problem = |change: &dyn Fn(&Path)| {
        let path = folder.path().join("layout");
        layout::export(&mine, &made, &Signatures::new(), &path).unwrap();
        change(&path);
        let fresh = folder.path().join("fresh");
        let error = layout::import(&Store::open(&fresh).unwrap(), &path).unwrap_err().to_string();
        assert!(listing(&fresh).is_empty(), "{error}");
        fs::remove_dir_all(&path).unwrap();
        fs::remove_dir_all(&fresh).unwrap();
        error
    };
    let blob = |path: &Path, digest: &Digest| path.join("blobs/sha256").join(digest.hex());
    let readme = Digest::of(b"# Suite\n");
    let component = Digest::of(&named_component("one", 1000));
    assert!(problem(&|path| fs::remove_file(blob(path, &component)).unwrap()).contains("it has no blobs/sha256/"));
    assert!(problem(&|path| fs::write(blob(path, &readme), "# Suits\n").unwrap()).contains("has another digest"));
    assert!(
        problem(&|path| fs::write(blob(path, &readme), "# Suites\n").unwrap()).contains("must have 8 bytes, but has 9")
    );
    let linked = problem(&|path| {
        fs::rename(blob(path, &readme), path.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("../../elsewhere", blob(path, &readme)).unwrap();
    });
    assert!(linked.contains("it is a symbolic link"), "{linked}");
    assert!(problem(&|path| fs::write(path.join("oci-layout"), "{}").unwrap()).contains("does not say version 1.0.0"));
    let none = problem(&|path| fs::write(path.join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap());
    assert!(none.contains("its index.json names 0 artefacts; expected one bundle"), "{none}");
    assert!(problem(&|path| fs::write(path.join("index.json"), "<").unwrap()).contains("its index.json"));
    assert!(problem(&|path| fs::remove_file(path.join("index.json")).unwrap()).contains("it has no index.json"));
    let flipped = problem(&|path| {
        let index = blob(path, &made.index);
        let mut bytes = fs::read(&index).unwrap();
        bytes[30] ^= 1;
        fs::write(&index, bytes).unwrap();
    });
    assert!(flipped.contains("has another digest"), "{flipped}");

    let tar = folder.path().join("suite.tar");
    fs::write(&tar, "no tar").unwrap();
    let error = layout::import(&mine, &tar).unwrap_err().to_string();
    assert!(error.contains("it ends too early"), "{error}");
    let missing = layout::import(&mine, &folder.path().join("absent.tar")).unwrap_err().to_string();
    assert!(missing.contains("absent.tar: it cannot be read"), "{missing}");
}

#[test]
fn a_bundle_with_a_damaged_transfer_is_whole_the_next_time() {
    let times = std::sync::atomic::AtomicUsize::new(0);
    let large = Digest::of(&component(300 << 10));
    let world = World::new(move |seen, registry| {
        if !seen.is_blob(&large) {
            return None;
        }
        let Reply::Full { body, .. } = registry.answer(seen) else { return None };
        let is_first = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3;
        is_first.then(|| Reply::new(200, &body[..1000]))
    });
    let author = Store::open(&world.folder.path().join("author")).unwrap();
    let plugins = [("mine".to_owned(), plugin::add(&author, &world.component).unwrap())].into();
    let made = bundle::create(&author, "t", None, &plugins, vec![]).unwrap();
    let reference: Reference = world.reference.to_string().replace("1.0.0", "suite").parse().unwrap();
    bundle::push(&client(settings()), &author, &reference, &made, &Signatures::new()).unwrap();
    let error = bundle::pull(&client(settings()), &world.store(), &reference).unwrap_err().to_string();
    assert!(error.contains("the next pull continues there"), "{error}");
    assert!(listing(&world.store_path()).is_empty());
    assert_eq!(bundle::pull(&client(settings()), &world.store(), &reference).unwrap(), made);
    // What the record of a bundle reaches stays.
    world.store().record(&reference, made.index, BTreeMap::new()).unwrap();
    let pruned = Store::open_alone(&world.store_path(), || {}).unwrap().prune(None, false).unwrap();
    assert_eq!(pruned.files, 0);
    assert_eq!(bundle::open(&world.store(), &made.index).unwrap(), made);
}
