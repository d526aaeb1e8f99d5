//! What a trace's reads show of their order, by the engine's own observer. Absent: logic.

use mlopt_core::observation::{ObservedRead, Observer};
use mlopt_core::{FileId, ReaderId};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// For each file: its access pattern if one shows, reads seen, and bytes read.
#[pyfunction]
pub fn observe_reads(
    py: Python<'_>,
    paths: Vec<Vec<u8>>,
    sizes: PyReadonlyArray1<'_, i64>,
    reader: PyReadonlyArray1<'_, u32>,
    file: PyReadonlyArray1<'_, u32>,
    offset: PyReadonlyArray1<'_, i64>,
    length: PyReadonlyArray1<'_, i64>,
) -> PyResult<Vec<(Option<&'static str>, u64, u64)>> {
    let (sizes, reader, file) = (sizes.as_slice()?, reader.as_slice()?, file.as_slice()?);
    let (offset, length) = (offset.as_slice()?, length.as_slice()?);
    if [reader.len(), offset.len(), length.len()] != [file.len(); 3] || sizes.len() != paths.len() {
        return Err(PyValueError::new_err("columns differ in length"));
    }
    if file.iter().any(|&file| file as usize >= paths.len()) {
        return Err(PyValueError::new_err("a read names a file that is not there"));
    }
    Ok(py.detach(|| {
        let mut observer = Observer::default();
        for (path, &size) in paths.iter().zip(sizes) {
            observer.add(path, size.max(0) as u64);
        }
        let mut bytes = vec![0_u64; paths.len()];
        for row in (0..file.len()).filter(|&row| length[row] > 0 && offset[row] >= 0) {
            let read = ObservedRead {
                file: FileId(file[row]),
                reader: ReaderId(reader[row]),
                offset: offset[row] as u64,
                length: length[row] as u64,
            };
            bytes[file[row] as usize] += read.length;
            observer.read(&read, |id| &paths[id.0 as usize]);
        }
        let files = (0..paths.len() as u32).map(|id| observer.facts(FileId(id)));
        files
            .zip(bytes)
            .map(|(live, bytes)| {
                let pattern = live.pattern.map(|pattern| pattern.name());
                (pattern, live.frequency.unwrap_or(0), bytes)
            })
            .collect()
    }))
}
