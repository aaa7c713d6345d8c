//! From a registry into the store.

use std::collections::BTreeMap;

use ureq::http::Method;

use super::{
    Access, Repository, Transfer, Tries,
    http::{Answer, Failure},
};
use crate::{
    Digest, Error, Reference, Result, Store,
    document::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, ImageIndex},
    limits,
    store::Ingest,
};

/// A manifest as a registry gave it.
#[derive(Debug)]
pub struct Manifest {
    /// As they came; its digest is of them.
    pub bytes: Vec<u8>,
    /// Of `bytes`, computed here: what the registry says of it counts for nothing.
    pub digest: Digest,
    /// What the registry calls it.
    pub content_type: Option<String>,
}

/// Bytes that make a try worth while: an interruption after so many costs none of the tries.
const PROGRESS: u64 = 1 << 20;

impl Repository<'_> {
    /// The manifest that a reference names.
    ///
    /// # Errors
    /// If there is none, if it is too large, or if it is not the one that the reference is pinned to.
    pub fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let path = format!("/v2/{}/manifests/{}", self.name, reference.target());
        let mut call = self.call(Method::GET, &path, limits::MANIFEST);
        // A registry that has something else converts it, or says that there is nothing, unless it may send that.
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        call.headers.push(("accept", format!("{IMAGE_MANIFEST}, {IMAGE_INDEX}, {docker}")));
        let mut tries = Tries::new(&self.client.settings.timing);
        let (bytes, content_type) = loop {
            let mut answer = self.send(&call, Access::Pull).map_err(|error| error.about(reference))?;
            match answer.status {
                200 => {}
                404 => return Err(self.missing(reference, &mut answer)),
                _ => return Err(self.unexpected(&mut answer).about(reference)),
            }
            match answer.bytes(limits::MANIFEST) {
                Ok(bytes) => break (bytes, answer.header("content-type").map(str::to_owned)),
                Err(failure) => {
                    let failed = |problem: String| Error::network(reference, format!("its manifest: {problem}"));
                    tries.again(failure).map_err(failed)?;
                }
            }
        };
        let digest = Digest::of(&bytes);
        if let Some(asked) = reference.digest().filter(|asked| *asked != digest) {
            let problem = format!("{} sent another manifest, {digest}; expected {asked}", self.host);
            return Err(Error::refused(reference, problem));
        }
        Ok(Manifest { bytes, digest, content_type })
    }

    /// Who refers to a manifest; nobody, where the registry does not keep that.
    ///
    /// # Errors
    /// If what it answers is no index, or if it fails.
    pub(crate) fn referrers(&self, manifest: &Digest) -> Result<Vec<Descriptor>> {
        let path = format!("/v2/{}/referrers/{manifest}", self.name);
        let mut call = self.call(Method::GET, &path, limits::MANIFEST);
        call.headers.push(("accept", IMAGE_INDEX.to_owned()));
        let mut answer = self.send(&call, Access::Pull)?;
        if answer.status != 200 {
            return Ok(vec![]);
        }
        let what = format!("who refers to {manifest}");
        let wrong = |problem: String| Error::refused(&self.host, format!("{what}: {problem}"));
        let bytes = answer.bytes(limits::MANIFEST).map_err(|failure| wrong(failure.problem().to_owned()))?;
        Ok(ImageIndex::parse(&bytes, answer.header("content-type")).map_err(wrong)?.manifests)
    }

    /// The bytes of a small blob, such as a signature; the caller bounds its size.
    ///
    /// # Errors
    /// If the registry has other bytes, or fails.
    pub(crate) fn small_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let path = format!("/v2/{}/blobs/{}", self.name, descriptor.digest);
        let mut answer = self.send(&self.call(Method::GET, &path, descriptor.size), Access::Pull)?;
        match answer.status {
            200 => {}
            404 => return Err(self.missing(format!("blob {}", descriptor.digest), &mut answer)),
            _ => return Err(self.unexpected(&mut answer)),
        }
        let bytes = answer.bytes(descriptor.size).map_err(|failure| self.lie(descriptor, failure.problem()))?;
        if bytes.len() as u64 != descriptor.size || Digest::of(&bytes) != descriptor.digest {
            return Err(self.lie(descriptor, "it sends others"));
        }
        Ok(bytes)
    }

    /// Fetches a blob, unless the store has it: the bytes that its descriptor names, as many as it says. They are checked,
    /// and not in their place yet, so that an artefact comes into the store whole or not at all.
    ///
    /// # Errors
    /// If the registry has another number of bytes, or others, or fails; or if the store cannot be written.
    pub fn blob<'s>(&self, descriptor: &Descriptor, store: &'s Store) -> Result<Option<Ingest<'s>>> {
        if store.holds(&descriptor.digest, descriptor.size)? {
            return Ok(None);
        }
        let mut ingest = store.ingest(&descriptor.digest)?;
        // Another process may have brought it while this one waited for its turn.
        if store.holds(&descriptor.digest, descriptor.size)? {
            ingest.discard()?;
            return Ok(None);
        }
        // A part of an earlier pull may be damaged; the whole, fetched at once, cannot be blamed on it.
        let is_continued = ingest.reached() > 0;
        self.receive(descriptor, &mut ingest)?;
        if !ingest.is_right()? && is_continued {
            ingest.restart()?;
            self.receive(descriptor, &mut ingest)?;
        }
        if !ingest.is_right()? {
            ingest.discard()?;
            return Err(self.lie(descriptor, "its bytes have another digest"));
        }
        Ok(Some(ingest))
    }

    /// Brings blobs into the store: all of them, or none.
    ///
    /// # Errors
    /// As those of [`Repository::blob`].
    pub(crate) fn blobs<'d>(&self, parts: impl IntoIterator<Item = &'d Descriptor>, store: &Store) -> Result<()> {
        // Everybody waits for blobs in one order, so that no two wait for each other.
        let ordered: BTreeMap<_, _> = parts.into_iter().map(|part| (part.digest, part)).collect();
        let mut fetched = vec![];
        for part in ordered.into_values() {
            fetched.extend(self.blob(part, store)?);
        }
        fetched.into_iter().try_for_each(Ingest::finish)
    }

    /// Receives what is missing of a blob, up to its size.
    fn receive(&self, descriptor: &Descriptor, ingest: &mut Ingest<'_>) -> Result<()> {
        let mut tries = Tries::new(&self.client.settings.timing);
        if ingest.reached() > descriptor.size {
            ingest.restart()?;
        }
        // Where the last try that was worth while got; a registry that begins anew each time gains nothing by it.
        let mut furthest = ingest.reached();
        while ingest.reached() < descriptor.size || descriptor.size == 0 {
            let Some(mut answer) = self.ask_for_blob(descriptor, ingest)? else { continue };
            let failure = match self.take(&mut answer, descriptor, ingest)? {
                None if ingest.reached() == descriptor.size => return Ok(()),
                None => Failure::Passing("it ended too early".to_owned()),
                Some(failure) => failure,
            };
            if ingest.reached() >= furthest.saturating_add(PROGRESS) {
                furthest = ingest.reached();
                tries = Tries::new(&self.client.settings.timing);
            }
            let (reached, size) = (ingest.reached(), descriptor.size);
            let failed = |problem: String| {
                let short = descriptor.digest.short();
                self.failed(format!(
                    "blob {short}: {problem}; {reached} of {size} bytes are kept, and the next pull continues there"
                ))
            };
            tries.again(failure).map_err(failed)?;
        }
        Ok(())
    }

    /// Asks for the blob from the byte that is reached. `None` if the registry does not know what to make of that, and
    /// the part that was there is forgotten.
    fn ask_for_blob(&self, descriptor: &Descriptor, ingest: &mut Ingest<'_>) -> Result<Option<Answer>> {
        let path = format!("/v2/{}/blobs/{}", self.name, descriptor.digest);
        let mut call = self.call(Method::GET, &path, descriptor.size);
        let reached = ingest.reached();
        if reached > 0 {
            call.headers.push(("range", format!("bytes={reached}-")));
        }
        let mut answer = self.send(&call, Access::Pull)?;
        let begins =
            answer.header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {reached}-")));
        match answer.status {
            206 if reached > 0 && begins => {}
            // It sends all of it, although a part was asked for.
            200 => ingest.restart()?,
            206 | 416 if reached > 0 => {
                ingest.restart()?;
                return Ok(None);
            }
            404 => return Err(self.missing(format!("blob {}", descriptor.digest), &mut answer)),
            _ => return Err(self.unexpected(&mut answer)),
        }
        Ok(Some(answer))
    }

    /// Takes the body of an answer; returns how it failed.
    fn take(&self, answer: &mut Answer, descriptor: &Descriptor, ingest: &mut Ingest<'_>) -> Result<Option<Failure>> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = match answer.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => length,
                Err(failure) => return Ok(Some(failure)),
            };
            if ingest.reached() + length as u64 > descriptor.size {
                ingest.restart()?;
                return Err(self.lie(descriptor, "it sends more"));
            }
            ingest.append(&buffer[..length])?;
            if let Some(progress) = &self.client.settings.progress {
                progress(&Transfer { done: ingest.reached(), total: descriptor.size });
            }
        }
    }

    /// The error for a blob that is not what its descriptor says.
    fn lie(&self, descriptor: &Descriptor, problem: &str) -> Error {
        let Descriptor { digest, size, .. } = descriptor;
        Error::refused(&self.host, format!("blob {digest} must have {size} bytes and that digest, but {problem}"))
    }
}
