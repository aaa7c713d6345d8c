//! Training for each task of a model: its labels, its own loss, its metrics, and the KD losses that its logits allow.

mod common;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use brewer::assemble::{Assembled, assemble};
use brewer::experiment::Experiment;
use brewer::train::{Outcome, RunFolder, TrainingState};
use common::{NoPlugins, Recorder, Scratch, read_tensors, recorded};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An experiment of a teacher and a student of two of its layers, with rows of these labels.
fn experiment(teacher: &Path, labels: &[Value], distillation: Value) -> (Experiment, TempDir) {
    let folder = TempDir::new().unwrap();
    let rows = labels.iter().enumerate().map(|(index, label)| {
        let ids: Vec<usize> = (0..4).map(|at| 5 + 7 * index + 3 * at).collect();
        format!("{}\n", json!({ "input_ids": ids, "labels": label }))
    });
    std::fs::write(folder.path().join("rows.jsonl"), rows.collect::<String>()).unwrap();
    let experiment = json!({
        "teacher": { "model": teacher },
        "student": { "init": { "from": "teacher", "layers": [0, 2] } },
        "data": { "train": "rows.jsonl", "dev": "rows.jsonl", "batch_size": 4 },
        "optimizer": { "name": "adamw", "lr": 0.01 },
        "training": { "num_epochs": 12, "ckpt_frequency": 1, "device": "cpu" },
        "distillation": distillation,
    });
    let file = folder.path().join("experiment.json");
    std::fs::write(&file, experiment.to_string()).unwrap();
    (Experiment::read(&file, &[]).unwrap(), folder)
}

/// What a run reported, and its checked session.
fn trained(experiment: &Experiment, folder: &TempDir) -> (Recorder, Assembled) {
    let mut assembled = assemble(experiment, &mut NoPlugins, &|_| {}).unwrap();
    assembled.session.check().unwrap();
    let out = RunFolder::open(&folder.path().join("out")).unwrap();
    let mut recorder = Recorder::default();
    let (start, interrupt) = (TrainingState::default(), AtomicBool::new(false));
    let end = assembled.session.train(&assembled.settings, start, &out, &mut [&mut recorder], &interrupt);
    assert_eq!(end.unwrap().outcome, Outcome::Finished);
    (recorder, assembled)
}

/// Why the check before step 0 refuses an experiment.
fn refused(experiment: &Experiment) -> String {
    let mut assembled = assemble(experiment, &mut NoPlugins, &|_| {}).unwrap();
    match assembled.session.check() {
        Ok(_) => panic!("the check passes"),
        Err(error) => error.to_string(),
    }
}

/// Whether these losses, and the first of the metrics, fell. Teacher and labels disagree, so the KD loss need not.
fn assert_learns(recorder: &Recorder, losses: &[&str], metrics: &[&str]) {
    let (first, last) = (&recorder.steps[0].losses, &recorder.steps.last().unwrap().losses);
    for &name in losses {
        assert!(last[name] < first[name], "{name}: {} at first, {} at last", first[name], last[name]);
    }
    let (first, last) = (&recorder.evaluations[0].metrics, &recorder.evaluations.last().unwrap().metrics);
    assert_eq!(first.keys().collect::<Vec<_>>(), metrics);
    assert!(last[metrics[0]] < first[metrics[0]], "{first:?}, {last:?}");
}

fn several() -> Vec<Value> {
    vec![json!(["LABEL_0", "LABEL_3"]), json!([1]), json!([]), json!([0.0, 1.0, 1.0, 0.0])]
}

fn numbers() -> Vec<Value> {
    vec![json!(-1.5), json!(2), json!(0.25), json!(3)]
}

#[test]
fn several_classes_of_an_example() {
    let distillation = json!({ "kd_loss_type": "bce", "temperature": 2, "hard_label_weight": 1 });
    let (experiment, folder) = experiment(&recorded("bert_multi_label"), &several(), distillation);
    let (recorder, assembled) = trained(&experiment, &folder);
    assert_learns(&recorder, &["total_loss", "unweighted_hard_label_loss"], &["dev_loss", "dev_f1"]);
    assert_eq!(assembled.session.metric_names(), ["dev_loss", "dev_f1"]);
}

#[test]
fn numbers_of_an_example() {
    let distillation = json!({ "kd_loss_type": "mse", "temperature": 1, "hard_label_weight": 1 });
    let (experiment, folder) = experiment(&recorded("bert_regression"), &numbers(), distillation);
    let (recorder, _) = trained(&experiment, &folder);
    let losses = ["total_loss", "unweighted_hard_label_loss"];
    assert_learns(&recorder, &losses, &["dev_loss", "dev_mae", "dev_pearson"]);
}

/// The word embeddings are trained as the one parameter that they are.
#[test]
fn words_with_tied_embeddings() {
    let labels = [json!([-100, 7, -100, 3]), json!([1, -100, -100, 2])];
    let distillation = json!({ "temperature": 2, "hard_label_weight": 1 });
    let (experiment, folder) = experiment(&recorded("bert_masked_lm"), &labels, distillation);
    let (recorder, assembled) = trained(&experiment, &folder);
    assert_learns(&recorder, &["total_loss", "unweighted_hard_label_loss"], &["dev_loss", "dev_accuracy"]);

    let (words, decoder) = ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight");
    let checkpoint = folder.path().join("out/checkpoints/step-12");
    let weights = read_tensors(&checkpoint.join("model.safetensors"));
    assert_eq!(weights[words], weights[decoder]);
    assert_eq!(&weights[words], assembled.session.student.parameters().get(decoder).unwrap());
    let initial = read_tensors(&recorded("bert_masked_lm").join("model.safetensors"));
    assert_ne!(weights[words], initial[words]);
    let optimizer = read_tensors(&checkpoint.join("optimizer.safetensors"));
    assert!(optimizer.keys().any(|name| name.starts_with(words)), "{:?}", optimizer.keys());
    assert!(!optimizer.keys().any(|name| name.starts_with(decoder)), "{:?}", optimizer.keys());
}

#[test]
fn a_kd_loss_that_the_head_does_not_mean_is_refused() {
    for (model, labels, key, value, expected) in [
        (
            "bert_multi_label",
            several(),
            "kd_loss_type",
            json!("ce"),
            "distillation.kd_loss_type: `ce` compares the softmax over all classes, and the student is trained for \
             multi-label classification, where each class holds or not; expected `bce`, `mse` or a plugin's loss",
        ),
        ("bert_multi_label", several(), "kd_loss_type", json!(["js", 0.5]), "`js 0.5` compares the softmax"),
        ("bert_multi_label", several(), "kd_loss_type", json!("dkd"), "`dkd 1 8` compares the softmax"),
        (
            "bert_regression",
            numbers(),
            "kd_loss_type",
            json!("reverse_kl"),
            "`reverse_kl` compares the softmax over all classes, and the student is trained for regression, whose outputs \
             are no scores of classes; expected `mse` or a plugin's loss",
        ),
        ("bert_regression", numbers(), "kd_loss_type", json!("bce"), "`bce` compares the sigmoid of each class"),
        (
            "bert_sequence_classification",
            vec![json!(1), json!(0)],
            "kd_loss_type",
            json!("bce"),
            "`bce` compares the sigmoid of each class, and the student is trained for single-label classification, where \
             exactly one class holds; expected `ce`, `mse`",
        ),
        ("bert_multi_label", several(), "temperature_scheduler", json!(["cwsm", 1]), "`cwsm` reads the softmax"),
        ("bert_multi_label", several(), "probability_shift", json!(true), "distillation.probability_shift: it makes"),
    ] {
        let mut distillation = json!({ "kd_loss_type": if model == "bert_regression" { "mse" } else { "bce" } });
        distillation[key] = value.clone();
        let (experiment, _folder) = experiment(&recorded(model), &labels, distillation);
        let found = refused(&experiment);
        assert!(found.contains(expected), "{model} {key} {value}: {found}");
    }
    // Where the KD loss counts for nothing, so does what it means.
    let distillation = json!({ "kd_loss_weight": 0, "hard_label_weight": 1 });
    let (experiment, folder) = experiment(&recorded("bert_multi_label"), &several(), distillation);
    trained(&experiment, &folder);
}

#[test]
fn logits_of_different_meaning_are_not_compared() {
    let teacher = Scratch::of("bert_multi_label");
    teacher.set("problem_type", Value::Null);
    let distillation = json!({ "kd_loss_type": "mse" });
    let (mut experiment, _folder) = experiment(&recorded("bert_multi_label"), &several(), distillation);
    experiment.teacher.as_mut().unwrap().model = teacher.path().to_owned();
    experiment.student.init.as_mut().unwrap().from = recorded("bert_multi_label");
    let found = refused(&experiment);
    let expected = "the teacher is trained for single-label classification and the student for multi-label";
    assert!(found.contains(expected), "{found}");
}

/// A config of sizes alone, as TextBrewer's examples have them.
#[test]
fn a_students_config_without_classes_is_for_the_teachers_task() {
    let teacher = recorded("bert_multi_label");
    let distillation = json!({ "kd_loss_type": "bce" });
    let (mut experiment, folder) = experiment(&teacher, &several(), distillation);
    let mut config: Value = serde_json::from_slice(&std::fs::read(teacher.join("config.json")).unwrap()).unwrap();
    for key in ["model_type", "architectures", "id2label", "label2id", "problem_type"] {
        config.as_object_mut().unwrap().shift_remove(key).unwrap();
    }
    let file = folder.path().join("small.json");
    std::fs::write(&file, config.to_string()).unwrap();
    experiment.student.init = None;
    experiment.student.config = Some(file);
    let assembled = assemble(&experiment, &mut NoPlugins, &|_| {}).unwrap();
    assert_eq!(
        assembled.session.student.of_task(None).unwrap().spec().task,
        assembled.session.tasks[0].teachers[0].model.spec().task
    );
    let notes: Vec<&str> = assembled.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(
        notes,
        ["model type, architecture, labels and problem type of the student are the teacher's: its config has none"]
    );
}
