//! What fits this machine.

use std::fs;
use std::path::Path;

/// Refuses so many float32 parameters as this machine cannot hold. Where its memory is not known, none are refused.
///
/// # Errors
/// How large the model would be and how much memory there is.
pub(crate) fn check_model(num_parameters: u128) -> Result<(), String> {
    let num_bytes = num_parameters.saturating_mul(size_of::<f32>() as u128);
    match total() {
        Some(total) if num_bytes > u128::from(total) => Err(format!(
            "a model of these sizes has {num_parameters} parameters, {} GB as float32, and this machine has {} GB of \
             memory",
            in_gigabytes(num_bytes),
            in_gigabytes(u128::from(total))
        )),
        _ => Ok(()),
    }
}

pub(crate) fn in_gigabytes(num_bytes: u128) -> u128 {
    num_bytes.div_ceil(1_000_000_000)
}

/// The bytes of memory that this process can have at most: the machine's, or the limit of its control group.
pub(crate) fn total() -> Option<u64> {
    let machine = of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().flat_map(|line| limits(line, Path::new("/sys/fs/cgroup")));
    Some(limits.fold(machine, u64::min))
}

/// `MemTotal:       24576000 kB`.
fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of a control group and those above it, from a line of `/proc/self/cgroup`: `0::/user.slice/session`, or
/// `4:memory:/jobs` in the first version of control groups.
fn limits(line: &str, mounted: &Path) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { return vec![] };
    let (root, file) = match controllers {
        "" => (mounted.to_owned(), "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => (mounted.join("memory"), "memory.limit_in_bytes"),
        _ => return vec![],
    };
    // `max` is no number, as it is no limit.
    let limit = |group: &Path| {
        let path = root.join(group.strip_prefix("/").unwrap_or(group)).join(file);
        fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    Path::new(group).ancestors().filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_every_group_above_the_process_limit_it() {
        assert_eq!(of_machine("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), Some(24_576_000 * 1024));
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("jobs/memory.max", "5000\n");
        write("jobs/mine/memory.max", "max\n");
        write("memory/jobs/memory.limit_in_bytes", "7000\n");
        assert_eq!(limits("0::/jobs/mine", folder.path()), [5000]);
        assert_eq!(limits("4:cpu,memory:/jobs", folder.path()), [7000]);
        assert_eq!(limits("2:cpu:/jobs", folder.path()), [0; 0]);
    }

    #[test]
    fn a_model_of_every_size_is_weighed() {
        assert_eq!(check_model(1), Ok(()));
        assert!(check_model(u128::MAX).unwrap_err().contains("GB of memory"));
    }
}
