//! The emulated slow storage for Python. Absent: logic.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use mlopt_fuse::emulator::schedule::StorageSpec;
use mlopt_fuse::emulator::{Emulator, EmulatorSpec};
use mlopt_fuse::kernel_mount::{MountError, MountSpec};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Every failed mount or unmount is an OSError whose errno tells the kinds apart.
pub fn os_error(error: &MountError) -> PyErr {
    PyOSError::new_err((error.errno(), error.to_string()))
}

/// A running emulator.
#[pyclass(frozen)]
pub struct EmulatedStorage {
    emulator: Emulator,
}

#[pymethods]
impl EmulatedStorage {
    #[new]
    #[pyo3(signature = (source, mountpoint, *, fsname, latency_ns, jitter, bandwidth, concurrency, seed, keep_cache, allow_other))]
    #[allow(clippy::too_many_arguments)] // keywords only, and runtime.emulator has them in one dataclass
    fn new(
        py: Python<'_>,
        source: PathBuf,
        mountpoint: PathBuf,
        fsname: OsString,
        latency_ns: u64,
        jitter: f64,
        bandwidth: f64,
        concurrency: usize,
        seed: u64,
        keep_cache: bool,
        allow_other: bool,
    ) -> PyResult<EmulatedStorage> {
        let spec = EmulatorSpec {
            source,
            mount: MountSpec {
                mountpoint,
                fsname,
                read_only: true,
                allow_other,
                check_permissions: true,
            },
            storage: StorageSpec {
                latency_ns,
                jitter,
                bandwidth,
                concurrency,
                seed,
            },
            keep_cache,
        };
        let emulator = py
            .detach(|| Emulator::start(spec))
            .map_err(|error| os_error(&error))?;
        Ok(EmulatedStorage { emulator })
    }

    fn status(&self, py: Python<'_>) -> String {
        py.detach(|| self.emulator.status().to_string())
    }

    fn log(&self, py: Python<'_>) -> String {
        py.detach(|| serde_json::json!(self.emulator.log()).to_string())
    }

    fn reset(&self) {
        self.emulator.reset();
    }

    fn unmount(&self, py: Python<'_>, lazy: bool) -> PyResult<()> {
        py.detach(|| self.emulator.unmount(lazy))
            .map_err(|error| os_error(&error))
    }

    fn wait(&self, py: Python<'_>, limit_s: f64) -> bool {
        py.detach(|| self.emulator.wait(Duration::from_secs_f64(limit_s)))
    }
}
