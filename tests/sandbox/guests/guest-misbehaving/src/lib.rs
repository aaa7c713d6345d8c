//! Does one bad thing a call: what its configuration says, `{ "do": "loop" }`.

mod features;
mod memory;
mod tensors;

use brewer_sdk::{
    host::{self, Level},
    losses::{Reduction, cross_entropy},
    prelude::*,
    values,
};
use serde::Deserialize;

const HUNDREDS_OF_MEGABYTES: usize = 200 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    #[serde(rename = "do")]
    deed: Deed,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    Behave,
    ReturnError,
    ReturnNothing,
    ReturnEscapes,
    ReturnLong,
    ReturnInputs,
    Panic,
    Unwrap,
    Trap,
    Loop,
    Recurse,
    Allocate,
    LogFlood,
    LogLong,
    LogEmpty,
    LogNothing,
    OperateForEver,
    HoardHandles,
    HoardInLists,
    HoardInFeatures,
    KeepHandle,
    LeakHandles,
    HugeTensor,
    OverflowShape,
    ManyTensors,
    BroadcastHuge,
    ExpandHuge,
    MultiplyHuge,
    MultiplyHalves,
    MultiplyNumbers,
    PickNumbers,
    SumBooleans,
    GradientOfViews,
    GradientOfSelects,
    GradientOfPicks,
    GradientOfTemperatures,
    PickAgain,
    LongShape,
    LongName,
    WrongShape,
    WrongKind,
    IndexOutside,
    LabelOutside,
    ProbeIndexSelect,
    ProbeGather,
    ProbeCrossEntropy,
    ProbeNoClasses,
    SelectByMask,
    Read,
    ReadAll,
    ReadOutside,
    Write,
    WriteMuch,
    ReadLayer,
    ReadMany,
    Loss,
    ManyLogits,
    WideLogits,
    SquareHidden,
    DetachLogits,
    NoLogits,
    LaterCount,
    LaterBatch,
    LaterIntegers,
    LaterDetached,
    LaterNone,
    LaterClasses,
    Random,
    Count,
    CountAndFail,
}

fn adapt(context: &Context, batch: &Batch, outputs: &Outputs) -> Result<Features> {
    let Config { deed } = config()?;
    let logits = || outputs.tensor("logits");
    match deed {
        Deed::Behave => {}
        Deed::ReturnError => return Err("the batch is not to my taste".into()),
        Deed::ReturnNothing => return Ok(Features::default()),
        Deed::ReturnEscapes => return Err("\u{1b}[2Jcleared".into()),
        Deed::ReturnLong => return Err("long ".repeat(HUNDREDS_OF_MEGABYTES / 5).into()),
        Deed::ReturnInputs => return tensors::return_inputs(batch, outputs),
        Deed::Panic => panic!("no logits for step {}", context.step),
        Deed::Unwrap => _ = &logits()? + &Tensor::zeros(&[17], Kind::Float32)?,
        Deed::Trap => trap(),
        Deed::Loop => memory::spin(),
        Deed::Recurse => _ = memory::recurse(context.step),
        Deed::Allocate => memory::allocate(),
        Deed::LogFlood => loop {
            host::log(Level::Info, "a line that says nothing, again and again");
        },
        Deed::LogLong => host::log(Level::Info, &"long ".repeat(100_000)),
        Deed::LogEmpty => (0..15_000).for_each(|_| host::log(Level::Info, "")),
        Deed::LogNothing => host::log(Level::Info, "a line"),
        Deed::OperateForEver => tensors::operate_for_ever()?,
        Deed::HoardHandles => tensors::hoard(&logits()?)?,
        Deed::HoardInLists => tensors::hoard_in_lists(&logits()?)?,
        Deed::HoardInFeatures => {
            let hidden = outputs.list("hidden_states")?;
            return tensors::hoard_in_features(&hidden);
        }
        Deed::KeepHandle => tensors::keep(logits()?)?,
        Deed::LeakHandles => std::mem::forget((logits()?, logits()?)),
        Deed::HugeTensor => _ = Tensor::zeros(&[1 << 20, 1 << 20], Kind::Float32)?,
        Deed::OverflowShape => _ = Tensor::zeros(&[i64::MAX, 4, 0], Kind::Float32)?,
        Deed::ManyTensors => tensors::make_many()?,
        Deed::BroadcastHuge => tensors::broadcast()?,
        Deed::ExpandHuge => _ = Tensor::zeros(&[1, 1], Kind::Int8)?.expand(&[1 << 40, 1 << 40])?,
        Deed::MultiplyHuge => tensors::multiply()?,
        Deed::MultiplyHalves => tensors::multiply_halves()?,
        Deed::MultiplyNumbers => tensors::multiply_numbers()?,
        Deed::PickNumbers => tensors::pick_numbers()?,
        Deed::SumBooleans => tensors::sum_booleans()?,
        Deed::GradientOfViews => return features::of_loss(tensors::views(&logits()?, 1 << 19, 10)?),
        Deed::GradientOfSelects => return features::of_loss(tensors::views(&logits()?, 1 << 25, 60)?),
        Deed::GradientOfPicks => return features::of_loss(tensors::pick_between(&logits()?)?),
        Deed::GradientOfTemperatures => return features::of_loss(tensors::soften(&logits()?)?),
        Deed::PickAgain => _ = tensors::pick_again(&Tensor::ones(&[1], Kind::Boolean)?, 0, 1 << 22)?,
        Deed::LongShape => _ = Tensor::zeros(&vec![1; 1_000_000], Kind::Float32)?,
        Deed::LongName => _ = batch.tensor(&"n".repeat(HUNDREDS_OF_MEGABYTES))?,
        Deed::WrongShape => _ = logits()?.matmul(&logits()?)?,
        Deed::WrongKind => _ = batch.tensor("labels")?.softmax(0)?,
        Deed::IndexOutside => _ = logits()?.index_select(0, &Tensor::full(&[1], 99, Kind::Int64)?)?,
        Deed::LabelOutside => {
            let labels = Tensor::full(&[3], 2, Kind::Int64)?;
            cross_entropy(&logits()?, &labels, Reduction::Mean)?;
        }
        Deed::ProbeIndexSelect => return tensors::probe(batch, |labels| logits()?.index_select(1, labels)),
        Deed::ProbeGather => return tensors::probe(batch, |labels| logits()?.gather(1, &labels.unsqueeze(-1)?)),
        Deed::ProbeCrossEntropy => {
            return tensors::probe(batch, |labels| cross_entropy(&logits()?, labels, Reduction::Mean));
        }
        Deed::ProbeNoClasses => tensors::probe_no_classes(batch)?,
        Deed::SelectByMask => {
            let ones = batch.tensor("labels")?;
            let count = ones.masked_select(&ones.eq(1)?)?.numel();
            return Err(format!("{count} labels are 1, as a shape has told").into());
        }
        Deed::Read => tensors::compare(&values::read_range::<f32>(&logits()?, 1, 2)?, 2)?,
        Deed::ReadAll => tensors::compare(&values::read::<f32>(&outputs.list("hidden_states")?.get(0)?)?, 96)?,
        Deed::ReadOutside => _ = values::read_range::<f32>(&logits()?, usize::MAX, 2)?,
        Deed::Write => {
            return Ok(Features { logits: values::write(&[0.5f32, 1.5], &[1, 2])?.into(), ..Default::default() });
        }
        Deed::WriteMuch => _ = values::write(&vec![0i64; 1 << 20], &[1 << 20])?,
        Deed::ReadLayer => _ = outputs.list("hidden_states")?.narrow(1, 3)?.get(2)?,
        Deed::ReadMany => _ = outputs.list("hidden_states")?.narrow(1, 3)?.stack(0)?,
        Deed::Loss => {
            let loss = cross_entropy(&logits()?, &batch.tensor("labels")?, Reduction::Mean)?;
            return Ok(Features { losses: (loss * 2.0).into(), ..Default::default() });
        }
        Deed::ManyLogits => return features::many(&logits()?),
        Deed::WideLogits => return features::wide(&logits()?),
        Deed::SquareHidden => return features::square(&outputs.list("hidden_states")?),
        Deed::DetachLogits => return features::detached(outputs),
        Deed::NoLogits => return features::without_logits(outputs),
        Deed::LaterCount
        | Deed::LaterBatch
        | Deed::LaterIntegers
        | Deed::LaterDetached
        | Deed::LaterNone
        | Deed::LaterClasses
            if context.step < 2 => {}
        Deed::LaterCount => return Ok(Features { logits: [logits()?, logits()?].into(), ..Default::default() }),
        Deed::LaterBatch => return features::of_logits(logits()?.narrow(0, 1, 2)?),
        Deed::LaterIntegers => return features::of_logits(logits()?.to_kind(Kind::Int64)?),
        Deed::LaterDetached => return features::of_logits(logits()?.detach()?),
        Deed::LaterNone => return Ok(Features { hidden: outputs.list("hidden_states")?, ..Default::default() }),
        Deed::LaterClasses => return features::of_logits(logits()?.narrow(1, 0, 1)?),
        Deed::Random => return number(host::random_uniform()),
        Deed::Count => return number(memory::count() as f64),
        Deed::CountAndFail => return count_and_fail(),
    }
    Ok(Features { logits: logits()?.into(), ..Default::default() })
}

/// The number of the call; every tenth call fails.
fn count_and_fail() -> Result<Features> {
    let call = memory::count();
    if call.is_multiple_of(10) {
        return Err(format!("call {call} of this instance").into());
    }
    Ok(Features { losses: Tensor::full(&[], call as f64, Kind::Float64)?.into(), ..Default::default() })
}

/// A number where a test can see it.
fn number(number: f64) -> Result<Features> {
    Ok(Features { logits: Tensor::full(&[1, 1], number, Kind::Float64)?.into(), ..Default::default() })
}

#[cfg(target_arch = "wasm32")]
fn trap() {
    std::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() {
    std::process::abort()
}

brewer_sdk::export_adaptor!(adapt);
