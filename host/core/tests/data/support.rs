use std::path::{Path, PathBuf};

use brewer::data::{DataConfig, Dataset};
use brewer::model::{InputColumn, InputSpec, ModelSpec};
use brewer::{Batch, Task};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The tokens of the test tokenizer; the index is the id.
pub const VOCABULARY: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "film", "was", "good", "bad", "##ly"];

pub const CLS: i64 = 2;
pub const SEP: i64 = 3;

/// A classifier of two classes that fits the test tokenizer.
pub fn model() -> ModelSpec {
    ModelSpec {
        architecture: "BertForSequenceClassification".to_owned(),
        inputs: InputSpec {
            columns: vec![
                InputColumn { name: "input_ids", count: Some(VOCABULARY.len() as i64) },
                InputColumn { name: "attention_mask", count: Some(2) },
                InputColumn { name: "token_type_ids", count: Some(2) },
            ],
            max_length: Some(12),
            pad_token_id: 0,
        },
        task: Task::SingleLabel { labels: labels() },
        num_layers: Some(2),
        hidden_size: Some(8),
        num_attention_heads: Some(2),
    }
}

pub fn token_model() -> ModelSpec {
    with_task(Task::TokenLabels { labels: labels() })
}

/// The same model with another task.
pub fn with_task(task: Task) -> ModelSpec {
    ModelSpec { task, ..model() }
}

pub fn labels() -> Vec<String> {
    vec!["negative".to_owned(), "positive".to_owned()]
}

/// A `tokenizer.json` as BERT has it, with the padding and the truncation that some are saved with.
pub fn tokenizer() -> Value {
    let vocabulary: serde_json::Map<String, Value> =
        VOCABULARY.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    let special = |id: usize| {
        json!({ "id": id, "content": VOCABULARY[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
    };
    let token = |name: &str, type_id: i64| json!({ "SpecialToken": { "id": name, "type_id": type_id } });
    let text = |name: &str, type_id: i64| json!({ "Sequence": { "id": name, "type_id": type_id } });
    json!({
        "version": "1.0",
        "truncation": { "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
        "padding": { "strategy": { "Fixed": 9 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                     "pad_type_id": 0, "pad_token": "[PAD]" },
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                        "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0), text("B", 1), token("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] }
            }
        },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": vocabulary }
    })
}

/// A folder with files for one test.
pub struct Files {
    folder: TempDir,
    pub config: DataConfig,
    pub model: ModelSpec,
}

impl Files {
    pub fn new(model: ModelSpec) -> Self {
        let files = Self { folder: TempDir::new().unwrap(), config: DataConfig::default(), model };
        files.write("tokenizer.json", tokenizer().to_string());
        files
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads a file of the folder; an error as its message, without the folder.
    pub fn read(&self, name: &str) -> Result<Dataset, String> {
        self.read_by(name, &self.path("tokenizer.json"))
    }

    fn read_by(&self, name: &str, tokenizer: &Path) -> Result<Dataset, String> {
        Dataset::read(&self.path(name), &self.config, &self.model, Some(tokenizer), &|_| {})
            .map_err(|error| error.to_string().replace(&format!("{}/", self.folder.path().display()), ""))
    }

    /// Reads rows as they would stand in `train.jsonl`.
    pub fn read_rows(&self, rows: &[Value]) -> Result<Dataset, String> {
        self.read_with(rows, &self.path("tokenizer.json"))
    }

    /// The same with another file of a tokenizer.
    pub fn read_with(&self, rows: &[Value], tokenizer: &Path) -> Result<Dataset, String> {
        let lines: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
        self.write("train.jsonl", lines.concat());
        self.read_by("train.jsonl", tokenizer)
    }
}

pub fn dataset(model: ModelSpec, rows: &[Value]) -> Dataset {
    Files::new(model).read_rows(rows).unwrap()
}

/// The integers of a column of shape `[batch, length]`.
pub fn rows(batch: &Batch, name: &str) -> Vec<Vec<i64>> {
    let tensor = batch.get(name).unwrap();
    assert_eq!(tensor.kind(), tch::Kind::Int64);
    Vec::try_from(tensor).unwrap()
}

/// The integers of a column of shape `[batch]`.
pub fn singles(batch: &Batch, name: &str) -> Vec<i64> {
    let tensor = batch.get(name).unwrap();
    assert_eq!(tensor.kind(), tch::Kind::Int64);
    Vec::try_from(tensor).unwrap()
}
