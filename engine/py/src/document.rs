//! Texts of recipes for Python: plain values, and their places on demand. Absent: reading (`mlopt_document`).

use mlopt_document::{Document, Finding, Node, Part, Value};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

/// Where the values of a text were written.
#[pyclass(frozen, module = "mlopt_engine._native")]
pub struct Places {
    document: Document,
}

#[pymethods]
impl Places {
    /// Line and column, from 1, of the innermost thing on a path that was written.
    #[pyo3(signature = (path, *, key=false))]
    fn find(&self, path: &Bound<'_, PyTuple>, key: bool) -> PyResult<(u32, u32)> {
        let steps: Vec<Bound<'_, PyAny>> = path.iter().collect();
        let parts: Vec<Part<'_>> = steps.iter().map(part).collect::<PyResult<_>>()?;
        let mark = self.document.mark(&parts, key);
        Ok((mark.line, mark.column))
    }
}

fn part<'p>(step: &'p Bound<'_, PyAny>) -> PyResult<Part<'p>> {
    if let Ok(key) = step.cast::<PyString>() {
        return key.to_str().map(Part::Key);
    }
    let index = step.extract();
    index
        .map(Part::Index)
        .map_err(|_| PyTypeError::new_err("a path is made of texts and of indexes from 0"))
}

/// Code, message, line and column where known, and what to do.
type FoundProblem = (&'static str, String, Option<(u32, u32)>, String);
type Read<'py> = (Option<Bound<'py, PyAny>>, Option<Places>, Vec<FoundProblem>);

/// Read a text: its value and places, or what is wrong with it.
#[pyfunction]
pub fn read_document<'py>(py: Python<'py>, text: &str, is_json: bool) -> PyResult<Read<'py>> {
    match py.detach(|| mlopt_document::read(text, is_json)) {
        Ok(document) => {
            let words = document.words().iter().map(|word| PyString::new(py, word));
            let mut values = Values {
                py,
                words: words.collect(),
                anchors: Vec::new(),
            };
            let value = values.of(&document.root)?;
            Ok((Some(value), Some(Places { document }), Vec::new()))
        }
        Err(findings) => Ok((None, None, findings.into_iter().map(problem).collect())),
    }
}

/// Whether a word reads back as the same text without quotes.
#[pyfunction]
pub fn is_plain_text(text: &str) -> bool {
    mlopt_document::is_plain_text(text)
}

fn problem(finding: Finding) -> FoundProblem {
    let mark = finding.mark.map(|mark| (mark.line, mark.column));
    (finding.code, finding.message, mark, finding.remedy)
}

/// Makes Python's values; equal texts are one object.
struct Values<'py> {
    py: Python<'py>,
    words: Vec<Bound<'py, PyString>>,
    /// Finished anchors in the order of their numbers, which is the order in which they finish.
    anchors: Vec<Bound<'py, PyAny>>,
}

impl<'py> Values<'py> {
    fn of(&mut self, node: &Node) -> PyResult<Bound<'py, PyAny>> {
        let value = match &node.value {
            Value::Null => self.py.None().into_bound(self.py),
            Value::Bool(value) => value.into_bound_py_any(self.py)?,
            Value::Integer(number) => number.into_bound_py_any(self.py)?,
            Value::Large(number) => number.into_bound_py_any(self.py)?,
            Value::Float(number) => number.into_bound_py_any(self.py)?,
            Value::Text(word) => self.words[*word as usize].clone().into_any(),
            Value::List(items) => {
                let items = items
                    .iter()
                    .map(|item| self.of(item))
                    .collect::<PyResult<Vec<_>>>()?;
                PyList::new(self.py, items)?.into_any()
            }
            Value::Mapping(mapping) => {
                let made = PyDict::new(self.py);
                for (key, _, item) in mapping.entries() {
                    let item = self.of(item)?;
                    made.set_item(&self.words[*key as usize], item)?;
                }
                made.into_any()
            }
            Value::Alias(anchor) => self.anchors[*anchor as usize - 1].clone(),
        };
        if node.anchor > 0 {
            self.anchors.push(value.clone());
        }
        Ok(value)
    }
}
