//! The guide to shared plugins, whose every command is run here, by two teams on machines of their own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian_registry::Running;
use crate::support::{brewer_host, repository};

/// What the guide calls the registry.
const REGISTRY: &str = "localhost:5000";

/// The blocks of commands, each with the heading that it stands below.
fn blocks(guide: &str) -> Vec<(String, String)> {
    let (mut blocks, mut heading, mut block) = (vec![], String::new(), None::<String>);
    for line in guide.lines() {
        match (line, &mut block) {
            ("```sh", None) => block = Some(String::new()),
            ("```", Some(_)) => blocks.extend(block.take().map(|block| (heading.clone(), block))),
            (line, Some(block)) => *block += &format!("{line}\n"),
            (line, None) if line.starts_with("## ") => heading = line[3..].to_owned(),
            _ => {}
        }
    }
    assert!(block.is_none(), "a block has no end");
    blocks
}

/// A checkout of its own, as far as the guide needs one; the folder of the guide in it.
fn machine(folder: &Path, name: &str, host: &str) -> PathBuf {
    let place = folder.join(name).join("examples/shared-plugins");
    fs::create_dir_all(&place).unwrap();
    symlink(repository().join("tests"), folder.join(name).join("tests")).unwrap();
    for file in ["experiment.json", "trust.json"] {
        let text = fs::read_to_string(repository().join("examples/shared-plugins").join(file)).unwrap();
        assert!(text.contains(REGISTRY), "{file}");
        fs::write(place.join(file), text.replace(REGISTRY, host)).unwrap();
    }
    place
}

/// Runs a block of commands as their reader does; returns what they print.
fn run(place: &Path, block: &str) -> String {
    let program = brewer_host(place);
    let programs = Path::new(program.get_program()).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let home = place.join("home");
    fs::create_dir_all(&home).unwrap();
    let mut command = Command::new("bash");
    command.args(["-euc", block]).current_dir(place);
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", path).env("COSIGN_PASSWORD", "a password").env("BREWER_STORE", home.join("store"));
    command.env("XDG_CONFIG_HOME", &home).env("DOCKER_CONFIG", &home);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let registry = Running::start("", |_| {});
    let folder = registry.folder.path();
    let guide = fs::read_to_string(repository().join("examples/shared-plugins/README.md")).unwrap();
    let (a, b) = (machine(folder, "a", &registry.host), machine(folder, "b", &registry.host));
    let mut printed = vec![];
    for (heading, block) in blocks(&guide) {
        let (mine, theirs) = if heading.starts_with("Team A") { (&a, &b) } else { (&b, &a) };
        // Public keys are handed over.
        for key in ["team-a.pub", "team-b.pub"] {
            if theirs.join(key).exists() && !mine.join(key).exists() {
                fs::copy(theirs.join(key), mine.join(key)).unwrap();
            }
        }
        printed.push(run(mine, &block.replace(REGISTRY, &registry.host)));
    }
    assert_eq!(printed.len(), 7);
    assert!(printed[2].contains("signed by    team-a") && printed[2].contains("asks for none"), "{}", printed[2]);
    assert!(b.join("brewer.lock").exists() && b.join("runs/shared/provenance.json").exists());
    assert!(printed[4].contains("brewer.lock has all that the experiment names"), "{}", printed[4]);
    assert!(printed[6].contains("the same: 9 lines of metrics.jsonl"), "{}", printed[6]);
}
