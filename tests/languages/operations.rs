//! Every operation of the contract, computed by a plugin and by libtorch.

use brewer::{Adaptor, Batch};
use brewer_plugin_host::{Permission, PluginOptions};
use tch::{Device, Kind, Reduction, Tensor};

use crate::guests::{Language, each_language, outputs, silent, student};

each_language!(check);

fn check(language: Language) {
    let inputs = Inputs::new();
    let permissions = [Permission::ReadValues].into_iter().collect();
    let options = PluginOptions { permissions, log: silent(), ..Default::default() };
    let mut guest = language.guest("operations", options);
    let found = guest.adapt(&student(0), &inputs.batch(), &outputs()).unwrap().losses;
    let expected = inputs.results();
    for ((name, expected), found) in expected.iter().zip(&found) {
        assert_eq!(found.kind(), expected.kind(), "{language:?}: {name}");
        assert_eq!(found.size(), expected.size(), "{language:?}: {name}");
        assert!(found.equal(expected), "{language:?}: {name}: {found} {expected}");
    }
    assert_eq!(found.len(), expected.len(), "{language:?}");
}

struct Inputs {
    /// `[2, 3]` of any numbers, and of positive ones.
    x: Tensor,
    y: Tensor,
    /// `[3, 2]`
    w: Tensor,
    /// `[2, 3]` of 0, 1 and 2; `[2]`.
    index: Tensor,
    pick: Tensor,
    /// `[2, 3]`
    mask: Tensor,
}

impl Inputs {
    fn new() -> Self {
        let float = (Kind::Float, Device::Cpu);
        Self {
            x: Tensor::randn([2, 3], float),
            y: Tensor::rand([2, 3], float) + 0.5,
            w: Tensor::randn([3, 2], float),
            index: Tensor::from_slice(&[0i64, 2, 1, 1, 1, 0]).reshape([2, 3]),
            pick: Tensor::from_slice(&[2i64, 0]),
            mask: Tensor::from_slice(&[true, false, true, false, false, true]).reshape([2, 3]),
        }
    }

    fn batch(&self) -> Batch {
        let Self { x, y, w, index, pick, mask } = self;
        [("x", x), ("y", y), ("w", w), ("index", index), ("pick", pick), ("mask", mask)]
            .into_iter()
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .collect()
    }

    /// In the order of the guests.
    fn results(&self) -> Vec<(&'static str, Tensor)> {
        let parts = [self.arithmetic(), self.logic(), self.reductions(), self.selections(), self.views(), self.rest()];
        parts.into_iter().flatten().collect()
    }

    fn arithmetic(&self) -> Vec<(&'static str, Tensor)> {
        let Self { x, y, index, .. } = self;
        vec![
            ("x + y", x + y),
            ("x - y", x - y),
            ("x * y", x * y),
            ("x / y", x / y),
            ("x + 1", x + 1),
            ("x - 0.5", x - 0.5),
            ("index * 2", index * 2),
            ("index * 0.5", index * 0.5),
            ("index / 2", index / 2),
            ("x pow 2", x.pow_tensor_scalar(2)),
            ("clamp -0.5..0.5", x.clamp(-0.5, 0.5)),
            ("clamp 0..", x.clamp_min(0)),
            ("-x", -x),
            ("abs", x.abs()),
            ("exp", x.exp()),
            ("log", y.log()),
            ("sqrt", y.sqrt()),
            ("tanh", x.tanh()),
            ("sigmoid", x.sigmoid()),
            ("relu", x.relu()),
            ("gelu", x.gelu("none")),
            ("maximum", x.maximum(y)),
            ("minimum", x.minimum(y)),
        ]
    }

    fn logic(&self) -> Vec<(&'static str, Tensor)> {
        let Self { x, y, index, mask, .. } = self;
        vec![
            ("x == y", x.eq_tensor(y)),
            ("x != y", x.ne_tensor(y)),
            ("x < y", x.lt_tensor(y)),
            ("x <= y", x.le_tensor(y)),
            ("x > y", x.gt_tensor(y)),
            ("x >= y", x.ge_tensor(y)),
            ("index == 1", index.eq(1)),
            ("index != 1", index.ne(1)),
            ("index < 1", index.lt(1)),
            ("index <= 1", index.le(1)),
            ("index > 1", index.gt(1)),
            ("index >= 1", index.ge(1)),
            ("mask and x > 0", mask.logical_and(&x.gt(0))),
            ("mask or x > 0", mask.logical_or(&x.gt(0))),
            ("not mask", mask.logical_not()),
            ("where", x.where_self(mask, y)),
        ]
    }

    fn reductions(&self) -> Vec<(&'static str, Tensor)> {
        let Self { x, mask, index, w, .. } = self;
        vec![
            ("sum", x.sum(None)),
            ("sum of integers", index.sum(None)),
            ("sum 1", x.sum_dim_intlist(1, false, None)),
            ("sum 0 1, keep", x.sum_dim_intlist([0i64, 1].as_slice(), true, None)),
            ("mean", x.mean(None)),
            ("mean 0", x.mean_dim(0, false, None)),
            ("logsumexp -1, keep", x.logsumexp(-1, true)),
            ("max 1", x.amax(1, false)),
            ("min -1, keep", x.amin(-1, true)),
            ("norm 1 over 1", x.norm_scalaropt_dim(1, 1, false)),
            ("any 0", mask.any_dim(0, false)),
            ("all 1", mask.all_dim(1, false)),
            ("argmax 1", x.argmax(1, false)),
            ("softmax", x.softmax(-1, None)),
            ("log_softmax", x.log_softmax(-1, None)),
            ("matmul", x.matmul(w)),
        ]
    }

    fn selections(&self) -> Vec<(&'static str, Tensor)> {
        let Self { x, index, pick, mask, .. } = self;
        vec![
            ("gather", x.gather(1, index, false)),
            ("index_select", x.index_select(1, pick)),
            ("masked_fill", x.masked_fill(mask, -1)),
            ("masked_select", x.masked_select(mask)),
        ]
    }

    fn views(&self) -> Vec<(&'static str, Tensor)> {
        let Self { x, w, .. } = self;
        vec![
            ("detach", x.detach()),
            ("to int64", x.to_kind(Kind::Int64)),
            ("select", x.select(1, -1)),
            ("narrow", x.narrow(1, 1, 2)),
            ("reshape", x.reshape([3, -1])),
            ("permute", x.permute([1, 0])),
            ("transpose", x.transpose(0, -1)),
            ("unsqueeze", x.unsqueeze(1)),
            ("squeeze", x.shallow_clone()),
            ("expand", x.unsqueeze(0).expand([4, -1, -1], false)),
            ("flatten", x.flatten(0, 1)),
            ("cat", Tensor::cat(&[x, &w.transpose(0, 1)], 1)),
            ("stack", Tensor::stack(&[x, x], 0)),
            ("the second and third of a list of three", Tensor::cat(&[&(x + 1), &(x + 2)], 0)),
        ]
    }

    fn rest(&self) -> Vec<(&'static str, Tensor)> {
        let Self { x, y, index, pick, mask, .. } = self;
        let probabilities = y.softmax(-1, None);
        let logs = x.log_softmax(-1, None);
        let cpu = Device::Cpu;
        vec![
            ("zeros", Tensor::zeros([2], (Kind::Int64, cpu))),
            ("ones", Tensor::ones([2, 1], (Kind::BFloat16, cpu))),
            ("full", Tensor::full([2], 1.5, (Kind::Double, cpu))),
            ("arange", Tensor::arange_start_step(0, 6, 2, (Kind::Int64, cpu))),
            ("cross_entropy", x.cross_entropy_loss::<Tensor>(pick, None, Reduction::Mean, 2, 0.0)),
            ("mse", x.mse_loss(y, Reduction::None)),
            ("kl", logs.kl_div(&probabilities, Reduction::Sum, false)),
            ("kl of logs", logs.kl_div(&y.log_softmax(-1, None), Reduction::Mean, true)),
            ("bce", x.binary_cross_entropy_with_logits::<Tensor>(&probabilities, None, None, Reduction::Sum)),
            ("cosine", Tensor::cosine_similarity(x, y, 1, 1e-8)),
            ("read and written, floats", x.shallow_clone()),
            ("read and written, the last four integers", index.reshape([-1]).narrow(0, 2, 4)),
            ("read and written, booleans", mask.shallow_clone()),
            ("the shape", Tensor::from_slice(&[2i64, 3])),
        ]
    }
}
