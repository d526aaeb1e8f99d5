"""The plugin: how shardpack's files are told, and what is worth doing with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipes.plugins import Context, FormatPlugin, Hint

MAGIC = b"SPK1"


class Shardpack(FormatPlugin):
    """Shards of samples, each read from front to back, with an index that every worker reads first."""

    name = "shardpack"
    summary = "shards of samples (.spk) and their index (.spx)"

    @property
    def recipe_file(self) -> Path:
        """Rules and templates; ``default_rules`` and ``default_templates`` read them from here."""
        return Path(__file__).with_name("rules.yaml")

    def detect(self, path: str, first_bytes: bytes) -> float:
        """Trust the magic; a name alone may be somebody else's."""
        if first_bytes.startswith(MAGIC):
            return 0.95
        if first_bytes:
            return 0.6 if path.endswith(".spx") and first_bytes.startswith(b"{") else 0.0
        return 0.5 if path.endswith((".spk", ".spx")) else 0.0

    def hints(self, context: Context) -> Sequence[Hint]:
        """Shards that many processes read at once are worth one fetch for all of them."""
        processes = context.system.get("gpu_count") or 1
        if context.file.get("extension") != "spk" or processes < 2:
            return ()
        reason = f"{processes} processes read the same shards at the same time"
        return (
            Hint("distributed_coordination", reason, priority=80, parameters={"node_awareness": True}),
            Hint("training_optimization", "mixed precision would halve the step", priority=10),
        )
