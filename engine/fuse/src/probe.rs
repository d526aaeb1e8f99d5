//! Measures a storage and FUSE itself. Owns: timed requests, a file system in memory to time. Absent: models.

pub mod memory;
pub mod requests;
