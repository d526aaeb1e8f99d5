"""Virtual time: what would this job take with that recipe on that storage."""

from simulator.replay import simulate
from simulator.scenario import Baseline, Outcome, Scenario

__all__ = ["Baseline", "Outcome", "Scenario", "simulate"]
