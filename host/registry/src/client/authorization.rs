//! Leave to do something: from a registry's challenge to the `Authorization` that answers it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use ureq::http::Method;

use super::{
    Access, Repository, Tries,
    http::{Answer, Call},
    is_passing,
    url::{Origin, Url, escaped},
};
use crate::{Credential, Error, ErrorKind, Result, Secret, limits, printable};

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token of the service at `realm`.
    Bearer { realm: String, service: Option<String> },
}

/// What a token service answers.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Repository<'_> {
    /// The authorization that the registry accepted last for such requests.
    pub(super) fn authorization(&self, access: Access<'_>) -> Option<String> {
        self.client.authorizations.borrow().get(&self.key(access)).cloned()
    }

    /// Gets the authorization that an answer with status 401 asks for.
    pub(super) fn authorize(&self, answer: &Answer, access: Access<'_>) -> Result<()> {
        let Some(challenge) = answer.all("www-authenticate").find_map(Challenge::parse) else {
            return Err(self.refusal("it answers 401 and does not say how to log in"));
        };
        let credential = self.credential()?;
        let authorization = match (challenge, credential) {
            (Challenge::Basic, None) => return Err(self.no_credential("it asks for a password")),
            (Challenge::Basic, Some(Credential { secret: Secret::IdentityToken(_), source })) => {
                return Err(self.refusal(format!("it asks for a password, but {source} has an identity token")));
            }
            (Challenge::Basic, Some(Credential { secret: Secret::Password { user, password }, .. })) => {
                basic(&user, &password)
            }
            (Challenge::Bearer { realm, service }, credential) => {
                format!("Bearer {}", self.token(&realm, service.as_deref(), access, credential.as_ref())?)
            }
        };
        self.client.authorizations.borrow_mut().insert(self.key(access), authorization);
        Ok(())
    }

    /// An answer with status 401 or 403 to a request that had the authorization that was asked for.
    pub(super) fn denied(&self, answer: &mut Answer) -> Error {
        let said = answer.problem();
        match self.credential() {
            Ok(Some(credential)) => self.refusal(format!("{said}; the credentials are {credential}")),
            Ok(None) => self.no_credential(&said),
            Err(error) => error,
        }
    }

    /// A token for requests of this kind.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        access: Access<'_>,
        credential: Option<&Credential>,
    ) -> Result<String> {
        let url = Url::parse(realm).map_err(|problem| self.refusal(format!("for tokens it names {problem}")))?;
        self.check_realm(url.origin())?;
        let mut parameters: Vec<(&str, String)> = vec![];
        parameters.extend(service.map(|service| ("service", service.to_owned())));
        match access {
            Access::None => {}
            Access::Pull => parameters.push(("scope", format!("repository:{}:pull", self.name))),
            Access::Push => parameters.push(("scope", format!("repository:{}:pull,push", self.name))),
            Access::Mount(source) => {
                parameters.push(("scope", format!("repository:{}:pull,push", self.name)));
                parameters.push(("scope", format!("repository:{source}:pull")));
            }
        }
        let form;
        let mut call = Call { method: Method::GET, url, headers: vec![], body: None, expected: limits::TOKEN };
        match credential.map(|credential| &credential.secret) {
            Some(Secret::IdentityToken(token)) => {
                parameters.push(("grant_type", "refresh_token".to_owned()));
                parameters.push(("client_id", "brewer".to_owned()));
                parameters.push(("refresh_token", token.clone()));
                let pairs = parameters.iter().map(|(key, value)| format!("{key}={}", escaped(value)));
                form = pairs.collect::<Vec<_>>().join("&");
                call.method = Method::POST;
                call.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
                call.body = Some(form.as_bytes());
            }
            secret => {
                for (key, value) in &parameters {
                    call.url = call.url.with_query(key, value);
                }
                if let Some(Secret::Password { user, password }) = secret {
                    call.headers.push(("authorization", basic(user, password)));
                }
            }
        }
        let mut answer = self.ask_for_token(&call)?;
        let service = call.url.origin();
        match answer.status {
            200 => {}
            // The service says who may not; a redirect could lead anywhere with what this request carries.
            300..400 => {
                return Err(self.refusal(format!("its token service {service} redirects; that is not followed")));
            }
            _ => {
                let said = format!("its token service {service} refuses: {}", answer.problem());
                return Err(match credential {
                    Some(credential) => self.refusal(format!("{said}; the credentials are {credential}")),
                    None => self.no_credential(&said),
                });
            }
        }
        let wrong = |problem: &str| self.failed(format!("its token service {service} gives no token: {problem}"));
        let bytes = answer.bytes(limits::TOKEN).map_err(|failure| wrong(failure.problem()))?;
        let token: TokenAnswer =
            serde_json::from_slice(&bytes).map_err(|_| wrong("its answer is no JSON of that kind"))?;
        let token = token.token.or(token.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| wrong("neither `token` nor `access_token` is in its answer"))?;
        // It becomes part of a header.
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("it has characters that no token has"));
        }
        Ok(token)
    }

    fn ask_for_token(&self, call: &Call<'_>) -> Result<Answer> {
        let mut tries = Tries::new(&self.client.settings.timing);
        loop {
            let failure = match self.client.http.send(call) {
                Ok(mut answer) if is_passing(answer.status) => {
                    tries.ask(answer.header("retry-after")).map_err(|problem| self.failed(problem))?;
                    super::Failure::Passing(answer.problem())
                }
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let said = |problem: String| self.failed(format!("its token service {}: {problem}", call.url.origin()));
            tries.again(failure).map_err(said)?;
        }
    }

    /// A token service gets the credentials, so nobody may be able to listen there.
    fn check_realm(&self, realm: &Origin) -> Result<()> {
        let is_same_host = !self.origin.is_https && realm.host == self.origin.host;
        if realm.is_https || is_same_host {
            return Ok(());
        }
        Err(self.refusal(format!("for tokens it names {realm}, which is plain http: no credentials are sent there")))
    }

    /// The credential for this repository.
    fn credential(&self) -> Result<Option<Credential>> {
        match &self.client.tried {
            Some(credential) => Ok(Some(credential.clone())),
            None => self.client.credentials.find(&self.host, &self.name),
        }
    }

    fn refusal(&self, problem: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Denied, &self.host, problem)
    }

    fn no_credential(&self, said: &str) -> Error {
        let searched = self.client.credentials.searched();
        self.refusal(format!(
            "{said}; there are no credentials for it in {searched}: `brewer-host plugin login {}` stores some",
            self.host
        ))
    }

    fn key(&self, access: Access<'_>) -> (String, String) {
        (self.host.clone(), format!("{access:?} {}", self.name))
    }
}

impl Challenge {
    /// Reads one `WWW-Authenticate`; `None` if it asks for something else.
    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        let mut rest = rest.trim_start();
        while let Some((key, after)) = rest.split_once('=') {
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match key.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                // The scope is known better here: it is what the request does.
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Self::Bearer { realm: realm?, service })
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

impl std::fmt::Display for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.secret {
            Secret::Password { user, .. } => write!(formatter, "those of {} from {}", printable(user, 60), self.source),
            Secret::IdentityToken(_) => write!(formatter, "an identity token from {}", self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
        };
        for (header, challenge) in [
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#,
                bearer("https://a/t", Some("s")),
            ),
            (r#"bearer service=s, realm="https://a/t""#, bearer("https://a/t", Some("s"))),
            (r#"Bearer realm="https://a/t?x=y""#, bearer("https://a/t?x=y", None)),
            (r#"Bearer realm="https://a/t"#, None),
            ("Bearer", None),
            ("Negotiate", None),
        ] {
            assert_eq!(Challenge::parse(header), challenge, "{header}");
        }
    }
}
