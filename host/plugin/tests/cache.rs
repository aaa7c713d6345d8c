//! Compiled code comes from the cache if it is sound, and is made again if it is not.

mod common;

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use brewer::Adaptor;
use brewer_plugin_host::{CodeCache, Engine, Plugin, PluginAdaptor, PluginOptions};
use common::{batch, component, outputs, silent, student};
use tempfile::tempdir;

fn engine(folder: &Path) -> Engine {
    Engine::with_cache(Some(CodeCache::new(folder))).unwrap()
}

fn load(engine: &Engine, name: &str) -> Plugin {
    let options = PluginOptions { log: silent(), ..Default::default() };
    Plugin::load(engine, component(name), options).unwrap()
}

/// Whether the official plugin's call works; the other test guest's needs a configuration.
fn works(plugin: &Plugin) -> bool {
    PluginAdaptor::new(plugin).unwrap().adapt(&student(0), &batch(), &outputs()).is_ok()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn what_was_compiled_once_is_loaded_the_next_time() {
    let place = tempdir().unwrap();
    let folder = place.path().join("plugins");
    let digest = load(&engine(&folder), "guest-misbehaving").digest().to_owned();
    let [misbehaving] = &entries(&folder)[..] else { panic!("{:?}", entries(&folder)) };
    assert!(misbehaving.file_name().unwrap().to_str().unwrap().starts_with(&digest));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

    // The other plugin's code under this plugin's name: what runs tells where it came from.
    let code = fs::read(misbehaving).unwrap();
    fs::remove_file(misbehaving).unwrap();
    assert!(works(&load(&engine(&folder), "sequence-classification")));
    fs::write(&entries(&folder)[0], code).unwrap();
    assert!(!works(&load(&engine(&folder), "sequence-classification")));
}

#[test]
fn a_damaged_entry_is_made_again() {
    let place = tempdir().unwrap();
    let folder = place.path().join("plugins");
    load(&engine(&folder), "sequence-classification");
    let entry = entries(&folder).remove(0);
    let sound = fs::read(&entry).unwrap();
    let mut flipped = sound.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in [&flipped[..], &sound[..sound.len() / 2], &sound[..30], b"", b"something else"] {
        fs::write(&entry, damaged).unwrap();
        assert!(works(&load(&engine(&folder), "sequence-classification")));
        assert!(fs::read(&entry).unwrap() == sound, "the entry was not made again");
    }
    assert_eq!(entries(&folder).len(), 1, "nothing but the entry is left behind");
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    let place = tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(works(&load(&engine(place.path()), "sequence-classification")));
    assert!(entries(place.path()).is_empty());
}

#[test]
fn a_cache_that_cannot_be_written_to_is_no_obstacle() {
    let place = tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(works(&load(&engine(&file.join("plugins")), "sequence-classification")));
}

#[test]
fn an_entry_that_others_can_write_to_is_not_used() {
    let place = tempdir().unwrap();
    let folder = place.path().join("plugins");
    load(&engine(&folder), "guest-misbehaving");
    let [misbehaving] = &entries(&folder)[..] else { panic!("{:?}", entries(&folder)) };
    let code = fs::read(misbehaving).unwrap();
    fs::remove_file(misbehaving).unwrap();
    load(&engine(&folder), "sequence-classification");
    let entry = entries(&folder).remove(0);
    // The other plugin's code under this plugin's name: it would run if the file were this user's alone.
    fs::write(&entry, code).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(works(&load(&engine(&folder), "sequence-classification")));
}

#[test]
fn what_was_used_least_recently_goes_first() {
    let place = tempdir().unwrap();
    let cache = CodeCache::new(place.path().join("plugins"));
    assert!(cache.entries().unwrap().is_empty());
    let run = |cache: &CodeCache, name: &str| {
        load(&Engine::with_cache(Some(cache.clone())).unwrap(), name).digest().to_owned()
    };
    let [first, second] = ["guest-misbehaving", "sequence-classification"].map(|name| run(&cache, name));
    let age = |digest: &str, seconds: u64| {
        let path = entries(cache.folder()).into_iter().find(|path| path.to_string_lossy().contains(digest)).unwrap();
        let then = SystemTime::now() - Duration::from_secs(seconds);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    };
    age(&first, 20);
    age(&second, 10);
    let digests =
        |cache: &CodeCache| -> Vec<String> { cache.entries().unwrap().into_iter().map(|entry| entry.digest).collect() };
    assert_eq!(digests(&cache), [second.clone(), first.clone()]);
    // Loading it is using it.
    run(&cache, "guest-misbehaving");
    assert_eq!(digests(&cache), [first.clone(), second.clone()]);

    let bytes = |cache: &CodeCache| -> u64 { cache.entries().unwrap().iter().map(|entry| entry.bytes).sum() };
    let apart = CodeCache::new(place.path().join("apart"));
    let third = run(&apart, "early-stopping");
    run(&cache.clone().with_most_bytes(bytes(&cache) + bytes(&apart) - 1), "early-stopping");
    assert_eq!(digests(&cache), [third, first]);
    cache.clear().unwrap();
    assert!(entries(cache.folder()).is_empty());
    run(&cache.clone().with_most_bytes(10), "early-stopping");
    assert!(entries(cache.folder()).is_empty(), "it holds more than it may");
}
