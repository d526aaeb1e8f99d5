//! Turns what a tracer prints into access columns. Owns: the strace line parser, file descriptor tables, the framed log,
//! sampling of CPU times. Absent: starting tracers, clocks, DuckDB.

mod calls;
pub mod descriptors;
pub mod files;
pub mod log;
pub mod parser;
pub mod recording;
pub mod redact;
pub mod rows;
pub mod sampler;
pub mod syscall;
mod text;
