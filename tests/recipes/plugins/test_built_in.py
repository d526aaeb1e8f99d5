"""All plugins that ship pass the conformance suite, on files of other libraries where one is at hand."""

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from recipes.plugins import FormatPlugin, FrameworkPlugin, catalog, detect_tree
from recipes.plugins.catalog import BUILT_IN
from recipes.plugins.huggingface import HuggingFace
from recipes.plugins.jax import Jax
from recipes.plugins.lightning import Lightning
from recipes.plugins.mosaicml import MosaicMLStreaming
from recipes.plugins.pytorch import PyTorch
from recipes.plugins.tensorflow import TensorFlow
from recipes.plugins.testing import FrameworkPluginSuite
from recipes.plugins.webdataset import WebDataset

TABLE = pa.table({"a": [1, 2, 3]})


def written(save: Callable[[io.BytesIO], object]) -> bytes:
    target = io.BytesIO()
    save(target)
    return target.getvalue()


def torch_zip() -> bytes:
    def save(target: io.BytesIO) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
            archive.writestr("archive/data/0", bytes(64))
            archive.writestr("archive/version", "3\n")

    return written(save)


def keras_zip() -> bytes:
    def save(target: io.BytesIO) -> None:
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("metadata.json", "{}")

    return written(save)


def shard(*names: str) -> bytes:
    def save(target: io.BytesIO) -> None:
        with tarfile.open(fileobj=target, mode="w") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name))

    return written(save)


def arrow_stream() -> bytes:
    def save(target: io.BytesIO) -> None:
        with pa.ipc.new_stream(target, TABLE.schema) as writer:
            writer.write_table(TABLE)

    return written(save)


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def crc32c(data: bytes) -> int:
    """Bit by bit, so that the framing is checked against another implementation."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def tfrecord(payload: bytes = b"example") -> bytes:
    def masked(data: bytes) -> bytes:
        sum_ = crc32c(data)
        return (((sum_ >> 15 | sum_ << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")

    length = len(payload).to_bytes(8, "little")
    return length + masked(length) + payload + masked(payload)


def mds() -> bytes:
    description = json.dumps({"column_encodings": ["int"], "column_names": ["a"]}).encode()
    first = 4 + 4 * 3 + len(description)
    table = np.array([2, first, first + 8, first + 16], dtype=np.uint32).tobytes()
    return table + description + bytes(16)


def beton() -> bytes:
    head = np.zeros(
        1,
        dtype=[("version", "<u2"), ("fields", "<u2"), ("page", "<u4"), ("samples", "<u8"), ("table", "<u8")],
    )
    head[0] = (2, 2, 8 << 20, 1000, 16 << 20)
    return head.tobytes() + bytes(1000)


ARRAY_RECORD = bytes.fromhex(
    "83af70d10d884a3f000000000000000040000000000000009"
    "1bac23c9287e1a90000000000000000e19f13c0e9b1c37273000000000000000000000000000000"
)
OCDBT = b"\x0c\xdb\x3a\x2a" + (120).to_bytes(8, "little") + b"\0\0" + bytes(100)
NPY = written(lambda target: np.save(target, np.arange(3)))

FILES: dict[str, tuple[tuple[str, bytes], ...]] = {
    "pytorch": (
        ("models/resnet.pth", torch_zip()),
        ("model.pt", torch_zip()),
        ("runs/checkpoint-7.pt", torch_zip()),
        ("runs/step_9/__0_0.distcp", b""),
        ("train.beton", beton()),
        ("train/000.npy", NPY),
    ),
    "tensorflow": (
        ("saved/1/saved_model.pb", b"\x08\x01\x12\x80\x01\x0a\x05"),
        ("saved/1/variables/variables.data-00000-of-00001", bytes(64)),
        ("data/train.tfrecord-00000-of-00128", tfrecord()),
        ("data/train.tfrecords", tfrecord()),
        ("run/model.ckpt-1000.index", b""),
        ("mobile.tflite", b"\x1c\0\0\0TFL3"),
        ("net.keras", keras_zip()),
        ("net.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
    ),
    "huggingface": (
        ("llama/model-00001-of-00002.safetensors", safetensors()),
        ("llama/tokenizer.json", b"{}"),
        ("llama/model.safetensors.index.json", b"{}"),
        ("llama/generation_config.json", b"{}"),
        ("cache/train/data-00000-of-00002.arrow", arrow_stream()),
        ("data/train-00000-of-00001.parquet", written(lambda to: pyarrow.parquet.write_table(TABLE, to))),
        ("out/optimizer.safetensors", safetensors()),
    ),
    "jax": (
        ("tfds/mnist-train.array_record-00000-of-00001", ARRAY_RECORD),
        ("run/7/default/manifest.ocdbt", OCDBT),
        ("run/7/default/d/0123456789abcdef0123456789abcdef", bytes(100)),
        ("run/7/_CHECKPOINT_METADATA", b"{}"),
        ("data/train.tfrecord-00000-of-00128", tfrecord()),
    ),
    "webdataset": (
        ("shards/train-000000.tar", shard("000000.jpg", "000000.cls")),
        ("shards/train-000002.tar", shard("a/000001.flac")),
        ("shards/train-000001.tar.gz", b"\x1f\x8b\x08"),
        ("shards/sizes.index.json", b"{}"),
    ),
    "mosaicml": (
        ("mds/train/shard.00000.mds", mds()),
        ("mds/train/shard.00001.mds.zstd", b"\x28\xb5\x2f\xfd"),
        ("mds/train/index.json", b'{"shards": [], "version": 2}'),
    ),
    "lightning": (
        ("lightning_logs/version_0/checkpoints/epoch=3-step=4000.ckpt", torch_zip()),
        ("lightning_logs/version_0/hparams.yaml", b"lr: 0.1\n"),
    ),
}


class BuiltIn(FrameworkPluginSuite):
    kind: type[FormatPlugin]

    @pytest.fixture
    def plugin(self) -> FrameworkPlugin:
        return self.kind()


class TestPyTorch(BuiltIn):
    kind = PyTorch
    own_files = FILES["pytorch"]


class TestTensorFlow(BuiltIn):
    kind = TensorFlow
    own_files = FILES["tensorflow"]


class TestHuggingFace(BuiltIn):
    kind = HuggingFace
    own_files = FILES["huggingface"]


class TestJax(BuiltIn):
    kind = Jax
    own_files = FILES["jax"]


class TestWebDataset(BuiltIn):
    kind = WebDataset
    own_files = FILES["webdataset"]


class TestMosaicML(BuiltIn):
    kind = MosaicMLStreaming
    own_files = FILES["mosaicml"]


class TestLightning(BuiltIn):
    kind = Lightning
    own_files = FILES["lightning"]


def test_each_plugin_that_ships_is_under_test() -> None:
    tested = {suite.kind for suite in BuiltIn.__subclasses__()}
    assert tested == set(BUILT_IN)
    assert [entry.name for entry in catalog().entries if entry.state == "built-in"] == list(FILES)


@pytest.mark.parametrize("framework", FILES)
def test_a_tree_of_its_files_is_told_by_the_vote(framework: str, tmp_path: Path) -> None:
    for path, content in FILES[framework]:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    found = detect_tree(tmp_path)
    assert found.files == len(FILES[framework])
    assert found.best == framework, found.scores
    assert found.failures == {}
    assert {each.framework for each in found.evidence} >= {framework}


def test_the_ancestors_extensions_lead_to_the_right_framework() -> None:
    plugins = {entry.name: entry.plugin for entry in catalog().usable}
    expected = {
        "a.pth": "pytorch",
        "a.pt": "pytorch",
        "a.pb": "tensorflow",
        "a.h5": "tensorflow",
        "a.ckpt": "tensorflow",
        "a.tfrecord": "tensorflow",
        "a.tfrecords": "tensorflow",
    }
    for path, framework in expected.items():
        votes = {name: plugin.detect(path, b"") for name, plugin in plugins.items() if plugin}
        assert max(votes, key=lambda name: votes[name]) == framework, votes
    assert all(plugin.detect("a.bin", b"") == 0.0 for plugin in plugins.values() if plugin)


def test_content_wins_over_the_name() -> None:
    pytorch, tensorflow = PyTorch(), TensorFlow()
    assert pytorch.detect("last.ckpt", torch_zip()) > 0.9
    assert tensorflow.detect("last.ckpt", torch_zip()) == 0.0
    assert pytorch.detect("a.pth", tfrecord()) == 0.0
    assert Lightning().detect("epoch=1-step=2.ckpt", torch_zip()) > pytorch.detect(
        "epoch=1-step=2.ckpt", torch_zip()
    )
