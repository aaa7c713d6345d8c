use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Order;

/// The examples to learn from and to evaluate on, and how they become batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The file of the examples to learn from, one JSON object a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<PathBuf>,
    /// The file of the examples to evaluate on: short for an `eval` with one split, `dev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<PathBuf>,
    /// Files of examples to evaluate on, each by the name of its split: the metrics of `"matched"` are `matched_loss`,
    /// `matched_accuracy`, …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub eval: BTreeMap<String, PathBuf>,
    /// The column of the text, or the pair of columns of a sentence pair. Rows with `input_ids` need none.
    pub text: TextColumns,
    /// The column of the label: the name of one of the student's classes, or its index there; a list of them where the
    /// student may find several in an example; a number where it predicts one. `labels` is read as well.
    pub label: String,
    /// The most tokens of an example: longer texts are cut short. By default what the model can take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<NonZeroUsize>,
    /// The number of examples in a batch; the last batch of an epoch may be smaller.
    pub batch_size: NonZeroUsize,
    /// The number of examples in a batch of an evaluation. By default `batch_size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_batch_size: Option<NonZeroUsize>,
    /// Whether each epoch has an order of its own; otherwise examples come in the order of the file.
    pub shuffle: bool,
    /// Whether a shuffled epoch puts examples of like length into one batch: less padding, so faster, at the price of
    /// batches that are less random.
    pub group_by_length: bool,
    /// The seed of the order. By default the run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            train: None,
            dev: None,
            eval: BTreeMap::new(),
            text: TextColumns::Single("text".to_owned()),
            label: "label".to_owned(),
            max_length: None,
            batch_size: const { NonZeroUsize::new(32).unwrap() },
            eval_batch_size: None,
            shuffle: true,
            group_by_length: false,
            seed: None,
        }
    }
}

impl DataConfig {
    /// The order of the examples in training; `run_seed` counts where the data has no seed of its own.
    pub fn train_order(&self, run_seed: u64) -> Order {
        let seed = self.seed.unwrap_or(run_seed);
        match (self.shuffle, self.group_by_length) {
            (true, true) => Order::Grouped { seed, batch_size: self.batch_size.get() },
            (true, false) => Order::Shuffled { seed },
            (false, _) => Order::File,
        }
    }

    /// The splits to evaluate on by name, `dev` first.
    pub fn splits(&self) -> impl Iterator<Item = (&str, &Path)> {
        let dev = self.dev.iter().map(|path| ("dev", path.as_path()));
        dev.chain(self.eval.iter().map(|(name, path)| (name.as_str(), path.as_path())))
    }

    /// The number of examples in a batch of an evaluation.
    pub fn eval_batch_size(&self) -> NonZeroUsize {
        self.eval_batch_size.unwrap_or(self.batch_size)
    }
}

/// Where a row has its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of a column or a pair of names")]
pub enum TextColumns {
    /// One text.
    Single(String),
    /// A sentence pair, such as `["premise", "hypothesis"]`.
    Pair([String; 2]),
}

impl TextColumns {
    /// The names of the columns, in the order in which the tokenizer takes them.
    pub fn names(&self) -> &[String] {
        match self {
            TextColumns::Single(name) => std::slice::from_ref(name),
            TextColumns::Pair(names) => names,
        }
    }
}
