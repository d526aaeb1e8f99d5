"""``mlopt test-rules``: which file gets which treatment, and why."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit, progress
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from mlopt_cli.workflows.judge_files import JudgeQuestion
    from traces.workload import Workload

# Shown without --limit: what people read, fairly chosen. With 20 rules 100,000 explanations are 1 GB of JSON.
FILES_FOR_PEOPLE = 20
FILES_IN_JSON = 1000


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@with_layers
def command(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="A directory or a file. [default: the files of --trace]"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe. [default: default]"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="DIR", help="What paths are relative to. [default: PATH]"),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="TRACE", help="Weigh files by what this job read.")
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="KEY=VALUE", help="What if; 'mlopt explain facts' lists them."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="NAME|FILE", help="For bandwidth and IOPS: a file of 'mlopt probe'."
        ),
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", metavar="FILE", help="Only this file; repeatable.")
    ] = None,
    why_not: Annotated[
        str | None, typer.Option("--why-not", metavar="RULE", help="What stands against this rule.")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="NAME=SHARE", help="Exit 1 below, as matched=.9; repeatable."),
    ] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Show folders instead of files.")] = False,
    content: Annotated[bool, typer.Option("--content", help="Look at the first bytes of files too.")] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, help="Files to explain; 0 for all. [default: 20, with --json 1000]"),
    ] = None,
    form: Annotated[Format | None, typer.Option("--format", help="How to print. [default: table]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Show which rules apply to which files, and why.

    \b
    mlopt test-rules ./data -r tuned.yaml
    mlopt test-rules ./data -r tuned.yaml --trace run.duckdb --tree
    mlopt test-rules ./data --fact workload.framework=pytorch --fact system.gpu_count=8
    mlopt test-rules ./data -r tuned.yaml --why-not train-images
    mlopt test-rules ./data -r tuned.yaml --fail-under matched=.9 --json
    mlopt test-rules ./data/train/cat/1.jpg --source ./data

    Walks the tree, reads no file (but with --content) and follows no link. The files shown are shared out
    among the treatments. Facts of the machine are measured here, or come from the trace; what nobody knows,
    such as access patterns without a trace, makes its condition unknown (?), which is neither true nor false.

    Shares for --fail-under: matched, cached, prefetched, each also with _bytes, and with a trace with _reads
    and _read_bytes.

    Parameters
    ----------
    path : Path, optional
        A directory or a single file.
    recipe : str, optional
        File, or name of a recipe that ships.
    source : Path, optional
        The directory that rules see paths relative to.
    trace : Path, optional
        A recorded job.
    fact : list of str, optional
        Facts that stand above what is measured.
    storage : str, optional
        Whose bandwidth and requests per second are known.
    file : list of str, optional
        Only these files.
    why_not : str, optional
        The rule whose silence is asked for.
    fail_under : list of str, optional
        Shares that must be reached.
    tree : bool
        Show folders.
    content : bool
        Look at first bytes.
    limit : int, optional
        Files to explain; 0 for all.
    form : Format, optional
        How to print.
    as_json : bool
        The same as the format json.

    Returns
    -------
    int
        0; 1 when a share of ``--fail-under`` is not reached.

    Raises
    ------
    InvalidInputError
        When the recipe, a path, a fact or a share cannot be used.
    """
    import recipes
    from mlopt_cli.workflows.explain_file import ANY_BUDGET_BYTES
    from mlopt_cli.workflows.given_facts import facts_here, facts_of_storage, parse_facts
    from mlopt_cli.workflows.judge_files import JudgeQuestion

    shape = _format(form, as_json=as_json)
    wanted = _parse_shares(fail_under or [], has_trace=trace is not None)
    given = facts_of_storage(storage) | parse_facts(fact or [])
    if path is None and trace is None:
        raise InvalidInputError("nothing to judge", where="PATH", do="Name a directory, a file, or --trace")
    job = _job(trace) if trace else None
    known = given if job is None else _facts(job) | given
    plan = recipes.compile_plan(layers.resolve(recipe, source or path, known), memory_bytes=ANY_BUDGET_BYTES)
    shown = limit if limit is not None else FILES_FOR_PEOPLE if shape is Format.TABLE else FILES_IN_JSON
    question = JudgeQuestion(
        plan.json, path, source, tuple(file or ()),
        limit=None if file or not shown else shown,
        why_not=why_not, with_tree=tree, with_content=content,
        facts=facts_here() | known if job is None else known,
        uses=_uses(job),
    )  # fmt: skip
    result = _judge(question)
    inputs = {
        "path": str(path) if path else None, "recipe": recipe or "default",
        "source": str(source) if source else None, "limit": shown,
        "trace": str(trace) if trace else None, "facts": question.facts,
        "files": list(file or ()), "why_not": why_not, "fail_under": wanted, "layers": layers.to_dict(),
    }  # fmt: skip
    report = Report("test-rules", inputs, result | {"plan_sha256": plan.sha256}, list(plan.warnings))
    _warn(report, question, shape)
    if shape is Format.CSV:
        _write_csv(result["files"])
    else:
        emit(report, as_json=shape is Format.JSON, render=lambda console: _render(console, result, question))
    return _gate(result["shares"], wanted)


def _format(form: Format | None, *, as_json: bool) -> Format:
    if as_json and form not in (None, Format.JSON):
        raise InvalidInputError(
            "contradicts --json", where="--format", value=str(form), do="Give one of the two", code="usage"
        )
    return Format.JSON if as_json else form or Format.TABLE


def _parse_shares(texts: list[str], *, has_trace: bool) -> dict[str, float]:
    from mlopt_cli.workflows.judge_files import MEASURES, TREATMENTS
    from recipes.findings import nearest

    known = [name + suffix for name in TREATMENTS for suffix in MEASURES if has_trace or "read" not in suffix]
    wanted: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        if name not in known:
            meant = nearest(name, known)
            do = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(known)}"
            raise InvalidInputError("unknown share", where="--fail-under", value=text, do=do, code="share")
        try:
            wanted[name] = float(share)
        except ValueError:
            wanted[name] = -1.0
        if not 0 <= wanted[name] <= 1:
            raise InvalidInputError(
                "a share lies between 0 and 1",
                where="--fail-under",
                value=text,
                do=f"Write {name}=.9",
                code="share",
            )
    return wanted


def _job(trace: Path) -> Workload:
    from traces.analysis import workload
    from traces.store import Trace

    with Trace.open(trace) as opened:
        return workload(opened)


def _uses(job: Workload | None) -> Any:
    from traces.analysis.facts import file_uses

    return [] if job is None else file_uses(job)


def _facts(job: Workload) -> dict[str, str | int]:
    from traces.analysis.facts import facts_of_job

    return facts_of_job(job)


def _judge(question: JudgeQuestion) -> dict[str, Any]:
    from mlopt_cli.workflows.judge_files import judge_files

    with progress() as bar:
        task = bar.add_task("files", total=None)
        return judge_files(question, lambda step: bar.advance(task, step))


def _looked_at(totals: dict[str, Any]) -> int:
    return int(totals["files"] + totals["symlinks"] + totals["special"])


def _warn(report: Report, question: JudgeQuestion, shape: Format) -> None:
    totals, files = report.result["totals"], report.result["files"]
    looked_at = _looked_at(totals)
    if shape is not Format.TABLE and question.why_not is None and len(files) < looked_at:
        report.warn(
            "files-limited", f"{len(files)} of {looked_at} files are explained; --limit 0 explains all"
        )
    if looked_at > 1 and _nothing_can_match(report.result):
        root = question.source or question.path or "the source of the trace"
        report.warn(
            "nothing-matched",
            f"no rule applies to any file. Rules see paths relative to {root}: "
            "is it the directory that the recipe was made for?",
        )
    if totals["unreadable"]:
        report.warn("unreadable", f"{totals['unreadable']} paths could not be looked at")
    if question.uses and question.path is not None and not totals["reads"]:
        report.warn(
            "trace-elsewhere",
            f"no file that the trace read lies at that place below {question.source or question.path}; "
            "--source names the directory that the job read",
        )


def _nothing_can_match(result: Mapping[str, Any]) -> bool:
    """Whether no rule applies, and none waits for what only a job can tell."""
    rules = result["summary"]
    return bool(rules) and all(rule["never_applied"] and not rule["unknown_facts"] for rule in rules)


def _write_csv(files: list[dict[str, Any]]) -> None:
    from mlopt_cli.workflows.rule_tables import CSV_COLUMNS, csv_rows

    writer = csv.DictWriter(sys.stdout, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_rows(files))


def _render(console: Console, result: dict[str, Any], question: JudgeQuestion) -> None:
    from mlopt_cli.workflows.rule_tables import folder_tree, silence_lines, summary_table
    from mlopt_cli.workflows.rule_words import file_lines

    if question.with_tree:
        console.print(folder_tree(result))
        console.print()
    else:
        for entry in result["files"]:
            for line in file_lines(entry, question.why_not):
                console.print(line, markup=False, soft_wrap=True)
            console.print()
        looked_at = result["why_not"]["files"] if question.why_not else _looked_at(result["totals"])
        if len(result["files"]) < looked_at:
            console.print(
                f"... {len(result['files'])} of {looked_at:,} files shown (--limit)\n", markup=False
            )
    if question.why_not:
        for line in silence_lines(result["why_not"]):
            console.print(line, markup=False, soft_wrap=True)
        console.print()
    console.print(summary_table(result))
    totals = result["totals"]
    if totals["symlinks"] or totals["special"]:
        others = f"symbolic links {totals['symlinks']:,}, special files {totals['special']:,}"
        console.print(f"never treated: {others}", markup=False)


def _gate(shares: dict[str, float | None], wanted: dict[str, float]) -> int:
    """Compare the shares with what was asked for; a share of nothing is not reached."""
    failed = {
        name: share for name, least in wanted.items() if (share := shares[name]) is None or share < least
    }
    for name, share in failed.items():
        found = "unknown" if share is None else f"{share:.4f}"
        sys.stderr.write(f"--fail-under: {name} is {found}, less than {wanted[name]:g}\n")
    return 1 if failed else 0
