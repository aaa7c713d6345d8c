use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Kind;

/// A teacher's outputs on disk, in place of running it again: written in the first epoch, or before the run by
/// `brewer-host cache`, and read from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSpec {
    /// A folder of its own, made when it is missing.
    pub path: PathBuf,
    /// The form in which numbers are kept. With `float32` a run has the numbers that it has without the cache.
    #[serde(default)]
    pub dtype: CacheDtype,
}

/// The form of a cached number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheDtype {
    /// As they are computed.
    #[default]
    Float32,
    /// Half the size, to three digits; up to 65,504.
    Float16,
    /// Half the size, to two digits; as large as float32.
    Bfloat16,
}

impl CacheDtype {
    pub(super) fn kind(self) -> Kind {
        match self {
            CacheDtype::Float32 => Kind::Float,
            CacheDtype::Float16 => Kind::Half,
            CacheDtype::Bfloat16 => Kind::BFloat16,
        }
    }

    /// As the experiment names it.
    pub fn name(self) -> &'static str {
        match self {
            CacheDtype::Float32 => "float32",
            CacheDtype::Float16 => "float16",
            CacheDtype::Bfloat16 => "bfloat16",
        }
    }
}
