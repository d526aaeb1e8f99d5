//! Export list of `mlopt_engine._native`. One file per crate behind it. Absent: logic.
#![deny(unsafe_code)]

mod core;
mod document;
mod emulator;
mod error;
mod filetype;
mod mount;
mod observe;
mod probe;
mod replay;
mod rules;
mod scan;
mod shim;
mod sim;
mod tap;
mod walk;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::core::{Core, lru_stack_distances, registry, replay_cache};
    #[pymodule_export]
    use crate::document::{Places, is_plain_text, read_document};
    #[pymodule_export]
    use crate::emulator::EmulatedStorage;
    #[pymodule_export]
    use crate::error::MloptError;
    #[pymodule_export]
    use crate::filetype::{FileKind, detect};
    #[pymodule_export]
    use crate::mount::{
        MountSession, cached_bytes, clear_dead_mount, mounted_at, replay_journal, serve_warden,
    };
    #[pymodule_export]
    use crate::observe::{observe_job, observe_reads};
    #[pymodule_export]
    use crate::probe::{MemoryFiles, StorageProber};
    #[pymodule_export]
    use crate::replay::RunningReplay;
    #[pymodule_export]
    use crate::rules::{Rules, check_condition};
    #[pymodule_export]
    use crate::scan::RuleScan;
    #[pymodule_export]
    use crate::shim::isatty_shim;
    #[pymodule_export]
    use crate::sim::SimulatedJob;
    #[pymodule_export]
    use crate::tap::{Tap, operation_names, redact, traced_calls};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("FIRST_BYTES", mlopt_core::FIRST_BYTES)?;
        module.add("MAX_DEPTH", mlopt_document::MAX_DEPTH)?;
        module.add("MAX_FINDINGS", mlopt_document::MAX_FINDINGS)?;
        module.add("MAX_NODES", mlopt_document::MAX_NODES)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
