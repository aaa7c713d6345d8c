//! Tokenizers of folders that have a vocabulary and no `tokenizer.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Model, Tokenizer};

/// The words of a BERT, a line each.
const WORD_PIECES: &str = "vocab.txt";
/// The words of a RoBERTa by id, and how they are put together.
const BYTE_PAIRS: &str = "vocab.json";
const MERGES: &str = "merges.txt";
/// What a vocabulary is read with.
const SETTINGS: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// Tokens that are special if a vocabulary has them: BERT's and RoBERTa's.
const USUAL: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "<s>", "</s>", "<mask>"];

/// What a model's folder has to make tokens with: `tokenizer.json`, or else a vocabulary.
pub fn tokenizer_in(folder: &Path) -> Option<PathBuf> {
    let has = |name: &str| folder.join(name).is_file();
    let name = match () {
        () if has("tokenizer.json") => "tokenizer.json",
        () if has(WORD_PIECES) => WORD_PIECES,
        () if has(BYTE_PAIRS) && has(MERGES) => BYTE_PAIRS,
        () => return None,
    };
    Some(folder.join(name))
}

/// All files that decide what [`tokenizer_in`] the folder makes of a text.
pub(crate) fn tokenizer_files(folder: &Path) -> Vec<PathBuf> {
    let Some(path) = tokenizer_in(folder) else { return vec![] };
    if !is_vocabulary(&path) {
        return vec![path];
    }
    let merges = path.ends_with(BYTE_PAIRS).then_some(MERGES);
    let beside = merges.into_iter().chain([SETTINGS, SPECIAL, ADDED]).map(|name| folder.join(name));
    iter::once(path).chain(beside.filter(|file| file.is_file())).collect()
}

/// The file of a tokenizer that is not read here, in a model's folder. transformers makes a `tokenizer.json` of it.
pub(crate) fn unread_tokenizer(folder: &Path) -> Option<&'static str> {
    const FILES: [&str; 5] = [BYTE_PAIRS, "spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model"];
    FILES.into_iter().find(|name| folder.join(name).is_file())
}

/// Whether `path` is a vocabulary and not a `tokenizer.json`.
pub(super) fn is_vocabulary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == WORD_PIECES || name == BYTE_PAIRS)
}

/// What a `tokenizer_config.json` says of a vocabulary, with transformers' defaults.
#[derive(Default, Deserialize)]
struct Settings {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    #[serde(default)]
    add_prefix_space: bool,
}

/// The tokenizer of a vocabulary, as transformers makes it of the files beside it: WordPiece with BERT's rules for
/// `vocab.txt`, and byte-level BPE with RoBERTa's for `vocab.json` and `merges.txt`. `tokenizer_config.json` and
/// `special_tokens_map.json` say which tokens are special, and `added_tokens.json` which ones were added.
///
/// # Errors
/// What is wrong with the files.
pub(super) fn read(path: &Path) -> Result<Tokenizer, String> {
    let in_words = |error: tokenizers::Error| error.to_string();
    let folder = path.parent().unwrap_or(Path::new("."));
    let settings: Settings = read_json(&folder.join(SETTINGS))?.unwrap_or_default();
    let special = Special::read(folder)?;
    let shown = path.to_string_lossy();
    let is_word_pieces = path.ends_with(WORD_PIECES);
    let mut tokenizer = if is_word_pieces {
        let mut words = WordPiece::from_file(&shown).build().map_err(in_words)?;
        let usual = if words.token_to_id("[UNK]").is_none() && words.token_to_id("<unk>").is_some() {
            "<unk>"
        } else {
            "[UNK]"
        };
        words.unk_token = special.name("unk_token", usual);
        let lowers = settings.do_lower_case.unwrap_or(true);
        let splits_chinese = settings.tokenize_chinese_chars.unwrap_or(true);
        let mut tokenizer = Tokenizer::new(words);
        let normalizer = BertNormalizer::new(true, splits_chinese, settings.strip_accents, lowers);
        tokenizer.with_normalizer(Some(normalizer)).map_err(in_words)?;
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        tokenizer
    } else {
        let merges = folder.join(MERGES);
        let pairs = BPE::from_file(&shown, &merges.to_string_lossy()).build().map_err(in_words)?;
        let mut tokenizer = Tokenizer::new(pairs);
        tokenizer.with_pre_tokenizer(Some(ByteLevel::new(settings.add_prefix_space, true, true)));
        tokenizer
    };
    let names = USUAL.into_iter().chain(special.0.values().map(String::as_str));
    let names = names.filter(|name| tokenizer.token_to_id(name).is_some());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    let is_bert = tokenizer.token_to_id("[CLS]").is_some();
    let first = special.name("cls_token", if is_bert { "[CLS]" } else { "<s>" });
    let last = special.name("sep_token", if is_bert { "[SEP]" } else { "</s>" });
    tokenizer.add_special_tokens(names.into_iter().map(|name| AddedToken::from(name, true))).map_err(in_words)?;
    add_tokens(&mut tokenizer, folder)?;
    let id_of = |name: String| {
        let id =
            tokenizer.token_to_id(&name).ok_or_else(|| format!("it has no `{name}`, which begins or ends texts"))?;
        Ok::<_, String>((name, id))
    };
    let (first, last) = (id_of(first)?, id_of(last)?);
    if is_bert {
        tokenizer.with_post_processor(Some(BertProcessing::new(last, first)));
    } else {
        let processor = RobertaProcessing::new(last, first).add_prefix_space(settings.add_prefix_space);
        tokenizer.with_post_processor(Some(processor));
    }
    Ok(tokenizer)
}

/// Adds the tokens of `added_tokens.json`, which must get the ids that it gives them.
fn add_tokens(tokenizer: &mut Tokenizer, folder: &Path) -> Result<(), String> {
    let added: Map<String, Value> = read_json(&folder.join(ADDED))?.unwrap_or_default();
    let mut added: Vec<(u64, &String)> = added
        .iter()
        .map(|(token, id)| Ok((id.as_u64().ok_or_else(|| format!("added_tokens.json: `{token}` has no id"))?, token)))
        .collect::<Result<_, String>>()?;
    added.sort_unstable();
    for (id, token) in added {
        tokenizer.add_tokens([AddedToken::from(token.as_str(), false)]).map_err(|error| error.to_string())?;
        if tokenizer.token_to_id(token).map(u64::from) != Some(id) {
            return Err(format!(
                "added_tokens.json gives `{token}` the id {id}, which does not follow the vocabulary's"
            ));
        }
    }
    Ok(())
}

/// The special tokens that a folder names, by what they are for.
struct Special(BTreeMap<String, String>);

impl Special {
    fn read(folder: &Path) -> Result<Self, String> {
        let mut names = BTreeMap::new();
        for file in [SETTINGS, SPECIAL] {
            let keys: Map<String, Value> = read_json(&folder.join(file))?.unwrap_or_default();
            for (key, value) in keys.iter().filter(|(key, _)| key.ends_with("_token")) {
                // A token is its text, or an object that says how it is matched as well.
                if let Some(text) = value.as_str().or_else(|| value.get("content")?.as_str()) {
                    names.insert(key.clone(), text.to_owned());
                }
            }
        }
        Ok(Self(names))
    }

    /// The token for `key`; `usual` if none is named.
    fn name(&self, key: &str, usual: &str) -> String {
        self.0.get(key).map_or(usual, String::as_str).to_owned()
    }
}

/// A JSON file; `None` if there is none.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| format!("{name}: {error}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
