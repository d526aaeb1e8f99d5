//! File types for Python: the engine's one table. Absent: logic.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use mlopt_core::{DetectedBy, Detection};
use pyo3::prelude::*;

/// A path as Python gives it.
#[derive(FromPyObject)]
pub enum AnyPath {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// A text or a path object.
    Path(PathBuf),
}

/// What kind of file this is.
#[pyclass(frozen, eq, hash, module = "mlopt_engine._native")]
#[derive(PartialEq, Eq, Hash)]
pub struct FileKind {
    /// What rules call `type`.
    #[pyo3(get)]
    r#type: &'static str,
    /// Name of the format in the engine's table.
    #[pyo3(get)]
    format: Option<&'static str>,
    /// The framework that writes such files, where only one does.
    #[pyo3(get)]
    framework: Option<&'static str>,
    /// MIME type, where one is in use.
    #[pyo3(get)]
    mime_type: Option<&'static str>,
    /// `content` or `name`.
    #[pyo3(get)]
    by: Option<&'static str>,
}

#[pymethods]
impl FileKind {
    fn __repr__(&self) -> String {
        let word = |value: Option<&str>| value.map_or("None".to_owned(), |text| format!("'{text}'"));
        format!(
            "FileKind(type='{}', format={}, framework={}, mime_type={}, by={})",
            self.r#type,
            word(self.format),
            word(self.framework),
            word(self.mime_type),
            word(self.by),
        )
    }
}

/// Tell what kind of file this is, from first bytes where given, then from the name.
#[pyfunction]
#[pyo3(signature = (path, first_bytes=None))]
pub fn detect(path: AnyPath, first_bytes: Option<&[u8]>) -> FileKind {
    let path = match &path {
        AnyPath::Bytes(bytes) => bytes.as_slice(),
        AnyPath::Path(path) => path.as_os_str().as_bytes(),
    };
    let found = match first_bytes {
        Some(bytes) => Detection::of_content(path, bytes),
        None => Detection::of_path(path),
    };
    FileKind {
        r#type: found.file_type.name(),
        format: found.format.map(|format| format.name),
        framework: found.framework,
        mime_type: found.format.and_then(|format| format.mime),
        by: found.by.map(|by| match by {
            DetectedBy::Content => "content",
            DetectedBy::Name => "name",
        }),
    }
}
