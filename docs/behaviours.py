"""Behaviours that the ancestor's tests ask for, each with the test that shows it here, or why there is none.

``docs/reference/behaviours.md`` is made from this list; a test checks that every test it names exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.claims import ROOT, absent

PAGE = ROOT / "docs" / "reference" / "behaviours.md"

CORE = "engine/core/src/"
OBSERVATION = f"{CORE}observation/tests.rs::"
UPSTREAM = f"{CORE}eviction/upstream.rs::"
FILETYPE = f"{CORE}filetype/tests.rs::"
ORDER = f"{CORE}order.rs::"
PREFETCHING = "engine/core/tests/prefetching.rs::"
ACTIONS = "engine/core/tests/actions.rs::"
PROTOCOL = "engine/core/tests/protocol.rs::"
PATTERNS = "tests/engine/test_patterns.py::"
REPLAY = "tests/engine/test_cache_replay.py::"
BEHAVIOURS = "tests/recipes/test_behaviours.py::"
SCORING = "tests/recipes/test_scoring.py::"
SEED = "tests/recipes/test_seed.py::"
SETTINGS = "tests/recipes/test_settings.py::"
PLUGINS = "tests/recipes/plugins/"
SESSION = "tests/runtime/test_session.py::"
MOUNTED = "tests/runtime/test_actions.py::"
HOLDING = "tests/runtime/test_holding.py::"
CLI = "tests/mlopt_cli/"


@dataclass(frozen=True)
class Behaviour:
    """One behaviour, with tests or a reason; both where it holds here in another form.

    Attributes
    ----------
    asks : str
        What the ancestor's tests ask for.
    tests : tuple of str
        As ``file::name``.
    instead : str
        Why it is other here.
    """

    asks: str
    tests: tuple[str, ...] = ()
    instead: str = ""


def shown(asks: str, *tests: str, instead: str = "") -> Behaviour:
    """Write a behaviour with its tests."""
    return Behaviour(asks, tests, instead)


def other(asks: str, why: str) -> Behaviour:
    """Write a behaviour that a design like ours has no place for."""
    return Behaviour(asks, (), why)


NO_PAUSE = "patterns come from the order of reads, not from pauses, which depend on the job's CPU"
NO_TABLE = "there is no table of open files: the kernel holds them, a node id names one version of a file"
NO_REGISTRATION = "nobody registers: readers are told by the kernel with each message"

SECTIONS: dict[str, tuple[Behaviour, ...]] = {
    "Patterns": (
        shown(
            "the first read is random",
            f"{PATTERNS}test_of_a_first_read_nothing_is_said",
            instead="it is unknown, and conditions on it are neither true nor false",
        ),
        shown(
            "4 contiguous reads are sequential, with advice",
            f"{OBSERVATION}four_contiguous_reads_are_a_sequence_and_fewer_are_not",
            f"{PREFETCHING}a_reader_in_order_is_fetched_ahead_of_from_the_next_block_on",
        ),
        shown("two equal calls give equal advice", f"{BEHAVIOURS}test_five_equal_questions_have_one_answer"),
        shown(
            "scattered offsets stay random, no advice",
            f"{OBSERVATION}scattered_reads_are_random_and_a_seek_is_not",
            f"{PREFETCHING}a_reader_in_no_order_is_not_fetched_ahead_of",
        ),
        shown(
            "4 contiguous reads of 2 MB are a model, with 4 MB ahead",
            f"{PATTERNS}test_four_reads_in_a_row_are_a_sequence_whatever_their_size",
            f"{PREFETCHING}a_model_in_reads_of_two_mebibytes_has_four_ahead_from_its_start_on",
            instead="what is a model is told by name and first bytes, not by the size of reads",
        ),
        shown(
            "150 sequential reads, a pause, back to 0: an epoch, with 256 KB ahead",
            f"{PATTERNS}test_a_second_pass_after_150_reads_is_still_a_sequence_and_is_counted",
            f"{PREFETCHING}a_second_pass_over_a_file_is_fetched_ahead_from_its_first_read_on",
            instead=f"a minute's pause is not asked for: {NO_PAUSE}",
        ),
        shown(
            "a break resets the pattern, also a jump by 6 kB",
            f"{OBSERVATION}a_break_ends_a_sequence_also_when_it_jumps_by_six_kilobytes",
        ),
        shown(
            "one read out of order, from read-ahead, does not (ours)",
            f"{OBSERVATION}read_ahead_out_of_order_does_not_break_a_sequence",
        ),
        shown(
            "a constant stride of 4096 + 1024 is strided, with the right stride",
            f"{OBSERVATION}the_stride_is_measured",
            f"{OBSERVATION}a_gap_of_some_kilobytes_is_a_stride_and_no_sequence",
        ),
        shown(
            "two files are independent; metrics count accesses, files and patterns",
            f"{PATTERNS}test_files_are_told_apart_and_their_reads_are_counted",
        ),
        shown(
            "stale entries are dropped after an hour",
            f"{CORE}catalog.rs::a_small_file_takes_less_than_256_bytes",
            instead="what is known of a file stays small and is needed at its next read; readers are bounded",
        ),
        shown(
            "a higher threshold delays advice to 8 reads",
            f"{ACTIONS}a_window_starts_grows_and_ends_as_the_action_says",
            instead="a pattern has no confidence; where a window starts and grows is the recipe's to say",
        ),
        shown(
            "20 sequential reads of a data set are a known pattern, with prefetch",
            f"{PATTERNS}test_small_files_read_in_the_order_of_their_names_are_a_sequence",
            f"{HOLDING}test_epoch_set_fetches_ahead_of_the_readers",
            instead="32 steps from file to file: of fewer a shuffle may look ordered",
        ),
        shown(
            "15 linear batch accesses recommend optimising",
            "tests/learner/test_learn.py::test_written_recipe_loads_and_treats_the_images",
            instead="what to do is recommended from a recorded job, by simulation",
        ),
    ),
    "Prefetch": (
        shown(
            "each block is fetched once, with the right length",
            f"{PREFETCHING}fifty_files_come_three_at_a_time_and_all_of_them_come",
            f"{PROTOCOL}a_stream_is_fetched_ahead_of_its_reader",
        ),
        shown(
            "duplicates are refused and counted",
            f"{PREFETCHING}a_second_question_joins_the_fetch_under_way_and_is_counted",
        ),
        shown(
            "10 jobs on 3 workers, and 50 at once, all finish",
            f"{PREFETCHING}fifty_files_come_three_at_a_time_and_all_of_them_come",
            f"{PROTOCOL}many_readers_fetch_side_by_side_when_pinned_blocks_fill_the_tier",
        ),
        shown(
            "a queued job can be cancelled",
            f"{PREFETCHING}fetches_of_a_file_that_changed_are_cancelled_and_their_readers_answered",
        ),
        shown(
            "a full queue refuses the third",
            f"{PREFETCHING}what_has_no_place_waits_until_something_was_read",
            instead="it is not refused but not asked for: back-pressure, nothing is dropped",
        ),
        shown(
            "a timeout is reported",
            f"{SESSION}test_hanging_source_is_a_timeout_and_the_mount_can_be_ended",
        ),
        shown(
            "shutdown with work pending",
            f"{SESSION}test_hanging_source_is_a_timeout_and_the_mount_can_be_ended",
            f"{SESSION}test_sigterm_unmounts",
        ),
        shown(
            "chunks for a sequence are i+1 and on",
            f"{PREFETCHING}a_reader_in_order_is_fetched_ahead_of_from_the_next_block_on",
        ),
        shown("none for random reads", f"{PREFETCHING}a_reader_in_no_order_is_not_fetched_ahead_of"),
        other(
            "epoch prefetch near the start of a file only",
            "in epochs whole files are fetched ahead, those that the epoch has not read yet",
        ),
        shown(
            "different files never share a key",
            f"{PREFETCHING}same_places_of_different_files_are_different_blocks",
        ),
    ),
    "Cache": (
        shown(
            "models over training data over others of the same size",
            f"{UPSTREAM}models_stay_before_training_data_and_these_before_others_of_the_same_size",
        ),
        shown(
            "model pattern > sequential > random; small > large; high epoch relevance > low",
            f"{UPSTREAM}a_model_in_order_is_worth_more_than_one_in_none_and_small_more_than_large",
        ),
        shown(
            "recency is 1 and .1 at its ends; recent > old",
            f"{UPSTREAM}recency_is_one_for_a_minute_and_a_tenth_from_ten_minutes_on",
        ),
        shown("hot > cold", f"{UPSTREAM}hot_is_worth_more_than_the_count_alone"),
        shown(
            "weights normalise to 1, a sum of 0 is rejected",
            f"{UPSTREAM}the_weights_are_shares_of_one",
            instead="the weights are the ancestor's and constant",
        ),
        shown(
            "models are the last to go; what was read once half an hour ago goes first",
            f"{UPSTREAM}what_was_read_once_half_an_hour_ago_leaves_before_what_is_fresh",
        ),
        shown("the victim is the lowest score (ours)", f"{UPSTREAM}the_victim_is_the_lowest_score_of_all"),
        shown(
            "`priority` decides between classes (ours)",
            f"{ACTIONS}a_class_gives_way_to_one_of_higher_priority_and_to_no_other",
            f"{ACTIONS}under_pressure_the_lowest_priority_leaves_first_whatever_its_policy",
        ),
    ),
    "Open files": (
        shown(
            "training.log is a log, documents/readme.txt is nothing of ML",
            f"{BEHAVIOURS}test_names_tell_the_type_and_folder_words_do_not",
        ),
        shown(
            "datasets/train/file.bin is a data set",
            f"{FILETYPE}folder_words_and_prose_are_no_type",
            instead="a folder's word says nothing of a file; rules match folders by path",
        ),
        shown(
            "LRU of closed files; TTL",
            f"{REPLAY}test_misses_equal_those_of_libcachesim",
            f"{ACTIONS}retention_lets_blocks_go_when_their_time_is_over_whatever_the_policy",
            instead=f"blocks leave, not files: {NO_TABLE}",
        ),
        shown(
            "two opens share one entry",
            f"{MOUNTED}test_two_readers_of_one_block_cause_one_source_request",
            f"{SESSION}test_zero_message_open_asks_once_for_the_life_of_the_mount",
        ),
        shown(
            "what is open, or just being opened, is never evicted",
            f"{PROTOCOL}every_policy_and_prefetcher_keeps_the_protocol",
            f"{SESSION}test_open_file_never_mixes_two_versions",
            instead="blocks that a read waits for never leave; an open file itself takes no place",
        ),
        shown("one read counts once", f"{PATTERNS}test_each_read_counts_once"),
        shown(
            "hit and miss counters",
            "tests/engine/test_core.py::test_what_was_read_is_held_in_the_kernel",
            f"{HOLDING}test_lru_serves_from_the_daemon_and_keeps_reads_visible",
        ),
        shown("10 threads", f"{SESSION}test_many_threads_read_the_same_bytes"),
    ),
    "Engine": (
        shown("defaults are present", f"{BEHAVIOURS}test_defaults_are_applied_before_checking"),
        shown(
            "a model of 2 GB, sequential, in training has an optimisation with confidence >= .5",
            f"{BEHAVIOURS}test_the_ancestors_rules_treat_models_and_data_sets",
        ),
        shown(
            "pth, pt, pb, h5, ckpt, tfrecord tell the framework, .bin none",
            f"{PLUGINS}test_built_in.py::test_the_ancestors_extensions_lead_to_the_right_framework",
        ),
        shown(
            "types of pth, csv, yaml, log, bin",
            f"{BEHAVIOURS}test_names_tell_the_type_and_folder_words_do_not",
        ),
        shown(
            "conditions on extension, size and pattern hold, another framework's does not",
            f"{BEHAVIOURS}test_each_condition_is_seen_with_its_verdict",
        ),
        shown(
            "a plugin registers once, the second time is an error",
            f"{PLUGINS}test_catalog.py::test_two_with_one_name_are_named_both",
        ),
        shown("5 identical calls leave a frequency of 5", f"{PATTERNS}test_each_read_counts_once"),
        shown(
            "metrics have their keys",
            "tests/runtime/test_endpoint.py::test_mount_serves_its_counters",
            f"{CLI}test_schemas.py::test_mounts_print_the_published_shape",
            instead="what is measured; numbers of rules and templates are `mlopt config show`'s",
        ),
        shown(
            "csv and a batch of 32 bring actions with type and target",
            f"{BEHAVIOURS}test_a_batch_size_that_is_known_brings_the_actions_of_its_rule",
            f"{BEHAVIOURS}test_each_action_of_a_rule_has_a_type_and_its_parameters",
        ),
        shown(
            "nothing applies after shutdown",
            f"{SESSION}test_sigterm_unmounts",
            f"{SESSION}test_umount_clears_a_dead_mount",
        ),
    ),
    "Coordination": (
        Behaviour(
            "training starts in a phase called initialisation, data-set reads bring recommendations",
            (f"{OBSERVATION}a_job_begins_trains_validates_and_trains_again",),
            "recommendations come from a recorded job",
        ),
        other("an invalid PID, an unregistered process are refused", NO_REGISTRATION),
        shown(
            "grant, queue, expiry",
            f"{ACTIONS}among_reads_that_wait_for_room_the_class_decides",
            f"{ACTIONS}a_limit_holds_prefetch_back_while_readers_wait_and_lets_it_go_on_by_itself",
            f"{ORDER}weights_share_in_proportion_and_nobody_starves",
            instead="rates and turns instead of grants that expire",
        ),
        shown(
            "concurrent registration, 10 x 5",
            f"{SESSION}test_many_threads_read_the_same_bytes",
            f"{ACTIONS}each_reader_has_its_own_streams_and_a_random_reader_has_none",
            instead=NO_REGISTRATION,
        ),
        shown(
            "one fetch for all readers (ours)",
            f"{MOUNTED}test_two_readers_of_one_block_cause_one_source_request",
            f"{PREFETCHING}a_second_question_joins_the_fetch_under_way_and_is_counted",
        ),
        other(
            "start-up with all features within 10 times the basic one",
            "tests never assert on time; `make bench` measures commands and mounts",
        ),
        shown(
            "shutdown within 30 s, without a panic",
            f"{SESSION}test_hanging_source_is_a_timeout_and_the_mount_can_be_ended",
            f"{SESSION}test_busy_mount_is_refused_and_goes_on_until_lazy",
        ),
        shown(
            "with no matching rule, bytes and calls equal the plain mount",
            "tests/runtime/test_plain_mount.py::"
            "test_where_no_rule_matches_bytes_and_calls_are_those_of_a_plain_mount",
            f"{BEHAVIOURS}test_where_no_rule_matches_nothing_is_done",
        ),
    ),
    "Ours on top": (
        shown(
            "the ancestor's YAML files and every block of the seed load",
            f"{SEED}test_upstreams_files_load_and_every_action_becomes_something",
            f"{SEED}test_each_block_loads_as_it_is_printed",
            f"{SEED}test_the_grammar_sketch_is_refused_where_it_is_no_recipe",
        ),
        shown(
            "scores .526, .529, .556, .588, .6 from `test-rules` itself",
            f"{CLI}test_ancestor_scores.py::test_rules_score_files_as_the_ancestor_published",
            f"{SCORING}test_scores_of_the_ancestor_come_out_exactly",
        ),
        shown(
            "each of the 8 operators on int, float, text and list",
            f"{SCORING}test_numbers_compare_by_value_whether_int_or_float",
            f"{SCORING}test_texts_are_equal_contained_or_matched",
            f"{SCORING}test_lists_hold_numbers_and_texts",
            f"{SCORING}test_what_cannot_be_compared_is_a_finding",
        ),
        shown(
            "the ancestor's policy against LRU, simulated",
            "tests/simulator/test_policies.py::test_the_ancestors_score_keeps_models_that_lru_loses_to_logs",
            "tests/simulator/test_policies.py::"
            "test_on_shuffled_epochs_the_ancestors_score_is_behind_pinning_and_before_lru",
        ),
        shown(
            "limits that mean nothing are refused",
            f"{BEHAVIOURS}test_limits_that_mean_nothing_are_refused",
            f"{SETTINGS}test_a_setting_without_effect_is_warned_of_once_with_the_reason",
        ),
    ),
}


def named_tests() -> list[str]:
    """List every test that a behaviour names."""
    return [test for rows in SECTIONS.values() for row in rows for test in row.tests]


def page() -> str:
    """Write the page."""
    missing = absent(named_tests())
    if missing:
        raise LookupError(f"no such test: {', '.join(missing)}")
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield "# Behaviours"
    yield ""
    yield "What the ancestor's own tests ask of it (its code fails many of them), and what shows it here."
    yield "Made from `docs/behaviours.py` by `make docs`; a test checks that the tests that are named exist."
    yield "What of its vocabulary has an effect: [COMPATIBILITY](../COMPATIBILITY.md)."
    for title, rows in SECTIONS.items():
        yield from ("", f"## {title}", "", "| behaviour | shown by |", "|---|---|")
        for row in rows:
            cells = [f"`{Path(test.split('::')[0]).name}` {test.split('::')[1]}" for test in row.tests]
            if row.instead:
                cells.append(f"{'here ' if row.tests else ''}*{row.instead}*")
            yield f"| {row.asks} | {'<br>'.join(cells)} |"
