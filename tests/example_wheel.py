"""Installs the project of an example: development tools hold no build backend, so wheels are packed here."""

import base64
import hashlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path


def install(project: Path, target: Path) -> None:
    """Pack a pure package and let pip install it into a folder of its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    words = ["install", "--quiet", "--target", str(target), "--no-deps", "--no-index"]
    words += ["--disable-pip-version-check", "--root-user-action", "ignore"]
    wheel = build_wheel(project, target.parent)
    subprocess.run([sys.executable, "-m", "pip", *words, str(wheel)], check=True, timeout=120)


def build_wheel(project: Path, folder: Path) -> Path:
    """Pack a pure package as a build tool would: no build backend is among the development tools."""
    settings = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    stem = f"{settings['name'].replace('-', '_')}-{settings['version']}"
    info = f"{stem}.dist-info"
    source = project / "src"
    files = {
        str(path.relative_to(source)): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in settings["entry-points"].items()
    )
    head = f"Metadata-Version: 2.1\nName: {settings['name']}\nVersion: {settings['version']}\n"
    requires = "".join(f"Requires-Dist: {each}\n" for each in settings["dependencies"])
    files[f"{info}/METADATA"] = (head + requires).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/entry_points.txt"] = points.encode()
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        record = ""
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(content)}\n"
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return wheel
