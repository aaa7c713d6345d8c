//! Ten thousand calls, one in ten of them failing, on one instance. A process of its own, and one language after the
//! other, because what is measured is the memory of the whole process.

#[allow(dead_code, reason = "each test crate uses a part of it")]
mod guests;

use std::sync::{Mutex, PoisonError};

use brewer::Adaptor;
use brewer_plugin_host::{Limits, PluginAdaptor, PluginOptions};
use serde_json::json;

use guests::common::resident_kib;
use guests::{Language, batch, component, each_language, load, outputs, silent, student};

each_language!(check);

#[test]
fn rust() {
    let options = PluginOptions { config: Some(json!({ "do": "count-and-fail" })), ..options() };
    let plugin = load(&component("guest-misbehaving"), options);
    call_often("Rust", || PluginAdaptor::new(&plugin).unwrap());
}

/// A guest with more handles than that left over from earlier calls is replaced, and forgets how often it was called.
const HANDLES: u64 = 60;

static TURN: Mutex<()> = Mutex::new(());

fn check(language: Language) {
    call_often(&format!("{language:?}"), || language.guest("count", options()));
}

fn options() -> PluginOptions {
    let limits = Limits { handles: HANDLES, ..Limits::default() };
    PluginOptions { limits, log: silent(), ..Default::default() }
}

fn call_often(language: &str, start: impl FnOnce() -> PluginAdaptor) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut guest = start();
    let (batch, outputs) = (batch(), outputs());
    let mut settled = 0;
    for call in 1..=10_000u64 {
        let result = guest.adapt(&student(call), &batch, &outputs);
        if call % 10 == 0 {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(&format!("call {call} of this instance")), "{language}: {error}");
        } else {
            let features = result.unwrap_or_else(|error| panic!("{language}, call {call}: {error}"));
            assert_eq!(features.losses[0].double_value(&[]), call as f64, "{language}: the instance was replaced");
        }
        if call == 2_000 {
            settled = resident_kib();
        }
    }
    let grown = resident_kib().saturating_sub(settled);
    assert!(grown < 16 * 1024, "{language}: the host's memory grew by {grown} KiB in 8,000 calls");
}
