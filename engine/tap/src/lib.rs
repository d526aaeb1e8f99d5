//! Turns what a tracer prints into access columns. Owns: the strace line parser, file descriptor tables, the framed log.
//! Absent: starting tracers, DuckDB.
