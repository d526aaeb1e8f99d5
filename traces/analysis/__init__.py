"""What a trace says about a job: epochs, workers, batches, waits."""

from __future__ import annotations

from traces.analysis.build import workload
from traces.analysis.summary import Summary, summarize

__all__ = ["Summary", "summarize", "workload"]
