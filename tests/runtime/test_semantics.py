"""docs/SEMANTICS.md: each test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "SEMANTICS.md").read_text(encoding="utf-8")


def test_every_test_that_the_document_names_exists():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"\b(test_[a-z_]+)\b", DOCUMENT)) - {
        path.stem for path in Path(__file__).parent.glob("test_*.py")
    }
    assert len(named) > 20
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []
    in_engine = re.findall(r"`(engine/[a-z_/]+\.rs): ([a-z_]+)`", DOCUMENT)
    assert len(in_engine) >= 3
    for file, name in in_engine:
        assert f"fn {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)
