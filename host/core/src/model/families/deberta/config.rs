use serde::Deserialize;

use crate::Task;
use crate::model::families::{self, defaults};
use crate::model::huggingface::ModelConfig;
use crate::model::layers::Activation;
use crate::model::{InputSpec, ModelError, ModelSpec};

/// What DeBERTa reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of the
/// model are never guessed.
#[derive(Debug, Deserialize)]
pub(super) struct DebertaConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    /// That of the layers, if it is not given.
    pub embedding_size: Option<i64>,
    pub attention_head_size: Option<i64>,
    pub pooler_hidden_size: Option<i64>,
    #[serde(default = "defaults::activation")]
    pub hidden_act: Activation,
    #[serde(default = "defaults::activation")]
    pub pooler_hidden_act: Activation,
    #[serde(default = "defaults::dropout")]
    pub hidden_dropout_prob: f64,
    #[serde(default = "defaults::dropout")]
    pub attention_probs_dropout_prob: f64,
    #[serde(default)]
    pub pooler_dropout: f64,
    pub cls_dropout: Option<f64>,
    #[serde(default = "defaults::positions")]
    pub max_position_embeddings: i64,
    #[serde(default)]
    pub type_vocab_size: i64,
    #[serde(default = "defaults::initializer_range")]
    pub initializer_range: f64,
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    #[serde(default = "defaults::padding")]
    pub pad_token_id: Option<i64>,
    /// Whether the embeddings have absolute positions.
    #[serde(default = "yes")]
    pub position_biased_input: bool,
    #[serde(default)]
    pub relative_attention: bool,
    /// Which terms attention scores have besides content to content.
    #[serde(default)]
    pub pos_att_type: PositionTerms,
    /// Whether positions are projected as contents are.
    #[serde(default)]
    pub share_att_key: bool,
    #[serde(default = "not_given")]
    pub max_relative_positions: i64,
    #[serde(default = "not_given")]
    pub position_buckets: i64,
    #[serde(default)]
    pub norm_rel_ebd: Option<String>,
    #[serde(default)]
    pub conv_kernel_size: i64,
    #[serde(default = "one")]
    pub conv_groups: i64,
    #[serde(default = "tanh")]
    pub conv_act: Activation,
    #[serde(default = "yes")]
    pub legacy: bool,
}

fn default_epsilon() -> f64 {
    1e-7
}

fn yes() -> bool {
    true
}

fn one() -> i64 {
    1
}

fn not_given() -> i64 {
    -1
}

fn tanh() -> Activation {
    Activation::Tanh
}

/// The terms of attention scores that are about positions: a list of their names, or these between bars.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "Option<Names>")]
pub(super) struct PositionTerms {
    pub content_to_position: bool,
    pub position_to_content: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    Bars(String),
}

impl TryFrom<Option<Names>> for PositionTerms {
    type Error = String;

    fn try_from(names: Option<Names>) -> Result<Self, String> {
        let names = match names {
            None => vec![],
            Some(Names::List(names)) => names,
            Some(Names::Bars(names)) => names.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect(),
        };
        let mut terms = Self::default();
        for name in names {
            match name.as_str() {
                "c2p" => terms.content_to_position = true,
                "p2c" => terms.position_to_content = true,
                _ => return Err(format!("`{name}`; only `c2p` and `p2c` are supported")),
            }
        }
        Ok(terms)
    }
}

impl DebertaConfig {
    /// Reads and checks the keys.
    pub fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        families::checked(config, Self::check)
    }

    fn check(&self) -> Result<(), String> {
        families::check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("embedding_size", self.embedding_size()),
            ("max_position_embeddings", self.max_position_embeddings),
            ("conv_groups", self.conv_groups),
            (if self.position_buckets > 0 { "position_buckets" } else { "max_relative_positions" }, self.span()),
        ])?;
        families::check_heads(("hidden_size", self.hidden_size), ("num_attention_heads", self.num_attention_heads))?;
        families::check_probabilities(&[
            ("hidden_dropout_prob", Some(self.hidden_dropout_prob)),
            ("attention_probs_dropout_prob", Some(self.attention_probs_dropout_prob)),
            ("pooler_dropout", Some(self.pooler_dropout)),
            ("cls_dropout", self.cls_dropout),
        ])?;
        families::check_not_negative(&[
            ("initializer_range", self.initializer_range),
            ("layer_norm_eps", self.layer_norm_eps),
            ("type_vocab_size", self.type_vocab_size as f64),
            ("conv_kernel_size", self.conv_kernel_size as f64),
        ])?;
        families::check_padding(self.pad_token_id, self.vocab_size)?;
        let head_size = self.hidden_size / self.num_attention_heads;
        if let Some(found) = self.attention_head_size.filter(|size| *size != head_size) {
            return Err(format!(
                "`attention_head_size` is {found}; only `hidden_size` by heads is supported, {head_size}"
            ));
        }
        if self.conv_kernel_size > 0 && self.conv_kernel_size % 2 == 0 {
            let found = self.conv_kernel_size;
            return Err(format!("`conv_kernel_size` is {found}; expected an odd number, which keeps the length"));
        }
        families::check_heads(("hidden_size", self.hidden_size), ("conv_groups", self.conv_groups))?;
        let (buckets, farthest) = (self.position_buckets, self.max_relative_positions());
        if self.relative_attention && buckets > 0 && (buckets == 1 || farthest - 1 == buckets / 2) {
            return Err(format!(
                "`position_buckets` {buckets} of relative positions up to {farthest} leave none for far ones; expected \
                 more than 1, and less than twice the positions"
            ));
        }
        Ok(())
    }

    pub fn check_pooler(&self) -> Result<(), String> {
        match self.pooler_hidden_size.filter(|size| *size != self.hidden_size) {
            None => Ok(()),
            Some(found) => {
                Err(format!("`pooler_hidden_size` is {found}; only `hidden_size` is supported, {}", self.hidden_size))
            }
        }
    }

    pub fn embedding_size(&self) -> i64 {
        self.embedding_size.unwrap_or(self.hidden_size)
    }

    /// The farthest relative position.
    pub fn max_relative_positions(&self) -> i64 {
        if self.max_relative_positions < 1 { self.max_position_embeddings } else { self.max_relative_positions }
    }

    /// How many vectors of relative positions there are on each side.
    pub fn span(&self) -> i64 {
        if self.position_buckets > 0 { self.position_buckets } else { self.max_relative_positions() }
    }

    pub fn norms_relative_positions(&self) -> bool {
        let names = self.norm_rel_ebd.as_deref().unwrap_or("none").to_lowercase();
        names.split('|').any(|name| name.trim() == "layer_norm")
    }

    pub fn spec(&self, task: Task) -> ModelSpec {
        let types = Some(self.type_vocab_size).filter(|count| *count > 0);
        let padding = self.pad_token_id.unwrap_or(0);
        ModelSpec {
            architecture: String::new(),
            inputs: InputSpec::of_text(self.vocab_size, types, self.max_position_embeddings, padding),
            task,
            num_layers: Some(self.num_hidden_layers as usize),
            hidden_size: Some(self.hidden_size),
            num_attention_heads: Some(self.num_attention_heads),
        }
    }
}
