"""Live sources of accesses; one file each."""
