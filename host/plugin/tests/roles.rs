//! What a plugin must not get away with in the roles beside the adaptor: one clear error, and the next call works.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use brewer::callback::{DataSplit, Scalars};
use brewer::data::{DataConfig, Dataset, Loader, Order};
use brewer::evaluation::{Preparation, evaluate};
use brewer::loss::{KdInputs, KdLoss, MatchLoss};
use brewer::model::{InputColumn, InputSpec, LoadOptions, ModelSpec, SharedBody, load};
use brewer::temperature::{Temperature, TemperatureScheduler};
use brewer::weight::WeightScheduler;
use brewer::{Batch, BatchPostprocessor, Callback, StepContext, Student, Task};
use brewer_plugin_host::{
    Limits, Permission, Plugin, PluginBatchPostprocessor, PluginCallback, PluginKdLoss, PluginMatchLoss, PluginOptions,
    PluginRole, PluginTemperatureScheduler, PluginWeightScheduler,
};
use common::{batch, component, engine, silent, student};
use serde_json::json;
use tch::{Device, Kind, Tensor};

fn plugin(deed: &str) -> Plugin {
    let limits = Limits { call_seconds: 0.5, ..Limits::default() };
    let config = Some(json!({ "do": deed }));
    let options = PluginOptions { config, limits, log: silent(), ..Default::default() };
    Plugin::load(&engine(), component("guest-roles"), options).unwrap()
}

/// What goes wrong in every role alike.
const EVERYWHERE: [(&str, &str); 3] =
    [("return-error", "I will not"), ("panic", "no more"), ("loop", "did not return in time")];

/// Each deed twice: after a trap the instance is a new one.
#[track_caller]
fn refused<T: std::fmt::Debug>(role: &str, deed: &str, expected: &str, mut call: impl FnMut() -> brewer::Result<T>) {
    for _ in 0..2 {
        let message = call().unwrap_err().to_string();
        assert!(message.starts_with("plugin guest-roles.wasm (") && message.contains(role), "{deed}: {message}");
        assert!(message.contains(expected), "{deed}: `{expected}` is not in: {message}");
    }
}

#[test]
fn one_component_may_have_every_role() {
    assert_eq!(plugin("").roles(), PluginRole::ALL);
}

#[test]
fn post_processors_return_batches() {
    let process = |deed: &str| PluginBatchPostprocessor::new(&plugin(deed), vec![]).unwrap();
    let processed = process("").process(&student(0), batch()).unwrap();
    assert_eq!(processed.names().last(), Some("task_ids"));
    let doubled = process("double").process(&student(0), batch()).unwrap();
    assert_eq!(doubled.len(), 2 * batch().len());
    let own = [
        ("empty", "a batch without a tensor"),
        ("no-examples", "one example or more"),
        ("uneven", "the same number of examples"),
        ("no-name", "name"),
        ("wild-name", r"`a\nwarning: b\u{1b}[2J` of [0, 1]"),
    ];
    for (deed, expected) in own.into_iter().chain(EVERYWHERE) {
        let mut bad = process(deed);
        refused("batch-postprocessor", deed, expected, || bad.process(&student(3), batch()));
    }
    assert_eq!(process("").process(&student(0), batch()).unwrap().len(), batch().len());
}

#[test]
fn a_batch_does_not_grow_beyond_what_the_models_can_take() {
    let reader = ModelSpec {
        architecture: "BertForSequenceClassification".into(),
        inputs: InputSpec {
            columns: vec![InputColumn { name: "input_ids", count: Some(100) }],
            max_length: Some(128),
            pad_token_id: 0,
        },
        task: Task::SingleLabel { labels: vec!["a".into(), "b".into()] },
        num_layers: Some(2),
        hidden_size: Some(128),
        num_attention_heads: Some(2),
    };
    let process = |deed: &str| PluginBatchPostprocessor::new(&plugin(deed), vec![reader.clone()]).unwrap();
    let mut growing = process("grow");
    let expected = "it returned `input_ids` of [524288, 4] to run the models on, and with them asked for";
    refused("batch-postprocessor", "grow", expected, || growing.process(&student(3), batch()));
    assert_eq!(process("double").process(&student(0), batch()).unwrap().len(), 2 * batch().len());
    // What the models look up is there: on a GPU a look beside it would end the process.
    for (deed, expected) in
        [("wild-ids", "`input_ids`: the index 5000000 is outside 0..100"), ("wild-labels", "`labels`: the index 9 is")]
    {
        let mut wild = process(deed);
        refused("batch-postprocessor", deed, expected, || wild.process(&student(3), batch()));
    }
    let words = ModelSpec { task: Task::MaskedLm { vocab_size: 100_000_000 }, num_layers: Some(0), ..reader.clone() };
    let mut growing = PluginBatchPostprocessor::new(&plugin("grow"), vec![words]).unwrap();
    refused("batch-postprocessor", "grow", expected, || growing.process(&student(3), batch()));
}

#[test]
fn a_batch_that_is_changed_is_a_copy() {
    let original = batch();
    let ids = original.get("input_ids").unwrap().shallow_clone();
    let shared: Batch = original.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
    let changed =
        PluginBatchPostprocessor::new(&plugin("wild-ids"), vec![]).unwrap().process(&student(0), shared).unwrap();
    assert_eq!(changed.get("input_ids").unwrap().int64_value(&[0, 0]), 5_000_000);
    assert!(ids.equal(&Tensor::full([3, 4], 5, (Kind::Int64, Device::Cpu))));
}

/// What both kinds of losses can return wrongly.
const LOSSES: [(&str, &str); 3] =
    [("not-scalar", "a loss of float32"), ("integers", "a loss of int64"), ("constant", "a loss without a gradient")];

fn trained() -> Tensor {
    Tensor::randn([3, 4, 6], (Kind::Float, Device::Cpu)).set_requires_grad(true)
}

#[test]
fn kd_losses_return_one_number_with_a_gradient() {
    let (student, teacher, temperature) = (trained(), trained().detach(), Temperature::Scalar(2.0));
    let inputs = KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels: None };
    for (deed, expected) in LOSSES.into_iter().chain(EVERYWHERE) {
        let bad = PluginKdLoss::new(&plugin(deed)).unwrap();
        refused("kd-loss", deed, expected, || bad.loss(&inputs));
    }
    PluginKdLoss::new(&plugin("")).unwrap().loss(&inputs).unwrap().backward();
    assert!(student.grad().defined());
}

#[test]
fn the_losses_of_a_step_share_what_is_allowed_in_it() {
    let limits = Limits { tensor_bytes: 16_000, ..Limits::default() };
    let options = PluginOptions { limits, log: silent(), ..Default::default() };
    let plugin = Plugin::load(&engine(), component("guest-roles"), options).unwrap();
    let mut loss = PluginKdLoss::new(&plugin).unwrap();
    let (student, teacher, temperature) = (trained(), trained().detach(), Temperature::Scalar(2.0));
    let inputs = KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels: None };
    // One pair of logits is well within the limit, and so is any number of steps; a hundred pairs are not.
    for step in 0..100 {
        loss.begin_step(&StepContext { step, ..StepContext::default() });
        drop(loss.loss(&inputs).unwrap());
    }
    let mut pairs = (0..100).map(|_| loss.loss(&inputs));
    let message = pairs.find_map(Result::err).expect("an error").to_string();
    for part in
        ["plugin guest-roles.wasm (kd-loss)", "of tensors in one step", "for gradients", "`limits.tensor_bytes`"]
    {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_step_that_is_computed_again_is_the_same_again() {
    let limits = Limits { tensor_bytes: 6_000, ..Limits::default() };
    let config = Some(json!({ "do": "random" }));
    let options = PluginOptions { config, limits, log: silent(), ..Default::default() };
    let mut loss = PluginKdLoss::new(&Plugin::load(&engine(), component("guest-roles"), options).unwrap()).unwrap();
    let (student, teacher, temperature) = (trained(), trained().detach(), Temperature::Scalar(2.0));
    let inputs = KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels: None };
    let twice = |loss: &mut PluginKdLoss, step| {
        loss.begin_step(&StepContext { step, ..StepContext::default() });
        [(); 2].map(|()| loss.loss(&inputs).unwrap().double_value(&[]))
    };
    // The check before training, then step 0.
    let checked = twice(&mut loss, 0);
    let first = twice(&mut loss, 0);
    assert_eq!(first, checked);
    assert_ne!(first[0], first[1]);
    let second = twice(&mut loss, 1);
    assert!(first.iter().all(|number| !second.contains(number)), "{first:?}, {second:?}");
    // Two more at a step would be too much for it.
    assert_eq!(twice(&mut loss, 0), first);
    assert!(loss.loss(&inputs).is_err());
}

#[test]
fn match_losses_return_one_number_with_a_gradient() {
    let (student, teacher) = ([trained()], [trained().detach()]);
    for (deed, expected) in LOSSES {
        let bad = PluginMatchLoss::new(&plugin(deed)).unwrap();
        refused("match-loss", deed, expected, || bad.loss(&student, &teacher, None));
    }
    // Asked before the run how many layers it takes: what goes wrong there is wrong with the plugin.
    for (deed, expected) in [("no-layers", "0 layers")].into_iter().chain(EVERYWHERE) {
        let error = PluginMatchLoss::new(&plugin(deed)).err().unwrap().to_string();
        assert!(error.contains("cannot be started") && error.contains(expected), "{deed}: {error}");
    }
    assert_eq!(PluginMatchLoss::new(&plugin("many-layers")).unwrap().num_layers(), u32::MAX as usize);
    PluginMatchLoss::new(&plugin("")).unwrap().loss(&student, &teacher, None).unwrap().backward();
}

#[test]
fn temperatures_are_above_zero() {
    let logits = Tensor::randn([3, 4], (Kind::Float, Device::Cpu));
    let own = [("zero", "the temperature 0"), ("nan", "the temperature NaN"), ("wrong-rows", "one for each row")];
    for (deed, expected) in own.into_iter().chain(EVERYWHERE) {
        let bad = PluginTemperatureScheduler::new(&plugin(deed)).unwrap();
        refused("temperature-scheduler", deed, expected, || bad.temperature(&logits, &logits, 4.0));
    }
}

#[test]
fn a_callback_runs_the_head_of_the_task_whose_data_it_reads() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/runs/basic_ce_t8");
    let options = LoadOptions { trainable: true, ..LoadOptions::frozen(Device::Cpu) };
    let origin = load(&recorded.join("student_init"), &options).unwrap().model;
    let data = DataConfig::default();
    let dataset = Dataset::read(&recorded.join("train.jsonl"), &data, origin.spec(), None, &|_| {}).unwrap();
    let loader = Loader::new(Arc::new(dataset), data.batch_size, Order::File);

    let mut body = SharedBody::of(origin.as_ref()).unwrap();
    let own = body.with_head_of(origin.as_ref(), [&recorded; 2]).unwrap();
    let other = body.with_new_head(&origin.spec().task).unwrap().model;
    let models = vec![("first".to_owned(), own.into()), ("second".to_owned(), other.into())];
    let student = Student::by_task(models, body.parameters());

    let permissions = [Permission::Dataset, Permission::ReadValues].into();
    let config = Some(json!({ "do": "evaluate" }));
    let options = PluginOptions { config, permissions, log: silent(), ..Default::default() };
    let plugin = Plugin::load(&engine(), component("guest-roles"), options).unwrap();
    let call = |task: Option<&str>| {
        let split = DataSplit { name: "train".to_owned(), task: task.map(Arc::from), loader: loader.clone() };
        let mut scalars = Scalars::new();
        let mut callback = PluginCallback::new(&plugin, [split]).unwrap();
        callback.on_checkpoint(&student, &StepContext::default(), &mut scalars).map(|_| scalars["train_loss"])
    };
    let losses = ["first", "second"].map(|task| {
        let model = student.of_task(Some(task)).unwrap();
        let found =
            evaluate(model.as_ref(), &loader, &mut Preparation::none(), Device::Cpu, &AtomicBool::new(false)).unwrap();
        let (loss, expected) = (call(Some(task)).unwrap(), found.metrics["loss"]);
        assert!((loss - expected).abs() < 1e-5, "{task}: {loss}, {expected}");
        loss
    });
    assert!((losses[0] - losses[1]).abs() > 1e-3, "{losses:?}");
    let error = call(None).unwrap_err().to_string();
    assert!(error.contains("a head for each of the tasks first, second"), "{error}");
}

#[test]
fn weights_are_finite() {
    let half = StepContext { progress: 0.5, ..StepContext::default() };
    for (deed, expected) in [("infinite", "the weight inf")].into_iter().chain(EVERYWHERE) {
        let mut bad = PluginWeightScheduler::new(&plugin(deed)).unwrap();
        refused("weight-scheduler", deed, expected, || bad.weight(&half));
    }
    assert_eq!(PluginWeightScheduler::new(&plugin("")).unwrap().weight(&half).unwrap(), 0.75);
}
