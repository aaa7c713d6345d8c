//! `cache.json`: what a cache was made of.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::{CacheDtype, CacheError};
use crate::digest::shortened;
use crate::files;

/// What decides a teacher's outputs, as digests: a cache is of use as long as all of them are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheKey {
    /// Of `config.json` and the weights.
    pub teacher: String,
    /// Of `tokenizer.json`, or `none`.
    pub tokenizer: String,
    /// Of the examples as the teacher reads them.
    pub data: String,
    /// Of the component and its configuration, or `built-in`.
    pub adaptor: String,
    /// Of the component and its configuration, or `none`.
    pub postprocessor: String,
    /// Of the extra arguments of the teacher's forward.
    pub args: String,
    /// The order of the classes in logits.
    pub classes: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    key: CacheKey,
    dtype: CacheDtype,
    layout: Layout,
    num_examples: usize,
}

/// The key that every version of the format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

const FORMAT: u32 = 2;
const FILE: &str = "cache.json";

impl Manifest {
    pub fn new(key: CacheKey, dtype: CacheDtype, layout: Layout, num_examples: usize) -> Self {
        Self { format: FORMAT, key, dtype, layout, num_examples }
    }

    /// Whether there is a cache in a folder that is made of the same.
    ///
    /// # Errors
    /// If it is made of something else.
    pub fn is_in(&self, folder: &Path) -> Result<bool, CacheError> {
        match Self::read(folder)? {
            Some(found) => found.check(self, folder).map(|()| true),
            None => Ok(false),
        }
    }

    /// The manifest in a folder, if there is one.
    fn read(folder: &Path) -> Result<Option<Self>, CacheError> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CacheError::Read { path, source }),
        };
        let broken = |error: serde_json::Error| CacheError::Broken { path: path.clone(), message: error.to_string() };
        // Another format may have other keys, so its number comes first.
        let Version { format } = serde_json::from_slice(&text).map_err(broken)?;
        if format != FORMAT {
            return Err(CacheError::Stale {
                path: folder.to_owned(),
                what: "version of the format",
                found: format.to_string(),
                expected: FORMAT.to_string(),
            });
        }
        serde_json::from_slice(&text).map(Some).map_err(broken)
    }

    /// Puts it into a folder whose other files are on the disk: from now on the folder is a cache.
    pub fn write(&self, folder: &Path) -> Result<(), CacheError> {
        let path = folder.join(FILE);
        let written = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        written.and_then(|text| files::write(&path, &text)).map_err(|source| CacheError::Write { path, source })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn dtype(&self) -> CacheDtype {
        self.dtype
    }

    /// Whether this cache, found in `folder`, is what `wanted` describes.
    fn check(&self, wanted: &Manifest, folder: &Path) -> Result<(), CacheError> {
        let (found, expected) = (&self.key, &wanted.key);
        let parts = [
            ("teacher", &found.teacher, &expected.teacher),
            ("tokenizer", &found.tokenizer, &expected.tokenizer),
            ("data set", &found.data, &expected.data),
            ("adaptor", &found.adaptor, &expected.adaptor),
            ("batch post-processor", &found.postprocessor, &expected.postprocessor),
            ("`args` of the teacher", &found.args, &expected.args),
            ("order of classes", &found.classes, &expected.classes),
        ];
        let stale = |what, found: String, expected: String| {
            Err(CacheError::Stale { path: folder.to_owned(), what, found, expected })
        };
        if let Some((what, found, expected)) = parts.into_iter().find(|(_, found, expected)| found != expected) {
            return stale(what, shortened(found), shortened(expected));
        }
        if self.dtype != wanted.dtype {
            return stale("`dtype`", self.dtype.name().into(), wanted.dtype.name().into());
        }
        if self.layout != wanted.layout {
            return stale("set of tensors", self.layout.described(), wanted.layout.described());
        }
        if self.num_examples != wanted.num_examples {
            return stale("number of examples", self.num_examples.to_string(), wanted.num_examples.to_string());
        }
        Ok(())
    }
}
