"""The recipe language: from YAML to the plan that the engine evaluates."""
