//! The core for Python: what it has, one core driven by hand, caches replayed. Absent: logic.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mlopt_core::{CoreError, Event, Nanos, Plan};
use mlopt_sim::Accesses;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;
use serde_json::json;

use crate::error::from_core;

/// A core, driven event by event.
#[pyclass(frozen, module = "mlopt_engine._native")]
pub struct Core {
    inner: Mutex<mlopt_core::Core>,
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, mlopt_core::Core> {
        // a panic in the core cannot leave Python in doubt: the core's own checks come first
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Core {
    #[new]
    fn new(py: Python<'_>, plan_json: &str) -> PyResult<Core> {
        let core = py.detach(|| mlopt_core::Core::new(Plan::from_json(plan_json)?));
        Ok(Core {
            inner: Mutex::new(core.map_err(from_core)?),
        })
    }

    /// Take one event.
    fn handle(&self, py: Python<'_>, event_json: &str, now_ns: u64) -> PyResult<()> {
        py.detach(|| {
            let event: Event = serde_json::from_str(event_json)
                .map_err(|error| CoreError::Plan(format!("event: {error}")))?;
            self.lock().handle(event, Nanos(now_ns))
        })
        .map_err(from_core)
    }

    /// Take all effects that wait, in order, each as JSON.
    fn effects(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| {
            let mut core = self.lock();
            std::iter::from_fn(|| core.poll_effect())
                .map(|effect| to_json(&effect))
                .collect::<Result<Vec<String>, CoreError>>()
        })
        .map_err(from_core)
    }

    /// Return the counters.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = py.detach(|| self.lock().stats());
        to_python(py, &stats)
    }

    /// Return what the cache policies hold, with its part of the tier.
    fn held<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let held = py.detach(|| self.lock().held());
        let rows = held
            .iter()
            .map(|(extent, tier)| json!({"extent": extent, "tier": tier}));
        to_python(py, &rows.collect::<Vec<_>>())
    }
}

/// Return facts, operators, actions, policies and prefetchers with all that is known of them.
#[pyfunction]
pub fn registry(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    to_python(py, &mlopt_core::registry())
}

/// Count the misses of a policy over a sequence of accesses.
#[pyfunction]
#[pyo3(signature = (policy, ids, sizes, capacity, *, with_hits=false))]
pub fn replay_cache<'py>(
    py: Python<'py>,
    policy: &str,
    ids: PyReadonlyArray1<'py, u32>,
    sizes: Option<PyReadonlyArray1<'py, u64>>,
    capacity: u64,
    with_hits: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let ids = ids.as_slice()?;
    let sizes = sizes.as_ref().map(|sizes| sizes.as_slice()).transpose()?;
    if let Some(sizes) = sizes
        && sizes.len() != ids.len()
    {
        return Err(PyValueError::new_err(format!(
            "sizes has {} entries, ids has {}: one size per access",
            sizes.len(),
            ids.len()
        )));
    }
    let accesses = Accesses { ids, sizes };
    let (counted, hits) = py.detach(|| {
        if !with_hits {
            return (mlopt_sim::replay_cache(policy, accesses, capacity, |_| {}), None);
        }
        let mut hits = Vec::with_capacity(ids.len());
        let counted = mlopt_sim::replay_cache(policy, accesses, capacity, |is_hit| hits.push(is_hit));
        (counted, Some(hits))
    });
    let counted =
        counted.ok_or_else(|| from_core(CoreError::Plan(format!("unknown cache policy '{policy}'"))))?;
    let result = PyDict::new(py);
    result.set_item("misses", counted.misses)?;
    result.set_item("miss_bytes", counted.miss_bytes)?;
    if let Some(hits) = hits {
        result.set_item("hits", hits.into_pyarray(py))?;
    }
    Ok(result)
}

/// For each access, the smallest LRU cache in which it hits.
#[pyfunction]
pub fn lru_stack_distances<'py>(
    py: Python<'py>,
    ids: PyReadonlyArray1<'py, u32>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let ids = ids.as_slice()?;
    Ok(py.detach(|| mlopt_sim::lru_stack_distances(ids)).into_pyarray(py))
}

fn to_json(value: &impl Serialize) -> Result<String, CoreError> {
    serde_json::to_string(value).map_err(|error| CoreError::Plan(error.to_string()))
}

/// Hand a value over as Python's own dicts and lists.
fn to_python<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?
        .call_method1("loads", (to_json(value).map_err(from_core)?,))
}
