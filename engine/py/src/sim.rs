//! The simulator's face: a job once, then questions as JSON. Absent: medians, tables, words.

use std::thread;

use mlopt_sim::{Columns, Consumer, ReplayError, RunReport, Scenario, Workload, file_facts, journal, replay};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::error::MloptError;

/// A recorded job, sorted for the replay.
#[pyclass(frozen)]
pub struct SimulatedJob {
    workload: Workload,
}

#[pymethods]
impl SimulatedJob {
    /// Take over files and access columns; all columns of one length, files in range.
    #[new]
    #[pyo3(signature = (paths, sizes, mtimes_ns, worker, op, file, offset, length, cpu_ns, wait_ns, epoch, batch, lock, tail_cpu_ns, consumer))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        paths: &Bound<'_, PyList>,
        sizes: PyReadonlyArray1<'_, i64>,
        mtimes_ns: PyReadonlyArray1<'_, i64>,
        worker: PyReadonlyArray1<'_, u32>,
        op: PyReadonlyArray1<'_, u8>,
        file: PyReadonlyArray1<'_, u32>,
        offset: PyReadonlyArray1<'_, i64>,
        length: PyReadonlyArray1<'_, i64>,
        cpu_ns: PyReadonlyArray1<'_, i64>,
        wait_ns: PyReadonlyArray1<'_, i64>,
        epoch: PyReadonlyArray1<'_, i32>,
        batch: PyReadonlyArray1<'_, i32>,
        lock: PyReadonlyArray1<'_, i32>,
        tail_cpu_ns: PyReadonlyArray1<'_, i64>,
        consumer: Option<(PyReadonlyArray1<'_, i64>, PyReadonlyArray1<'_, i64>, u32)>,
    ) -> PyResult<SimulatedJob> {
        let (sizes, mtimes_ns) = (sizes.as_slice()?, mtimes_ns.as_slice()?);
        let mut files = Vec::with_capacity(paths.len());
        for (number, path) in paths.iter().enumerate() {
            let path = path.cast::<PyBytes>()?.as_bytes().to_vec();
            let size = sizes.get(number).copied().unwrap_or(0).max(0) as u64;
            files.push(file_facts(
                path,
                size,
                mtimes_ns.get(number).copied().unwrap_or(0),
            ));
        }
        let columns = Columns {
            worker: worker.as_slice()?,
            op: op.as_slice()?,
            file: file.as_slice()?,
            offset: offset.as_slice()?,
            length: length.as_slice()?,
            cpu_ns: cpu_ns.as_slice()?,
            wait_ns: wait_ns.as_slice()?,
            epoch: epoch.as_slice()?,
            batch: batch.as_slice()?,
        };
        let consumer = match &consumer {
            Some((cpu_ns, wait_ns, prefetch_batches)) => Some(Consumer {
                cpu_ns: unsigned(cpu_ns.as_slice()?),
                wait_ns: unsigned(wait_ns.as_slice()?),
                prefetch_batches: *prefetch_batches,
            }),
            None => None,
        };
        let tail = unsigned(tail_cpu_ns.as_slice()?);
        let workload = Workload::new(files, &columns, lock.as_slice()?.to_vec(), consumer, tail)
            .map_err(MloptError::new_err)?;
        Ok(SimulatedJob { workload })
    }

    /// Run the job once for each seed; a JSON list of what each run found.
    fn simulate(&self, py: Python<'_>, scenario: &str, seeds: Vec<u64>, threads: usize) -> PyResult<String> {
        let scenario: Scenario =
            serde_json::from_str(scenario).map_err(|error| MloptError::new_err(error.to_string()))?;
        let runs = py.detach(|| run_all(&self.workload, &scenario, &seeds, threads));
        let runs = runs.map_err(|error| MloptError::new_err(error.to_string()))?;
        serde_json::to_string(&runs).map_err(|error| MloptError::new_err(error.to_string()))
    }

    /// Run the job once behind a mount: each event that the core was told, with its effects, as JSON.
    fn journal(&self, py: Python<'_>, scenario: &str, seed: u64) -> PyResult<String> {
        let scenario: Scenario =
            serde_json::from_str(scenario).map_err(|error| MloptError::new_err(error.to_string()))?;
        let entries = py.detach(|| journal(&self.workload, &scenario, seed));
        let entries = entries.map_err(|error| MloptError::new_err(error.to_string()))?;
        serde_json::to_string(&entries).map_err(|error| MloptError::new_err(error.to_string()))
    }
}

fn unsigned(values: &[i64]) -> Vec<u64> {
    values.iter().map(|value| (*value).max(0) as u64).collect()
}

fn run_all(
    workload: &Workload,
    scenario: &Scenario,
    seeds: &[u64],
    threads: usize,
) -> Result<Vec<RunReport>, ReplayError> {
    let share = seeds.len().div_ceil(threads.max(1)).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = seeds
            .chunks(share)
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .map(|seed| replay(workload, scenario, *seed))
                        .collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut runs = Vec::with_capacity(seeds.len());
        for part in parts {
            runs.extend(
                part.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
            );
        }
        Ok(runs)
    })
}
