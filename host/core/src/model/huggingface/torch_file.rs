//! Weights as `torch.save` writes them (`pytorch_model.bin`): a zip archive, or, of torch before 1.6, pickles in a row. The
//! pickle is read and not run (`pickle`).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tch::Kind;
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{self, StridedTensor, Value};
use super::weights_file::{StoredTensor, WeightsFile};
use crate::model::ModelError;

/// The most bytes of the pickle that describes the tensors of a file.
const MAX_PICKLE: u64 = 64 << 20;

/// Opens the file and reads which tensors it holds and where.
pub(super) fn open(path: PathBuf) -> Result<WeightsFile, ModelError> {
    let unreadable = |source| ModelError::Read { path: path.clone(), source };
    let file = File::open(&path).map_err(unreadable)?;
    let mut start = [0; 2];
    let is_zip = file.read_exact_at(&mut start, 0).is_ok() && &start == b"PK";
    let tensors = if is_zip { read_zip(&file) } else { read_pickles(&file) };
    match tensors {
        Ok(tensors) => Ok(WeightsFile { tensors, path, file }),
        Err(Unread::File(source)) => Err(unreadable(source)),
        Err(Unread::Content(found)) => {
            let reason =
                format!("not weights that can be read without running what is in them: {found}. {}", by_python(&path));
            Err(ModelError::Weights { path, reason })
        }
    }
}

/// How weights of another form become a file that can be read.
fn by_python(path: &Path) -> String {
    format!(
        "Python makes a file of them that can: python3 -c 'import torch; from safetensors.torch import save_file; \
         save_file({{name: tensor.clone().contiguous() for name, tensor in torch.load(\"{}\", map_location=\"cpu\", \
         weights_only=True).items()}}, \"{}\", {{\"format\": \"pt\"}})'",
        path.display(),
        path.with_file_name("model.safetensors").display()
    )
}

/// Why a file was not read.
enum Unread {
    File(io::Error),
    /// What is wrong with what it holds.
    Content(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Unread::Content("it is cut short".into()),
            io::ErrorKind::InvalidData => Unread::Content(format!("it is damaged: {error}")),
            _ => Unread::File(error),
        }
    }
}

impl From<String> for Unread {
    fn from(found: String) -> Self {
        Unread::Content(found)
    }
}

/// Where the bytes of a storage lie.
struct Place {
    start: u64,
    length: u64,
}

fn read_zip(file: &File) -> Result<BTreeMap<String, StoredTensor>, Unread> {
    let broken = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => Unread::from(error),
        error => Unread::Content(format!("it is no whole archive: {error}")),
    };
    let length = file.metadata()?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let (mut pickle, mut places) = (None, HashMap::new());
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        // All lie in one folder, which is called as the file once was.
        let Some((_, name)) = name.split_once('/') else { continue };
        if name == "data.pkl" {
            if entry.size() > MAX_PICKLE {
                let (found, limit) = (entry.size(), MAX_PICKLE);
                return Err(Unread::Content(format!(
                    "what describes its tensors (`data.pkl`) has {found} bytes; expected at most {limit}"
                )));
            }
            let mut bytes = vec![];
            entry.by_ref().take(MAX_PICKLE).read_to_end(&mut bytes)?;
            pickle = Some(bytes);
        } else if name == "byteorder" {
            let mut order = String::new();
            entry.by_ref().take(16).read_to_string(&mut order)?;
            if order != "little" {
                return Err(Unread::Content(format!("its numbers are {order}-endian")));
            }
        } else if let Some(key) = name.strip_prefix("data/") {
            let start = entry.data_start().filter(|_| entry.compression() == CompressionMethod::Stored);
            let start = start.ok_or_else(|| format!("`{name}` in it is compressed"))?;
            if start.checked_add(entry.size()).is_none_or(|end| end > length) {
                return Err(Unread::Content("it is cut short".into()));
            }
            places.insert(key.to_owned(), Place { start, length: entry.size() });
        }
    }
    let pickle = pickle.ok_or_else(|| "the archive describes no tensors (`data.pkl`)".to_owned())?;
    let (value, _) = pickle::read(&pickle)?;
    Ok(tensors(&value, &places)?)
}

/// The file of torch before 1.6: pickles of a magic number, of the version, of the machine, of the tensors and of the
/// storages' keys, and then each storage, a count before it.
fn read_pickles(file: &File) -> Result<BTreeMap<String, StoredTensor>, Unread> {
    // The first eight bytes of it.
    const MAGIC: i64 = 0xa86a_20f9_469c_fc6c_u64 as i64;
    let length = file.metadata()?.len();
    let mut bytes = vec![0; length.min(MAX_PICKLE) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let mut at = 0;
    let mut next = || -> Result<Value, String> {
        let (value, length) = pickle::read(&bytes[at..])?;
        at += length;
        Ok(value)
    };
    match next() {
        Ok(Value::Int(MAGIC)) => {}
        _ => return Err(Unread::Content("it is no file of torch.save".into())),
    }
    let [_version, _machine, value, keys] = [next()?, next()?, next()?, next()?];
    let classes = storages(&value)?;
    let keys = keys.as_sequence().ok_or_else(|| "it does not list its storages".to_owned())?;
    let mut places = HashMap::new();
    let mut start = at as u64;
    for key in keys {
        let key = key.as_text().ok_or_else(|| "a key of its storages is no text".to_owned())?;
        let size = classes.get(&**key).ok_or_else(|| format!("no tensor in it reads its storage `{key}`"))?;
        let mut count = [0; 8];
        file.read_exact_at(&mut count, start)?;
        start += count.len() as u64;
        let stored = u64::from_le_bytes(count).checked_mul(*size);
        let end = stored.and_then(|stored| start.checked_add(stored)).filter(|end| *end <= length);
        let end = end.ok_or_else(|| "it is cut short".to_owned())?;
        places.insert(key.to_string(), Place { start, length: end - start });
        start = end;
    }
    Ok(tensors(&value, &places)?)
}

/// The bytes of an element of each storage that a tensor reads.
fn storages(value: &Value) -> Result<HashMap<&str, u64>, String> {
    let storages = entries(value)?.map(|entry| {
        let (_, tensor) = entry?;
        let (_, size) = element(&tensor.storage.class)?;
        Ok((&*tensor.storage.key, size))
    });
    storages.collect()
}

/// The tensors of a dictionary of them.
fn entries(value: &Value) -> Result<impl Iterator<Item = Result<(&str, &StridedTensor), String>>, String> {
    let Value::Dictionary(dictionary) = value else { return Err("it is no dictionary of tensors".into()) };
    Ok(dictionary.items.iter().map(|(name, value)| match (name, value) {
        (Value::Text(name), Value::Tensor(tensor)) => Ok((&**name, &**tensor)),
        (Value::Text(name), _) => Err(format!("`{name}` in it is no tensor")),
        _ => Err("a key of it is no text".into()),
    }))
}

/// Where the tensors of a dictionary lie in the file.
fn tensors(value: &Value, places: &HashMap<String, Place>) -> Result<BTreeMap<String, StoredTensor>, String> {
    let stored = entries(value)?.map(|entry| {
        let (name, tensor) = entry?;
        let (kind, size) = element(&tensor.storage.class)?;
        let storage = &tensor.storage;
        let place = places.get(&*storage.key);
        let place = place.ok_or_else(|| format!("the storage `{}` of `{name}` is not in it", storage.key))?;
        if (storage.num_elements as u64).checked_mul(size) != Some(place.length) {
            return Err(format!(
                "the storage `{}` of `{name}` in it has {} bytes; expected {} elements of {size}",
                storage.key, place.length, storage.num_elements
            ));
        }
        if !is_row_by_row(tensor) {
            return Err(format!("`{name}` in it does not lie row by row"));
        }
        let count = tensor.shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size as u64));
        let lies = || {
            let (first, length) = ((tensor.offset as u64).checked_mul(size)?, count?.checked_mul(size)?);
            let is_inside = first.checked_add(length)? <= place.length;
            is_inside.then(|| (place.start + first, length as usize))
        };
        let (start, length) = lies().ok_or_else(|| {
            format!("`{name}` in it would have the shape {:?}, which is more than its storage holds", tensor.shape)
        })?;
        let (dtype, shape) = (storage.class.to_string(), tensor.shape.clone());
        Ok((name.to_owned(), StoredTensor { kind, dtype, shape, start, length }))
    });
    stored.collect()
}

/// What a class of storages holds, as far as weights may be that, and the bytes of each.
fn element(class: &str) -> Result<(Option<Kind>, u64), String> {
    Ok(match class {
        "torch.FloatStorage" => (Some(Kind::Float), 4),
        "torch.HalfStorage" => (Some(Kind::Half), 2),
        "torch.BFloat16Storage" => (Some(Kind::BFloat16), 2),
        "torch.DoubleStorage" => (Some(Kind::Double), 8),
        "torch.LongStorage" => (None, 8),
        "torch.IntStorage" => (None, 4),
        "torch.ShortStorage" => (None, 2),
        "torch.CharStorage" | "torch.ByteStorage" | "torch.BoolStorage" => (None, 1),
        other => return Err(format!("it has a `{other}`, of which nothing is known")),
    })
}

/// Whether a tensor's elements lie one after the other.
fn is_row_by_row(tensor: &StridedTensor) -> bool {
    if tensor.shape.contains(&0) {
        return true;
    }
    let mut expected = 1_usize;
    tensor.shape.iter().zip(&tensor.strides).rev().all(|(size, stride)| {
        let is_next = *size == 1 || *stride == expected;
        expected = expected.saturating_mul(*size);
        is_next
    })
}
