//! Weights that `torch.save` wrote: they are read without running what a pickle asks for, and what is more than weights is refused.

mod common;

use std::fs;

use brewer::model::load;
use common::{assert_close, assert_contains, assert_same_parameters, load_error, options, recorded};
use serde_json::json;
use tch::Kind;

/// A tiny model whose weights `torch.save` wrote: as today, as before torch 1.6, and in half precision.
fn torch_file(name: &str) -> std::path::PathBuf {
    recorded("../torch").join(name)
}

/// A folder with the config of that model and with this as its weights.
fn with_torch_file(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(torch_file("config.json"), folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
    folder
}

#[test]
fn reads_what_torch_saved() {
    let expected = load(&torch_file(""), &options(false)).unwrap().model;
    for (name, precision) in [("zip.bin", 0.0), ("legacy.bin", 0.0), ("bfloat16.bin", 1e-2), ("parameters.bin", 1e-3)] {
        let folder = with_torch_file(&fs::read(torch_file(name)).unwrap());
        let found = load(folder.path(), &options(false)).unwrap().model;
        for (parameter, tensor) in expected.parameters().iter() {
            let found = found.parameters().get(parameter).unwrap();
            assert_eq!(found.kind(), Kind::Float);
            assert_close(&format!("{name}: {parameter}"), found, tensor, 1e-12, precision);
        }
    }
    // Several files and their index.
    let folder = with_torch_file(&fs::read(torch_file("zip.bin")).unwrap());
    fs::rename(folder.path().join("pytorch_model.bin"), folder.path().join("pytorch_model-1.bin")).unwrap();
    let names = expected.parameters().iter().map(|(name, _)| (name.to_owned(), json!("pytorch_model-1.bin")));
    let index = json!({ "weight_map": names.collect::<serde_json::Map<_, _>>() });
    fs::write(folder.path().join("pytorch_model.bin.index.json"), index.to_string()).unwrap();
    assert_same_parameters(&*load(folder.path(), &options(false)).unwrap().model, &*expected);
}

#[test]
fn refuses_torch_files_that_are_more_or_less_than_weights() {
    let refuse = |bytes: &[u8], expected: &str| {
        let folder = with_torch_file(bytes);
        let error = load_error(folder.path(), &options(false));
        assert_contains(&error, &["pytorch_model.bin: not weights that can be read without running", expected]);
        assert_contains(&error, &["python3 -c 'import torch; ", "weights_only=True", "model.safetensors"]);
    };
    refuse(b"", "it is no file of torch.save");
    refuse(b"<html>", "it is no file of torch.save");
    // Tuples in tuples, deeper than the stack of a thread.
    refuse(&[&b"\x80\x02)"[..], &[0x85; 1_000_000], b"."].concat(), "it is no file of torch.save");
    // The magic number, the version and the machine, and then what would be the tensors.
    let legacy = fs::read(torch_file("legacy.bin")).unwrap();
    let refuse_value = |value: &[u8], expected: &str| refuse(&[&legacy[..137], b"\x80\x02", value].concat(), expected);
    // A list that grows after it was kept would be copied for each item.
    refuse_value(b"]q\x00Naq\x01Na.", "it adds to what it has put elsewhere before");
    refuse_value(b"]q\x00Nah\x00.", "it recalls a value that it did not remember whole");
    let long = [&b"X"[..], &5000_u32.to_le_bytes(), &[b'a'; 5000], b"."].concat();
    refuse_value(&long, "a text in it has 5000 bytes; expected at most 4096");
    refuse(&fs::read(torch_file("command.bin")).unwrap(), "it asks for `posix.system`, and only tensors are read");
    for name in ["zip.bin", "legacy.bin"] {
        let whole = fs::read(torch_file(name)).unwrap();
        for size in [1, 100, whole.len() / 2, whole.len() - 1] {
            let folder = with_torch_file(&whole[..size]);
            let error = load_error(folder.path(), &options(false));
            assert_contains(&error, &["pytorch_model.bin: not weights that can be read without running"]);
        }
        // The shape [8, 4] of the words as [127, 4]: K is an instruction that makes a number of a byte.
        let shape = b"K\x08K\x04\x86";
        let at = whole.windows(shape.len()).position(|window| window == shape).unwrap();
        let mut lying = whole.clone();
        lying[at + 1] = 127;
        // An archive has a check sum of what describes its tensors.
        let is_zip = name == "zip.bin";
        let lie = "would have the shape [127, 4], which is more than its storage holds";
        refuse(&lying, if is_zip { "it is damaged: " } else { lie });
    }
    // The storage of the words has 32 elements.
    let at = legacy.windows(6).position(|window| window == b"cpuq\x07K").unwrap();
    let mut lying = legacy.clone();
    lying[at + 6] = 31;
    refuse(&lying, "of `bert.embeddings.word_embeddings.weight` in it has 128 bytes; expected 31 elements of 4");
    // An archive's directory has a file's size 22 bytes before its name.
    let mut large = fs::read(torch_file("zip.bin")).unwrap();
    let directory = large.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let name = large[directory..].windows(8).position(|window| window == b"data.pkl").unwrap() + directory;
    let entry = large[..name].windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    large[entry + 24..entry + 28].copy_from_slice(&100_000_000_u32.to_le_bytes());
    refuse(&large, "(`data.pkl`) has 100000000 bytes; expected at most 67108864");
}
