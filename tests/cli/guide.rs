//! What guides tell their readers to do, done here: the five minutes of the README, and the guide to shared plugins, by two
//! teams on machines of their own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::data::tokenizer;
use crate::debian_registry::Running;
use crate::support::{brewer_host, read_json, read_lines, repository};

/// What the guide calls the registry.
const REGISTRY: &str = "localhost:5000";

/// The blocks of a language, each with the heading that it stands below.
fn blocks(guide: &str, language: &str) -> Vec<(String, String)> {
    let (mut blocks, mut heading, mut block) = (vec![], String::new(), None::<String>);
    for line in guide.lines() {
        match (line, &mut block) {
            (line, None) if line.strip_prefix("```") == Some(language) => block = Some(String::new()),
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
    for (heading, block) in blocks(&guide, "sh") {
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

/// An encoder of six layers with random weights, as a pretrained one lies in a folder.
fn encoder(place: &Path) {
    fs::create_dir(place.join("random")).unwrap();
    let config = json!({
        "model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 97, "hidden_size": 8,
        "num_hidden_layers": 6, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64,
    });
    fs::write(place.join("random/config.json"), config.to_string()).unwrap();
    fs::write(place.join("random/tokenizer.json"), tokenizer(97)).unwrap();
    let experiment = json!({
        "distiller": "trainer", "student": { "config": "random/config.json", "labels": ["negative", "positive"] },
        "data": { "train": "train.jsonl" }, "training": { "num_steps": 1, "output_dir": "runs/encoder" },
    });
    fs::write(place.join("experiment.json"), experiment.to_string()).unwrap();
    run(place, "brewer-host run");
    fs::rename(place.join("runs/encoder/student"), place.join("encoder")).unwrap();
}

#[test]
fn the_five_minutes_of_the_readme_end_with_a_student() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let of_section = |language: &str| -> Vec<String> {
        let blocks = blocks(&readme, language).into_iter();
        blocks.filter(|(heading, _)| heading.starts_with("Five minutes")).map(|(_, block)| block).collect()
    };
    let files = of_section("json");
    let [row, teacher, student] = files.as_slice() else { panic!("{files:?}") };
    let row: Value = serde_json::from_str(row).unwrap();
    let rows: Vec<String> = (0..8)
        .map(|index| {
            let mut row = row.clone();
            row["text"] = json!(format!("word{} word{}", index + 1, index + 2));
            if index % 2 == 0 {
                row["label"] = json!("negative");
            }
            row.to_string()
        })
        .collect();
    for (name, content) in [
        ("train.jsonl", &rows.join("\n")),
        ("dev.jsonl", &rows[..4].join("\n")),
        ("teacher.json", teacher),
        ("student.json", student),
    ] {
        fs::write(place.join(name), content).unwrap();
    }
    encoder(place);
    let printed: Vec<String> = of_section("sh").iter().map(|block| run(place, block)).collect();
    assert!(printed.iter().any(|text| text.contains("accuracy")), "{printed:?}");
    assert_eq!(read_json(&place.join("runs/student/student/config.json"))["num_hidden_layers"], 2);
    let events = read_lines(&place.join("runs/student/metrics.jsonl"));
    let first_step = events.iter().find(|event| event["step"] == 0).unwrap().as_object().unwrap();
    assert!(first_step.keys().any(|name| name.contains("hidden_mse")), "{first_step:?}");
}
