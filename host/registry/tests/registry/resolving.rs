//! From a reference to a plugin that may run: the lock, the policy, the store, and what each of them refuses.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use brewer_plugin_kit::manifest::Manifest;
use brewer_registry::{
    Digest, Lock, Policy, PrivateKey, Reference, Resolved, Resolver, Result, Store, plugin, signature,
};

use crate::world::{World, client, listing, plugin_component, settings};

pub fn of_version(version: &str, permissions: &[&str]) -> Vec<u8> {
    let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    plugin_component(Manifest { name: "mine".into(), version: version.into(), permissions, ..Manifest::default() }, 100)
}

/// A registry with one plugin, a key, and a policy that asks for its signature.
pub struct Team {
    pub world: World,
    pub key: PrivateKey,
}

impl Team {
    pub fn new() -> Self {
        let world = World::with_component(of_version("1.0.0", &["read-values"]), |_, _| None);
        let key = PrivateKey::generate("").unwrap().0;
        fs::write(world.folder.path().join("team.pub"), key.public().to_pem()).unwrap();
        Self { world, key }
    }

    pub fn reference(&self) -> &Reference {
        &self.world.reference
    }

    pub fn policy(&self) -> Policy {
        let scope = format!("{}/team/*", self.world.server.host);
        let text = format!(
            r#"{{ "version": 1, "default": "refuse", "keys": {{ "team": {{ "file": "team.pub" }} }},
                 "rules": [{{ "scope": "{scope}", "any_of": ["team"] }}] }}"#
        );
        let file = self.world.folder.path().join("trust.json");
        fs::write(&file, text).unwrap();
        Policy::read(&file).unwrap()
    }

    pub fn sign(&self, reference: &Reference, key: &PrivateKey) {
        let manifest = client(settings()).resolve(reference).unwrap();
        signature::sign(&client(settings()), reference, &manifest, key).unwrap();
    }

    /// Puts another version at the tag.
    fn push(&self, component: &[u8]) {
        plugin::push(&client(settings()), self.reference(), component, &BTreeMap::new(), 0).unwrap();
    }

    pub fn resolver(&self, is_online: bool, policy: Option<Policy>, lock: &Lock, is_locked: bool) -> Resolver {
        let client = is_online.then(|| client(settings()));
        Resolver::new(self.world.store(), client, policy, lock.clone(), is_locked)
    }

    fn resolve(&self, is_online: bool, policy: Option<Policy>, lock: &Lock) -> Result<Resolved> {
        self.resolver(is_online, policy, lock, false).resolve(self.reference()).cloned()
    }

    /// The lock after a first use.
    fn locked(&self) -> Lock {
        let mut resolver = self.resolver(true, None, &Lock::default(), false);
        resolver.resolve(self.reference()).unwrap();
        Lock { plugins: resolver.additions() }
    }

    fn requests(&self) -> usize {
        self.world.server.seen().len()
    }
}

#[track_caller]
pub fn refused<T>(result: Result<T>, expected: &str) {
    let Err(error) = result else { panic!("it is not refused") };
    assert!(error.is_input() && error.to_string().contains(expected), "{error}");
}

#[test]
fn a_moved_tag_moves_nothing_that_is_locked() {
    let team = Team::new();
    let lock = team.locked();
    let entry = &lock.plugins[team.reference()];
    assert_eq!(entry.permissions, ["read-values"]);
    assert_eq!((entry.size, entry.plugin_version.as_deref()), (team.world.component.len() as u64, Some("1.0.0")));
    let newer = of_version("2.0.0", &[]);
    team.push(&newer);

    let requests = team.requests();
    let resolved = team.resolve(true, None, &lock).unwrap();
    assert!(resolved.plugin.bytes == team.world.component);
    assert_eq!(team.requests(), requests, "what is locked and there is asked of nobody");
    let mut resolver = team.resolver(true, None, &lock, true);
    assert_eq!(resolver.resolve(team.reference()).unwrap().plugin.manifest, entry.manifest);
    assert!(resolver.additions().is_empty());
    let fresh = resolver.resolve_anew(team.reference()).unwrap();
    assert!(fresh.plugin.bytes == newer && !entry.is_downgraded_by(&fresh.entry));
    assert!(entry.difference(&fresh.entry).is_some());

    // On another machine the locked one comes by its digest, though the tag has moved.
    fs::remove_dir_all(team.world.store_path()).unwrap();
    assert!(team.resolve(true, None, &lock).unwrap().plugin.bytes == team.world.component);
}

#[test]
fn a_lock_that_is_asked_for_must_have_the_plugin() {
    let team = Team::new();
    let mut resolver = team.resolver(true, None, &Lock::default(), true);
    let requests = team.requests();
    refused(resolver.resolve(team.reference()), "the lock does not have it; run without --locked");
    assert_eq!(team.requests(), requests);
}

#[test]
fn a_lock_that_says_otherwise_than_its_plugin_is_refused() {
    let team = Team::new();
    let good = team.locked();
    let changed = |change: fn(&mut brewer_registry::lock::Entry)| {
        let mut lock = good.clone();
        change(lock.plugins.get_mut(team.reference()).unwrap());
        team.resolve(true, None, &lock)
    };
    assert!(changed(|_| {}).is_ok());
    refused(changed(|entry| entry.permissions.clear()), "its list of permissions is none, but it is read-values");
    refused(changed(|entry| entry.component = Digest::of(b"x")), "the lock says that its component is sha256:");
    refused(changed(|entry| entry.size += 1), "the lock says that its size is");
    refused(changed(|entry| entry.manifest = Digest::of(b"x")), "has no such thing");
    // Who had signed it is for people alone.
    assert!(changed(|entry| entry.signers = vec!["everybody".into()]).is_ok());
}

#[test]
fn without_network_the_store_is_all_there_is() {
    let team = Team::new();
    let requests = team.requests();
    refused(
        team.resolve(false, None, &Lock::default()),
        "the network is not to be used; run it once without --offline",
    );
    let lock = team.locked();
    assert!(team.resolve(false, None, &lock).is_ok());
    fs::remove_dir_all(team.world.store_path()).unwrap();
    refused(team.resolve(false, None, &lock), "the store does not have it");
    // A reference with a digest needs neither lock nor network.
    let pinned = team.reference().pinned(lock.plugins[team.reference()].manifest);
    team.resolver(true, None, &Lock::default(), false).resolve(&pinned).unwrap();
    assert!(team.requests() > requests);
    let requests = team.requests();
    assert!(team.resolver(false, None, &Lock::default(), false).resolve(&pinned).is_ok());
    assert_eq!(team.requests(), requests);
}

#[test]
fn what_the_policy_refuses_does_not_come_into_the_store() {
    let team = Team::new();
    drop(team.world.store());
    let asked = || team.resolve(true, Some(team.policy()), &Lock::default());
    refused(asked(), "it is not signed; the rule");
    team.sign(team.reference(), &PrivateKey::generate("").unwrap().0);
    refused(asked(), "signed by an unknown key (Sigstore bundle)");
    assert!(listing(&team.world.store_path()).is_empty());
    team.sign(team.reference(), &team.key);
    assert_eq!(asked().unwrap().signers, Some(vec!["team".to_owned()]));
}

#[test]
fn signatures_are_kept_and_checked_at_each_use() {
    let team = Team::new();
    team.sign(team.reference(), &team.key);
    let signed = team.resolve(true, Some(team.policy()), &Lock::default()).unwrap();
    let lock = Lock { plugins: [(team.reference().clone(), signed.entry)].into() };
    let requests = team.requests();
    assert_eq!(team.resolve(true, Some(team.policy()), &lock).unwrap().signers, Some(vec!["team".to_owned()]));
    assert_eq!(team.resolve(false, Some(team.policy()), &lock).unwrap().signers, Some(vec!["team".to_owned()]));
    assert_eq!(team.requests(), requests);
    // The key is exchanged: what was signed by the old one is refused, whatever the lock says.
    fs::write(team.world.folder.path().join("team.pub"), PrivateKey::generate("").unwrap().0.public().to_pem())
        .unwrap();
    refused(team.resolve(false, Some(team.policy()), &lock), "signed by an unknown key");
    // By its digest alone it is let in by the rule for where it is from.
    let component = Digest::of(&team.world.component).to_string();
    refused(team.resolver(false, Some(team.policy()), &lock, false).stored(&component), "signed by an unknown key");
    assert!(team.resolver(false, None, &lock, false).stored(&component).is_ok());
    fs::write(team.world.folder.path().join("team.pub"), team.key.public().to_pem()).unwrap();
    assert!(team.resolver(false, Some(team.policy()), &lock, false).stored(&component[..19]).is_ok());

    // The tag moves to the same component with another annotation, unsigned: two manifests, one plugin.
    let noted = [("note".to_owned(), "moved".to_owned())].into();
    plugin::push(&client(settings()), team.reference(), &team.world.component, &noted, 0).unwrap();
    let moved = team.resolve(true, None, &Lock::default()).unwrap().plugin.manifest;
    let mut resolver = team.resolver(true, None, &lock, false);
    let signed = resolver.resolve(team.reference()).unwrap().plugin.manifest;
    let stored = team.resolver(false, Some(team.policy()), &lock, false).stored(&component).unwrap();
    assert!(stored.plugin.manifest == signed && signed != moved, "the one that the policy lets in");
    // Another component is another plugin.
    team.push(&of_version("3.0.0", &[]));
    team.resolve(true, None, &Lock::default()).unwrap();
    assert!(team.resolver(false, None, &lock, false).stored(&component).is_ok());
}

#[test]
fn one_that_was_pulled_unsigned_is_asked_for_again() {
    let team = Team::new();
    let lock = team.locked();
    refused(team.resolve(false, Some(team.policy()), &lock), "the store has no signatures of it");
    team.sign(team.reference(), &team.key);
    assert!(team.resolve(true, Some(team.policy()), &lock).is_ok());
    assert!(team.resolve(false, Some(team.policy()), &lock).is_ok(), "the signatures are kept");
}

#[test]
fn a_signature_of_another_plugin_is_none_here() {
    let team = Team::new();
    team.sign(team.reference(), &team.key);
    // The tag moves to what nobody signed, and the old signatures are copied to its tags.
    let old = client(settings()).resolve(team.reference()).unwrap().digest;
    team.push(&of_version("0.9.0", &[]));
    let new = client(settings()).resolve(team.reference()).unwrap().digest;
    let mut manifests = team.world.registry.manifests.lock().unwrap();
    for suffix in [".sig", ""] {
        let copied = manifests[&format!("team/mine:sha256-{}{suffix}", old.hex())].clone();
        manifests.insert(format!("team/mine:sha256-{}{suffix}", new.hex()), copied);
    }
    drop(manifests);
    refused(team.resolve(true, Some(team.policy()), &Lock::default()), "not a signature: it is of another plugin");
}

#[test]
fn what_was_checked_is_what_runs() {
    let team = Team::new();
    let lock = team.locked();
    let mut resolver = team.resolver(false, None, &lock, true);
    let before = resolver.resolve(team.reference()).unwrap().plugin.bytes.clone();
    let path = team.world.store_path().join("blobs/sha256").join(Digest::of(&before).hex());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, of_version("6.6.6", &[])).unwrap();
    assert!(resolver.resolve(team.reference()).unwrap().plugin.bytes == before);
    refused(team.resolve(false, None, &lock), "it was altered; delete it and pull again");
}

#[test]
fn a_second_policy_only_adds_demands() {
    let team = Team::new();
    team.sign(team.reference(), &team.key);
    let key = PrivateKey::generate("").unwrap().0;
    fs::write(team.world.folder.path().join("ops.pub"), key.public().to_pem()).unwrap();
    let host = &team.world.server.host;
    let policy = |name: &str, rule: &str| {
        let text = format!(
            r#"{{ "version": 1, "default": "refuse", "keys": {{ "ops": {{ "file": "ops.pub" }} }},
                 "rules": [{{ "scope": "{host}/team/*", {rule} }}] }}"#
        );
        let file = team.world.folder.path().join(name);
        fs::write(&file, text).unwrap();
        Policy::read(&file).unwrap()
    };
    let (lax, strict) = (policy("lax.json", r#""accept": "unsigned""#), policy("strict.json", r#""any_of": ["ops"]"#));
    let asked = |policies: Vec<Policy>| {
        let store = Store::open(&team.world.folder.path().join("fresh")).unwrap();
        let mut resolver = Resolver::new(store, Some(client(settings())), policies, Lock::default(), false);
        resolver.resolve(team.reference()).map(|resolved| resolved.signers.clone())
    };
    refused(asked(vec![team.policy(), strict.clone()]), "asks for ops, by ");
    refused(asked(vec![lax.clone(), strict.clone()]), "strict.json");
    // What the first asks for, the second cannot take back.
    refused(asked(vec![strict.clone(), lax.clone()]), "asks for ops");
    team.sign(team.reference(), &key);
    assert_eq!(asked(vec![team.policy(), strict]).unwrap(), Some(vec!["team".to_owned()]), "by the first's names");
}
