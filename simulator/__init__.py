"""Virtual time: what would this job take with that recipe on that storage."""

from simulator.replay import simulate
from simulator.scenario import Baseline, Bound, Outcome, Scenario

__all__ = ["Baseline", "Bound", "Outcome", "Scenario", "simulate"]
