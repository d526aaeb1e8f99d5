"""Virtual time: what would this job take with that recipe on that storage."""
