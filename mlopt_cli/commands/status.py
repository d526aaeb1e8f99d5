"""``mlopt status``: how the mounts are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit
from mlopt_cli.sizes import format_size
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

#: Decisions that people are shown; --json gives all that are kept.
SHOWN = 20


def command(
    mountpoint: Annotated[
        Path | None, typer.Argument(metavar="MOUNTPOINT", help="One mount. [default: all]")
    ] = None,
    decisions: Annotated[
        bool,
        typer.Option("--decisions", help="Show the latest decisions; the recipe must say 'debug: true'."),
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Show the rules in force and what came of each.")
    ] = False,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="FILE", help="Say what happens to a file and why, as it is known now."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show the mounts of this user and what they did so far.

    \b
    mlopt status
    mlopt status /mnt/fast --json
    mlopt status /mnt/fast --rules
    mlopt status /mnt/fast --file train/1.jpg
    mlopt status /mnt/fast --decisions

    Exit code 1 when a mount is dead or its daemon does not answer.
    """
    from runtime import session

    asked = {"--decisions": decisions, "--rules": rules, "--file": file is not None}
    for flag, is_given in asked.items():
        if is_given and mountpoint is None:
            raise InvalidInputError(f"{flag} is about one mount", where="MOUNTPOINT", do="Name the mount")
    found = session.status(mountpoint)
    mounts: list[dict[str, Any]] = found["mounts"] if mountpoint is None else [found]
    if mountpoint is not None:
        if decisions:
            mounts[0]["decisions"] = session.decisions(mountpoint)
        if rules:
            mounts[0]["rules"] = session.rules(mountpoint)
        if file is not None:
            mounts[0]["file"] = session.explain(mountpoint, file)
    named = str(mountpoint) if mountpoint else None
    report = Report("status", {"mountpoint": named}, {"mounts": mounts})

    def render(console: Console) -> None:
        if not mounts:
            console.print("no mounts")
        for mount in mounts:
            _render_mount(console, mount)
            if rules:
                _render_rules(console, mount["rules"])
            if file is not None:
                _render_file(console, mount["file"])
            if decisions:
                _render_decisions(console, mount["decisions"])

    emit(report, as_json=as_json, render=render)
    return 0 if all(mount["state"] == "serving" for mount in mounts) else 1


def _render_rules(console: Console, found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("rule", "where", "files", "size", "reads", "hit ratio", "fetched", box=None, pad_edge=False)
    for rule in found["rules"]:
        origin = rule["origin"]
        table.add_row(rule["id"], f"{origin['file']}:{origin['line']}", *_counts(rule["now"]))
    table.add_row("(no rule applies)", "", *_counts(found["no_rule"]))
    console.print(table, markup=False)
    console.print("  reads that the kernel answers alone are not seen", style="dim")


def _counts(now: dict[str, Any]) -> list[str]:
    served = {place: tally["count"] for place, tally in now["served"].items()}
    reads = sum(served.values())
    ratio = f"{(served['resident'] + served['prefetched']) / reads:.1%}" if reads else "-"
    fetched = sum(tally["bytes"] for tally in now["fetched"].values())
    return [
        f"{now['files']:,}",
        format_size(now["bytes"]),
        f"{reads:,}",
        ratio,
        format_size(fetched),
    ]


def _render_file(console: Console, entry: dict[str, Any]) -> None:
    from mlopt_cli.workflows.rule_words import file_lines

    for line in file_lines(entry):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if entry["kind"] == "file":
        held = f"kernel {format_size(entry['kernel_bytes'])}, daemon {format_size(entry['daemon_bytes'])}"
        console.print(f"    held now: {held}", markup=False)


def _render_decisions(console: Console, trace: dict[str, Any] | None) -> None:
    if trace is None:
        console.print("  no trace of decisions: mount with --set debug=true")
        return
    latest = trace["kept"][-SHOWN:]
    console.print(f"  {trace['made']} decisions, the latest {len(latest)}:")
    for note in latest:
        rules = ", ".join(f"{rule['id']} {rule['score']:.3g}" for rule in note["rules"]) or "no rule"
        won = ", ".join(f"{key} <{rule}>" for key, rule in note["winners"].items())
        line = f"  {note['path']}: {rules}{'; ' if won else ''}{won}"
        console.print(line, markup=False, soft_wrap=True)


def _render_mount(console: Console, mount: dict[str, Any]) -> None:
    process = f"  pid {mount['pid']}" if mount["pid"] else ""
    console.print(f"{mount['mountpoint']}  {mount['state']}  of {mount['source']}{process}", soft_wrap=True)
    if mount.get("kind") == "emulator":
        _render_emulator(console, mount)
        return
    stats = mount.get("stats")
    if not stats:
        console.print(f"  next: mlopt umount {mount['mountpoint']}", style="dim", soft_wrap=True)
        return
    held = stats["kernel_bytes"] + stats["daemon_bytes"]
    console.print(f"  held {format_size(held)} of {format_size(stats['budget_bytes'])}")
    console.print(
        f"  reads seen {stats['read_messages']}: from the source {stats['served_source_reads']}, "
        f"resident {stats['served_resident_reads']}, prefetched {stats['served_prefetched_reads']}, "
        f"late {stats['served_late_reads']}, failed {stats['failed_reads']}"
    )
    console.print(f"  read from the source {format_size(stats['source_read_bytes'])}")


def _render_emulator(console: Console, mount: dict[str, Any]) -> None:
    asked = mount["specification"]
    speed = f"{asked['bandwidth'] / 1e6:.6g} MB/s" if asked["bandwidth"] else "unlimited"
    console.print(
        f"  emulator: latency {asked['latency_ns'] / 1e6:.6g} ms (spread {asked['jitter']}), "
        f"bandwidth {speed}, {asked['concurrency']} requests at once, most so far {mount['busy_slots_max']}"
    )
    for name, served in mount["operations"].items():
        if served["count"]:
            amount = f", {format_size(served['bytes'])}" if served["bytes"] else ""
            console.print(f"  {name:<9} {served['count']:>8}{amount}, {served['errors']} errors")
    console.print(f"  next: mlopt umount {mount['mountpoint']}", style="dim")
