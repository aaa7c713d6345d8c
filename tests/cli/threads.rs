//! Threads of the CPU and the library of CUDA: what a process is set up with before it computes.

use std::fs;
use std::process::Command;

use crate::workspace::{Finished, Workspace};

/// A command of the workspace without the one thread that tests have.
fn free(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.command(arguments);
    command.env_remove("OMP_NUM_THREADS").env_remove("OMP_WAIT_POLICY").env_remove("GOMP_SPINCOUNT");
    command
}

#[track_caller]
fn header(mut command: Command) -> String {
    let finished = Finished::new(command.output().unwrap());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    finished.stderr.lines().next().unwrap().to_owned()
}

#[test]
fn the_number_of_threads_is_given_or_follows_from_what_the_process_may_use() {
    let workspace = Workspace::new();
    for (threads, said) in [("3", "3 threads"), ("1", "1 thread")] {
        let line = header(free(&workspace, &["check", "--threads", threads]));
        assert!(line.ends_with(said), "{line}");
    }
    let mut command = free(&workspace, &["check"]);
    command.env("OMP_NUM_THREADS", "5");
    assert!(header(command).ends_with("5 threads"));

    // One core of those there are.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let first = allowed.split([',', '-']).next().unwrap();
    let command = free(&workspace, &["check"]);
    let mut bound = Command::new("taskset");
    bound.args(["-c", first]).arg(command.get_program()).arg("check").current_dir(workspace.path(""));
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env_remove("OMP_NUM_THREADS");
    assert!(header(bound).ends_with("1 thread"));
}

#[test]
fn what_is_no_number_of_threads_is_refused() {
    for wrong in ["0", "-1", "many"] {
        let finished = Workspace::new().start(&["check", "--threads", wrong]);
        assert_eq!(finished.code, 2, "{}", finished.stderr);
    }
}

#[test]
fn waiting_threads_sleep_unless_the_environment_says_otherwise() {
    let workspace = Workspace::new();
    // How often a thread looks before it sleeps, by libgomp's own account.
    let spins = |chosen: &[(&str, &str)]| {
        let mut command = free(&workspace, &["check", "--threads", "2"]);
        command.env("OMP_DISPLAY_ENV", "VERBOSE").envs(chosen.iter().copied());
        let finished = Finished::new(command.output().unwrap());
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let mut lines = finished.stderr.lines().rev();
        let line = lines.find(|line| line.contains("GOMP_SPINCOUNT")).unwrap();
        line.split('\'').nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(spins(&[]), 0);
    assert!(spins(&[("OMP_WAIT_POLICY", "active")]) > 1_000_000);
    assert_eq!(spins(&[("GOMP_SPINCOUNT", "7")]), 7);
}

#[test]
fn cuda_is_loaded_first_and_why_it_cannot_be_is_said() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("libraries")).unwrap();
    workspace.write("libraries/libtorch_cuda.so", "no library");
    let with_library = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        command.env("LD_LIBRARY_PATH", workspace.path("libraries")).env("LD_DEBUG", "files");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = with_library(&["check", "--device", "cuda"]);
    assert_eq!(code, Some(2), "{stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    for part in ["device `cuda`", "libraries/libtorch_cuda.so: file too short", "choose the device `cpu`"] {
        assert!(error.contains(part), "{error}");
    }
    // Before anything that may ask for CUDA, and so before the experiment is read.
    for arguments in [&["run", "--config", "none.json"][..], &["eval", "--config", "none.json"]] {
        let (code, stderr) = with_library(arguments);
        assert_eq!(code, Some(2));
        let loads = stderr.find("file=libtorch_cuda.so").unwrap_or_else(|| panic!("it was not loaded: {stderr}"));
        assert!(loads < stderr.find("none.json").unwrap());
    }
}
