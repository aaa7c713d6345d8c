//! Configuration, context, log and random numbers.

use brewer::Adaptor;
use brewer_plugin_host::{Level, PluginOptions};
use serde_json::{Value, json};

use crate::guests::{Language, batch, each_language, outputs, parse, recorded, student, teacher};

each_language!(check);

fn check(language: Language) {
    let run = |context, seed| {
        let (lines, log) = recorded();
        let mut guest = language.guest("describe", PluginOptions { log, seed, ..Default::default() });
        guest.adapt(&context, &batch(), &outputs()).unwrap();
        std::mem::take(&mut *lines.lock().unwrap())
    };
    let lines = run(student(5), 1);
    let levels: Vec<_> = lines.iter().map(|(level, _)| *level).collect();
    let (printed, described) = lines.split_last().unwrap();
    assert_eq!(levels[..4], [Level::Debug, Level::Info, Level::Warn, Level::Error], "{language:?}");
    assert_eq!(printed.1, "printed", "{language:?}");
    let told = parse(&described[1].1);
    let expected = json!({
        "answer": [42],
        "is_student": true,
        "teacher": null,
        "task": "qa",
        "step": 5,
        "batch": ["input_ids", "attention_mask", "labels"],
        "outputs": ["loss", "logits", "hidden_states", "attentions"],
        "has": [true, false],
        "layers": 7,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&told[key], value, "{language:?}: {key}");
    }
    let random = told["random"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&random), "{language:?}: {random}");

    assert_eq!(run(student(5), 1), lines, "{language:?}: the same seed");
    // Of the language's own library: each of them is another one with another seed, or at another step.
    let own = |lines: &[(Level, String)]| match &parse(&lines[1].1)["own"] {
        Value::Array(numbers) => numbers.clone(),
        Value::Null => panic!("{language:?} told none of its own random numbers"),
        number => vec![number.clone()],
    };
    for other in [run(student(5), 2), run(student(6), 1)] {
        assert_ne!(other, lines, "{language:?}: another seed or step");
        for (number, other) in own(&lines).iter().zip(own(&other)) {
            assert_ne!(*number, other, "{language:?}: its own random numbers");
        }
    }
    let told = parse(&run(teacher(2), 1)[1].1);
    assert_eq!((&told["teacher"], &told["is_student"], &told["task"]), (&json!(2), &json!(false), &json!(null)));
}
