"""The documents are true where a program can tell: links, tests they name, commands, decisions."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES, page
from mlopt_cli.main import COMMANDS
from mlopt_engine import registry

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`|`(test_\w+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = [link for link in LINK.findall(document.read_text()) if "://" not in link]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def test_every_test_that_semantics_names_exists() -> None:
    text = (ROOT / "docs" / "SEMANTICS.md").read_text()
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    sources += "\n".join(
        path.read_text() for path in (ROOT / "engine").rglob("*.rs") if "target" not in path.parts
    )
    named = [(file, inner or alone) for file, inner, alone in NAMED_TEST.findall(text)]
    assert named, "SEMANTICS.md names no test"
    for file, test in named:
        assert not file or (ROOT / file).exists(), file
        assert not test or f"def {test}" in sources or f"fn {test}" in sources, test


def test_the_readme_lists_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    assert [command.name for command in COMMANDS if f"`{command.name}`" not in text] == []


def test_the_architecture_lists_every_decision() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    assert [path.name for path in (ROOT / "docs" / "adr").glob("*.md") if path.name not in text] == []


def test_the_reference_pages_are_those_that_the_engine_would_write_today() -> None:
    """Each registered name has its place; ``make docs`` writes the pages."""
    stale = [name for name in PAGES if (ROOT / "docs" / "reference" / f"{name}.md").read_text() != page(name)]
    assert not stale
    listed = registry()
    for kind in ("actions", "policies", "prefetchers"):
        assert all(f"## {entry['name']}\n" in page(kind) for entry in listed[kind])
    for kind in ("facts", "operators"):
        assert all(f"| `{entry['name']}` |" in page(kind) for entry in listed[kind])


def test_the_worked_examples_of_contributing_are_code_of_the_engine() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    examples = re.findall(r"```rust\n(.*?)```", text, re.DOTALL)
    assert examples
    code = "\n".join(path.read_text() for path in (ROOT / "engine" / "core" / "src").rglob("*.rs"))
    assert [example for example in examples if example.rstrip() not in code] == []
