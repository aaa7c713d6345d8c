//! A plugin with a memory in every role: how often it was called, and the running mean of a number that it draws at each
//! call. What it returns depends on both, so a run whose memory is lost is another one. It saves its memory as its
//! configuration says, `{ "do": "save-much" }`, or else well.

use std::cell::RefCell;

use brewer_sdk::{
    host::{self, random_uniform},
    metrics,
    prelude::*,
};

brewer_sdk::export_adaptor!(adapt);
brewer_sdk::export_batch_postprocessor!(process);
brewer_sdk::export_callback!(on_checkpoint);
brewer_sdk::export_kd_loss!(kd_loss);
brewer_sdk::export_match_loss!(match_loss);
brewer_sdk::export_temperature_scheduler!(temperature);
brewer_sdk::export_weight_scheduler!(weight);
brewer_sdk::export_state!(save, restore);

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Config {
    #[serde(rename = "do")]
    deed: String,
}

#[derive(Clone, Copy, Default)]
struct Memory {
    calls: u64,
    mean: f64,
}

thread_local! {
    static MEMORY: RefCell<Memory> = const { RefCell::new(Memory { calls: 0, mean: 0.0 }) };
    /// Handles that are never dropped, which wears the instance out.
    static KEPT: RefCell<Vec<Tensor>> = const { RefCell::new(Vec::new()) };
}

/// Remembers one more call.
fn remember() -> Memory {
    MEMORY.with_borrow_mut(|memory| {
        memory.calls += 1;
        memory.mean += (random_uniform() - memory.mean) / memory.calls as f64;
        *memory
    })
}

fn save() -> Result<Vec<u8>> {
    let Config { deed } = config()?;
    let Memory { calls, mean } = MEMORY.with_borrow(|memory| *memory);
    match deed.as_str() {
        "save-much" => Ok(vec![1; 64 << 20]),
        "save-nothing" => Ok(vec![]),
        "tell-much" => {
            host::log(host::Level::Info, &"much ".repeat(16 << 20));
            Ok(vec![])
        }
        "save-error" => Err("I keep it to myself".into()),
        "save-loop" => loop {
            std::hint::black_box(());
        },
        _ => Ok([calls.to_le_bytes(), mean.to_bits().to_le_bytes()].concat()),
    }
}

fn restore(bytes: &[u8]) -> Result<()> {
    let Config { deed } = config()?;
    match deed.as_str() {
        "save-nothing" if bytes.is_empty() => {
            MEMORY.take();
            return Ok(());
        }
        "restore-error" => return Err("I have forgotten how".into()),
        "restore-panic" => panic!("no more"),
        "restore-loop" => loop {
            std::hint::black_box(());
        },
        _ => {}
    }
    let number =
        |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| Error::from("not 16 bytes".to_owned()));
    let (calls, mean) = bytes.split_at_checked(8).ok_or_else(|| Error::from("not 16 bytes".to_owned()))?;
    MEMORY.set(Memory { calls: number(calls)?, mean: f64::from_bits(number(mean)?) });
    Ok(())
}

fn adapt(_: &Context, batch: &Batch, outputs: &Outputs) -> Result<Features> {
    Ok(Features {
        logits: (outputs.tensor("logits")? * (1.0 + remember().mean)).into(),
        hidden: outputs.list("hidden_states")?,
        losses: outputs.get("loss")?.into_iter().collect(),
        inputs_mask: Some(batch.tensor("attention_mask")?),
        ..Features::default()
    })
}

/// Hides a token that moves on from call to call.
fn process(_: &Context, mut batch: Batch) -> Result<Batch> {
    let ids = batch.tensor("input_ids")?;
    let (length, calls) = (ids.shape()[1], remember().calls as i64);
    let hidden = Tensor::arange(0, length, 1, Kind::Int64)?.eq(calls % length)?;
    batch.insert("input_ids", &ids.masked_fill(&hidden, 1)?)?;
    Ok(batch)
}

fn on_checkpoint(_: u64) -> Result<Action> {
    let Memory { calls, mean } = remember();
    metrics::report("calls", calls as f64)?;
    metrics::report("mean", mean)?;
    Ok(Action::Continue)
}

fn kd_loss(inputs: &KdInputs) -> Result<Tensor> {
    let Config { deed } = config()?;
    if deed == "keep-handles" {
        KEPT.with_borrow_mut(|kept| (0..10).try_for_each(|_| inputs.student.abs().map(|tensor| kept.push(tensor))))?;
    }
    if deed == "tell-step" {
        let step = host::step();
        let told = (step.step, step.global_step, step.epoch, step.progress, &step.task, step.side.is_some());
        host::log(host::Level::Info, &format!("{told:?}"));
    }
    let Memory { calls, mean } = remember();
    Ok((&inputs.student - &inputs.teacher).pow(2)?.mean(&[], false)? * (mean + 1.0 / calls as f64))
}

fn match_loss(inputs: &MatchInputs) -> Result<Tensor> {
    Ok((&inputs.student[0] - &inputs.teacher[0]).pow(2)?.mean(&[], false)? * (1.0 + remember().mean))
}

fn temperature(_: &Tensor, _: &Tensor, base: f64) -> Result<Temperature> {
    Ok(Temperature::scalar(base + remember().mean))
}

fn weight(progress: f64) -> Result<f64> {
    Ok(1.0 - progress * remember().mean)
}
