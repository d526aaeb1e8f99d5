//! The one map from engine errors to Python exceptions. Absent: messages of its own.

use mlopt_core::CoreError;
use pyo3::exceptions::PyException;
use pyo3::{PyErr, create_exception};

create_exception!(
    mlopt_engine._native,
    MloptError,
    PyException,
    "Base of every error that mlopt raises on purpose."
);

/// Wrap an engine error.
pub fn from_core(error: CoreError) -> PyErr {
    MloptError::new_err(error.to_string())
}
