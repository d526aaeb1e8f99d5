"""Real time: mounts, their daemon and warden, the emulated slow source."""
