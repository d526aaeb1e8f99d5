//! Python face of the tap: one recording as an object, its rows as arrays. Absent: logic.

use std::path::PathBuf;

use mlopt_tap::parser::Parser;
use mlopt_tap::recording::Recording;
use mlopt_tap::rows::{Columns, Op, UNKNOWN};
use mlopt_tap::sampler::Role;
use mlopt_tap::syscall::{Syscall, VECTORED};
use numpy::IntoPyArray;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

fn io_error(error: std::io::Error) -> PyErr {
    PyOSError::new_err((error.raw_os_error().unwrap_or(libc_eio()), error.to_string()))
}

const fn libc_eio() -> i32 {
    5
}

/// A recording, live or replayed.
#[pyclass(module = "mlopt_engine._native")]
pub struct Tap {
    inner: Recording,
}

#[pymethods]
impl Tap {
    #[new]
    fn new(cwd: &[u8], inherited: Vec<(i64, Vec<u8>, i64)>) -> Self {
        let mut parser = Parser::new(cwd);
        for (fd, path, position) in inherited {
            parser.inherit(fd, &path, position);
        }
        Self {
            inner: Recording::new(parser),
        }
    }

    /// Take the next piece of strace's text; it may end anywhere.
    fn feed(&mut self, py: Python<'_>, text: &[u8]) {
        py.detach(|| self.inner.parser.feed(text));
    }

    /// Say that no text follows.
    fn finish(&mut self, py: Python<'_>) {
        py.detach(|| self.inner.parser.finish());
    }

    fn begin(&mut self, log: PathBuf, spool: PathBuf, head: &[u8]) -> PyResult<()> {
        self.inner.begin(&log, &spool, head).map_err(io_error)
    }

    fn watch(&mut self, pid: u32, role: &str) -> PyResult<()> {
        let at = Role::NAMES.iter().position(|name| *name == role);
        let role = at
            .and_then(|at| Role::from_byte(at as u8))
            .ok_or_else(|| PyValueError::new_err("role"))?;
        self.inner.watch(pid, role);
        Ok(())
    }

    fn tick(&mut self, py: Python<'_>, t_ns: i64, tree: bool) -> PyResult<u64> {
        py.detach(|| self.inner.tick(t_ns, tree)).map_err(io_error)
    }

    fn end(&mut self, py: Python<'_>, end: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.end(end)).map_err(io_error)
    }

    fn replay<'py>(
        &mut self,
        py: Python<'py>,
        log: PathBuf,
        spool: Option<PathBuf>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let found = py
            .detach(|| self.inner.replay(&log, spool.as_deref()))
            .map_err(io_error)?;
        let result = PyDict::new(py);
        result.set_item("head", found.head.map(|bytes| PyBytes::new(py, &bytes)))?;
        result.set_item("end", found.end.map(|bytes| PyBytes::new(py, &bytes)))?;
        result.set_item("lost_bytes", found.lost_bytes)?;
        result.set_item("last_sample_ns", found.last_sample_ns)?;
        Ok(result)
    }

    #[getter]
    fn rows_waiting(&self) -> usize {
        self.inner.parser.rows_waiting()
    }

    /// Take the rows that are final, as columns.
    fn take_rows<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = py.detach(|| Columns::from_rows(&self.inner.parser.take_rows()));
        let result = PyDict::new(py);
        result.set_item("t_ns", columns.t_ns.into_pyarray(py))?;
        result.set_item("dur_ns", columns.dur_ns.into_pyarray(py))?;
        result.set_item("pid", columns.pid.into_pyarray(py))?;
        result.set_item("tid", columns.tid.into_pyarray(py))?;
        result.set_item("handle", columns.handle.into_pyarray(py))?;
        result.set_item("op", columns.op.into_pyarray(py))?;
        result.set_item("file_id", columns.file.into_pyarray(py))?;
        result.set_item("offset", columns.offset.into_pyarray(py))?;
        result.set_item("length", columns.length.into_pyarray(py))?;
        result.set_item("result", columns.result.into_pyarray(py))?;
        result.set_item("flags", columns.flags.into_pyarray(py))?;
        Ok(result)
    }

    /// Take the CPU samples, as columns.
    fn take_samples<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let samples = std::mem::take(&mut self.inner.samples);
        let result = PyDict::new(py);
        let tids: Vec<u32> = samples.iter().map(|s| s.tid).collect();
        let times: Vec<i64> = samples.iter().map(|s| s.t_ns).collect();
        let cpu: Vec<i64> = samples.iter().map(|s| s.cpu_ns as i64).collect();
        let delay: Vec<i64> = samples.iter().map(|s| s.delay_ns as i64).collect();
        result.set_item("tid", tids.into_pyarray(py))?;
        result.set_item("t_ns", times.into_pyarray(py))?;
        result.set_item("cpu_ns", cpu.into_pyarray(py))?;
        result.set_item("delay_ns", delay.into_pyarray(py))?;
        Ok(result)
    }

    /// Each path with its kind, first and last size; sizes None when unknown.
    #[allow(clippy::type_complexity)]
    fn files<'py>(
        &self,
        py: Python<'py>,
    ) -> Vec<(
        Bound<'py, PyBytes>,
        Option<&'static str>,
        Option<i64>,
        Option<i64>,
    )> {
        let known = |value: i64| (value != UNKNOWN).then_some(value);
        let files = self.inner.parser.files.all.iter();
        files
            .map(|file| {
                let read = file.end_seen.then_some(file.extent_read);
                let first = known(file.size_first).or(read);
                (
                    PyBytes::new(py, &file.path),
                    file.kind.name(),
                    first,
                    known(file.size_last).or(read),
                )
            })
            .collect()
    }

    /// Threads seen in the text: (pid, tid, ppid, start_ns, end_ns, exit), unknown as None.
    #[allow(clippy::type_complexity)]
    fn threads(&self) -> Vec<(u32, u32, u32, i64, Option<i64>, Option<i64>)> {
        let known = |value: i64| (value != UNKNOWN).then_some(value);
        let threads = self.inner.parser.threads.iter();
        threads
            .map(|t| (t.pid, t.tid, t.ppid, t.start_ns, known(t.end_ns), known(t.exit)))
            .collect()
    }

    /// Threads seen in /proc: (pid, tid, ppid, role, comm, argv).
    #[allow(clippy::type_complexity)]
    fn identities<'py>(
        &self,
        py: Python<'py>,
    ) -> Vec<(
        u32,
        u32,
        u32,
        &'static str,
        Bound<'py, PyBytes>,
        Bound<'py, PyBytes>,
    )> {
        let all = self.inner.identities.iter();
        all.map(|i| {
            let role = Role::NAMES[i.role as usize];
            (
                i.pid,
                i.tid,
                i.ppid,
                role,
                PyBytes::new(py, &i.comm),
                PyBytes::new(py, &i.argv),
            )
        })
        .collect()
    }

    /// How much text was understood.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.inner.parser.counts;
        let result = PyDict::new(py);
        result.set_item("lines", counts.lines)?;
        result.set_item("calls", counts.calls)?;
        result.set_item("unreadable", counts.unreadable)?;
        result.set_item("halves", counts.halves)?;
        result.set_item("orphans", counts.orphans)?;
        result.set_item("unresolved", counts.unresolved)?;
        Ok(result)
    }
}

/// The system calls that the strace tap asks for, and those whose vectors it needs whole.
#[pyfunction]
pub fn traced_calls() -> (Vec<&'static str>, Vec<&'static str>) {
    (Syscall::NAMES.to_vec(), VECTORED.to_vec())
}

/// Names of operations in the order of their numbers.
#[pyfunction]
pub fn operation_names() -> Vec<&'static str> {
    Op::NAMES.to_vec()
}

/// Mask the secrets in a command line.
#[pyfunction]
pub fn redact<'py>(py: Python<'py>, words: Vec<Vec<u8>>) -> Vec<Bound<'py, PyBytes>> {
    mlopt_tap::redact::redact(&words)
        .iter()
        .map(|word| PyBytes::new(py, word))
        .collect()
}
