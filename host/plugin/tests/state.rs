//! What a plugin remembers: it is saved and restored to the byte, and what goes wrong on the way is one clear error.

mod common;

use std::sync::{Arc, Mutex};

use brewer::loss::kd::{KdInputs, KdLoss};
use brewer::schedule::temperature::Temperature;
use brewer::{RoleState, StepContext};
use brewer_plugin_host::{Limits, LogSink, Plugin, PluginKdLoss, PluginOptions};
use common::{component, engine, silent};
use serde_json::json;
use tch::{Device, Kind, Tensor};

fn loss(deed: &str, limits: Limits, log: LogSink) -> PluginKdLoss {
    let options = PluginOptions { config: Some(json!({ "do": deed })), limits, log, ..Default::default() };
    PluginKdLoss::new(&Plugin::load(&engine(), component("guest-memory"), options).unwrap()).unwrap()
}

/// The losses of some steps, each of which depends on the calls before it.
fn losses(loss: &mut PluginKdLoss, steps: std::ops::Range<u64>) -> Vec<f64> {
    let logits = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([3, 4]);
    let (student, teacher) = ((&logits * 2.0).set_requires_grad(true), logits);
    let temperature = Temperature::Scalar(1.0);
    let inputs = KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels: None };
    let mut at = |step| {
        loss.begin_step(&StepContext { step, ..StepContext::default() });
        loss.rows(&inputs).unwrap().double_value(&[])
    };
    steps.map(&mut at).collect()
}

fn state(loss: &mut PluginKdLoss) -> &mut dyn RoleState {
    loss.state().expect("the component exports `state`")
}

#[test]
fn a_memory_is_restored_in_a_new_instance_to_the_byte() {
    let new = || loss("", Limits::default(), silent());
    let (mut whole, mut resumed) = (new(), new());
    losses(&mut whole, 0..5);
    let saved = state(&mut whole).save().unwrap();
    assert_eq!(saved.len(), 16);
    let rest = losses(&mut whole, 5..9);
    state(&mut resumed).restore(&saved).unwrap();
    assert_eq!(losses(&mut resumed, 5..9), rest);
    assert_eq!(state(&mut resumed).save().unwrap(), state(&mut whole).save().unwrap());
    // Without its memory the plugin returns something else.
    assert_ne!(losses(&mut new(), 5..9), rest);
    assert_eq!(state(&mut whole).owner(), "plugin guest-memory.wasm");
}

#[test]
fn a_memory_of_no_bytes_is_one() {
    let mut forgetful = loss("save-nothing", Limits::default(), silent());
    let first = losses(&mut forgetful, 0..2);
    assert!(state(&mut forgetful).save().unwrap().is_empty());
    state(&mut forgetful).restore(&[]).unwrap();
    assert_eq!(losses(&mut forgetful, 0..2), first);
}

#[test]
fn an_instance_that_is_worn_out_hands_its_memory_on() {
    let limits = || Limits { handles: 20, ..Limits::default() };
    let (mut frugal, mut wasteful) = (loss("", limits(), silent()), loss("keep-handles", limits(), silent()));
    assert_eq!(losses(&mut wasteful, 0..12), losses(&mut frugal, 0..12));
}

#[test]
fn a_component_without_the_export_has_no_memory() {
    let options = PluginOptions { log: silent(), ..Default::default() };
    let plugin = Plugin::load(&engine(), component("guest-roles"), options).unwrap();
    assert!(!plugin.has_state() && PluginKdLoss::new(&plugin).unwrap().state().is_none());
}

#[test]
fn a_state_that_cannot_be_saved_is_one_clear_error() {
    let limits = || Limits { call_seconds: 0.5, ..Limits::default() };
    let deeds = [
        ("save-much", "saved a larger state (limit: 16.0 MiB); raise `limits.state_bytes`"),
        ("tell-much", "passed too much to the host in one request"),
        ("save-error", "I keep it to myself"),
        ("save-loop", "did not return in time (limit: 0.5 s)"),
    ];
    for (deed, expected) in deeds {
        let mut bad = loss(deed, limits(), silent());
        for _ in 0..2 {
            let message = state(&mut bad).save().unwrap_err().to_string();
            assert!(message.starts_with("plugin guest-memory.wasm (kd-loss, state.save)"), "{deed}: {message}");
            assert!(message.contains(expected), "{deed}: {message}");
        }
        // The next call works.
        losses(&mut bad, 0..1);
    }
    let mut small = loss("", Limits { state_bytes: 15, ..Limits::default() }, silent());
    let message = state(&mut small).save().unwrap_err().to_string();
    assert!(message.contains("saved a larger state (limit: 15 bytes)"), "{message}");
    // Of what is large on purpose the limit can be raised.
    let large = Limits { state_bytes: 64 << 20, ..Limits::default() };
    assert_eq!(state(&mut loss("save-much", large, silent())).save().unwrap().len(), 64 << 20);
}

#[test]
fn a_state_that_cannot_be_restored_is_one_clear_error() {
    let limits = || Limits { call_seconds: 0.5, ..Limits::default() };
    let deeds = [
        ("restore-error", "I have forgotten how"),
        ("restore-panic", "no more"),
        ("restore-loop", "did not return in time (limit: 0.5 s)"),
        ("", "not 16 bytes"),
    ];
    for (deed, expected) in deeds {
        let mut bad = loss(deed, limits(), silent());
        for _ in 0..2 {
            let message = state(&mut bad).restore(&[7; 15]).unwrap_err().to_string();
            assert!(message.starts_with("plugin guest-memory.wasm (kd-loss, state.restore)"), "{deed}: {message}");
            assert!(message.contains(expected), "{deed}: {message}");
        }
        losses(&mut bad, 0..1);
    }
    let mut small = loss("", Limits { state_bytes: 15, ..Limits::default() }, silent());
    let message = state(&mut small).restore(&[7; 16]).unwrap_err().to_string();
    assert!(message.contains("a state of 16 bytes") && message.contains("15 bytes at most"), "{message}");
}

#[test]
fn every_role_is_told_the_step() {
    let lines = Arc::new(Mutex::new(vec![]));
    let written = lines.clone();
    let log = LogSink::new(move |_, _, line| written.lock().unwrap().push(line.to_owned()));
    let mut loss = loss("tell-step", Limits::default(), log);
    let (student, temperature) = (Tensor::ones([2, 2], (Kind::Float, Device::Cpu)), Temperature::Scalar(1.0));
    let inputs = KdInputs { student: &student, teacher: &student, temperature: &temperature, labels: None };
    loss.begin_step(&StepContext {
        step: 7,
        global_step: 3,
        epoch: 1,
        progress: 0.25,
        task: Some("qa".into()),
        side: None,
    });
    drop(loss.rows(&inputs).unwrap());
    assert_eq!(*lines.lock().unwrap(), [r#"(7, 3, 1, 0.25, Some("qa"), false)"#]);
}
