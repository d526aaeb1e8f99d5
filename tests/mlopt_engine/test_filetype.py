"""The engine's table of file types on files that other libraries wrote."""

import io
import json
import pickle
import tarfile
import wave
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
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_other_libraries_are_recognised_without_a_name(name: str) -> None:
    content, expected = WRITTEN[name]
    found = detect("blob", content[:FIRST_BYTES])
    assert (found.format, found.type, found.by) == (name, expected, "content")


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
    listed = json.loads(mlopt_engine.rule_vocabulary())["file_formats"]
    assert len(listed) > 50
    for entry in listed:
        assert set(entry) == {"name", "file_type", "framework", "extensions", "mime", "has_signature"}
        for extension in entry["extensions"]:
            assert detect(f"a.{extension}").format == entry["name"]
