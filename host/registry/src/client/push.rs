//! From this machine to a registry. Blobs go first and the tag last: what breaks off leaves no tag to half an artefact.

use ureq::http::Method;

use super::{
    Access, Repository, Transfer, Tries,
    http::{Answer, Call, Failure},
    url::Url,
};
use crate::{Digest, Error, ErrorKind, Reference, Result, limits};

/// Why an upload ended.
enum Trouble {
    /// The two sides no longer agree on what is there; a new upload may end well.
    Lost(String),
    Final(Error),
}

/// What a registry makes of the wish to take a blob from another of its repositories.
enum Mount {
    Done,
    /// It wants the blob here, as any other.
    Begun(Url),
    Refused,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Repository<'_> {
    /// Uploads a blob, unless the registry has it. Returns whether it had to. If the registry has it in the repository
    /// `source`, it may take it from there.
    ///
    /// # Errors
    /// If the registry refuses it, or fails.
    pub fn push_blob(&self, bytes: &[u8], source: Option<&str>) -> Result<bool> {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{}/blobs/{digest}", self.name);
        let mut found = self.send(&self.call(Method::HEAD, &path, 0), Access::Push)?;
        match found.status {
            200 => return Ok(false),
            404 => {}
            _ => return Err(self.unexpected(&mut found)),
        }
        let mut begun = None;
        if let Some(source) = source {
            match self.mount_blob(&digest, source)? {
                Mount::Done => return Ok(true),
                Mount::Begun(url) => begun = Some(url),
                Mount::Refused => {}
            }
        }
        let mut tries = Tries::new(&self.client.settings.timing);
        loop {
            match self.upload_blob(bytes, &digest, begun.take()) {
                Ok(()) => return Ok(true),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Lost(problem)) => {
                    tries.again(Failure::Passing(problem)).map_err(|problem| self.failed(problem))?;
                }
            }
        }
    }

    /// Asks the registry to take a blob from another of its repositories.
    fn mount_blob(&self, digest: &Digest, source: &str) -> Result<Mount> {
        let url = self.origin.url(&format!("/v2/{}/blobs/uploads/", self.name));
        let url = url.with_query("mount", &digest.to_string()).with_query("from", source);
        let call = self.upload(Method::POST, url, &[]);
        match self.send(&call, Access::Mount(source)) {
            Ok(answer) if answer.status == 201 => Ok(Mount::Done),
            Ok(answer) if answer.status == 202 => self.location(&call.url, &answer).map(Mount::Begun),
            // An upload needs no leave to read there, and says what is wrong if that is something else.
            Ok(_) => Ok(Mount::Refused),
            Err(error) if error.kind() == ErrorKind::Denied => Ok(Mount::Refused),
            Err(error) => Err(error),
        }
    }

    /// Uploads a blob in one go, or a large one in pieces; to where `begun` says, if the registry has named that already.
    fn upload_blob(&self, bytes: &[u8], digest: &Digest, begun: Option<Url>) -> Result<(), Trouble> {
        let url = match begun {
            Some(url) => url,
            None => self.begin_upload()?,
        };
        let (url, rest) = match bytes.len() <= limits::PIECE {
            true => (url, bytes),
            false => (self.upload_pieces(url, bytes)?, &[][..]),
        };
        let mut call = self.upload(Method::PUT, url.with_query("digest", &digest.to_string()), rest);
        call.headers.push(("content-type", "application/octet-stream".to_owned()));
        let mut answer = self.send(&call, Access::Push)?;
        match answer.status {
            201 => Ok(()),
            _ => Err(self.trouble(&mut answer)),
        }
    }

    /// Uploads a manifest and gives it the reference's tag, if it has one. Returns whether the registry keeps who refers to
    /// the manifest's subject.
    ///
    /// # Errors
    /// If the registry refuses it, or fails.
    pub fn push_manifest(&self, reference: &Reference, bytes: &[u8], media_type: &str) -> Result<bool> {
        let path = format!("/v2/{}/manifests/{}", self.name, reference.target());
        let mut call = self.upload(Method::PUT, self.origin.url(&path), bytes);
        call.headers.push(("content-type", media_type.to_owned()));
        let mut answer = self.send(&call, Access::Push).map_err(|error| error.about(reference))?;
        match answer.status {
            201 => Ok(answer.header("oci-subject").is_some()),
            _ => Err(self.unexpected(&mut answer).about(reference)),
        }
    }

    /// Where the registry wants a new blob.
    fn begin_upload(&self) -> Result<Url> {
        let url = self.origin.url(&format!("/v2/{}/blobs/uploads/", self.name));
        let call = self.upload(Method::POST, url, &[]);
        let mut answer = self.send(&call, Access::Push)?;
        if answer.status != 202 {
            return Err(self.unexpected(&mut answer));
        }
        self.location(&call.url, &answer)
    }

    /// Uploads all of a large blob, piece by piece; the registry says how far it got, and is believed.
    fn upload_pieces(&self, mut url: Url, bytes: &[u8]) -> Result<Url, Trouble> {
        let mut tries = Tries::new(&self.client.settings.timing);
        let mut reached = 0;
        while reached < bytes.len() {
            let end = bytes.len().min(reached + limits::PIECE);
            let mut call = self.upload(Method::PATCH, url.clone(), &bytes[reached..end]);
            call.headers.push(("content-type", "application/octet-stream".to_owned()));
            call.headers.push(("content-range", format!("{reached}-{}", end - 1)));
            let mut answer = self.send(&call, Access::Push)?;
            let is_accepted = match answer.status {
                202 => true,
                // It has another part than was thought, and says which.
                416 => false,
                _ => return Err(self.trouble(&mut answer)),
            };
            url = if is_accepted { self.location(&call.url, &answer)? } else { url };
            let said = answer.header("range").and_then(|range| range.rsplit_once('-')?.1.parse::<usize>().ok());
            // `0-0` is what some say of nothing at all.
            let now = said.map_or(if is_accepted { end } else { reached }, |last| if last == 0 { 0 } else { last + 1 });
            if now > bytes.len() {
                // A piece that was sent again, since its answer was lost, may be there twice.
                return Err(Trouble::Lost(format!("it says that it has {now} bytes of {}", bytes.len())));
            }
            if now <= reached {
                let problem = format!("it took nothing of the piece from byte {reached} on");
                tries.again(Failure::Passing(problem)).map_err(|problem| self.failed(problem))?;
            }
            reached = now;
            if let Some(progress) = &self.client.settings.progress {
                progress(&Transfer { done: reached as u64, total: bytes.len() as u64 });
            }
        }
        Ok(url)
    }

    /// What an answer to a part of an upload means that does not accept it.
    fn trouble(&self, answer: &mut Answer) -> Trouble {
        match answer.status {
            // Docker's registry says so when a piece comes a second time, since the answer to the first was lost.
            400 | 404 | 416 => Trouble::Lost(answer.problem()),
            _ => self.unexpected(answer).into(),
        }
    }

    fn upload<'a>(&self, method: Method, url: Url, body: &'a [u8]) -> Call<'a> {
        Call { method, url, headers: vec![], body: Some(body), expected: limits::ERROR_TEXT }
    }

    /// Where an upload continues. It may be another server, which gets the bytes and no credentials.
    fn location(&self, url: &Url, answer: &Answer) -> Result<Url> {
        let location = answer.header("location").unwrap_or("");
        let refused = |problem: String| self.failed(format!("it wants the upload elsewhere, but {problem}"));
        let next = url.join(location).map_err(refused)?;
        self.client.check_hop(&self.origin, next.origin()).map_err(refused)?;
        Ok(next)
    }
}
