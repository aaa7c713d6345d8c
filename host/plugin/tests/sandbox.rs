//! What a plugin must not get away with: each ends in one clear error within its limits, and the next call works.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use brewer::{Adaptor, Error, Fault};
use brewer_plugin_host::{Level, Limits, LogSink, Permission, PluginAdaptor, PluginOptions};
use common::{adaptor_with, batch, failure, guest, outputs, same, silent, student, trained_outputs};
use serde_json::json;

/// Limits that a test reaches soon.
fn tight() -> Limits {
    Limits {
        memory_bytes: 16 << 20,
        operations: 20_000,
        work: 1_000_000_000,
        handles: 500,
        tensor_bytes: 64 << 20,
        tensor_elements: 1 << 22,
        value_bytes: 1 << 16,
        log_bytes: 4096,
        ..Limits::default()
    }
}

fn doing(deed: &str) -> PluginAdaptor {
    guest(json!({ "do": deed }), tight(), &[])
}

/// Calls a guest that does `deed`, and checks that its message holds all of `expected`, that it ended soon, and that this
/// very plugin and others can be called again.
#[track_caller]
fn check(deed: &str, expected: &[&str]) -> String {
    check_within(tight(), deed, expected)
}

#[track_caller]
fn check_within(limits: Limits, deed: &str, expected: &[&str]) -> String {
    let mut bad = guest(json!({ "do": deed }), limits, &[]);
    let start = Instant::now();
    let message = failure(&mut bad);
    assert!(start.elapsed() < Duration::from_secs(20), "{deed} took {:?}", start.elapsed());
    assert!(message.starts_with("plugin guest-misbehaving.wasm (student, step 3): "), "{deed}: {message}");
    for part in expected {
        assert!(message.contains(part), "{deed}: `{part}` is not in: {message}");
    }
    assert_eq!(failure(&mut bad), message, "{deed}: the second call");
    doing("behave").adapt(&student(0), &batch(), &outputs()).unwrap();
    message
}

#[test]
fn what_the_plugin_says_reaches_the_user() {
    check("return-error", &["the batch is not to my taste"]);
    check("return-nothing", &["it returned no features"]);
    let message = check("return-escapes", &["[2Jcleared"]);
    assert!(!message.contains('\u{1b}'));
}

#[test]
fn what_goes_to_the_host_at_once_has_a_limit() {
    let roomy = Limits { memory_bytes: 1 << 30, ..tight() };
    for deed in ["return-long", "long-name"] {
        check_within(roomy.clone(), deed, &["passed too much to the host in one request (limit: 1.0 MiB)"]);
    }
}

#[test]
fn inputs_may_be_returned_and_stay_what_they_are() {
    let (batch, outputs) = (batch(), outputs());
    let features = doing("return-inputs").adapt(&student(0), &batch, &outputs).unwrap();
    let logits = outputs.tensor("logits").unwrap();
    assert!(features.logits.iter().all(|returned| same(returned, logits)));
    assert_eq!(
        [features.logits.len(), features.labels.len(), features.losses.len(), features.hidden.len()],
        [2, 2, 2, 7]
    );
}

#[test]
fn a_panic_comes_with_its_message_its_place_and_a_backtrace() {
    let message =
        check("panic", &["panicked at tests/sandbox/guests/guest-misbehaving/src/lib.rs:", "no logits for step 3"]);
    assert!(message.contains("in the plugin, innermost first:"), "{message}");
    assert!(message.contains("\n    guest_misbehaving::adapt"), "{message}");
    assert!(!message.contains("core::panicking"), "{message}");
    check("unwrap", &["src/lib.rs:", "[3, 2] and [17] do not broadcast"]);
    check("trap", &["unreachable"]);
}

#[test]
fn time_and_memory_have_limits() {
    let short = Limits { call_seconds: 0.3, ..tight() };
    check_within(short, "loop", &["did not return in time (limit: 0.3 s)", "`limits.call_seconds`"]);
    check("recurse", &["it overflowed its stack: endless recursion?", "memory::recurse"]);
    check("allocate", &["of memory (limit: 16.0 MiB)", "`limits.memory_bytes`"]);
    check("operate-for-ever", &["(limit: 20000 operations)", "`limits.operations`"]);
}

#[test]
fn handles_have_limits() {
    for deed in ["hoard-handles", "hoard-in-lists", "hoard-in-features"] {
        check(deed, &["(limit: 500 handles)", "`limits.handles`"]);
    }
}

#[test]
fn tensors_have_limits() {
    check("huge-tensor", &["a tensor of 1099511627776 elements (limit: 4194304 elements)", "`limits.tensor_elements`"]);
    check("broadcast-huge", &["a tensor of 1000000000000 elements", "`limits.tensor_elements`"]);
    check("many-tensors", &["of tensors in one step (limit: 64.0 MiB)", "`limits.tensor_bytes`"]);
    check("overflow-shape", &["has too many elements"]);
    check("expand-huge", &["has too many elements"]);
    check("multiply-huge", &["`limits.tensor_elements`"]);
    check("long-shape", &["passed too much to the host in one request (limit: 1.0 MiB)"]);
}

#[test]
fn a_product_that_takes_hours_is_refused_before_it_starts() {
    let limits = Limits { tensor_elements: 1 << 30, tensor_bytes: 1 << 40, ..tight() };
    let message = failure(&mut guest(json!({ "do": "multiply-huge" }), limits, &[]));
    assert!(message.contains("(limit: 1000000000 multiply-adds)") && message.contains("`limits.work`"), "{message}");
}

/// Limits that only time is left of.
fn hasty() -> Limits {
    Limits { call_seconds: 0.3, tensor_elements: 1 << 40, tensor_bytes: 1 << 50, work: 1 << 60, ..tight() }
}

#[test]
fn an_operation_that_would_be_late_is_refused_before_it_starts() {
    for deed in ["multiply-halves", "multiply-numbers", "pick-numbers"] {
        let message = failure(&mut guest(json!({ "do": deed }), hasty(), &[]));
        for part in ["asked for what takes about", "(limit: 0.3 s)", "`limits.call_seconds`"] {
            assert!(message.contains(part), "{deed}: `{part}` is not in: {message}");
        }
    }
}

#[test]
fn what_libtorch_makes_in_between_counts() {
    check("sum-booleans", &["of tensors in one step (limit: 64.0 MiB)", "`limits.tensor_bytes`"]);
    let narrow = Limits { tensor_bytes: 20 << 20, ..tight() };
    check_within(narrow, "pick-again", &["of tensors in one step (limit: 20.0 MiB)", "`limits.tensor_bytes`"]);
}

/// Calls a guest on outputs of a student that is trained.
fn training(limits: Limits, deed: &str) -> Result<(), String> {
    let mut guest = guest(json!({ "do": deed }), limits, &[]);
    guest.adapt(&student(3), &batch(), &trained_outputs()).map(drop).map_err(|error| error.to_string())
}

#[track_caller]
fn refused_in_training(limits: Limits, deed: &str, expected: &[&str]) {
    let message = training(limits, deed).expect_err("the call succeeded");
    for part in [&["plugin guest-misbehaving.wasm (student, step 3): "][..], expected].concat() {
        assert!(message.contains(part), "{deed}: `{part}` is not in: {message}");
    }
}

#[test]
fn gradients_count_before_they_are_computed() {
    // Limits that only memory is left of.
    let narrow = || Limits { work: 1 << 60, ..tight() };
    refused_in_training(
        narrow(),
        "gradient-of-views",
        &["of tensors in one step", "of them for gradients (limit: 64.0 MiB)", "`limits.tensor_bytes`"],
    );
    let softened = Limits { tensor_bytes: 40 << 20, ..narrow() };
    let expected = ["of tensors in one step", "of them for gradients (limit: 40.0 MiB)", "`limits.tensor_bytes`"];
    refused_in_training(softened.clone(), "gradient-of-temperatures", &expected);
    refused_in_training(hasty(), "gradient-of-selects", &["s with its gradient", "`limits.call_seconds`"]);
    refused_in_training(hasty(), "gradient-of-picks", &["s with its gradient", "`limits.call_seconds`"]);
    // Without a gradient none takes as much.
    for (limits, deed) in
        [(narrow(), "gradient-of-views"), (softened, "gradient-of-temperatures"), (hasty(), "gradient-of-selects")]
    {
        guest(json!({ "do": deed }), limits, &[]).adapt(&student(3), &batch(), &outputs()).unwrap();
    }
}

#[test]
fn what_losses_take_of_the_features_counts() {
    for deed in ["many-logits", "wide-logits"] {
        let expected = "it returned features of which losses are computed, and with them asked for";
        refused_in_training(tight(), deed, &[expected, "(limit: 64.0 MiB)", "`limits.tensor_bytes`"]);
    }
    // Some losses make more of a layer than it has elements: what the model returned, in another shape, can be much.
    let expected = "it returned features of which losses are computed, and with them asked for";
    let narrow = Limits { tensor_bytes: 1 << 20, ..tight() };
    refused_in_training(narrow, "square-hidden", &[expected, "(limit: 1.0 MiB)", "`limits.tensor_bytes`"]);
    // What the model has returned itself is the experiment's.
    training(Limits { tensor_bytes: 0, ..tight() }, "return-inputs").unwrap();
}

#[test]
fn wrong_arguments_are_explained() {
    check("wrong-shape", &["[3, 2] and [3, 2] have no matrix product"]);
    check("wrong-kind", &["a tensor of int64; expected floating-point numbers"]);
    check("index-outside", &["the index 99 is outside 0..3"]);
    check("label-outside", &["the index 2 is outside 0..2"]);
    // Also where labels decide whether libtorch fails: it is not asked.
    check("probe-no-classes", &["logits of [3, 0] have no classes"]);
}

#[test]
fn values_need_a_permission() {
    for deed in ["read", "select-by-mask"] {
        check(deed, &["lacks the permission `read-values`"]);
    }
    for deed in ["read", "read-all"] {
        let mut permitted = guest(json!({ "do": deed }), tight(), &[Permission::ReadValues]);
        permitted.adapt(&student(0), &batch(), &outputs()).unwrap();
    }
    let message = failure(&mut guest(json!({ "do": "select-by-mask" }), tight(), &[Permission::ReadValues]));
    assert!(message.contains("2 labels are 1, as a shape has told"), "{message}");
    // Numbers of its own a guest could make of others as well.
    guest(json!({ "do": "write" }), tight(), &[]).adapt(&student(0), &batch(), &outputs()).unwrap();
    let message = failure(&mut guest(json!({ "do": "read-outside" }), tight(), &[Permission::ReadValues]));
    assert!(message.contains("are not within a tensor of 6"), "{message}");
    // More than a whole request may hold, and more than the elements of one.
    for value_bytes in [1 << 16, 1 << 23] {
        let limits = Limits { value_bytes, tensor_elements: 1 << 10, ..tight() };
        let message = failure(&mut guest(json!({ "do": "write-much" }), limits, &[]));
        assert!(message.contains("`limits."), "{message}");
    }
    let limits = Limits { value_bytes: 100, ..tight() };
    let message = failure(&mut guest(json!({ "do": "read-all" }), limits, &[Permission::ReadValues]));
    assert!(message.contains("384 bytes of elements in one call (limit: 100 bytes)"), "{message}");
    assert!(message.contains("`limits.value_bytes`"), "{message}");
}

#[test]
fn what_tensors_hold_does_not_show_in_what_fails() {
    for deed in ["probe-index-select", "probe-gather", "probe-cross-entropy"] {
        let message = check(deed, &["the index 5 is outside 0..2; a plugin without the permission `read-values`"]);
        assert!(!message.contains("as an operation has told"), "{message}");
        let message = failure(&mut guest(json!({ "do": deed }), tight(), &[Permission::ReadValues]));
        assert!(message.contains("a label is 1, as an operation has told"), "{message}");
    }
}

#[test]
fn a_handle_of_an_earlier_call_is_an_error_that_says_so() {
    let mut adaptor = doing("keep-handle");
    adaptor.adapt(&student(0), &batch(), &outputs()).unwrap();
    let message = failure(&mut adaptor);
    assert!(message.contains("the handle of a tensor from an earlier call"), "{message}");
}

#[test]
fn a_plugin_that_never_drops_its_handles_runs_for_ever() {
    let mut adaptor = doing("leak-handles");
    let (batch, outputs) = (batch(), outputs());
    for step in 0..2000 {
        adaptor.adapt(&student(step), &batch, &outputs).unwrap();
    }
}

#[test]
fn memory_lasts_from_call_to_call_until_a_trap() {
    let mut adaptor = doing("count");
    let mut count = || {
        let features = adaptor.adapt(&student(0), &batch(), &outputs()).unwrap();
        features.logits[0].double_value(&[0, 0])
    };
    assert_eq!([count(), count(), count()], [1.0, 2.0, 3.0]);
    let mut broken = doing("panic");
    for _ in 0..3 {
        assert!(failure(&mut broken).contains("no logits"));
    }
}

#[test]
fn the_log_is_cut_at_its_limit() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let log = LogSink::new(move |plugin, level, message| {
        kept.lock().unwrap().push((plugin.to_owned(), level, message.to_owned()));
    });
    for (deed, outcome) in [("log-flood", Some("`limits.operations`")), ("log-long", None), ("log-empty", None)] {
        let options = PluginOptions {
            config: Some(json!({ "do": deed })),
            limits: tight(),
            log: log.clone(),
            ..Default::default()
        };
        let result = adaptor_with("guest-misbehaving", options).adapt(&student(0), &batch(), &outputs());
        match outcome {
            Some(expected) => assert!(result.unwrap_err().to_string().contains(expected)),
            None => assert!(result.is_ok()),
        }
        let mut lines = lines.lock().unwrap();
        let bytes: usize = lines.iter().map(|(_, _, message)| message.len()).sum();
        assert!(bytes < 4096 + 200, "{bytes}");
        assert!(lines.len() <= 4096 / 10 + 1, "{} lines", lines.len());
        let (plugin, level, last) = lines.last().unwrap();
        assert_eq!((plugin.as_str(), *level), ("guest-misbehaving.wasm", Level::Warn));
        assert!(last.contains("limits.log_bytes: 4.0 KiB"), "{last}");
        lines.clear();
    }
}

#[test]
fn the_log_of_a_run_is_cut_at_its_limit() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let log = LogSink::new(move |_, level, message| kept.lock().unwrap().push((level, message.to_owned())));
    let limits = Limits { run_log_bytes: 1000, ..tight() };
    let options = PluginOptions { config: Some(json!({ "do": "log-nothing" })), limits, log, ..Default::default() };
    let mut talkative = adaptor_with("guest-misbehaving", options);
    for step in 0..200 {
        talkative.adapt(&student(step), &batch(), &outputs()).unwrap();
    }
    let lines = lines.lock().unwrap();
    let ((level, last), said) = lines.split_last().unwrap();
    assert_eq!(*level, Level::Warn);
    assert!(last.contains("nothing more that this plugin says is logged in this run"), "{last}");
    assert!(last.contains("limits.run_log_bytes: 1000 bytes"), "{last}");
    assert!((10..40).contains(&said.len()), "{} lines", said.len());
    assert!(said.iter().all(|(_, line)| line == "a line"), "{said:?}");
}

#[test]
fn random_numbers_follow_from_seed_model_and_step() {
    let draw = |seed, step| {
        let config = Some(json!({ "do": "random" }));
        let options = PluginOptions { config, seed, log: silent(), ..Default::default() };
        let features = adaptor_with("guest-misbehaving", options).adapt(&student(step), &batch(), &outputs()).unwrap();
        features.logits[0].double_value(&[0, 0])
    };
    assert_eq!(draw(1, 5), draw(1, 5));
    assert_ne!(draw(1, 5), draw(2, 5));
    assert_ne!(draw(1, 5), draw(1, 6));
}

#[test]
fn a_failed_call_is_a_fault_of_the_run() {
    let error = doing("panic").adapt(&student(0), &batch(), &outputs()).unwrap_err();
    assert_eq!(error.fault(), Fault::Run);
    assert!(matches!(error, Error::Plugin(_)));
}
