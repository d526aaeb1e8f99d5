"""How much memory a mount may take."""

from __future__ import annotations

from runtime import memory


def test_default_budget_is_a_small_part_of_what_is_there():
    budget = memory.default_budget_bytes()
    assert memory.SMALLEST_BUDGET_BYTES <= budget <= memory.meminfo_bytes("MemTotal") // 4
    assert budget < memory.usable_bytes()
