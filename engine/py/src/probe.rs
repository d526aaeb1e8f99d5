//! Timed requests and the file system in memory, for Python. Absent: logic.

use std::ffi::OsString;
use std::path::PathBuf;

use mlopt_fuse::kernel_mount::MountSpec;
use mlopt_fuse::probe::memory::{Content, MemoryMount};
use mlopt_fuse::probe::requests::Prober;
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::emulator::os_error;

/// Start, end [ns] and bytes of timed reads.
type Requests<'py> = (
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u64>>,
);

/// Files that are open for timed reads.
#[pyclass(frozen)]
pub struct StorageProber {
    prober: Prober,
    opens_ns: Vec<u64>,
}

#[pymethods]
impl StorageProber {
    #[new]
    fn new(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<StorageProber> {
        let (prober, opens_ns) = py.detach(|| Prober::open(&paths)).map_err(plain_os_error)?;
        Ok(StorageProber { prober, opens_ns })
    }

    #[getter]
    fn is_direct(&self) -> bool {
        self.prober.is_direct()
    }

    #[getter]
    fn opens_ns(&self) -> Vec<u64> {
        self.opens_ns.clone()
    }

    fn run<'py>(
        &self,
        py: Python<'py>,
        size: u64,
        threads: usize,
        limit_ns: u64,
        seed: u64,
    ) -> PyResult<Requests<'py>> {
        let requests = py
            .detach(|| self.prober.run(size, threads, limit_ns, seed))
            .map_err(plain_os_error)?;
        let column = |value: fn(&mlopt_fuse::probe::requests::Request) -> u64| {
            requests.iter().map(value).collect::<Vec<u64>>().into_pyarray(py)
        };
        Ok((
            column(|request| request.start_ns),
            column(|request| request.end_ns),
            column(|request| request.bytes),
        ))
    }
}

/// A mounted file system in memory, served by this process.
#[pyclass(frozen)]
pub struct MemoryFiles {
    mount: MemoryMount,
}

#[pymethods]
impl MemoryFiles {
    #[new]
    fn new(
        py: Python<'_>,
        mountpoint: PathBuf,
        files: u64,
        file_bytes: u64,
        answers_open: bool,
    ) -> PyResult<MemoryFiles> {
        let spec = MountSpec {
            mountpoint,
            fsname: OsString::from("mlopt:probe"),
            read_only: true,
            allow_other: false,
            check_permissions: true,
        };
        let content = Content {
            files,
            file_bytes,
            answers_open,
        };
        let mount = py
            .detach(|| MemoryMount::start(&spec, content))
            .map_err(|error| os_error(&error))?;
        Ok(MemoryFiles { mount })
    }

    fn push(&self, py: Python<'_>, first: u64, files: u64) -> PyResult<()> {
        py.detach(|| self.mount.push(first, files))
            .map_err(plain_os_error)
    }

    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.mount.stop()).map_err(|error| os_error(&error))
    }
}

fn plain_os_error(error: std::io::Error) -> PyErr {
    PyOSError::new_err((error.raw_os_error(), error.to_string()))
}
