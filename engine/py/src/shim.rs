//! Hands out the preloadable isatty shim that `build.rs` compiled. Absent: where it is written and who preloads it.

use std::borrow::Cow;

use pyo3::prelude::*;

static ISATTY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/isatty.so"));

/// The shared library to name in `LD_PRELOAD`.
#[pyfunction]
pub fn isatty_shim() -> Cow<'static, [u8]> {
    Cow::Borrowed(ISATTY)
}
