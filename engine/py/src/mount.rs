//! The served mount and the warden's loop for Python. Absent: state on disk, sockets, signals.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use mlopt_core::{Plan, journal as core_journal};
use mlopt_fuse::buffers::PAGE;
use mlopt_fuse::session::{MountSession as Session, SessionError};
use mlopt_fuse::{driver::DriverError, kernel_mount, warden};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::error::{MloptError, from_core};

/// A mount served by threads of this process; none of them ever calls Python.
#[pyclass(frozen)]
pub struct MountSession {
    session: Session,
}

#[pymethods]
impl MountSession {
    #[new]
    fn new(
        py: Python<'_>,
        source: PathBuf,
        mountpoint: PathBuf,
        plan_json: &str,
        options_json: &str,
    ) -> PyResult<MountSession> {
        let plan = Plan::from_json(plan_json).map_err(from_core)?;
        let options = serde_json::from_str(options_json)
            .map_err(|error| MloptError::new_err(format!("mount options: {error}")))?;
        let session = py.detach(|| Session::start(&source, &mountpoint, plan, options));
        Ok(MountSession {
            session: session.map_err(from_session)?,
        })
    }

    fn unmount(&self, py: Python<'_>, lazy: bool) -> PyResult<()> {
        py.detach(|| self.session.unmount(lazy)).map_err(from_session)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.session.close());
    }

    fn reload(&self, py: Python<'_>, plan_json: &str) -> PyResult<()> {
        let plan = Plan::from_json(plan_json).map_err(from_core)?;
        py.detach(|| self.session.reload(plan)).map_err(from_session)
    }

    /// Hand over what is known of job and machine now, in place of what was.
    fn set_facts(&self, py: Python<'_>, facts_json: &str) -> PyResult<()> {
        let facts = serde_json::from_str(facts_json)
            .map_err(|error| MloptError::new_err(format!("facts: {error}")))?;
        py.detach(|| self.session.set_facts(facts));
        Ok(())
    }

    /// Threads that read lately.
    fn readers(&self, py: Python<'_>) -> Vec<u32> {
        py.detach(|| self.session.readers())
    }

    #[getter]
    fn is_served(&self, py: Python<'_>) -> bool {
        py.detach(|| self.session.is_served())
    }

    #[getter]
    fn warden_pid(&self, py: Python<'_>) -> Option<u32> {
        py.detach(|| self.session.warden_pid())
    }

    fn stats_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.session.stats_json())
    }

    fn decisions_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.session.decisions_json())
    }

    fn job_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.session.job_json())
    }

    fn rules_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.session.rules_json())
    }

    fn explain_json(&self, py: Python<'_>, path: Vec<u8>) -> Option<String> {
        py.detach(|| self.session.explain_json(&path))
    }

    fn metrics_text(&self, py: Python<'_>) -> String {
        py.detach(|| self.session.metrics_text())
    }
}

/// Be the warden of a mount, with orders on standard input and answers on standard output.
#[pyfunction]
pub fn serve_warden(py: Python<'_>, mountpoint: PathBuf) -> PyResult<()> {
    py.detach(|| {
        // Past std's line buffer, which would keep answers back until one happens to hold a newline.
        let answers = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        warden::serve(&mountpoint, io::stdin().lock(), answers)
    })
    .map_err(|error: io::Error| os_error(error.raw_os_error(), error.to_string()))
}

/// What is mounted exactly here: (type, fsname, whether its daemon is gone); from the mount table.
#[pyfunction]
pub fn mounted_at(py: Python<'_>, path: PathBuf) -> PyResult<Option<(String, String, bool)>> {
    py.detach(|| {
        let path = kernel_mount::resolve(&path)?;
        let entry = kernel_mount::topmost(&path)?;
        Ok(entry.map(|entry| {
            let dead = kernel_mount::is_dead(&entry);
            let fsname = entry.fsname.to_string_lossy().into_owned();
            (entry.filesystem_type, fsname, dead)
        }))
    })
    .map_err(|error: io::Error| os_error(error.raw_os_error(), error.to_string()))
}

/// Clear a dead mount of ours; false when there is none.
#[pyfunction]
pub fn clear_dead_mount(py: Python<'_>, mountpoint: PathBuf) -> PyResult<bool> {
    py.detach(|| kernel_mount::clear_dead(&mountpoint))
        .map_err(|error| os_error(Some(error.errno()), error.to_string()))
}

/// Ask cachestat(2) how much of a file the kernel holds, in whole pages [bytes].
#[pyfunction]
pub fn cached_bytes(path: PathBuf) -> PyResult<u64> {
    let counted = File::open(path).and_then(|file| warden::count_cached_pages(file.as_fd(), 0, 0));
    let pages = counted.map_err(|error| os_error(error.raw_os_error(), error.to_string()))?;
    Ok(pages * PAGE as u64)
}

/// Feed a mount's journal to a fresh core: events replayed, and the first difference as JSON.
#[pyfunction]
pub fn replay_journal(py: Python<'_>, path: PathBuf) -> PyResult<(u64, Option<String>)> {
    let text = py.detach(|| std::fs::read_to_string(path));
    let text = text.map_err(|error| os_error(error.raw_os_error(), error.to_string()))?;
    let (events, difference) = py.detach(|| core_journal::replay(&text)).map_err(from_core)?;
    let difference = difference.map(|found| serde_json::to_string(&found));
    Ok((events, difference.transpose().map_err(io::Error::from)?))
}

fn from_session(error: SessionError) -> PyErr {
    let text = error.to_string();
    match error {
        SessionError::Mount(error) => os_error(Some(error.errno()), text),
        SessionError::Driver(DriverError::Core(error)) => from_core(error),
        SessionError::Driver(DriverError::Source(error)) => os_error(error.raw_os_error(), text),
        SessionError::Driver(DriverError::RemountNeeded) => MloptError::new_err(text),
        SessionError::System { source, .. } => os_error(source.raw_os_error(), text),
    }
}

/// With its number: PyO3's own conversion leaves `errno` None.
fn os_error(errno: Option<i32>, text: String) -> PyErr {
    PyOSError::new_err((errno, text))
}
