"""What needs several rooms together: verify, demo, run."""
