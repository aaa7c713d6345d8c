//! Programs that keep credentials: `docker-credential-NAME`, as Docker calls them.

use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::json;

use super::{Credential, Secret};
use crate::{Error, Result, limits, printable};

/// A helper, and the file that names it.
#[derive(Debug)]
pub struct Helper {
    file: PathBuf,
    program: String,
    time: Duration,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// As helpers call the user of an identity token.
const TOKEN_USER: &str = "<token>";

impl Helper {
    pub fn new(file: &Path, name: &str, time: Duration) -> Result<Self> {
        // A name is part of a program's; one with a slash would be another program.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            let name = printable(name, 60);
            return Err(Error::input(file.display(), format!("`{name}` is no name of a credential helper")));
        }
        Ok(Self { file: file.to_owned(), program: format!("docker-credential-{name}"), time })
    }

    /// What it keeps for a registry.
    pub fn get(&self, key: &str) -> Result<Option<Credential>> {
        let (is_success, printed) = self.run("get", key.as_bytes())?;
        if !is_success {
            // Helpers have no other way to say so.
            return match printed.contains("not found") {
                true => Ok(None),
                false => Err(self.failed(format!("it says: {}", printable(&printed, 200)))),
            };
        }
        // What it prints may be a secret in the wrong form, so it is not repeated.
        let answer: Answer = serde_json::from_str(&printed)
            .map_err(|_| self.failed("what it prints is no JSON with `Username` and `Secret`"))?;
        let secret = if answer.user == TOKEN_USER {
            Secret::IdentityToken(answer.secret)
        } else {
            Secret::Password { user: answer.user, password: answer.secret }
        };
        Ok(Some(Credential { secret, source: self.to_string() }))
    }

    /// Has it keep a password.
    pub fn store(&self, key: &str, user: &str, password: &str) -> Result<()> {
        let entry = json!({ "ServerURL": key, "Username": user, "Secret": password }).to_string();
        self.check(self.run("store", entry.as_bytes())?)
    }

    /// Has it forget what it keeps.
    pub fn erase(&self, key: &str) -> Result<()> {
        self.check(self.run("erase", key.as_bytes())?)
    }

    fn check(&self, (is_success, printed): (bool, String)) -> Result<()> {
        if is_success { Ok(()) } else { Err(self.failed(format!("it says: {}", printable(&printed, 200)))) }
    }

    /// Runs it, for so long and no longer. Returns whether it succeeded and what it printed.
    fn run(&self, command: &str, input: &[u8]) -> Result<(bool, String)> {
        let start = Instant::now();
        let mut child = Command::new(&self.program)
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Whatever it starts is ended with it.
            .process_group(0)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    self.failed("there is no such program on the PATH; install it, or remove its name")
                }
                _ => self.failed(format!("it cannot be started: {error}")),
            })?;
        let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let input = input.to_owned();
        let (sender, receiver) = mpsc::channel();
        // Threads of their own: a helper that neither reads nor prints must not stop this one.
        thread::spawn(move || {
            // One that does not want its input has answered already, or fails below.
            stdin.as_mut().map(|stdin| stdin.write_all(&input))
        });
        thread::spawn(move || {
            let mut printed = vec![];
            let read = stdout.map(|stdout| stdout.take(limits::CREDENTIALS).read_to_end(&mut printed));
            // Nobody listens after the time is over.
            let _ = sender.send(read.unwrap_or(Ok(0)).map(|_| printed));
        });
        let printed = receiver.recv_timeout(self.time);
        let late = || self.failed(format!("it did not answer within {} s", self.time.as_secs_f64()));
        let status = loop {
            // Before it is asked whether it ended: it is killed by its number, which is its own until then.
            if printed.is_err() {
                break Err(late());
            }
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if start.elapsed() >= self.time => break Err(late()),
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => break Err(self.failed(error)),
            }
        };
        if status.is_err() {
            // It is this process's child and not waited for yet, so the number is still its own.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
        }
        let printed =
            printed.map_err(|error| self.failed(error)).and_then(|read| read.map_err(|error| self.failed(error)));
        let status = status?;
        Ok((status.success(), String::from_utf8_lossy(&printed?).into_owned()))
    }

    fn failed(&self, problem: impl fmt::Display) -> Error {
        Error::input(format!("{} of {}", self.program, self.file.display()), problem)
    }
}

impl fmt::Display for Helper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (in {})", self.program, self.file.display())
    }
}
