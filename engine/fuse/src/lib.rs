//! Drives the core in real time. Owns: mounts, fetches, the warden, the emulated slow source, replay and probe.
//! Absent: policy (that is the core's).

pub mod clock;
pub mod kernel_mount;
