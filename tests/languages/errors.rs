//! What goes wrong in a plugin: one readable error with its message and its lines, and the next call works.

use brewer::Adaptor;
use brewer_plugin_host::{PluginAdaptor, PluginOptions};

use crate::guests::{Language, batch, each_language, outputs, silent, student};

each_language!(check);

fn check(language: Language) {
    let own = match language {
        Language::Python => &["ValueError: no logits for step 3", "guest.py:", "in refuse: raise ValueError("][..],
        Language::JavaScript => &["RangeError: no logits for step 3", "refuse", "guest.ts:"],
        Language::C => &["no logits for step 3", "in the plugin:", "guest.c:", ", in add_up"],
    };
    fails(language, "fail", own);
    fails(language, "refused", &["[3, 2] and [17] do not broadcast"]);
    match language {
        Language::Python => {
            fails(language, "refused", &["TensorError: ", "in Guest.refused: return outputs[\"logits\"] + zeros(17)"]);
            fails(language, "unknown-key", &["TypeError: ", "unknown key 'logit': did you mean `logits`?"]);
            fails(language, "nothing", &["TypeError: ", "returned None; expected a dict"]);
            fails(language, "recurse", &["RecursionError: ", "in Guest.recurse: "]);
            fails(language, "exit", &["SystemExit: 3"]);
            fails(language, "overflow", &["OverflowError: 9223372036854775808 is outside"]);
        }
        Language::JavaScript => {
            fails(language, "refused", &["TensorError: ", "refused"]);
            fails(language, "unknown-key", &["TypeError: ", "unknown key `logit`: did you mean `logits`?"]);
            fails(language, "nothing", &["TypeError: ", "returned undefined; expected an object"]);
            fails(language, "overflow", &["RangeError: ", "1.5 is not a safe integer"]);
            // The engine's stack ends before the language's own: a trap, after which the instance is a new one.
            let options = PluginOptions { log: silent(), ..Default::default() };
            let mut guest = language.guest("recurse", options);
            for _ in 0..2 {
                assert!(failure(&mut guest).contains("it overflowed its stack"));
            }
        }
        Language::C => {
            fails(language, "nothing", &["it returned no features"]);
            let options = PluginOptions { log: silent(), ..Default::default() };
            let recovered = language.guest("recover", options).adapt(&student(3), &batch(), &outputs()).unwrap();
            assert_eq!(recovered.logits.len(), 1);
            handles_that_are_none();
        }
    }
}

/// C can make handles up. The component model knows them for what they are: a trap, after which the instance is a new
/// one.
fn handles_that_are_none() {
    let options = || PluginOptions { log: silent(), ..Default::default() };
    for (deed, expected) in [
        ("dropped", "unknown handle index"),
        ("invented", "unknown handle index 4242"),
        ("another-kind", "handle index"),
    ] {
        let mut guest = Language::C.guest(deed, options());
        for _ in 0..2 {
            let message = failure(&mut guest);
            assert!(message.contains("it was stopped") && message.contains(expected), "{deed}: {message}");
        }
    }
    let features = Language::C.guest("same-twice", options()).adapt(&student(3), &batch(), &outputs()).unwrap();
    assert_eq!(features.logits.len(), 2);
}

/// Has the guest fail twice and then behave. Its state must outlive the failures: a trap would have cost it.
#[track_caller]
fn fails(language: Language, deed: &str, expected: &[&str]) {
    let options = || PluginOptions { log: silent(), ..Default::default() };
    let mut guest = language.guest(&format!("{deed} twice"), options());
    let message = failure(&mut guest);
    for part in expected {
        assert!(message.contains(part), "{language:?}: `{part}` is not in: {message}");
    }
    assert!(message.len() < 2000, "{message}");
    assert!(!message.contains("it was stopped"), "a trap: {message}");
    assert_eq!(failure(&mut guest), message, "{language:?} {deed}: the second call");
    let features = guest.adapt(&student(3), &batch(), &outputs());
    let features = features.unwrap_or_else(|error| panic!("{language:?} {deed}: the third call: {error}"));
    assert_eq!(features.logits.len(), 1);
}

fn failure(guest: &mut PluginAdaptor) -> String {
    guest.adapt(&student(3), &batch(), &outputs()).expect_err("the call succeeded").to_string()
}
