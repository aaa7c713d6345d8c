use std::fmt;
use std::path::PathBuf;

/// How many names a message lists of each sort.
const LISTED: usize = 5;

/// What keeps a checkpoint from being the model that its `config.json` describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The folder of the checkpoint.
    pub folder: PathBuf,
    /// The class that it was read as.
    pub architecture: String,
    /// Parameters of the model that the checkpoint lacks.
    pub missing: Vec<String>,
    /// Tensors of the checkpoint that the model does not have.
    pub extra: Vec<String>,
    /// Tensors of another shape: name, the checkpoint's shape, the model's.
    pub misshapen: Vec<(String, Vec<i64>, Vec<i64>)>,
}

impl Mismatch {
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, architecture, missing, extra, misshapen } = self;
        write!(formatter, "the weights in {} are not the {architecture} of its config.json.", folder.display())?;
        let shapes: Vec<_> = misshapen
            .iter()
            .map(|(name, found, expected)| format!("{name} (is {found:?}, expected {expected:?})"))
            .collect();
        for (what, names) in [("Missing", missing), ("Not part of the model", extra), ("Of another shape", &shapes)] {
            if names.is_empty() {
                continue;
            }
            write!(formatter, " {what}: {}", names[..names.len().min(LISTED)].join(", "))?;
            if names.len() > LISTED {
                write!(formatter, " and {} more", names.len() - LISTED)?;
            }
            formatter.write_str(".")?;
        }
        formatter.write_str(
            " Take config.json and weights from one checkpoint; for another head than the checkpoint's, name its \
             `architecture`, and its `labels` for another number of classes",
        )
    }
}
