//! A recorded job done again in real time, for Python. Absent: logic.

use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

use mlopt_fuse::replay::{Access, Consumer, Job, Op, Outcome, Replay};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::MloptError;

type Column<'py, T> = PyReadonlyArray1<'py, T>;

/// A running replay.
#[pyclass(frozen)]
pub struct RunningReplay {
    replay: Replay,
}

#[pymethods]
impl RunningReplay {
    /// Start it; all access columns have one length and files in range.
    #[new]
    #[pyo3(signature = (directory, speed, *, holds=false, paths, worker, op, file, offset, length, cpu_ns, wait_ns, epoch, batch, lock, tail_cpu_ns, consumer))]
    #[allow(clippy::too_many_arguments)] // keywords only: the columns of one table
    fn new(
        py: Python<'_>,
        directory: PathBuf,
        speed: Option<f64>,
        holds: bool,
        paths: &Bound<'_, PyList>,
        worker: Column<'_, u32>,
        op: Column<'_, u8>,
        file: Column<'_, u32>,
        offset: Column<'_, i64>,
        length: Column<'_, i64>,
        cpu_ns: Column<'_, i64>,
        wait_ns: Column<'_, i64>,
        epoch: Column<'_, i32>,
        batch: Column<'_, i32>,
        lock: Column<'_, i32>,
        tail_cpu_ns: Column<'_, i64>,
        consumer: Option<(Column<'_, i64>, Column<'_, i64>, u32)>,
    ) -> PyResult<RunningReplay> {
        let mut names = Vec::with_capacity(paths.len());
        for path in paths.iter() {
            names.push(CString::new(path.cast::<PyBytes>()?.as_bytes())?);
        }
        let (op, file) = (op.as_slice()?, file.as_slice()?);
        let (offset, length) = (offset.as_slice()?, length.as_slice()?);
        let (cpu, wait) = (cpu_ns.as_slice()?, wait_ns.as_slice()?);
        let (epoch, batch) = (epoch.as_slice()?, batch.as_slice()?);
        let worker = worker.as_slice()?;
        let rows = [
            op.len(),
            file.len(),
            offset.len(),
            length.len(),
            cpu.len(),
            wait.len(),
            epoch.len(),
        ];
        if rows
            .iter()
            .chain([&batch.len()])
            .any(|rows| *rows != worker.len())
        {
            return Err(MloptError::new_err("access columns differ in length"));
        }
        let locks = lock.as_slice()?.to_vec();
        let mut readers: Vec<Vec<Access>> = vec![Vec::new(); locks.len()];
        for (row, reader) in worker.iter().enumerate() {
            let accesses = readers.get_mut(*reader as usize);
            let (Some(accesses), true) = (accesses, (file[row] as usize) < names.len()) else {
                return Err(MloptError::new_err(format!(
                    "row {row} names an unknown worker or file"
                )));
            };
            let before = accesses.last().map_or(0, |access: &Access| access.epoch);
            accesses.push(Access {
                file: file[row],
                op: Op::from_number(op[row]),
                offset: unsigned(offset[row]),
                length: unsigned(length[row]),
                cpu_ns: unsigned(cpu[row]),
                wait_ns: unsigned(wait[row]),
                epoch: (epoch[row].max(0) as u32).max(before),
                batch: u32::try_from(batch[row]).ok(),
                is_last_use: false,
            });
        }
        let consumer = match &consumer {
            Some((cpu_ns, wait_ns, prefetch_batches)) => Some(Consumer {
                cpu_ns: all_unsigned(cpu_ns)?,
                wait_ns: all_unsigned(wait_ns)?,
                prefetch_batches: *prefetch_batches,
            }),
            None => None,
        };
        let job = Job::new(names, readers, locks, consumer, all_unsigned(&tail_cpu_ns)?);
        let replay = py
            .detach(|| Replay::start(job, &directory, speed, holds))
            .map_err(os_error)?;
        Ok(RunningReplay { replay })
    }

    fn progress(&self) -> f64 {
        self.replay.progress()
    }

    /// The epoch behind whose end the replay stands still, if it does.
    fn held(&self) -> Option<u32> {
        self.replay.held()
    }

    fn go_on(&self) {
        self.replay.go_on();
    }

    fn cancel(&self) {
        self.replay.cancel();
    }

    /// The outcome, or None when it is not there within this time [s].
    fn wait<'py>(&self, py: Python<'py>, limit_s: f64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let limit = Duration::from_secs_f64(limit_s);
        let outcome = py.detach(|| self.replay.wait(limit)).map_err(os_error)?;
        outcome.map(|outcome| as_dict(py, &outcome)).transpose()
    }
}

fn as_dict<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let problems: Vec<(u32, i32)> = outcome
        .tally
        .problems
        .iter()
        .map(|problem| (problem.file, problem.errno))
        .collect();
    dict.set_item("epoch_s", &outcome.epoch_s)?;
    dict.set_item("epoch_bytes", &outcome.epoch_bytes)?;
    dict.set_item("total_s", outcome.total_s)?;
    dict.set_item("bytes_read", outcome.tally.bytes)?;
    dict.set_item("accesses", outcome.tally.accesses)?;
    dict.set_item("errors", outcome.tally.errors)?;
    dict.set_item("checksum", outcome.tally.checksum)?;
    dict.set_item("problems", problems)?;
    dict.set_item("cancelled", outcome.cancelled)?;
    Ok(dict)
}

fn unsigned(value: i64) -> u64 {
    value.max(0) as u64
}

fn all_unsigned(column: &Column<'_, i64>) -> PyResult<Vec<u64>> {
    Ok(column.as_slice()?.iter().map(|value| unsigned(*value)).collect())
}

fn os_error(error: std::io::Error) -> PyErr {
    PyOSError::new_err((error.raw_os_error(), error.to_string()))
}
