"""Traces: capture, store and analysis of what a job read."""
