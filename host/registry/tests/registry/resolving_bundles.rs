//! Bundles that may be used, whole or for one of their plugins.

use std::{collections::BTreeMap, fs};

use brewer_registry::{
    Bundle, Digest, Lock, PrivateKey, Reference, Store,
    bundle::{self, FileKind, NewFile},
    plugin,
    signature::Signatures,
};

use crate::resolving::{Team, of_version, refused};
use crate::world::{client, listing, settings};

#[test]
fn a_bundle_is_let_in_by_its_own_signature() {
    let team = Team::new();
    let author = Store::open(&team.world.folder.path().join("author")).unwrap();
    let plugins = [("mine".to_owned(), plugin::add(&author, &team.world.component).unwrap())].into();
    let files = vec![NewFile { kind: FileKind::Experiment, name: "a.json".into(), bytes: b"{}".to_vec() }];
    let made = bundle::create(&author, "t", None, &plugins, files).unwrap();
    let reference: Reference = team.reference().to_string().replace("1.0.0", "suite").parse().unwrap();
    bundle::push(&client(settings()), &author, &reference, &made, &Signatures::new()).unwrap();
    // The plugin's own signature says nothing of what the bundle's experiments grant it.
    let plugin = format!("oci://{}/team/mine@{}", team.world.server.host, made.plugins["mine"]);
    team.sign(&plugin.parse().unwrap(), &team.key);
    let asked = |is_online, policy| team.resolver(is_online, policy, &Lock::default(), false).bundle(&reference);
    refused(asked(true, Some(team.policy())), "it is not signed");
    assert!(listing(&team.world.store_path()).is_empty());
    refused(asked(false, None), "the store does not have it; pull it once without --offline");
    team.sign(&reference, &team.key);
    let found = asked(true, Some(team.policy())).unwrap();
    assert_eq!((found.bundle.index, found.signers), (made.index, Some(vec!["team".to_owned()])));
    assert_eq!(found.signatures.len(), 2);

    let mut resolver = team.resolver(false, Some(team.policy()), &Lock::default(), false);
    let kept = resolver.bundle(&reference).unwrap();
    assert_eq!((kept.bundle.index, kept.signatures.len()), (made.index, 2));
    assert_eq!(kept.experiment(None).unwrap(), "a.json");
    refused(kept.experiment(Some("b.json")), "it has no experiment `b.json`; it has a.json");
    resolver.admit(&kept).unwrap();
    let component = Digest::of(&team.world.component).to_string();
    assert!(resolver.stored(&component).unwrap().plugin.bytes == team.world.component);
    // A bundle is no plugin, and a plugin no bundle.
    refused(
        team.resolver(true, None, &Lock::default(), false).resolve(&reference),
        "it is an index of several artefacts",
    );
    refused(
        asked(true, None).and_then(|_| team.resolver(true, None, &Lock::default(), false).bundle(team.reference())),
        "it is one plugin; expected a bundle",
    );
}

/// A bundle of two plugins beside the team's, at the tag `suite`.
fn suite(team: &Team) -> (Reference, Bundle) {
    let author = Store::open(&team.world.folder.path().join("author")).unwrap();
    let add = |name: &str, component: &[u8]| (name.to_owned(), plugin::add(&author, component).unwrap());
    let plugins = [add("mine", &team.world.component), add("other", &of_version("3.0.0", &[]))].into();
    let files = vec![NewFile { kind: FileKind::Experiment, name: "a.json".into(), bytes: b"{}".to_vec() }];
    let made = bundle::create(&author, "t", None, &plugins, files).unwrap();
    let reference: Reference = team.reference().to_string().replace("1.0.0", "suite").parse().unwrap();
    bundle::push(&client(settings()), &author, &reference, &made, &Signatures::new()).unwrap();
    (reference, made)
}

#[test]
fn one_plugin_comes_out_of_a_bundle_and_is_locked_with_it() {
    let team = Team::new();
    let (whole, made) = suite(&team);
    let named = |name: &str| format!("{whole}#{name}").parse::<Reference>().unwrap();
    let mine = named("mine");
    let mut resolver = team.resolver(true, None, &Lock::default(), false);
    refused(resolver.resolve(&named("absent")), "the bundle has no plugin `absent`; it has mine, other");
    assert!(listing(&team.world.store_path()).is_empty());
    let resolved = resolver.resolve(&mine).unwrap().clone();
    assert!(resolved.plugin.bytes == team.world.component);
    assert_eq!(resolved.reference.unwrap().to_string(), format!("{whole}@{}#mine", made.index));
    assert_eq!(resolved.entry.bundle, Some(made.index));
    let lock = Lock { plugins: resolver.additions() };
    assert_eq!(Lock::parse(&lock.to_text().unwrap()), Ok(lock.clone()));
    drop(resolver);
    // The others stay where they are.
    let other = Digest::of(&of_version("3.0.0", &[]));
    assert!(team.world.store().blob(&other, 1000).unwrap().is_none());
    assert!(!team.world.server.seen().iter().any(|seen| seen.is_blob(&other)));
    assert!(Store::open_alone(&team.world.store_path(), || {}).unwrap().prune(None, true).unwrap().files == 0);

    // The tag moves, and what is locked does not, with the network and without.
    let store = Store::open(&team.world.folder.path().join("author")).unwrap();
    let moved = [("mine".to_owned(), made.plugins["other"])].into();
    let moved = bundle::create(&store, "t", None, &moved, vec![]).unwrap();
    bundle::push(&client(settings()), &store, &whole, &moved, &Signatures::new()).unwrap();
    for is_online in [true, false] {
        let mut resolver = team.resolver(is_online, None, &lock, true);
        assert!(resolver.resolve(&mine).unwrap().plugin.bytes == team.world.component);
    }
    assert_eq!(
        team.resolver(true, None, &lock, false).resolve_anew(&mine).unwrap().entry.plugin_version.as_deref(),
        Some("3.0.0")
    );
    fs::remove_dir_all(team.world.store_path()).unwrap();
    assert!(team.resolver(true, None, &lock, true).resolve(&mine).unwrap().plugin.bytes == team.world.component);

    // A lock that puts another plugin under the bundle's name, or the plugin under another bundle's.
    let changed = |change: &dyn Fn(&mut brewer_registry::lock::Entry)| {
        let mut lock = lock.clone();
        change(lock.plugins.get_mut(&mine).unwrap());
        team.resolver(true, None, &lock, true).resolve(&mine).cloned()
    };
    refused(changed(&|entry| entry.manifest = made.plugins["other"]), "the lock says that its manifest is sha256:");
    refused(changed(&|entry| entry.bundle = Some(moved.index)), "the lock says that its manifest is sha256:");
    refused(changed(&|entry| entry.bundle = Some(Digest::of(b"x"))), "has no such thing");

    // All of a bundle is no plugin, and one plugin is not all of a bundle.
    let online = || team.resolver(true, None, &Lock::default(), false);
    refused(online().bundle(&mine), "`#mine` is one plugin of a bundle, and this is for all of it");
    refused(client(settings()).resolve(&mine), "leave it out");
    refused(
        plugin::push(&client(settings()), &mine, &team.world.component, &BTreeMap::new(), 0),
        "`#mine` is one plugin of a bundle",
    );
    refused(
        bundle::push(&client(settings()), &store, &mine, &made, &Signatures::new()),
        "`#mine` is one plugin of a bundle",
    );
    let in_a_plugin = format!("{}#mine", team.reference()).parse().unwrap();
    refused(online().resolve(&in_a_plugin), "it is one plugin; expected a bundle");
}

#[test]
fn a_plugin_of_a_bundle_is_let_in_by_either_signature() {
    for signs_bundle in [true, false] {
        let team = Team::new();
        let (whole, made) = suite(&team);
        let mine: Reference = format!("{whole}#mine").parse().unwrap();
        let asked =
            |is_online| team.resolver(is_online, Some(team.policy()), &Lock::default(), false).resolve(&mine).cloned();
        refused(asked(true), "it is not signed; the rule");
        let plugin: Reference =
            format!("oci://{}/team/mine@{}", team.world.server.host, made.plugins["mine"]).parse().unwrap();
        let signed = if signs_bundle { &whole } else { &plugin };
        team.sign(signed, &PrivateKey::generate("").unwrap().0);
        refused(asked(true), "signed by an unknown key");
        assert!(listing(&team.world.store_path()).is_empty());
        team.sign(signed, &team.key);
        let resolved = asked(true).unwrap();
        assert_eq!(resolved.signers, Some(vec!["team".to_owned()]));
        // The signatures are kept, so that the lock needs no network.
        let lock = Lock { plugins: [(mine.clone(), resolved.entry)].into() };
        let mut resolver = team.resolver(false, Some(team.policy()), &lock, true);
        assert_eq!(resolver.resolve(&mine).unwrap().signers, Some(vec!["team".to_owned()]));
    }
}
