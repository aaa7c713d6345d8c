//! Bundles in a folder and in a tar, as the OCI image layout has them.
//!
//! ```text
//! oci-layout          {"imageLayoutVersion":"1.0.0"}
//! index.json          the bundle's index, and signatures by the tags that registries have them at
//! blobs/sha256/HEX    manifests and blobs
//! ```
//!
//! A layout comes from others. Of a folder only the files that the bundle needs are opened, and no link; of a tar every
//! header is checked first, and nothing is ever unpacked: what is needed is read from its place, and is what its digest
//! says before it is in the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{Bundle, check_children, check_config, open, parse_index, tar};
use crate::{
    Digest, Error, ErrorKind, Result, Store,
    document::{Descriptor, IMAGE_INDEX, ImageIndex},
    limits,
    signature::{Artefact, Form, Signatures, referrers_tag, signature_tag},
    store::{Ingest, open as open_plain},
};

const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// Whether a path is meant as a tar.
fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tar")
}

/// Writes a bundle of the store, and signatures, to a folder, or to a file whose name ends in `.tar`. The same bundle
/// gives the same bytes.
///
/// # Errors
/// If something is there already, if a part is not in the store, or if it cannot be written.
pub fn export(store: &Store, bundle: &Bundle, signatures: &Signatures, path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::input(path.display(), "it is there already; name another place"));
    }
    let failed = |error: io::Error| Error::unwritten(path, error);
    let (index, small) = entries(store, bundle, signatures)?;
    let blobs: BTreeSet<Digest> = bundle.blobs.iter().chain(&bundle.children).map(|part| part.digest).collect();
    let names: BTreeSet<Digest> = small.keys().copied().chain(blobs).chain([bundle.index]).collect();
    let read = |digest: &Digest| match small.get(digest) {
        Some(bytes) => Ok(bytes.clone()),
        None => {
            let gone = || Error::refused(digest, "it is not in the store; pull the bundle again");
            store.blob(digest, limits::COMPONENT)?.ok_or_else(gone)
        }
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if is_tar(path) {
        let mut file = unfinished(0o666).tempfile_in(folder).map_err(failed)?;
        // The file itself: the error of the other names a path that is gone by then.
        let mut add = |name: &str, bytes: &[u8]| tar::write(file.as_file_mut(), name, bytes).map_err(failed);
        for digest in &names {
            add(&blob_name(digest), &read(digest)?)?;
        }
        add("index.json", &index)?;
        add("oci-layout", VERSION)?;
        tar::finish(file.as_file_mut()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    } else {
        let unfinished = unfinished(0o777).tempdir_in(folder).map_err(failed)?;
        let write = |name: &str, bytes: &[u8]| -> io::Result<()> {
            let mut file = File::create_new(unfinished.path().join(name))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        fs::create_dir_all(unfinished.path().join("blobs/sha256")).map_err(failed)?;
        for digest in &names {
            write(&blob_name(digest), &read(digest)?).map_err(failed)?;
        }
        write("index.json", &index).and_then(|()| write("oci-layout", VERSION)).map_err(failed)?;
        fs::rename(unfinished.path(), path).map_err(failed)?;
        // What it would remove has another name by now.
        let _ = unfinished.keep();
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// What is being written, with the permissions that the user's files have.
fn unfinished(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".brewer-bundle-").permissions(fs::Permissions::from_mode(mode));
    builder
}

/// Small blobs in memory.
type Blobs = BTreeMap<Digest, Vec<u8>>;

/// `index.json`, and the blobs of the signatures.
fn entries(store: &Store, bundle: &Bundle, signatures: &Signatures) -> Result<(Vec<u8>, Blobs)> {
    let wrong = |problem: String| Error::refused(bundle.index, problem);
    let gone = || wrong("it is not in the store; pull the bundle again".to_owned());
    let index = store.blob(&bundle.index, limits::MANIFEST)?.ok_or_else(gone)?;
    let named = |mut entry: Descriptor, name: String| {
        entry.annotations = [(REFERENCE.to_owned(), name)].into();
        entry.artifact_type = None;
        entry
    };
    let version = bundle.version.clone().unwrap_or_else(|| "latest".to_owned());
    let mut entries = vec![named(Descriptor::of(IMAGE_INDEX, &index), version)];
    let mut small = BTreeMap::new();
    for (signed, artefacts) in signatures {
        let mut referrers = vec![];
        for artefact in artefacts {
            small.extend(artefact.blobs.clone());
            small.insert(Digest::of(&artefact.bytes), artefact.bytes.clone());
            match artefact.form {
                Form::Tag => entries.push(named(artefact.entry(), signature_tag(signed))),
                Form::Bundle => referrers.push(artefact.entry()),
            }
        }
        if !referrers.is_empty() {
            let referrers = ImageIndex::new(referrers).to_bytes().map_err(wrong)?;
            entries.push(named(Descriptor::of(IMAGE_INDEX, &referrers), referrers_tag(signed)));
            small.insert(Digest::of(&referrers), referrers);
        }
    }
    Ok((ImageIndex::new(entries).to_bytes().map_err(wrong)?, small))
}

/// Brings the bundle of a folder or a tar into the store, and its signatures into memory.
///
/// # Errors
/// If it has no bundle, or not all of one; if a file of it is not what its digest says; if a tar has anything that a
/// layout has not.
pub fn import(store: &Store, path: &Path) -> Result<(Bundle, Signatures)> {
    let refused = |problem: String| Error::refused(path.display(), problem);
    let mut source = Source::open(path)?;
    let version = source.small("oci-layout", limits::CONFIG)?;
    let version: serde_json::Value = serde_json::from_slice(&version).unwrap_or_default();
    if version["imageLayoutVersion"] != "1.0.0" {
        return Err(refused("its oci-layout does not say version 1.0.0".to_owned()));
    }
    let listed = source.small("index.json", limits::MANIFEST)?;
    // It is no artefact, so tools leave out what kind it is.
    let listed: ImageIndex =
        serde_json::from_slice(&listed).map_err(|error| refused(format!("its index.json: {error}")))?;
    let name = |entry: &Descriptor| entry.annotations.get(REFERENCE).cloned().unwrap_or_default();
    let (signatures, bundles): (Vec<&Descriptor>, Vec<&Descriptor>) =
        listed.manifests.iter().partition(|entry| name(entry).starts_with("sha256-"));
    let [entry] = bundles.as_slice() else {
        return Err(refused(format!("its index.json names {} artefacts; expected one bundle", bundles.len())));
    };
    let bytes = source.manifest(entry)?;
    let index = parse_index(&bytes, None).map_err(refused)?;
    let mut manifests = vec![];
    for child in &index.manifests {
        manifests.push(source.manifest(child)?);
    }
    let (contents, blobs) = check_children(&index, &manifests).map_err(refused)?;
    check_config(&index, &source.exact(&contents.config, limits::CONFIG)?).map_err(refused)?;
    let signed: Vec<Digest> = index.manifests.iter().map(|child| child.digest).chain([entry.digest]).collect();
    let mut found = Signatures::new();
    for digest in signed {
        let of_it = source.signatures(&signatures, &digest)?;
        if !of_it.is_empty() {
            found.insert(digest, of_it);
        }
    }
    let blobs: BTreeMap<Digest, u64> = blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
    let mut ingests = vec![];
    for (digest, size) in blobs {
        ingests.extend(source.blob(store, &digest, size)?);
    }
    ingests.into_iter().try_for_each(Ingest::finish)?;
    for manifest in manifests.iter().chain([&bytes]) {
        store.put(manifest)?;
    }
    Ok((open(store, &entry.digest)?, found))
}

/// Where a layout is read from.
struct Source {
    path: PathBuf,
    /// The places of a tar's files; none of a folder's.
    tar: Option<(File, BTreeMap<String, tar::Place>)>,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| Error::input(path.display(), format!("it cannot be read: {error}"));
        let tar = if path.is_dir() {
            None
        } else {
            let mut file = File::open(path).map_err(failed)?;
            if !file.metadata().map_err(failed)?.is_file() {
                return Err(Error::input(path.display(), "it is neither a folder nor a file"));
            }
            let places = tar::places(&mut file).map_err(|problem| Error::refused(path.display(), problem))?;
            Some((file, places))
        };
        Ok(Self { path: path.to_owned(), tar })
    }

    /// The file of this name, and its size.
    fn file(&mut self, name: &str) -> Result<(Box<dyn Read + '_>, u64)> {
        let missing = || Error::refused(self.path.display(), format!("it has no {name}"));
        let failed = |error: io::Error| Error::disk(&self.path, error);
        match &mut self.tar {
            Some((file, places)) => {
                let place = *places.get(name).ok_or_else(missing)?;
                file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
                Ok((Box::new(file.take(place.size)), place.size))
            }
            None => {
                let file = open_plain(&self.path.join(name))?.ok_or_else(missing)?;
                let size = file.metadata().map_err(failed)?.len();
                Ok((Box::new(file), size))
            }
        }
    }

    fn small(&mut self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let path = self.path.clone();
        let (file, size) = self.file(name)?;
        if size > limit {
            let problem = format!("its {name} has {size} bytes; at most {limit} are allowed");
            return Err(Error::refused(path.display(), problem));
        }
        let mut bytes = vec![];
        file.take(limit).read_to_end(&mut bytes).map_err(|error| Error::disk(&path, error))?;
        Ok(bytes)
    }

    /// The bytes that a descriptor names.
    fn exact(&mut self, part: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.small(&blob_name(&part.digest), limit)?;
        let found = bytes.len() as u64;
        if found != part.size || Digest::of(&bytes) != part.digest {
            return Err(self.altered(&part.digest, part.size, found));
        }
        Ok(bytes)
    }

    fn manifest(&mut self, part: &Descriptor) -> Result<Vec<u8>> {
        self.exact(part, limits::MANIFEST)
    }

    /// A large blob on its way into the store; `None` if it is there.
    fn blob<'s>(&mut self, store: &'s Store, digest: &Digest, size: u64) -> Result<Option<Ingest<'s>>> {
        if store.holds(digest, size)? {
            return Ok(None);
        }
        let mut ingest = store.ingest(digest)?;
        ingest.restart()?;
        let (mut file, found) = self.file(&blob_name(digest))?;
        let mut buffer = vec![0; 64 << 10];
        // A file that grows meanwhile ends at its size.
        while found == size && ingest.reached() <= size {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => ingest.append(&buffer[..length])?,
                Err(error) => return Err(Error::new(ErrorKind::Disk, digest, error)),
            }
        }
        drop(file);
        if found == size && ingest.is_right()? {
            return Ok(Some(ingest));
        }
        ingest.discard()?;
        Err(self.altered(digest, size, found))
    }

    /// The error of a blob that has `found` bytes and is not the one that its descriptor names.
    fn altered(&self, digest: &Digest, size: u64, found: u64) -> Error {
        let problem = if found != size {
            format!("its blob {digest} must have {size} bytes, but has {found}")
        } else {
            format!("its blob {digest} has another digest")
        };
        Error::refused(self.path.display(), problem)
    }

    /// The signatures of one manifest among the entries of `index.json`.
    fn signatures(&mut self, entries: &[&Descriptor], signed: &Digest) -> Result<Vec<Artefact>> {
        let path = self.path.clone();
        let refused = |problem: String| Error::refused(path.display(), problem);
        let named = |name: String| entries.iter().find(move |entry| entry.annotations.get(REFERENCE) == Some(&name));
        let mut manifests = vec![];
        if let Some(entry) = named(referrers_tag(signed)) {
            let bytes = self.manifest(entry)?;
            manifests.extend(ImageIndex::parse(&bytes, None).map_err(refused)?.manifests);
        }
        manifests.extend(named(signature_tag(signed)).map(|entry| (*entry).clone()));
        if manifests.len() > limits::REFERRERS {
            let (count, most) = (manifests.len(), limits::REFERRERS);
            return Err(refused(format!("it has {count} signatures of {signed}; at most {most} are looked at")));
        }
        let (mut artefacts, mut total) = (vec![], 0);
        for manifest in manifests {
            let bytes = self.manifest(&manifest)?;
            let Some(mut artefact) = Artefact::parse(&bytes, None).map_err(refused)? else { continue };
            artefact.fill(&mut total, |part| self.exact(part, limits::SIGNATURE))?;
            artefacts.push(artefact);
        }
        Ok(artefacts)
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
