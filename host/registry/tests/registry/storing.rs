//! The store under kill -9, full disks, many hands, and hands that are not the user's.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use brewer_registry::{Digest, Reference, Store, plugin};

use crate::server::Reply;
use crate::world::{World, client, component, listing, settings};

const CHILD: &str = "BREWER_TEST_PULL";

/// Permissions say nothing to the superuser, unless that is taken from it.
const WITHOUT_PRIVILEGES: &str = "[ $(id -u) != 0 ] || set -- setpriv --bounding-set=-all --inh-caps=-all;";

/// No test of its own: what [`in_a_process`] runs.
#[test]
fn child() {
    let Ok(arguments) = env::var(CHILD) else { return };
    let (store, reference) = arguments.split_once(' ').unwrap();
    if store == "prune" {
        Store::open_alone(Path::new(reference), || {}).unwrap().prune(None, false).unwrap();
        return;
    }
    let reference: Reference = reference.parse().unwrap();
    let store = Store::open(Path::new(store)).unwrap();
    match plugin::pull(&client(settings()), &store, &reference) {
        Ok(pulled) => store.record(&reference, pulled.manifest, Default::default()).unwrap(),
        Err(error) => panic!("{error}"),
    }
}

/// A pull in a process of its own, started by a shell that runs `prelude` first.
fn pull_in_a_process(world: &World, prelude: &str) -> Child {
    in_a_process(&format!("{} {}", world.store_path().display(), world.reference), prelude)
}

fn in_a_process(arguments: &str, prelude: &str) -> Child {
    let script = format!("program=$0; {prelude} exec \"$@\" \"$program\" storing::child --exact --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(env::current_exe().unwrap()).env(CHILD, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_pull_that_is_killed_anywhere_leaves_nothing_half() {
    const POINTS: usize = 20;
    // The server stops at each twentieth of the component, says so, and waits for the process to be gone.
    let (reached, at_a_point) = mpsc::channel();
    let whole = Digest::of(&component(300 << 10));
    let reached = std::sync::Mutex::new(reached);
    let world = World::new(move |seen, registry| {
        let Reply::Full { status, headers, body } = registry.answer(seen) else { return None };
        let reached = reached.lock().unwrap().clone();
        seen.is_blob(&whole).then(|| {
            Reply::raw(move |connection| {
                let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                connection.write(
                    format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).as_bytes(),
                );
                let piece = component(300 << 10).len() / POINTS;
                connection.write(&body[..piece.min(body.len())]);
                if body.len() > piece {
                    // Most of it is on the disk by then, so that it gets on.
                    thread::sleep(Duration::from_millis(10));
                    reached.send(()).unwrap();
                    connection.hang();
                }
            })
        })
    });
    let mut kills = 0;
    loop {
        let mut child = pull_in_a_process(&world, "");
        // The last part, which is smaller than a piece, arrives, and the process ends by itself.
        let is_stopped = loop {
            match (at_a_point.recv_timeout(Duration::from_millis(5)), child.try_wait().unwrap()) {
                (Ok(()), _) => break true,
                (Err(_), Some(status)) => {
                    assert!(status.success(), "{:?}", child.wait_with_output());
                    break false;
                }
                (Err(_), None) => {}
            }
        };
        if !is_stopped {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(listing(&world.store_path()).is_empty(), "after {kills} kills");
        assert!(kills < 500, "it does not get on");
    }
    assert!(kills >= POINTS, "{kills}");
    let pulled = world.store().recorded(&world.reference).unwrap().unwrap();
    assert!(plugin::load(&world.store(), &pulled.manifest).unwrap().unwrap().bytes == world.component);
}

#[test]
fn a_full_disk_is_an_error_and_the_store_is_as_it_was() {
    let manifest = |length: usize| {
        move |text: String| {
            let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
            manifest["annotations"]["note"] = "x".repeat(length).into();
            manifest.to_string()
        }
    };
    // `ulimit -f` counts blocks of 512 bytes. What is too large for them: the first part, the component, the manifest.
    for (padding, note, blocks) in [(10, 0, 0), (300 << 10, 0, 200), (10, 60_000, 20)] {
        let world = World::with_component(component(padding), |_, _| None);
        world.change_manifest(manifest(note));
        drop(world.store());
        let refused = |world: &World, file: &str| {
            let output =
                pull_in_a_process(world, &format!("trap '' XFSZ; ulimit -f {blocks};")).wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(file) && said.contains("File too large"), "{said}");
        };
        refused(&world, "ingest/");
        // Whole parts may be there when the manifest has no room: nothing names them, so that nobody uses them.
        assert_eq!(listing(&world.store_path()).is_empty(), note == 0);
        assert!(world.store().records().unwrap().is_empty());
        let digest = client(settings()).resolve(&world.reference).unwrap().digest;
        assert!(plugin::load(&world.store(), &digest).unwrap().is_none());
        world.arrives();
        if blocks == 0 {
            // All of it is there, and only the record has no room.
            refused(&world, "refs/");
            assert!(world.store().records().unwrap().is_empty());
        }
    }
}

#[test]
fn eight_pulls_at_once_fetch_it_once() {
    let world = World::new(|_, _| None);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.arrives());
        }
    });
    let component = Digest::of(&world.component);
    assert_eq!(world.server.seen().iter().filter(|seen| seen.is_blob(&component)).count(), 1);
}

#[test]
fn pulls_and_prunes_at_once_lose_nothing() {
    let world = World::new(|_, _| None);
    thread::scope(|scope| {
        for number in 0..12 {
            let world = &world;
            scope.spawn(move || {
                if number % 3 == 2 {
                    return drop(Store::open_alone(&world.store_path(), || {}).unwrap().prune(None, false).unwrap());
                }
                let store = world.store();
                let pulled = plugin::pull(&client(settings()), &store, &world.reference).unwrap();
                store.record(&world.reference, pulled.manifest, Default::default()).unwrap();
            });
        }
    });
    let record = world.store().recorded(&world.reference).unwrap().unwrap();
    assert!(plugin::load(&world.store(), &record.manifest).unwrap().unwrap().bytes == world.component);
}

#[test]
fn prune_removes_what_nothing_names() {
    let world = World::new(|_, _| None);
    let store = world.store();
    let pulled = plugin::pull(&client(settings()), &store, &world.reference).unwrap();
    store.record(&world.reference, pulled.manifest, Default::default()).unwrap();
    let stray = store.put(b"stray").unwrap();
    drop(store);
    let prune = |unused_for, dry_run| {
        Store::open_alone(&world.store_path(), || panic!("nobody has it open"))
            .unwrap()
            .prune(unused_for, dry_run)
            .unwrap()
    };
    assert_eq!((prune(None, true).files, prune(None, true).bytes), (1, 5));
    assert_eq!(prune(None, false).files, 1);
    assert!(world.store().blob(&stray, 100).unwrap().is_none());
    assert!(plugin::load(&world.store(), &pulled.manifest).unwrap().is_some());
    assert!(prune(Some(Duration::from_secs(3600)), false).references.is_empty());

    // As if it had been used an hour and a minute ago.
    let record = world.store().recorded(&world.reference).unwrap().unwrap();
    let path = fs::read_dir(world.store_path().join("refs")).unwrap().next().unwrap().unwrap().path();
    let old = fs::read_to_string(&path).unwrap().replace(&record.used.to_string(), &(record.used - 3660).to_string());
    fs::write(&path, old).unwrap();
    assert_eq!(prune(Some(Duration::from_secs(3600)), false).references, [world.reference.to_string()]);
    assert!(listing(&world.store_path()).is_empty());
}

#[test]
fn a_poisoned_part_is_thrown_away_and_the_whole_fetched() {
    let world = World::new(|_, _| None);
    drop(world.store());
    let part = world.store_path().join("ingest").join(Digest::of(&world.component).hex());
    for poison in [vec![0; 1_000], vec![0; world.component.len()], vec![0; world.component.len() + 1]] {
        fs::write(&part, poison).unwrap();
        world.arrives();
        fs::remove_dir_all(world.store_path()).unwrap();
        drop(world.store());
    }
}

#[test]
fn a_blob_that_was_altered_is_not_used() {
    let world = World::new(|_, _| None);
    let pulled = world.pull().unwrap();
    let path = world.store_path().join("blobs/sha256").join(pulled.component.hex());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut altered = world.component.clone();
    altered[100] ^= 1;
    fs::write(&path, &altered).unwrap();
    let error = plugin::load(&world.store(), &pulled.manifest).unwrap_err().to_string();
    assert!(error.contains("it was altered; delete it and pull again"), "{error}");
    world.arrives();

    fs::remove_file(&path).unwrap();
    let elsewhere = world.folder.path().join("elsewhere");
    fs::write(&elsewhere, &world.component).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let error = plugin::load(&world.store(), &pulled.manifest).unwrap_err().to_string();
    assert!(error.contains("it is a symbolic link"), "{error}");
    world.refuses(settings(), &["it is a symbolic link"]);
}

#[test]
fn a_store_that_others_may_write_to_is_refused() {
    let world = World::new(|_, _| None);
    world.arrives();
    for folder in ["", "blobs", "blobs/sha256", "refs", "ingest", "locks"] {
        let path = world.store_path().join(folder);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Store::open(&world.store_path()).unwrap_err().to_string();
        assert!(error.contains("others may write to it") && error.contains("`chmod go-w` it"), "{folder}: {error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let blobs = world.store_path().join("blobs");
    let moved = world.folder.path().join("moved");
    fs::rename(&blobs, &moved).unwrap();
    symlink(&moved, &blobs).unwrap();
    let error = Store::open(&world.store_path()).unwrap_err().to_string();
    assert!(error.contains("it is part of the store, but no folder"), "{error}");
}

#[test]
fn a_store_that_cannot_be_made_says_where_another_can_be_named() {
    let error = Store::open(Path::new("/proc/brewer/store")).unwrap_err();
    assert!(!error.is_input() && error.to_string().contains("BREWER_STORE names another folder"), "{error}");
}

#[test]
fn a_store_that_cannot_be_written_is_read() {
    let world = World::new(|_, _| None);
    let pulled = world.pull().unwrap();
    world.store().record(&world.reference, pulled.manifest, Default::default()).unwrap();
    let before = listing(&world.store_path());
    let folders = ["blobs/sha256", "blobs", "refs", "ingest", "locks", ""];
    let permit = |mode: u32| {
        for folder in folders {
            fs::set_permissions(world.store_path().join(folder), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    // What is there is pulled again, recorded again, and no byte of it changes.
    permit(0o555);
    let again = pull_in_a_process(&world, WITHOUT_PRIVILEGES).wait_with_output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    // What is not there is one error that says what to do.
    let other = component(20);
    let pushed = world.reference.to_string().replace("1.0.0", "2.0.0").parse().unwrap();
    plugin::push(&client(settings()), &pushed, &other, &Default::default(), 0).unwrap();
    let world = World { reference: pushed, ..world };
    let refused = pull_in_a_process(&world, WITHOUT_PRIVILEGES).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("the store cannot be written, and sha256:") && said.contains("BREWER_STORE names another"),
        "{said}"
    );
    let pruned = in_a_process(&format!("prune {}", world.store_path().display()), WITHOUT_PRIVILEGES);
    let said = String::from_utf8_lossy(&pruned.wait_with_output().unwrap().stderr).into_owned();
    assert!(said.contains("the store cannot be written, so nothing can be removed from it"), "{said}");
    for folder in folders {
        fs::set_permissions(world.store_path().join(folder), fs::Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(listing(&world.store_path()), before);
}

#[test]
fn a_record_of_another_reference_is_refused() {
    let world = World::new(|_, _| None);
    let store = world.store();
    store.record(&world.reference, Digest::of(b"x"), Default::default()).unwrap();
    let path = fs::read_dir(world.store_path().join("refs")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("team/mine", "team/evil")).unwrap();
    let error = store.recorded(&world.reference).unwrap_err().to_string();
    assert!(error.contains("the record is of another reference"), "{error}");
    fs::write(&path, "{").unwrap();
    assert!(store.records().unwrap_err().to_string().contains("the record cannot be read"));
}
