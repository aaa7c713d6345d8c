use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::model::ModelError;
use crate::{Task, json};

/// The classes that transformers assumes where a config names none.
pub(in crate::model) const DEFAULT_LABELS: [&str; 2] = ["LABEL_0", "LABEL_1"];

/// The key that says what a head over whole examples is trained for.
pub(in crate::model) const PROBLEM_TYPE: &str = "problem_type";

/// The most classes that a count alone may ask for: each of them gets a name.
const MAX_LABELS: u64 = 1 << 20;

/// A model's `config.json`: every key that it was given, in its order, so that writing it back loses nothing. Typed
/// views of the keys that a model reads are taken by `parse`.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    path: PathBuf,
    keys: Map<String, Value>,
}

impl ModelConfig {
    /// Reads a `config.json`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        let invalid = |reason| ModelError::Config { path: path.to_owned(), reason };
        let keys = match json::parse(&text) {
            Ok(Value::Object(keys)) => keys,
            Ok(_) => return Err(invalid("not a JSON object".into())),
            Err(error) => return Err(invalid(format!("not a JSON object: {error}"))),
        };
        let config = Self { path: path.to_owned(), keys };
        config.check_supported()?;
        Ok(config)
    }

    /// Refuses what changes the numbers of a model of any family and is not computed here.
    fn check_supported(&self) -> Result<(), ModelError> {
        let is_given = |name| match self.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Object(keys)) => !keys.is_empty(),
            Some(_) => true,
        };
        if is_given("quantization_config") {
            return Err(self.invalid(
                "`quantization_config`: quantized weights are not supported; name the model as it was before, or save it \
                 again in float32 after `dequantize()` of transformers"
                    .into(),
            ));
        }
        if is_given("pruned_heads") {
            return Err(self.invalid(
                "`pruned_heads`: attention heads were removed from this model, which is not supported; name the model \
                 as it was before"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Reads the `config.json` of a model's folder.
    pub fn read_folder(folder: &Path) -> Result<Self, ModelError> {
        match Self::read(&folder.join("config.json")) {
            Err(ModelError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let folder = folder.to_owned();
                Err(if folder.is_dir() { ModelError::NoConfig { folder } } else { ModelError::NoFolder { folder } })
            }
            config => config,
        }
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key `name` as it stands in the file.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.keys.get(name)
    }

    /// The first of `architectures`: the class of transformers that wrote the checkpoint.
    pub fn architecture(&self) -> Option<&str> {
        self.get("architectures")?.get(0)?.as_str()
    }

    /// Its `model_type`, such as `bert`.
    pub fn model_type(&self) -> Option<&str> {
        self.get("model_type")?.as_str()
    }

    /// The names of the classes by index: `id2label`, or as many as `num_labels` says, named as transformers does.
    /// `None` if the file has neither.
    pub fn labels(&self) -> Result<Option<Vec<String>>, ModelError> {
        let Some(id2label) = self.get("id2label").filter(|value| !value.is_null()) else {
            return match self.get("num_labels") {
                None | Some(Value::Null) => Ok(None),
                Some(count) => {
                    match count.as_u64().filter(|count| (1..=MAX_LABELS).contains(count)) {
                        Some(count) => Ok(Some((0..count).map(|index| format!("LABEL_{index}")).collect())),
                        None => Err(self
                            .invalid(format!("`num_labels` is {count}; expected a whole number, 1 to {MAX_LABELS}"))),
                    }
                }
            };
        };
        let names = id2label.as_object();
        let labels: Option<Vec<String>> = names.and_then(|names| {
            (0..names.len()).map(|index| Some(names.get(&index.to_string())?.as_str()?.to_owned())).collect()
        });
        match labels {
            Some(labels) if !labels.is_empty() => Ok(Some(labels)),
            _ => Err(self.invalid("`id2label` is not an object of names under \"0\", \"1\", … without a gap".into())),
        }
    }

    /// What a head over whole examples is trained for, as it stands in the file.
    pub fn problem_type(&self) -> Option<&Value> {
        self.get(PROBLEM_TYPE).filter(|value| !value.is_null())
    }

    /// What a model predicts of an example: what `problem_type` says, or else numbers if there is one label and classes if
    /// there are more, as transformers decides.
    pub(in crate::model) fn sequence_task(&self) -> Result<Task, ModelError> {
        let labels = self.labels_or_default()?;
        let Some(problem) = self.problem_type() else {
            return Ok(if labels.len() == 1 { Task::Regression { labels } } else { Task::SingleLabel { labels } });
        };
        match problem.as_str() {
            Some("regression") => Ok(Task::Regression { labels }),
            Some("multi_label_classification") => Ok(Task::MultiLabel { labels }),
            Some("single_label_classification") if labels.len() == 1 => Err(self.invalid(
                "the model has 1 label, and `problem_type` is `single_label_classification`; a classifier has 2 labels or \
                 more"
                .into(),
            )),
            Some("single_label_classification") => Ok(Task::SingleLabel { labels }),
            _ => Err(self.invalid(format!(
                "`problem_type` is {problem}; expected \"single_label_classification\", \"multi_label_classification\" or \
                 \"regression\""
            ))),
        }
    }

    /// What a model predicts of each token.
    pub(in crate::model) fn token_task(&self) -> Result<Task, ModelError> {
        Ok(Task::TokenLabels { labels: self.labels_or_default()? })
    }

    /// Whether a head over the vocabulary shares its weight with the word embeddings; it does by default.
    pub(in crate::model) fn ties_words(&self) -> Result<bool, ModelError> {
        match self.get("tie_word_embeddings") {
            None | Some(Value::Null) => Ok(true),
            Some(Value::Bool(ties)) => Ok(*ties),
            Some(other) => Err(self.invalid(format!("`tie_word_embeddings` is {other}; expected true or false"))),
        }
    }

    /// The names of the classes; those that transformers assumes where there are none.
    fn labels_or_default(&self) -> Result<Vec<String>, ModelError> {
        Ok(self.labels()?.unwrap_or_else(|| DEFAULT_LABELS.map(str::to_owned).to_vec()))
    }

    /// The keys that `T` reads; an error names the key that is missing or wrong.
    pub(in crate::model) fn parse<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        serde_path_to_error::deserialize(&self.keys).map_err(|error| {
            let key = error.path().to_string();
            // An error of the object as a whole, a missing key, has the path `.` and names the key itself.
            let at = if key == "." { String::new() } else { format!("`{key}`: ") };
            self.invalid(format!("{at}{}", json::in_plain_words(&error.inner().to_string())))
        })
    }

    /// The error that this file is wrong for `reason`.
    pub(in crate::model) fn invalid(&self, reason: String) -> ModelError {
        ModelError::Config { path: self.path.clone(), reason }
    }

    pub(in crate::model) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.keys.insert(name.to_owned(), value.into());
    }

    pub(in crate::model) fn set_architecture(&mut self, architecture: &str) {
        self.set("architectures", json!([architecture]));
    }

    /// Names the classes in all keys that say something of them.
    pub(in crate::model) fn set_labels(&mut self, labels: &[String]) -> Result<(), ModelError> {
        let fail = |reason| Err(ModelError::Labels { labels: labels.to_vec(), reason });
        if labels.is_empty() {
            return fail("there are none; name at least two");
        }
        if labels.iter().collect::<HashSet<_>>().len() < labels.len() {
            return fail("a name stands there twice; every class needs its own");
        }
        let by_index = labels.iter().enumerate().map(|(index, label)| (index.to_string(), json!(label)));
        let by_label = labels.iter().enumerate().map(|(index, label)| (label.clone(), json!(index)));
        self.set("id2label", by_index.collect::<Map<_, _>>());
        self.set("label2id", by_label.collect::<Map<_, _>>());
        if self.keys.contains_key("num_labels") {
            self.set("num_labels", labels.len());
        }
        Ok(())
    }

    /// Says what the model predicts, in all keys that do.
    pub(in crate::model) fn set_task(&mut self, task: &Task) -> Result<(), ModelError> {
        let problem = match task {
            Task::SingleLabel { .. } => Some("single_label_classification"),
            Task::MultiLabel { .. } => Some("multi_label_classification"),
            Task::Regression { .. } => Some("regression"),
            Task::TokenLabels { .. } | Task::MaskedLm { .. } => None,
        };
        match problem {
            Some(problem) => self.set(PROBLEM_TYPE, problem),
            None => drop(self.keys.shift_remove(PROBLEM_TYPE)),
        }
        match task.labels() {
            [] => Ok(()),
            labels => self.set_labels(labels),
        }
    }

    /// The text of the file to write. The parameters are float32 whatever they were read from, and the file says so:
    /// transformers loads in the type named here.
    pub(in crate::model) fn to_json(&self) -> String {
        let mut keys = self.keys.clone();
        let name = if keys.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
        keys.insert(name.to_owned(), json!("float32"));
        format!("{:#}\n", Value::Object(keys))
    }
}
