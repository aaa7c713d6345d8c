//! SIGINT (Ctrl-C), SIGTERM and SIGHUP. A run saves a checkpoint before it ends, and `cache` keeps what it has;
//! whatever else is under way ends at once, and so does a run that is interrupted again.

use std::env;
use std::ffi::c_int;
use std::io;
use std::mem;
use std::process::ExitCode;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};

const SIGNALS: [(c_int, &str); 3] = [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP")];

/// Within this time after the first signal, others are the same request: `timeout` and some launchers signal a process
/// by itself and again with its group.
const SAME_REQUEST_MS: u64 = 200;

/// Whether what is under way is to be finished first.
static FINISHES_FIRST: AtomicBool = AtomicBool::new(false);
/// Raised by the first signal from then on.
static INTERRUPT: AtomicBool = AtomicBool::new(false);
/// That signal.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Milliseconds from the start of the program to that signal, and one more; 0 before it.
static RAISED_AT: AtomicU64 = AtomicU64::new(0);
static START: OnceLock<Instant> = OnceLock::new();
/// The terminal's modes while a password is typed, or null.
static TERMINAL: AtomicPtr<libc::termios> = AtomicPtr::new(ptr::null_mut());

/// From now on a signal ends the program at once, with 128 and the signal's number as its exit code: also as the first
/// process of a container, which a signal that nothing listens to cannot end.
pub fn listen() -> Result<()> {
    START.get_or_init(Instant::now);
    for (signal, name) in SIGNALS {
        // `nohup` has its program ignore SIGHUP.
        if signal == libc::SIGHUP && is_ignored(signal) {
            continue;
        }
        // SAFETY: the handler calls nothing but atomics, the clock, `tcsetattr`, `write` and `_exit`, which may all be called when a
        // signal arrives, and leaves `errno` as it was.
        let registered = unsafe { signal_hook::low_level::register(signal, move || on_signal(signal)) };
        registered.with_context(|| format!("cannot listen for {name}"))?;
    }
    Ok(())
}

/// From now on the first signal raises what is returned, for what is under way to be finished; only the next ends the
/// program at once.
pub fn finish_first() -> &'static AtomicBool {
    FINISHES_FIRST.store(true, Ordering::SeqCst);
    &INTERRUPT
}

/// The name of the signal that raised the interrupt, and the program's exit code after it.
pub fn received() -> (&'static str, ExitCode) {
    let number = SIGNAL.load(Ordering::SeqCst);
    let name = SIGNALS.iter().find(|(signal, _)| *signal == number).map_or("a signal", |(_, name)| name);
    (name, ExitCode::from(u8::try_from(exit_code(number)).unwrap_or(u8::MAX)))
}

/// The command that was given, as a shell reads it, with `--resume` if `resume` and if it is not there yet.
pub fn command(resume: bool) -> String {
    let mut words: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if resume && !words.iter().any(|word| word == "--resume" || word.starts_with("--resume=")) {
        words.push("--resume".to_owned());
    }
    // Only a NUL cannot be quoted, and no argument has one.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// As shells have it.
fn exit_code(signal: c_int) -> c_int {
    128 + signal
}

fn on_signal(signal: c_int) {
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    if !FINISHES_FIRST.load(Ordering::SeqCst) {
        end(signal, "interrupted\n");
    }
    let now = START.get().map_or(0, |start| start.elapsed().as_millis() as u64) + 1;
    match RAISED_AT.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {
            SIGNAL.store(signal, Ordering::SeqCst);
            INTERRUPT.store(true, Ordering::SeqCst);
            say("\nfinishing what is under way; interrupt again to end at once, without saving\n");
        }
        Err(first) if now.saturating_sub(first) < SAME_REQUEST_MS => {}
        Err(_) => end(signal, "\ninterrupted again: ended at once\n"),
    }
    // SAFETY: the address of this thread's own variable.
    unsafe { *libc::__errno_location() = errno };
}

/// Until it is dropped, a signal that ends the program puts the terminal back to how it is now.
pub fn restore_terminal() -> impl Drop {
    struct Restored;
    impl Drop for Restored {
        fn drop(&mut self) {
            // What it pointed to is not freed: a handler may be reading it.
            TERMINAL.store(ptr::null_mut(), Ordering::SeqCst);
        }
    }
    // SAFETY: a `termios` of zeros is a valid one, and is only written to.
    let mut modes: libc::termios = unsafe { mem::zeroed() };
    // SAFETY: it writes to the variable alone.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &mut modes) } == 0 {
        TERMINAL.store(Box::into_raw(Box::new(modes)), Ordering::SeqCst);
    }
    Restored
}

/// Ends the process here and now: handlers of `exit` would take apart what libtorch's threads work with.
fn end(signal: c_int, message: &str) -> ! {
    let modes = TERMINAL.load(Ordering::SeqCst);
    if !modes.is_null() {
        // SAFETY: it points to modes that are never freed, and `tcsetattr` may be called when a signal arrives.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, modes) };
    }
    say(message);
    // SAFETY: it does not return, and touches no memory.
    unsafe { libc::_exit(exit_code(signal)) }
}

fn say(message: &str) {
    // SAFETY: the bytes live for the call. That nobody reads standard error any more changes nothing.
    unsafe { libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len()) };
}

fn is_ignored(signal: c_int) -> bool {
    // SAFETY: a `sigaction` of zeros is a valid one, and is only written to.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
