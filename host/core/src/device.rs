//! The device that a run computes on.

use std::sync::OnceLock;

use tch::{Cuda, Device};

use crate::Fault;

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum DeviceError {
    #[error("device `{0}` is not known; expected auto, cpu, cuda or cuda:N")]
    Unknown(String),

    #[error(
        "device `{device}`: libtorch's CUDA library cannot be loaded ({reason}); choose the device `cpu`, or set up a libtorch with CUDA"
    )]
    NoLibrary { device: String, reason: String },

    #[error("device `{device}`: {count} CUDA devices are there; choose the device `cpu`, or another number")]
    NoDevice { device: String, count: i64 },
}

impl DeviceError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Input
    }
}

/// How many threads an operation on the CPU may use.
pub fn num_threads() -> i32 {
    tch::get_num_threads()
}

/// Has operations on the CPU use `threads` threads. Without a number they use as many as `OMP_NUM_THREADS` says, or else as
/// libtorch chooses, but no more than the process may use: its affinity and the CPU quota of its cgroup count. It is called
/// once, before the first operation. The number decides in which order sums are taken, and so the last bits of results.
pub fn set_num_threads(threads: Option<u16>) {
    match threads {
        Some(threads) => {
            tch::set_num_threads(i32::from(threads));
            // It fails where the pool is there already; then it stays as it is.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global();
        }
        None => {
            let available = std::thread::available_parallelism().map_or(i32::MAX, |available| available.get() as i32);
            tch::set_num_threads(omp_num_threads().unwrap_or_else(|| num_threads().min(available)));
        }
    }
}

/// The number in `OMP_NUM_THREADS`, of a list the one for the outermost level. libtorch by itself lowers it to the number
/// of cores.
fn omp_num_threads() -> Option<i32> {
    let text = std::env::var("OMP_NUM_THREADS").ok()?;
    text.split(',').next()?.trim().parse().ok().filter(|threads| (1..=1024).contains(threads))
}

/// The version of the libtorch that this program runs with: `2.11.0`; `None` if it does not say.
pub fn libtorch_version() -> Option<String> {
    abi_version().map(|version| format!("{}.{}.{}", version >> 56, (version >> 48) & 0xff, (version >> 40) & 0xff))
}

/// libtorch's version as it tells its extensions: a byte each for major, minor and patch, and five more.
#[cfg(unix)]
fn abi_version() -> Option<u64> {
    use libloading::os::unix::{Library, Symbol};
    // SAFETY: libtorch's stable C interface declares it as `uint64_t aoti_torch_abi_version()`; it has no effects.
    unsafe {
        let version: Symbol<unsafe extern "C" fn() -> u64> = Library::this().get(b"aoti_torch_abi_version\0").ok()?;
        Some(version())
    }
}

#[cfg(not(unix))]
fn abi_version() -> Option<u64> {
    None
}

/// The number of CUDA devices.
///
/// # Errors
/// Why there are none, if libtorch's CUDA library cannot be loaded.
pub fn cuda_devices() -> Result<usize, String> {
    load_cuda()?;
    Ok(usize::try_from(Cuda::device_count()).unwrap_or(0))
}

/// The device of that name. `auto` is the first CUDA device if there is one, or else the CPU.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" => return Ok(cuda(name, 0).unwrap_or(Device::Cpu)),
        "cuda" => 0,
        other => other
            .strip_prefix("cuda:")
            .and_then(|index| index.parse().ok())
            .ok_or_else(|| DeviceError::Unknown(other.to_owned()))?,
    };
    cuda(name, index)
}

fn cuda(name: &str, index: usize) -> Result<Device, DeviceError> {
    load_cuda().map_err(|reason| DeviceError::NoLibrary { device: name.to_owned(), reason })?;
    let count = Cuda::device_count();
    if (index as i64) < count {
        Ok(Device::Cuda(index))
    } else {
        Err(DeviceError::NoDevice { device: name.to_owned(), count })
    }
}

/// Loads libtorch's CUDA half, once: it registers its kernels with the half that this program is linked to. A program
/// linked to it already loads nothing new. An error says why it cannot be loaded.
///
/// libtorch looks for that half when it is first asked for CUDA, and never again: a seed or a backward before it is loaded
/// leaves the process without CUDA. So a program calls this first.
pub fn load_cuda() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(open_cuda_library).clone()
}

#[cfg(unix)]
fn open_cuda_library() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library is part of the same libtorch and its initialisers only register kernels. It is never
    // unloaded.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    library.map(std::mem::forget).map_err(|error| {
        // The loader's own words are the error's source.
        std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)
    })
}

#[cfg(not(unix))]
fn open_cuda_library() -> Result<(), String> {
    Err("CUDA is supported on Linux only".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_or_refused() {
        assert_eq!(device("cpu").unwrap(), Device::Cpu);
        assert!(device("auto").is_ok());
        for name in ["gpu", "cuda:", "cuda:x"] {
            assert!(device(name).unwrap_err().to_string().contains(name));
        }
    }
}
