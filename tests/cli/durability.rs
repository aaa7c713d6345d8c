//! What a run has written survives a loss of power: it is synced before it gets its name, and the name after.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::names_in;
use crate::workspace::{Finished, Workspace};

/// A library that notes in the file `$SYNCS` each path that is synced or renamed, in the order in which that is done.
const NOTED: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note(const char *what, const char *first, const char *second) {
    int file = open(getenv("SYNCS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    dprintf(file, "%s %s %s\n", what, first, second);
    close(file);
}

int fsync(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(file);
    note("sync", path, "-");
    return result;
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int result = real(from, to);
    note("rename", from, to);
    return result;
}
"#;

/// What a run synced and renamed, paths within its folder: `sync checkpoints`, `rename a b`.
fn syncs_of_a_run(workspace: &Workspace) -> Vec<String> {
    workspace.write("noted.c", NOTED);
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o", "noted.so", "noted.c", "-ldl"]).current_dir(workspace.path(""));
    assert!(compile.status().unwrap().success());
    let mut command = workspace.command(&["run"]);
    command.env("LD_PRELOAD", workspace.path("noted.so")).env("SYNCS", workspace.path("syncs"));
    let finished = Finished::new(command.output().unwrap());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let out = workspace.path("out").canonicalize().unwrap();
    let within = |path: &str| match Path::new(path).strip_prefix(&out) {
        Ok(inner) => inner.to_str().unwrap().to_owned(),
        Err(_) => path.to_owned(),
    };
    let text = fs::read_to_string(workspace.path("syncs")).unwrap();
    text.lines().map(|line| line.split(' ').map(within).collect::<Vec<_>>().join(" ")).collect()
}

/// Where something was done for the first time, after `start`.
#[track_caller]
fn find(log: &[String], start: usize, done: &str) -> usize {
    let place = log[start..].iter().position(|line| line == done);
    start + place.unwrap_or_else(|| panic!("no `{done}` after line {start} of {log:#?}"))
}

#[test]
fn files_are_synced_before_they_have_their_name_and_names_after() {
    let workspace = Workspace::new();
    let log = syncs_of_a_run(&workspace);
    let folders =
        [("checkpoints/step-6.partial", "checkpoints/step-6", "checkpoints"), ("student.partial", "student.new", "")];
    for (partial, named, parent) in folders {
        let rename = find(&log, 0, &format!("rename {partial} {named}"));
        let place = if named == "student.new" { "student" } else { named };
        for file in names_in(&workspace.path("out").join(place)) {
            // Under its own name in the folder, not under one that it had while it was written.
            assert!(find(&log, 0, &format!("sync {partial}/{file} -")) < rename, "{file}");
        }
        assert!(find(&log, 0, &format!("sync {partial} -")) < rename, "{partial}");
        find(&log, rename, &format!("sync {parent} -"));
    }
    find(&log, find(&log, 0, "rename student.new student"), "sync  -");
    assert!(
        find(&log, 0, "sync metrics.jsonl -") < find(&log, 0, "rename checkpoints/step-6.partial checkpoints/step-6")
    );
    for file in ["experiment.resolved.json", "run.json"] {
        let is_rename = |line: &&String| line.starts_with(&format!("rename .{file}.")) && line.ends_with(file);
        let rename = log.iter().find(is_rename).unwrap_or_else(|| panic!("{file}: {log:#?}"));
        let temporary = rename.split(' ').nth(1).unwrap();
        let rename = find(&log, 0, rename);
        assert!(find(&log, 0, &format!("sync {temporary} -")) < rename);
        find(&log, rename, "sync  -");
    }
}
