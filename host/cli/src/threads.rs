//! How many threads libtorch computes on, and what they do while they wait.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use brewer::device;
use clap::Args;

/// What tells libgomp how its threads wait.
const POLICIES: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

#[derive(Args)]
pub struct ThreadOptions {
    /// Threads that operations on the CPU use [default: OMP_NUM_THREADS, or as many as the process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl ThreadOptions {
    /// Sets the number of threads, and has them sleep while they wait, unless the environment says how they wait.
    ///
    /// Threads of libgomp spin while they wait for each other. Where another process wants the same cores, a thread
    /// spins until the scheduler takes its core away, while the one that it waits for does not run: a training is up to
    /// a hundred times slower. libgomp reads its environment when it is loaded, which is before `main`, so the program
    /// starts itself once more.
    pub fn apply(&self) {
        device::set_num_threads(self.threads);
        let is_chosen = POLICIES.iter().any(|name| env::var_os(name).is_some());
        if is_chosen || device::num_threads() == 1 {
            return;
        }
        let mut words = env::args_os();
        let (Ok(program), Some(name)) = (env::current_exe(), words.next()) else { return };
        // It returns only if it fails; then all is as right as before, and slow on a busy machine.
        let _ = Command::new(program).arg0(name).args(words).env(POLICIES[0], "passive").exec();
    }
}
