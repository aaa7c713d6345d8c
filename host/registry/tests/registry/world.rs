//! One plugin in a registry whose answers a test can spoil, and a store that pulls it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use brewer_plugin_kit::manifest::Manifest as PluginManifest;
use brewer_registry::{
    Client, Digest, Reference, Result, Settings, Store, Timing,
    plugin::{self, Plugin},
};
use tempfile::TempDir;

use crate::server::{Registry, Reply, Seen, Server};

/// A registry that holds one plugin and whose answers are spoiled by a fault; and a store.
pub struct World {
    pub folder: TempDir,
    pub registry: Arc<Registry>,
    pub server: Server,
    pub reference: Reference,
    pub component: Vec<u8>,
}

impl World {
    /// `fault` answers what it spoils, and `None` otherwise.
    pub fn new(fault: impl Fn(&Seen, &Registry) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::with_component(component(300 << 10), fault)
    }

    pub fn with_component(
        component: Vec<u8>,
        fault: impl Fn(&Seen, &Registry) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let registry = Arc::new(Registry::default());
        let (good, spoiled) = (registry.clone(), registry.clone());
        let good = Server::start(move |seen| good.answer(seen));
        let pushed = format!("oci://{}/team/mine:1.0.0", good.host).parse().unwrap();
        plugin::push(&client(settings()), &pushed, &component, &BTreeMap::new(), 0).unwrap();
        let server = Server::start(move |seen| fault(seen, &spoiled).unwrap_or_else(|| spoiled.answer(seen)));
        let reference = format!("oci://{}/team/mine:1.0.0", server.host).parse().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), registry, server, reference, component }
    }

    pub fn store_path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.store_path()).unwrap()
    }

    pub fn pull(&self) -> Result<Plugin> {
        self.pull_as(settings())
    }

    pub fn pull_as(&self, settings: Settings) -> Result<Plugin> {
        plugin::pull(&client(settings), &self.store(), &self.reference)
    }

    /// The component arrives.
    #[track_caller]
    pub fn arrives(&self) {
        let pulled = self.pull().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(pulled.component, Digest::of(&self.component));
        assert!(pulled.bytes == self.component);
    }

    /// A pull ends with one message that has all of `expected` in it, and the store is what it was.
    #[track_caller]
    pub fn refuses(&self, settings: Settings, expected: &[&str]) -> String {
        let before = listing(&self.store_path());
        let error = self.pull_as(settings).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(error.len() < 700 && !error.contains(['\n', '\x1b']), "no clear line: {error}");
        assert_eq!(listing(&self.store_path()), before);
        error
    }

    /// The manifest as it lies in the registry, changed.
    pub fn change_manifest(&self, change: impl Fn(String) -> String) {
        for (_, bytes) in self.registry.manifests.lock().unwrap().values_mut() {
            *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes();
        }
    }
}

/// What is in the store for good: names of blobs and records.
pub fn listing(store: &Path) -> Vec<String> {
    let mut names = vec![];
    for folder in ["blobs/sha256", "refs"] {
        if let Ok(entries) = store.join(folder).read_dir() {
            names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    names.sort();
    names
}

/// Everything at its usual value but the pauses between tries; no credentials of whoever runs the tests.
pub fn settings() -> Settings {
    let timing = Timing { pause: Duration::from_millis(1), ..Timing::default() };
    Settings { docker_config: Some("/nowhere".into()), timing, ..Settings::default() }
}

/// As [`settings`], with no patience for silence.
pub fn hasty() -> Settings {
    let mut settings = settings();
    settings.timing.silence = Duration::from_millis(150);
    settings.timing.slowest = 1 << 30;
    settings
}

pub fn client(settings: Settings) -> Client {
    Client::new(settings).unwrap()
}

/// A component with a manifest, and so many bytes of nothing in it.
pub fn component(padding: usize) -> Vec<u8> {
    named_component("mine", padding)
}

/// The same of a plugin of another name.
pub fn named_component(name: &str, padding: usize) -> Vec<u8> {
    plugin_component(
        PluginManifest { name: name.into(), version: "1.0.0".into(), ..PluginManifest::default() },
        padding,
    )
}

/// A component that says this of itself.
pub fn plugin_component(said: PluginManifest, padding: usize) -> Vec<u8> {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    let section = [&[4][..], b"fill", &vec![7; padding]].concat();
    component.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        component.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend(section);
    said.embed(component).unwrap()
}
