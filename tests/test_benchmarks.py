"""The page of figures: what it is made of is there, and targets are judged by what was measured."""

from benchmarks import run, targets


def test_every_target_is_a_figure_of_a_benchmark_that_is_kept() -> None:
    judged = list(targets.judged(run.HERE / "results"))
    assert {target.benchmark for target, _ in judged} <= set(run.names())
    assert [target.figure for target, value in judged if value is None] == []


def test_limits_are_judged_from_their_own_side() -> None:
    upper = targets.Target("cli", "help", lambda figures: figures["help_s"], 0.3, is_upper=True)
    lower = targets.Target("cli", "rate", lambda figures: figures["rate"], 10.0)
    assert [upper.is_met(0.29), upper.is_met(0.31), lower.is_met(11.0), lower.is_met(9.0)] == [
        True,
        False,
    ] * 2


def test_cases_alike_share_a_table_and_single_values_stand_upright() -> None:
    figures = {
        "files": 5000,
        "lru": {"time_s": 1.23456, "misses": 12345},
        "fifo": {"time_s": 0.5, "misses": None},
    }
    shown = [list(run.rows(table)) for table in run.tables(figures)]
    assert shown == [
        ["|  | |", "|---|---:|", "| files | 5,000 |"],
        [
            "| | time [s] | misses |",
            "|---|---:|---:|",
            "| lru | 1.23 | 12,345 |",
            "| fifo | 0.5 | unknown |",
        ],
    ]


def test_machines_are_named_alike_however_they_were_written() -> None:
    named = {
        run.machine({"cpus": 2, "kernel": "6.18.44-x", "python": "3.11"}),
        run.machine("2 cores, x86_64, Linux 6.18.44-x"),
        run.machine("x86_64, 2 CPUs, Linux 6.18.44-x"),
    }
    assert named == {"2 CPUs, Linux 6.18.44-x"}
