//! What a trace's reads show, of each file and of the job, by the engine's own observer. Absent: logic.

use mlopt_core::observation::{ObservedRead, Observer};
use mlopt_core::rules::Work;
use mlopt_core::{FileId, ReaderId};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Column<'py, T> = PyReadonlyArray1<'py, T>;

/// The reads of a job, checked.
struct Reads<'a> {
    paths: Vec<Vec<u8>>,
    sizes: &'a [i64],
    reader: &'a [u32],
    file: &'a [u32],
    offset: &'a [i64],
    length: &'a [i64],
}

impl Reads<'_> {
    fn check(&self) -> PyResult<()> {
        let rows = self.file.len();
        if [self.reader.len(), self.offset.len(), self.length.len()] != [rows; 3]
            || self.sizes.len() != self.paths.len()
        {
            return Err(PyValueError::new_err("columns differ in length"));
        }
        if self.file.iter().any(|&file| file as usize >= self.paths.len()) {
            return Err(PyValueError::new_err("a read names a file that is not there"));
        }
        Ok(())
    }

    fn observer(&self) -> Observer {
        let mut observer = Observer::default();
        for (path, &size) in self.paths.iter().zip(self.sizes) {
            observer.add(path, size.max(0) as u64);
        }
        observer
    }

    /// Let an observer see all reads; `after` each of them.
    fn show(&self, observer: &mut Observer, mut after: impl FnMut(usize, &ObservedRead, &Observer)) {
        for row in (0..self.file.len()).filter(|&row| self.length[row] > 0 && self.offset[row] >= 0) {
            let read = ObservedRead {
                file: FileId(self.file[row]),
                reader: ReaderId(self.reader[row]),
                offset: self.offset[row] as u64,
                length: self.length[row] as u64,
            };
            observer.read(&read, |id| &self.paths[id.0 as usize]);
            after(row, &read, observer);
        }
    }
}

/// For each file: its access pattern if one shows, reads seen, and bytes read.
#[pyfunction]
pub fn observe_reads(
    py: Python<'_>,
    paths: Vec<Vec<u8>>,
    sizes: Column<'_, i64>,
    reader: Column<'_, u32>,
    file: Column<'_, u32>,
    offset: Column<'_, i64>,
    length: Column<'_, i64>,
) -> PyResult<Vec<(Option<&'static str>, u64, u64)>> {
    let reads = Reads {
        paths,
        sizes: sizes.as_slice()?,
        reader: reader.as_slice()?,
        file: file.as_slice()?,
        offset: offset.as_slice()?,
        length: length.as_slice()?,
    };
    reads.check()?;
    Ok(py.detach(|| {
        let mut observer = reads.observer();
        let mut bytes = vec![0_u64; reads.paths.len()];
        reads.show(&mut observer, |_, read, _| {
            bytes[read.file.0 as usize] += read.length
        });
        let files = (0..reads.paths.len() as u32).map(|id| observer.facts(FileId(id)));
        files
            .zip(bytes)
            .map(|(live, bytes)| {
                let pattern = live.pattern.map(|pattern| pattern.name());
                (pattern, live.frequency.unwrap_or(0), bytes)
            })
            .collect()
    }))
}

/// What is told of the job, as JSON: after which read each change came, and what was told from there on.
#[pyfunction]
#[pyo3(signature = (paths, sizes, reader, file, offset, length, work=None))]
#[expect(clippy::too_many_arguments, reason = "the columns of a job")]
pub fn observe_job(
    py: Python<'_>,
    paths: Vec<Vec<u8>>,
    sizes: Column<'_, i64>,
    reader: Column<'_, u32>,
    file: Column<'_, u32>,
    offset: Column<'_, i64>,
    length: Column<'_, i64>,
    work: Option<&str>,
) -> PyResult<Vec<(usize, String)>> {
    let reads = Reads {
        paths,
        sizes: sizes.as_slice()?,
        reader: reader.as_slice()?,
        file: file.as_slice()?,
        offset: offset.as_slice()?,
        length: length.as_slice()?,
    };
    reads.check()?;
    let work = Work::ALL.into_iter().find(|known| Some(known.name()) == work);
    Ok(py.detach(|| {
        let mut observer = reads.observer();
        observer.set_work(work);
        let mut told = observer.job();
        let mut changes = Vec::new();
        reads.show(&mut observer, |row, _, observer| {
            if observer.job() != told {
                told = observer.job();
                changes.push((row, told.facts().to_string()));
            }
        });
        changes
    }))
}
