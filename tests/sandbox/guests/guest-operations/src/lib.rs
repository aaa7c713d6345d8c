//! Asks for random operations with wild arguments, and goes on whatever the answer is.

use std::cell::RefCell;

use brewer_sdk::{
    host::random_u64,
    losses::{self, Reduction},
    prelude::*,
    values,
};

const OPERATIONS: usize = 200;

fn adapt(_: &Context, batch: &Batch, outputs: &Outputs) -> Result<Features> {
    let choices = batch.get("choices")?.map_or(Ok(vec![]), |choices| values::read::<i64>(&choices))?;
    CHOICES.set(choices.into_iter());
    let mut pool = vec![outputs.tensor("logits")?, batch.tensor("labels")?, batch.tensor("attention_mask")?];
    pool.push(outputs.list("hidden_states")?.get(1)?);
    for _ in 0..OPERATIONS {
        // Errors are what this guest is after.
        if let Ok(tensor) = operate(&pool) {
            let place = below(12);
            if place < pool.len() { pool[place] = tensor } else { pool.push(tensor) }
        }
    }
    Ok(Features { losses: pool.swap_remove(0).into(), ..Features::default() })
}

thread_local! {
    /// Those of the batch, in order; random ones follow.
    static CHOICES: RefCell<std::vec::IntoIter<i64>> = RefCell::default();
}

fn below(end: usize) -> usize {
    let choice = CHOICES.with_borrow_mut(Iterator::next);
    choice.map_or_else(|| (random_u64() % end as u64) as usize, |choice| choice.unsigned_abs() as usize % end)
}

/// Mostly small, sometimes at the edges of what a number can be.
fn wild() -> i64 {
    const EDGES: [i64; 10] = [i64::MIN, i64::MAX, i64::MIN + 1, 1 << 62, 1 << 32, 1 << 31, -(1 << 32), 1 << 16, 65, -7];
    if below(6) == 0 { EDGES[below(EDGES.len())] } else { below(7) as i64 - 2 }
}

fn wild_float() -> f64 {
    const EDGES: [f64; 8] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324, -0.0, 1e300, -1e-300];
    if below(4) == 0 { EDGES[below(EDGES.len())] } else { below(7) as f64 - 2.5 }
}

fn wild_shape() -> Vec<i64> {
    (0..below(5)).map(|_| wild()).collect()
}

fn kind() -> Kind {
    const KINDS: [Kind; 10] = [
        Kind::Float16,
        Kind::Bfloat16,
        Kind::Float32,
        Kind::Float64,
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::Boolean,
    ];
    KINDS[below(KINDS.len())]
}

fn reduction() -> Reduction {
    [Reduction::None, Reduction::Mean, Reduction::Sum][below(3)]
}

fn operate(pool: &[Tensor]) -> Result<Tensor> {
    let (a, b, c) = (&pool[below(pool.len())], &pool[below(pool.len())], &pool[below(pool.len())]);
    let (dim, keep) = (wild(), below(2) == 0);
    match below(57) {
        0 => a.select(dim, wild()),
        1 => a.narrow(dim, wild(), wild()),
        2 => a.reshape(&wild_shape()),
        3 => a.permute(&wild_shape()),
        4 => a.transpose(dim, wild()),
        5 => a.squeeze(dim),
        6 => a.unsqueeze(dim),
        7 => a.expand(&wild_shape()),
        8 => a.flatten(dim, wild()),
        9 => a.add(b),
        10 => a.sub(b),
        11 => a.mul(b),
        12 => a.div(b),
        13 => a.maximum(b),
        14 => a.add(wild()),
        15 => a.mul(wild_float()),
        16 => a.div(wild()),
        17 => a.pow(wild()),
        18 => a.pow(wild_float()),
        19 => a.clamp(wild(), wild_float() as i64),
        20 => a.clamp_min(wild_float()),
        21 => a.exp()?.log(),
        22 => a.sqrt(),
        23 => a.gelu(),
        24 => a.neg(),
        25 => a.abs(),
        26 => a.eq(b),
        27 => a.lt(wild()),
        28 => a.ge(wild_float()),
        29 => a.logical_and(b),
        30 => a.logical_not(),
        31 => a.where_(&b.gt(0)?, c),
        32 => a.sum(&wild_shape(), keep),
        33 => a.mean(&wild_shape(), keep),
        34 => a.max(&wild_shape(), keep),
        35 => a.norm(wild_float(), &wild_shape(), keep),
        36 => a.any(&wild_shape(), keep),
        37 => a.argmax(dim, keep),
        38 => a.softmax(dim),
        39 => a.log_softmax(dim),
        40 => a.matmul(b),
        41 => a.gather(dim, b),
        42 => a.index_select(dim, &b.to_kind(Kind::Int64)?),
        43 => a.masked_fill(&b.gt(0)?, wild_float()),
        44 => a.masked_select(&b.ge(0)?),
        45 => a.to_kind(kind()),
        46 => Tensor::full(&wild_shape(), wild_float(), kind()),
        47 => Tensor::arange(wild_float(), wild(), wild_float(), kind()),
        48 => Tensor::cat(&[a, b, c], dim),
        49 => Tensor::stack(&[a, b], dim),
        50 => losses::cross_entropy_ignoring(a, &b.to_kind(Kind::Int64)?, wild(), reduction()),
        51 => losses::mean_squared_error(a, b, reduction()),
        52 => losses::kl_divergence(a, b, reduction()),
        53 => losses::cosine_similarity(a, b, dim),
        54 => values::read_range::<f32>(a, wild() as usize, wild() as usize).map(|_| a.clone()),
        55 => a.logsumexp(&wild_shape(), keep),
        _ => values::write(&[1.5f32, wild_float() as f32], &wild_shape()),
    }
}

brewer_sdk::export_adaptor!(adapt);
