"""The engine's table of file types on files that other libraries wrote."""

import io
import json
import pickle
import tarfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest
from PIL import Image

import mlopt_engine
from mlopt_engine import FIRST_BYTES, detect


def image(kind: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, kind)
    return target.getvalue()


def array(save: Callable[[io.BytesIO], object]) -> bytes:
    target = io.BytesIO()
    save(target)
    return target.getvalue()


def tar(name: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return target.getvalue()


def sound() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(bytes(100))
    return target.getvalue()


def arrow_stream() -> bytes:
    target = io.BytesIO()
    with pa.ipc.new_stream(target, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return target.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def torch() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
        archive.writestr("archive/data/0", bytes(8))
    return target.getvalue()


def mds() -> bytes:
    description = json.dumps({"column_names": ["a"]}).encode()
    first = 16 + len(description)
    return np.array([2, first, first + 8, first + 16], dtype=np.uint32).tobytes() + description + bytes(16)


def beton() -> bytes:
    fields = [("version", "<u2"), ("fields", "<u2"), ("page", "<u4"), ("samples", "<u8"), ("table", "<u8")]
    return np.array([(2, 2, 8 << 20, 1000, 16 << 20)], dtype=fields).tobytes()


def lmdb() -> bytes:
    # a page header of 16 bytes, then magic and version
    return bytes(16) + np.array([0xBEEFC0DE, 1], dtype="<u4").tobytes() + bytes(100)


TABLE = pa.table({"a": [1, 2, 3]})
WRITTEN = {
    "png": (image("png"), "dataset"),
    "jpeg": (image("jpeg"), "dataset"),
    "webp": (image("webp"), "dataset"),
    "tiff": (image("tiff"), "dataset"),
    "gif": (image("gif"), "dataset"),
    "npy": (array(lambda target: np.save(target, np.arange(3))), "tensor"),
    "npz": (array(lambda target: np.savez(target, a=np.arange(3))), "tensor"),
    "parquet": (array(lambda target: pyarrow.parquet.write_table(TABLE, target)), "dataset"),
    "arrow": (array(lambda target: pyarrow.feather.write_feather(TABLE, target)), "dataset"),
    "arrow_stream": (arrow_stream(), "dataset"),
    "orc": (array(lambda target: pyarrow.orc.write_table(TABLE, target)), "dataset"),
    "pickle": (pickle.dumps({"a": [1]}), "model"),
    "webdataset": (tar("000001.jpg"), "dataset"),
    "tar": (tar("src/main.rs"), "dataset"),
    "wav": (sound(), "dataset"),
    "safetensors": (safetensors(), "model"),
    "torch": (torch(), "model"),
    "mds": (mds(), "dataset"),
    "beton": (beton(), "dataset"),
    "lmdb": (lmdb(), "dataset"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_other_libraries_are_recognised_without_a_name(name: str) -> None:
    content, expected = WRITTEN[name]
    found = detect("blob", content[:FIRST_BYTES])
    assert (found.format, found.type, found.by) == (name, expected, "content")


@pytest.mark.filterwarnings("ignore:Feather V1")
def test_feather_of_version_1_and_2_are_told_apart() -> None:
    target = io.BytesIO()
    pyarrow.feather.write_feather(TABLE, target, version=1)
    assert detect("a", target.getvalue()[:FIRST_BYTES]).format == "feather"
    assert detect("a.feather").type == "dataset"


def test_files_beside_data_are_told_by_their_names() -> None:
    expected = {
        "pytorch_model.bin.index.json": "index",
        "mds/index.json": "index",
        "run/__0_0.distcp": "checkpoint",
        "t.zarr/.zarray": "index",
        "t.zarr/0.0.1": "dataset",
        "a.msgpack": "dataset",
        "a.tfrecord-00000-of-00017": "dataset",
        "a.array_record-00000-of-00017": "dataset",
        "m/variables/variables.data-00000-of-00001": "model",
    }
    assert {path: detect(path).type for path in expected} == expected


def test_a_path_may_be_a_text_a_path_or_bytes() -> None:
    expected = detect("x/a.PTH")
    assert expected.type == "model"
    assert expected.framework == "pytorch"
    assert expected.by == "name"
    assert detect(Path("x/a.PTH")) == expected
    assert detect(b"x/a.PTH") == expected
    assert detect(b"x/\xff\xfe.jpg").mime_type == "image/jpeg"


def test_nothing_is_read_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(safetensors())
    assert detect(path).type == "unknown"
    assert detect(path, path.read_bytes()).format == "safetensors"


def test_the_table_is_listed_for_the_docs() -> None:
    listed = mlopt_engine.registry()["file_formats"]
    assert len(listed) > 50
    for entry in listed:
        assert set(entry) == {"name", "file_type", "framework", "extensions", "mime", "has_signature"}
        for extension in entry["extensions"]:
            assert detect(f"a.{extension}").format == entry["name"]
