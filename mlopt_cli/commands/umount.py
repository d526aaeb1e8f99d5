"""``mlopt umount``: end a mount."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit

if TYPE_CHECKING:
    from rich.console import Console


def command(
    mountpoint: Annotated[Path, typer.Argument(metavar="MOUNTPOINT", help="Where it is mounted.")],
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Also while files are open; they stay readable.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Unmount; refused with exit code 1 while files are open.

    \b
    mlopt umount /mnt/fast
    mlopt umount /mnt/fast --lazy

    Clears what a killed daemon left. Never touches a mount that is not mlopt's.
    """
    from runtime import session

    session.umount(mountpoint, lazy)
    report = Report("umount", {"mountpoint": str(mountpoint), "lazy": lazy}, {"unmounted": True})

    def render(console: Console) -> None:
        console.print(f"{mountpoint} is unmounted", soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    return 0
