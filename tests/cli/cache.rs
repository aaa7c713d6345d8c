//! Teachers whose features are kept: the same numbers, made once.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::support::{plugin, read_lines, read_tensors};
use crate::workspace::{Finished, Workspace, copy_folder};

/// Matches of everything that a cache can hold, two epochs in different orders.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let (student, teacher) = workspace.hidden_sizes();
    let matches = json!([
        { "layer_T": 4, "layer_S": 2, "feature": "hidden", "loss": "hidden_mse", "weight": 1,
          "proj": ["linear", student, teacher] },
        { "layer_T": 3, "layer_S": 1, "feature": "attention", "loss": "attention_mse", "weight": 1 },
    ]);
    workspace.with("distillation.intermediate_matches", matches).with("training.num_epochs", json!(2))
}

fn losses(workspace: &Workspace) -> Vec<Vec<f64>> {
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let steps = lines.iter().filter(|line| line.get("total_loss").is_some());
    let is_loss = |name: &str| name.ends_with("_loss") || name.starts_with("unweighted_");
    steps
        .map(|line| {
            let scalars = line.as_object().unwrap().iter().filter(|(name, _)| is_loss(name));
            scalars.map(|(_, value)| value.as_f64().unwrap()).collect()
        })
        .collect()
}

#[track_caller]
fn assert_near(found: &[Vec<f64>], expected: &[Vec<f64>], relative: f64) {
    assert_eq!(found.len(), expected.len());
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "step {step}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 + relative * expected.abs(), "step {step}: {found}, {expected}");
        }
    }
}

#[test]
fn a_run_with_a_cache_has_the_numbers_of_one_without() {
    let mut workspace = workspace();
    workspace.run();
    let expected = losses(&workspace);
    let student = read_tensors(&workspace.path("out/student/model.safetensors"));
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    for part in ["0 % of the examples", "all examples"] {
        let finished = workspace.run();
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
        assert_near(&losses(&workspace), &expected, 1e-4);
        for (name, weights) in read_tensors(&workspace.path("out/student/model.safetensors")) {
            let pairs = weights.numbers.iter().zip(&student[&name].numbers);
            // The key biases' gradient is rounding only.
            let far = pairs.filter(|(found, expected)| (*found - *expected).abs() > 1e-4).count();
            assert!(far == 0 || name.ends_with("key.bias"), "{name}");
        }
    }
}

#[test]
fn a_cache_in_memory_has_the_same_numbers() {
    let mut workspace = workspace();
    workspace.run();
    let expected = losses(&workspace);
    workspace.set("distillation.is_caching_logits", json!(true));
    let finished = workspace.run();
    assert!(finished.stderr.contains("memory, float32"), "{}", finished.stderr);
    assert_near(&losses(&workspace), &expected, 1e-4);
}

#[test]
fn a_cache_is_made_ahead_and_goes_on_where_it_was() {
    let mut workspace = workspace();
    workspace.set("teacher.cache", json!({ "path": "cache", "dtype": "bfloat16" }));
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap().lines().count();
    let finished = workspace.start(&["cache"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains(&format!("{rows} examples computed now")), "{}", finished.stdout);
    // As if it had been cut off.
    let mut checksums = fs::read(workspace.path("cache/checksums.bin")).unwrap();
    assert_eq!(checksums.len(), 8 * rows);
    checksums[8 * 3..8 * 8].fill(0);
    workspace.write("cache/checksums.bin", &checksums);
    let finished = workspace.start(&["cache"]);
    assert!(finished.stdout.contains("5 examples computed now"), "{}", finished.stdout);
    assert!(workspace.start(&["cache"]).stdout.contains("nothing was missing"));
    // Half the digits, so near but not the same.
    workspace.run();
    let found = losses(&workspace);
    workspace.set("teacher", json!({ "model": "teacher" }));
    workspace.run();
    assert_near(&found, &losses(&workspace), 2e-2);
    assert_ne!(found, losses(&workspace));
}

#[test]
fn the_teacher_is_not_run_on_what_is_in_the_cache() {
    let mut workspace = Workspace::new();
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    workspace.start(&["cache"]);
    workspace.run();
    let before = losses(&workspace);
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap().lines().count();
    let mut values = fs::read(workspace.path("cache/values.bin")).unwrap();
    // All numbers doubled: the exponent of a float32 grows by one. All examples are of one length, so they have as many
    // bytes each: the logits, and a mask that nothing reads without matches.
    for four in values.chunks_exact_mut(4) {
        let doubled = 2.0 * f32::from_le_bytes(four.try_into().unwrap());
        four.copy_from_slice(&doubled.to_le_bytes());
    }
    let examples = values.chunks_exact(values.len() / rows).enumerate();
    let checksums: Vec<u8> =
        examples.flat_map(|(example, values)| xxh3_64_with_seed(values, example as u64).to_le_bytes()).collect();
    workspace.write("cache/values.bin", values);
    workspace.write("cache/checksums.bin", checksums);
    workspace.run();
    assert_ne!(losses(&workspace)[0], before[0]);
}

/// A workspace whose cache is complete.
fn filled() -> Workspace {
    let mut workspace = workspace().with("training.num_epochs", json!(1));
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    let finished = workspace.start(&["cache"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    workspace
}

#[test]
fn a_cache_whose_files_are_not_whole_is_refused() {
    let workspace = filled();
    for name in ["cache/values.bin", "cache/checksums.bin"] {
        let whole = fs::read(workspace.path(name)).unwrap();
        for size in [0, whole.len() / 2, whole.len() - 1] {
            workspace.write(name, &whole[..size]);
            let found = format!("it has {size} bytes; expected {}", whole.len());
            workspace.refuses(&[name, "not a teacher cache", &found, "remove the folder"]);
        }
        fs::remove_file(workspace.path(name)).unwrap();
        workspace.refuses(&[name, "not a teacher cache", "the file is missing", "remove the folder"]);
        workspace.write(name, whole);
    }
    workspace.run();
}

#[test]
fn damaged_examples_are_named_and_computed_again() {
    let workspace = filled();
    workspace.run();
    let expected = losses(&workspace);
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap().lines().count();
    let last = format!("example {},", rows - 1);
    type Damage = fn(&mut [u8]);
    let damages: [(Damage, &str, String); 3] = [
        (|values| values.fill(0), "example ", format!("{rows} examples found damaged")),
        (|values| values[0] ^= 1, "example 0,", "1 example found damaged".to_owned()),
        (|values| values[values.len() - 1] ^= 1, &last, "1 example found damaged".to_owned()),
    ];
    for (damage, example, again) in damages {
        // Read anew each time: what is computed again, in other batches, may differ in its last bits.
        let mut values = fs::read(workspace.path("cache/values.bin")).unwrap();
        damage(&mut values);
        workspace.write("cache/values.bin", values);
        let finished = workspace.start(&["run"]);
        finished.check_failure(2, &["the teacher cache ", "cache is damaged", example, "`brewer-host cache`"]);
        let finished = workspace.start(&["cache"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert!(finished.stdout.contains(&again), "{}", finished.stdout);
        workspace.run();
        assert_near(&losses(&workspace), &expected, 1e-4);
        assert!(workspace.start(&["cache"]).stdout.contains("nothing was missing"));
    }
}

/// Removes the right to write into a folder for one command, whoever runs it: root may write whatever the modes say, so
/// the folder is mounted to be read only.
fn where_nothing_can_be_written(folder: &Path, command: &Command) -> Command {
    let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/new" && exec "$@""#;
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut mounted = Command::new("unshare");
    mounted.args(if user == b"0\n" { ["--mount"].as_slice() } else { &["--mount", "--map-root-user"] });
    mounted.args(["sh", "-c", script]).arg(folder).arg(command.get_program()).args(command.get_args());
    mounted.current_dir(command.get_current_dir().unwrap());
    mounted.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    mounted
}

#[test]
fn a_complete_cache_may_lie_where_nothing_can_be_written() {
    let workspace = filled();
    let before = crate::workspace::contents(&workspace.path("cache"));
    let run = |workspace: &Workspace| {
        let command = workspace.command(&["run"]);
        Finished::new(where_nothing_can_be_written(&workspace.path("cache"), &command).output().unwrap())
    };
    let finished = run(&workspace);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("all examples"), "{}", finished.stderr);
    // An incomplete one cannot be filled there.
    let mut checksums = fs::read(workspace.path("cache/checksums.bin")).unwrap();
    checksums[..8].fill(0);
    workspace.write("cache/checksums.bin", checksums);
    run(&workspace).check_failure(1, &["cannot write", "cache/fill.lock", "Read-only file system"]);
    workspace.run();
    let after = crate::workspace::contents(&workspace.path("cache"));
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[test]
fn a_cache_that_another_process_fills_is_refused() {
    let mut workspace = Workspace::new();
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    fs::create_dir(workspace.path("cache")).unwrap();
    workspace.write("cache/fill.lock", "process 12 on another-host\n");
    let lock = File::open(workspace.path("cache/fill.lock")).unwrap();
    lock.lock().unwrap();
    for command in ["run", "cache"] {
        let expected = ["the teacher cache ", "is being filled by process 12 on another-host", "`cache.path`"];
        workspace.refuses_to(&[command], &expected);
    }
    drop(lock);
    workspace.run();
    assert!(!workspace.path("cache/fill.lock").exists());
}

#[test]
fn a_cache_of_something_else_is_refused() {
    type Change = fn(&mut Workspace);
    let changes: [(&str, Change); 8] = [
        ("another teacher", |workspace| {
            let path = workspace.path("teacher/model.safetensors");
            let mut weights = read_tensors(&path);
            weights.values_mut().next().unwrap().numbers[0] += 1.0;
            crate::support::write_tensors(&path, &weights);
        }),
        ("another data set", |workspace| {
            let text = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
            let rows: Vec<&str> = text.lines().rev().collect();
            workspace.write("train.jsonl", rows.join("\n"));
        }),
        ("another adaptor", |workspace| {
            workspace.experiment["teacher"].as_object_mut().unwrap().remove("adaptor");
        }),
        ("another `args` of the teacher", |workspace| {
            workspace.set("teacher.args", json!({ "token_type_ids": 1 }));
        }),
        ("another `dtype`", |workspace| workspace.set("teacher.cache.dtype", json!("float16"))),
        // The same component with another section, which changes nothing that it does.
        ("another adaptor", |workspace| {
            let mut bytes = fs::read(workspace.path("adaptor.wasm")).unwrap();
            bytes.extend([0, 3, 1, b'x', 0]);
            workspace.write("adaptor.wasm", bytes);
        }),
        ("another version of the format (1; this run has 2)", |workspace| {
            let mut manifest = crate::support::read_json(&workspace.path("cache/cache.json"));
            manifest["format"] = json!(1);
            workspace.write("cache/cache.json", manifest.to_string());
        }),
        ("another set of tensors", |workspace| {
            workspace.set("distillation.intermediate_matches.0.layer_T", json!(2));
        }),
    ];
    for (expected, change) in changes {
        let mut workspace = workspace();
        workspace.set("teacher.cache", json!({ "path": "cache" }));
        fs::copy(plugin("sequence-classification"), workspace.path("adaptor.wasm")).unwrap();
        workspace.set("teacher.adaptor", json!({ "path": "adaptor.wasm" }));
        let finished = workspace.start(&["cache"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        change(&mut workspace);
        workspace.refuses(&["the teacher cache", expected, "remove the folder"]);
    }
}

#[test]
fn what_cannot_be_cached_is_refused() {
    let mut workspace = workspace();
    workspace.refuses_to(&["cache"], &["teacher.cache", "missing"]);
    workspace.set("teacher.cache", json!({ "path": "cache", "type": "float32" }));
    workspace.refuses(&["teacher.cache.type", "dtype"]);
    fs::create_dir(workspace.path("cache")).unwrap();
    workspace.write("cache/cache.json", "{}");
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    workspace.refuses(&["cache/cache.json", "not a teacher cache"]);

    let mut workspace = Workspace::new();
    copy_folder(&workspace.path("teacher"), &workspace.path("other"));
    workspace.remove("teacher");
    workspace.set("distiller", json!("multi_teacher"));
    let teacher = |model: &str| json!({ "model": model, "cache": { "path": "cache" } });
    workspace.set("teachers", Value::Array(vec![teacher("teacher"), teacher("other")]));
    workspace.refuses(&["teacher.cache.path", "two teachers"]);
}
