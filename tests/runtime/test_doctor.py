"""The doctor looks at the real machine; each finding has a remedy unless all is well."""

import sys
from pathlib import Path

import pytest

from runtime import doctor


def test_every_check_reports_once_and_red_or_yellow_say_what_to_do() -> None:
    checks = doctor.examine()
    names = [check.name for check in checks]
    assert len(set(names)) == len(doctor.CHECKS)
    for check in checks:
        assert check.found
        assert (check.do is None) == (check.status is doctor.Status.GREEN), check


def test_fuse_finding_agrees_with_the_device() -> None:
    (fuse,) = (check for check in doctor.examine() if check.name == "fuse")
    assert (fuse.found == "no /dev/fuse") == (not Path("/dev/fuse").exists())


def test_a_shadowed_package_is_named_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = tmp_path / "learner" / "__init__.py"
    stranger.parent.mkdir()
    stranger.write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "learner", raising=False)
    (packages,) = (check for check in doctor.examine() if check.name == "packages")
    assert packages.status is doctor.Status.RED
    assert str(stranger) in packages.found
