"""The plugin keeps to mlopt's interface, and says what it means to say."""

import pytest
from mlopt_shardpack import Shardpack

from recipes.plugins import Context, FrameworkPlugin
from recipes.plugins.testing import FrameworkPluginSuite


class TestShardpack(FrameworkPluginSuite):
    own_files = (
        ("train/train-0007.spk", b"SPK1\x00\x01"),
        ("train/train.spx", b'{"shards": 8}'),
    )

    @pytest.fixture
    def plugin(self) -> FrameworkPlugin:
        return Shardpack()


def test_a_shard_is_told_by_its_first_bytes() -> None:
    assert Shardpack().detect("blob", b"SPK1\x00") > 0.9
    assert Shardpack().detect("a.spk", b"something else") == 0.0


def test_many_processes_call_for_coordination() -> None:
    context = Context.of_facts({"file.extension": "spk", "system.gpu_count": 8})
    assert [hint.type for hint in Shardpack().hints(context)] == [
        "distributed_coordination",
        "training_optimization",
    ]
    assert Shardpack().hints(Context.of_facts({"file.extension": "spk"})) == ()
