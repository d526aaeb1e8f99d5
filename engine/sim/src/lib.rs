//! Drives the core in virtual time. Owns: the event heap, modelled CPUs, devices and page cache. Absent: policy, real time.
