//! Drives the core in real time. Owns: mounts, fetches, the warden, the emulated slow source, replay and probe.
//! Absent: policy (that is the core's).

pub mod buffers;
pub mod clock;
pub mod driver;
pub mod emulator;
pub mod fetcher;
pub mod filesystem;
pub mod journal;
pub mod kernel_mount;
pub mod metrics;
pub mod nodes;
mod opened;
pub mod probe;
pub mod replay;
pub mod session;
pub mod source;
pub mod warden;
