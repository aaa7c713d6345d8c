//! libtorch at `target/libtorch`: downloaded, or a link to the one the user has.
//!
//! The wheel of PyTorch carries libtorch with its headers. Its CPU part needs two small libraries of CUDA at load time,
//! from wheels of their own, and none of the large ones.

use std::{
    env,
    env::consts::{ARCH, DLL_PREFIX, DLL_SUFFIX, OS},
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use brewer_plugin_kit::process;

use crate::{
    product::{Part, Product},
    python,
    step::note,
    wheel::{Member, Wheel},
    workspace::Workspace,
};

/// The version `torch-sys` was generated for.
pub const VERSION: &str = "2.11.0";

const PARTS: &[Part] = &[
    Part {
        wheel: Wheel {
            file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        },
        members: &[
            Member { from: "torch/lib/libtorch_cpu.so", to: "lib/libtorch_cpu.so" },
            Member { from: "torch/lib/libc10.so", to: "lib/libc10.so" },
            Member { from: "torch/lib/libgomp.so.1", to: "lib/libgomp.so.1" },
            Member { from: "torch/include/", to: "include" },
            Member { from: "torch/version.py", to: "version.py" },
            Member { from: "torch-2.11.0.dist-info/licenses/", to: "licenses" },
        ],
    },
    Part {
        wheel: Wheel {
            file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        },
        members: &[Member { from: "nvidia/cu13/lib/libcudart.so.13", to: "lib/libcudart.so.13" }],
    },
    Part {
        wheel: Wheel {
            file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
            sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        },
        members: &[Member { from: "nvidia/cu13/lib/libcupti.so.13", to: "lib/libcupti.so.13" }],
    },
];

/// The name of libtorch's stamp.
const STAMP: &str = "libtorch";

/// Sees to it that `target/libtorch` is a libtorch of the right version. Says what was done.
pub fn ensure(workspace: &Workspace) -> Result<String> {
    let place = workspace.libtorch();
    if let Some(own) = own(&place)? {
        return link(workspace, &own);
    }
    let store = workspace.store();
    let product = Product { name: STAMP, place: place.clone(), parts: PARTS };
    let found = verify(&place);
    // A folder without a stamp was put there by hand, or is a link to the user's own: it is as good as any.
    if found.is_ok() && (product.is_ready(&store) || !product.is_stamped(&store)) {
        return Ok(match fs::read_link(&place) {
            Ok(own) => format!("ready: a link to {}", own.display()),
            Err(_) => "ready".to_owned(),
        });
    }
    if (OS, ARCH) != ("linux", "x86_64") {
        bail!(
            "libtorch can be downloaded for x86_64 Linux only, and this is {ARCH} {OS}: get libtorch {VERSION}, set \
             LIBTORCH to its folder (the one with lib/ and include/), and run this again"
        );
    }
    if let Err(reason) = found
        && place.symlink_metadata().is_ok()
    {
        note(&format!("making {} anew: {reason:#}", workspace.relative(&place).display()));
        store.clear_stamp(STAMP)?;
    }
    product.make(&store, |made| {
        add_link_library(made)?;
        verify(made)
    })?;
    Ok("downloaded".to_owned())
}

/// `torch-sys` links `-ltorch`. The wheel's `libtorch.so` has nothing of its own and would pull in libtorch_cuda.so.
fn add_link_library(libtorch: &Path) -> Result<()> {
    let link = libtorch.join("lib/libtorch.so");
    symlink("libtorch_cpu.so", &link).with_context(|| format!("cannot create the link {}", link.display()))
}

/// Makes `target/libtorch` a link to the user's own libtorch.
fn link(workspace: &Workspace, own: &Path) -> Result<String> {
    verify(own).context(
        "the libtorch you named does not fit: name another with LIBTORCH, or unset LIBTORCH and LIBTORCH_USE_PYTORCH \
         to have the right one downloaded",
    )?;
    let (place, store) = (workspace.libtorch(), workspace.store());
    if fs::read_link(&place).is_ok_and(|linked| linked == own) {
        return Ok(format!("ready: a link to {}", own.display()));
    }
    let turn = store.lock()?;
    let made = turn.scratch().join("link");
    symlink(own, &made).with_context(|| format!("cannot create the link {}", made.display()))?;
    store.clear_stamp(STAMP)?;
    turn.put(&made, &place)?;
    Ok(format!("linked to {}", own.display()))
}

/// The libtorch the user has, if the environment names one: the variables are those of `torch-sys`, in its order.
fn own(place: &Path) -> Result<Option<PathBuf>> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        let path = process::capture(python::command().args(["-c", "import torch; print(torch.__path__[0])"])).context(
            format!("LIBTORCH_USE_PYTORCH is set: install torch=={VERSION} for this Python, or unset the variable"),
        )?;
        return Ok(Some(PathBuf::from(path)));
    }
    named(env::var_os("LIBTORCH"), place)
}

/// What the value of `LIBTORCH` names, unless it is `place` itself: that value comes from `.cargo/config.toml`.
fn named(value: Option<OsString>, place: &Path) -> Result<Option<PathBuf>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(value);
    if path == place {
        return Ok(None);
    }
    let whole = path.canonicalize().with_context(|| {
        format!("LIBTORCH is {}, which cannot be read: set it to a libtorch {VERSION}, or unset it", path.display())
    })?;
    if !path.is_absolute() {
        bail!(
            "LIBTORCH is {}, a relative path, and build scripts run in other folders: set it to {}",
            path.display(),
            whole.display()
        );
    }
    if !place.is_symlink() && place.canonicalize().is_ok_and(|place| place == whole) {
        return Ok(None);
    }
    Ok(Some(whole))
}

/// Fails unless `folder` is a whole libtorch of the right version.
fn verify(folder: &Path) -> Result<()> {
    let libraries = ["torch", "torch_cpu", "c10"].map(|name| format!("lib/{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    for file in libraries.iter().map(String::as_str).chain(["include/torch/csrc/api/include/torch/torch.h"]) {
        if !folder.join(file).is_file() {
            bail!("{} is not a whole libtorch: it has no {file}", folder.display());
        }
    }
    match version(folder) {
        Some(found) if found == VERSION => Ok(()),
        Some(found) => bail!("{} is libtorch {found}; Brewer needs {VERSION}", folder.display()),
        None => bail!("{} does not say its version in its headers; Brewer needs {VERSION}", folder.display()),
    }
}

/// The version of the libtorch in `folder`, from the header that defines it: this one since 2.9, that one before.
fn version(folder: &Path) -> Option<String> {
    let headers = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"];
    headers.iter().find_map(|header| version_in(&fs::read_to_string(folder.join("include").join(header)).ok()?))
}

fn version_in(header: &str) -> Option<String> {
    let part = |name| {
        header.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next())?
        })
    };
    let [major, minor, patch] = ["TORCH_VERSION_MAJOR", "TORCH_VERSION_MINOR", "TORCH_VERSION_PATCH"].map(part);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::create_folder;

    const HEADER: &str = "#pragma once\n/// Major\n#define TORCH_VERSION_MAJOR 2\n\n#define TORCH_VERSION_MINOR 11\n\
                          #define TORCH_VERSION_PATCH 0\n#define TORCH_VERSION \\\n  \"2.11.0\"\n";

    fn libtorch(folder: &Path, header: &str) {
        for file in ["lib/libtorch.so", "lib/libtorch_cpu.so", "lib/libc10.so"] {
            create_folder(&folder.join("lib")).unwrap();
            fs::write(folder.join(file), "").unwrap();
        }
        for (file, content) in [("csrc/api/include/torch/torch.h", ""), ("headeronly/version.h", header)] {
            let path = folder.join("include/torch").join(file);
            create_folder(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn the_version_is_read_from_the_header() {
        assert_eq!(version_in(HEADER).as_deref(), Some(VERSION));
        assert_eq!(version_in("#define TORCH_VERSION_MAJOR 2\n"), None);
        assert_eq!(version_in("#define TORCH_VERSION_MAJOR\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_version_or_a_part_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = verify(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it has no lib/libtorch.so"), "{error}");

        libtorch(folder.path(), HEADER);
        verify(folder.path()).unwrap();

        libtorch(folder.path(), &HEADER.replace("11", "9"));
        let error = verify(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is libtorch 2.9.0; Brewer needs 2.11.0"), "{error}");
    }

    #[test]
    fn the_variable_that_cargo_sets_names_nothing_of_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("target/libtorch");
        assert_eq!(named(None, &place).unwrap(), None);
        assert_eq!(named(Some("".into()), &place).unwrap(), None);
        assert_eq!(named(Some(place.clone().into()), &place).unwrap(), None);

        create_folder(&place).unwrap();
        assert_eq!(named(Some(folder.path().join("target/../target/libtorch").into()), &place).unwrap(), None);
    }

    #[test]
    fn the_users_own_stays_their_own_once_it_is_linked() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (own, place) = (root.join("own"), root.join("libtorch"));
        create_folder(&own).unwrap();
        assert_eq!(named(Some(own.clone().into()), &place).unwrap(), Some(own.clone()));
        symlink(&own, &place).unwrap();
        assert_eq!(named(Some(own.clone().into()), &place).unwrap(), Some(own));
    }

    #[test]
    fn a_value_that_cannot_be_meant_is_refused() {
        let place = Path::new("/nowhere/target/libtorch");
        let error = named(Some("/nowhere/at/all".into()), place).unwrap_err().to_string();
        assert!(error.contains("LIBTORCH is /nowhere/at/all"), "{error}");
        let error = named(Some("src".into()), place).unwrap_err().to_string();
        assert!(error.contains("LIBTORCH is src, a relative path"), "{error}");
    }
}
