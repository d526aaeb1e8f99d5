"""Learns rule weights, parameters and rules from traces; emits recipes."""
