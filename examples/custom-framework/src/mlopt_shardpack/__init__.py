"""Teaches mlopt the shards of the framework shardpack."""

from mlopt_shardpack.plugin import Shardpack

__all__ = ["Shardpack"]
