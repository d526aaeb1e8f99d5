//! The rule evaluator for Python: judge files, check single conditions. Absent: logic.

use mlopt_core::{CoreError, FactSet, FileFacts, LiveFacts, Plan, Version, rules};
use pyo3::prelude::*;

use crate::error::from_core;

/// A plan's rules, ready to judge files.
#[pyclass(frozen, module = "mlopt_engine._native")]
pub struct Rules {
    inner: rules::Rules,
}

#[pymethods]
impl Rules {
    #[new]
    fn new(py: Python<'_>, plan_json: &str) -> PyResult<Rules> {
        let compiled = py.detach(|| rules::Rules::compile(&Plan::from_json(plan_json)?));
        Ok(Rules {
            inner: compiled.map_err(from_core)?,
        })
    }

    /// Decide what happens to a file.
    #[pyo3(signature = (path, size_bytes, live_json=None, facts_json=None))]
    fn decide(
        &self,
        py: Python<'_>,
        path: Vec<u8>,
        size_bytes: u64,
        live_json: Option<&str>,
        facts_json: Option<&str>,
    ) -> PyResult<String> {
        py.detach(|| {
            let decision =
                self.inner
                    .decide(&file(path, size_bytes), &live(live_json)?, &around(facts_json)?);
            to_json(&decision)
        })
        .map_err(from_core)
    }

    /// Decide, and say why.
    #[pyo3(signature = (path, size_bytes, live_json=None, facts_json=None))]
    fn explain(
        &self,
        py: Python<'_>,
        path: Vec<u8>,
        size_bytes: u64,
        live_json: Option<&str>,
        facts_json: Option<&str>,
    ) -> PyResult<String> {
        py.detach(|| {
            let explanation =
                self.inner
                    .explain(&file(path, size_bytes), &live(live_json)?, &around(facts_json)?);
            to_json(&explanation)
        })
        .map_err(from_core)
    }

    /// Decide for a file `times` over, so that the cost of one decision can be measured without the border's.
    fn decide_repeatedly(&self, py: Python<'_>, path: Vec<u8>, size_bytes: u64, times: usize) -> usize {
        py.detach(|| {
            let facts = file(path, size_bytes);
            let (live, around) = (LiveFacts::default(), FactSet::default());
            (0..times)
                .map(|_| {
                    self.inner
                        .decide(std::hint::black_box(&facts), &live, &around)
                        .applied
                        .len()
                })
                .sum()
        })
    }
}

/// Say what is wrong with a condition; nothing if it can be compiled.
#[pyfunction]
pub fn check_condition(fact: &str, operator: &str, value_json: &str) -> PyResult<Option<String>> {
    let value =
        serde_json::from_str(value_json).map_err(|error| from_core(CoreError::Plan(error.to_string())))?;
    Ok(rules::check_condition(fact, operator, value).err())
}

fn file(path: Vec<u8>, size: u64) -> FileFacts {
    FileFacts {
        path,
        size,
        mtime_ns: 0,
        version: Version(0),
        format: None,
    }
}

fn live(json: Option<&str>) -> Result<LiveFacts, CoreError> {
    json.map_or(Ok(LiveFacts::default()), |text| {
        serde_json::from_str(text).map_err(|error| CoreError::Plan(format!("live facts: {error}")))
    })
}

fn around(json: Option<&str>) -> Result<FactSet, CoreError> {
    json.map_or(Ok(FactSet::default()), |text| {
        serde_json::from_str(text).map_err(|error| CoreError::Plan(format!("facts: {error}")))
    })
}

fn to_json(value: &impl serde::Serialize) -> Result<String, CoreError> {
    serde_json::to_string(value).map_err(|error| CoreError::Plan(error.to_string()))
}
