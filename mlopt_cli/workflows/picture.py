"""The demo's picture: predicted beside measured, for each way to run the job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PREDICTED, MEASURED = "#9ecae1", "#08519c"
MIB = 1 << 20


@dataclass(frozen=True)
class Bar:
    """One way to run the job; None where there is no figure.

    Attributes
    ----------
    name : str
        What to call it.
    epoch_s : tuple of float or None
        Epoch time predicted and measured [s].
    hit_ratio : tuple of float or None
        Share of the bytes read that the source did not serve, predicted and measured [1].
    source_bytes : tuple of float or None
        Bytes per epoch that the source served, predicted and measured [bytes].
    """

    name: str
    epoch_s: tuple[float | None, float | None]
    hit_ratio: tuple[float | None, float | None]
    source_bytes: tuple[float | None, float | None]


def draw(bars: Sequence[Bar], path: Path, title: str) -> None:
    """Draw three panels of bars: epoch time, hit ratio, source bytes.

    Parameters
    ----------
    bars : sequence of Bar
        The rows of the table.
    path : Path
        The PNG to write.
    title : str
        One line above all.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = (
        ("epoch time [s]", "{:.2f}", [bar.epoch_s for bar in bars]),
        ("hit ratio, by bytes", "{:.2f}", [bar.hit_ratio for bar in bars]),
        ("from the source per epoch [MiB]", "{:.0f}", [_scaled(bar.source_bytes, MIB) for bar in bars]),
    )
    figure, axes = plt.subplots(1, len(panels), figsize=(12, 1.2 + 0.75 * len(bars)), sharey=True)
    positions = range(len(bars))
    for axis, (heading, form, pairs) in zip(axes, panels, strict=True):
        for shift, which, colour, label in (
            (-0.19, 0, PREDICTED, "predicted"),
            (0.19, 1, MEASURED, "measured"),
        ):
            values = [pair[which] for pair in pairs]
            drawn = axis.barh(
                [position + shift for position in positions],
                [value or 0.0 for value in values],
                height=0.36,
                color=colour,
                label=label,
            )
            texts = ["" if value is None else form.format(value) for value in values]
            axis.bar_label(drawn, labels=texts, padding=3, fontsize=9)
        axis.set_title(heading, fontsize=11)
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlim(left=0)
    axes[0].set_yticks(list(positions), [bar.name for bar in bars], fontsize=10)
    axes[0].invert_yaxis()
    figure.suptitle(title, fontsize=12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _scaled(pair: tuple[float | None, float | None], unit: float) -> tuple[float | None, float | None]:
    first, second = (None if value is None else value / unit for value in pair)
    return first, second
