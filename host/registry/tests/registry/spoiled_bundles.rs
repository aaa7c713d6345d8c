//! What is no bundle, or no longer the one that was made: in a registry, in a folder, in a tar.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use brewer_registry::{
    Bundle, Digest, Policy, PrivateKey, Reference, Resolver, Result, Store,
    bundle::{self, layout},
    plugin,
    signature::{self, Signatures},
};
use serde_json::{Value, json};

use crate::bundling::{store, suite};
use crate::server::Reply;
use crate::world::{World, client, component, listing, named_component, settings};

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
    // An index cannot hold its own digest, but one that lies there already under a child's media type.
    changed(
        &|hostile| {
            let index = hostile.index.to_string().into_bytes();
            hostile.index["manifests"][1]["digest"] = json!(Digest::of(&index));
            hostile.index["manifests"][1]["size"] = json!(index.len());
            hostile.put("inner", "application/vnd.oci.image.index.v1+json", index);
        },
        "it is an index of several artefacts",
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
    let times = AtomicUsize::new(0);
    let large = Digest::of(&component(300 << 10));
    let world = World::new(move |seen, registry| {
        if !seen.is_blob(&large) {
            return None;
        }
        let Reply::Full { body, .. } = registry.answer(seen) else { return None };
        let is_first = times.fetch_add(1, Ordering::SeqCst) < 3;
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

#[test]
fn an_index_that_was_written_anew_is_another_one() {
    let mut hostile = Hostile::new();
    let (mine, key) = (client(settings()), PrivateKey::generate("").unwrap().0);
    let signed = mine.resolve(&hostile.world.reference).unwrap();
    signature::sign(&mine, &hostile.world.reference, &signed, &key).unwrap();
    // As tools do that know other fields: the same children, with a word on each.
    for child in hostile.index["manifests"].as_array_mut().unwrap() {
        child["platform"] = json!({ "architecture": "wasm", "os": "wasip2" });
    }
    let policy = json!({
        "version": 1, "default": "refuse", "keys": { "team": { "pem": key.public().to_pem() } },
        "rules": [{ "scope": format!("{}/team/*", hostile.world.server.host), "any_of": ["team"] }],
    });
    let file = hostile.world.folder.path().join("trust.json");
    fs::write(&file, policy.to_string()).unwrap();
    let asked = || {
        let policy = Some(Policy::read(&file).unwrap());
        let client = Some(client(settings()));
        Resolver::new(hostile.world.store(), client, policy, Default::default(), false).bundle(&hostile.world.reference)
    };
    assert_eq!(asked().unwrap().signers, Some(vec!["team".to_owned()]));
    fs::remove_dir_all(hostile.world.store_path()).unwrap();
    assert!(hostile.pull().unwrap().index != signed.digest, "what it is, is still a bundle");
    fs::remove_dir_all(hostile.world.store_path()).unwrap();
    let error = asked().unwrap_err().to_string();
    assert!(error.contains("it is not signed; the rule"), "{error}");
    assert!(listing(&hostile.world.store_path()).is_empty());
    let pinned = hostile.world.reference.pinned(signed.digest);
    // What was signed is still there under its digest.
    assert_eq!(bundle::pull(&mine, &hostile.world.store(), &pinned).unwrap().index, signed.digest);
}
