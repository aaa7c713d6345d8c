//! A component's bytes are a matter of its source and its tools, in every language.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::authoring::{finished, new_project, plugin_command};

/// Builds one source in two folders: the same component comes out. In the second, files are older, something is left of an
/// earlier build, and temporary files and Python's packages lie elsewhere.
#[track_caller]
fn built_twice_is_one(language: &str) {
    let built = ["here", "in/another/place"].map(|place| {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(place);
        fs::create_dir_all(&place).unwrap();
        new_project(&place, "mine", language, "adaptor");
        let mut command = plugin_command(&place, &["build", "mine"]);
        // What another build has left behind is no help.
        command.env("CARGO_TARGET_DIR", place.join("target"));
        if place.ends_with("place") {
            fs::create_dir(place.join("mine/__pycache__")).unwrap();
            fs::write(place.join("mine/mine.wasm"), "of an earlier build").unwrap();
            let packages = place.join("environment/lib/site-packages");
            fs::create_dir_all(&packages).unwrap();
            fs::write(packages.join("another.py"), "").unwrap();
            command.env("TMPDIR", &place).env("VIRTUAL_ENV", place.join("environment"));
            age(&place.join("mine"));
        }
        let built = finished(&mut command);
        assert_eq!(built.code, 0, "{}", built.stderr);
        assert!(!built.stderr.contains("warning"), "{}", built.stderr);
        fs::read(place.join("mine.wasm")).unwrap()
    });
    assert!(built[0] == built[1], "two builds in {language} differ");
}

/// Gives the files of a folder the time of 9 September 2001.
fn age(folder: &Path) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            age(&path);
        }
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::open(&path).unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn rust_is_built_to_the_same_bytes() {
    built_twice_is_one("rust");
}

#[test]
fn python_is_built_to_the_same_bytes() {
    built_twice_is_one("python");
}

#[test]
fn javascript_is_built_to_the_same_bytes() {
    built_twice_is_one("javascript");
}

#[test]
fn typescript_is_built_to_the_same_bytes() {
    built_twice_is_one("typescript");
}

#[test]
fn c_is_built_to_the_same_bytes() {
    built_twice_is_one("c");
}

#[test]
fn a_build_that_cannot_be_reproduced_says_so() {
    let folder = tempfile::tempdir().unwrap();
    new_project(folder.path(), "mine", "javascript", "adaptor");
    let temporary = folder.path().join("two words");
    fs::create_dir(&temporary).unwrap();
    let built = finished(plugin_command(folder.path(), &["build", "mine"]).env("TMPDIR", temporary));
    assert_eq!(built.code, 0, "{}", built.stderr);
    assert!(built.stderr.contains("another build of this plugin will have other bytes"), "{}", built.stderr);
    assert!(built.stderr.contains("set TMPDIR to a folder"), "{}", built.stderr);
}
