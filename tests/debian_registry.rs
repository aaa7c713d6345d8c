//! Debian's `docker-registry`, started for a test.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// `alice:secret`, as `htpasswd -B` writes it.
pub const HTPASSWD: &str = "alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// The folder of Debian's programs.
pub fn tools() -> PathBuf {
    peer("registry")
}

/// A folder of programs that know nothing of Brewer.
pub fn peer(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools").join(name);
    assert!(tools.is_dir(), "{} is missing; run `cargo xtask registry`", tools.display());
    tools
}

/// A registry that runs as long as the test.
pub struct Running {
    process: Child,
    pub host: String,
    pub folder: TempDir,
}

impl Running {
    /// `more` is more of its configuration; `FOLDER` in it is a folder that `prepare` fills.
    pub fn start(more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let http = if more.contains("http:") { "" } else { "http: { addr: '127.0.0.1:0' }\n" };
        let config = format!(
            "version: 0.1\nlog: {{ level: info }}\nstorage: {{ filesystem: {{ rootdirectory: FOLDER/data }} }}\n{http}{more}"
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        let mut command = Command::new(tools().join("usr/bin/docker-registry"));
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let host = lines.by_ref().map(Result::unwrap).find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split(['"', ',']).next()?.to_owned())
        });
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, host: host.expect("docker-registry did not start"), folder }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
