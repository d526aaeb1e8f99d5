"""What docs/SEMANTICS.md promises of a mount, on real mounts."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest
from real_mounts import MIB, Mounts, plan, wait_until

from mlopt_engine import _native
from mlopt_engine.errors import InvalidInputError, RefusedError
from runtime import session
from runtime.session import MountOptions
from runtime.state import state_of

pytestmark = pytest.mark.fuse


def tree_of(root: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Type, size and content or target of every name below a folder."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(root)):
        for name in directories + files:
            path = folder + b"/" + name
            status = os.lstat(path)
            content = b""
            if stat.S_ISREG(status.st_mode):
                content = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest()
            elif stat.S_ISLNK(status.st_mode):
                content = os.fsencode(Path(os.fsdecode(path)).readlink())
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            found[os.path.relpath(path, os.fsencode(root))] = (status.st_mode, size, content)
    return found


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def read_error(path: Path) -> int:
    """The errno of reading a file; fails when it can be read."""
    with pytest.raises(OSError) as caught:
        path.read_bytes()
    assert caught.value.errno is not None
    return caught.value.errno


@pytest.mark.parametrize("observe", ["none", "opens"])
def test_mount_shows_every_name_and_byte_of_the_source(source, mounts: Mounts, observe):
    (source / "inside").symlink_to("folder/file00")
    (source / "outside").symlink_to("/etc/hostname")
    (source / "dangling").symlink_to("nowhere")
    os.mkfifo(source / "fifo")
    os.link(source / "large", source / "folder" / "hardlink")
    mount = mounts(source, plan(observe=observe))
    assert tree_of(mount.mountpoint) == tree_of(source)
    assert len(tree_of(source)) > 25
    assert mount.status()["stats"]["read_messages"] > 20
    assert (mount.mountpoint / "large").stat().st_nlink == 2
    large, link = (mount.mountpoint / name for name in ("large", "folder/hardlink"))
    assert large.stat().st_ino == link.stat().st_ino


def test_mount_reads_any_range_of_a_file(source, mounts: Mounts):
    data = (source / "large").read_bytes()
    mount = mounts(source)
    with (mount.mountpoint / "large").open("rb", buffering=0) as file:
        for offset, length in [(0, 1), (4095, 2), (MIB - 1, 2), (MIB, 7), (2 * MIB, MIB), (len(data), 5)]:
            assert os.pread(file.fileno(), length, offset) == data[offset : offset + length]


def test_mount_is_read_only(source, mounts: Mounts):
    place = mounts(source).mountpoint
    for change in (
        lambda: (place / "new").write_bytes(b"x"),
        lambda: (place / "large").write_bytes(b"x"),
        lambda: (place / "large").unlink(),
        lambda: (place / "newdir").mkdir(),
        lambda: (place / "large").rename(place / "other"),
        lambda: (place / "large").chmod(0o777),
    ):
        with pytest.raises(OSError) as caught:
            change()
        assert caught.value.errno == errno.EROFS


def test_zero_message_open_asks_once_for_the_life_of_the_mount(source, mounts: Mounts):
    mount = mounts(source, plan(staleness_s=3600))
    for path in sorted((mount.mountpoint / "folder").iterdir()):
        os.close(os.open(path, os.O_RDONLY))
    stats = mount.status()["stats"]
    assert stats["open_messages"] <= 2  # one by the reader; the warden may have been first
    assert stats["lookup_messages"] <= 3


def test_change_of_the_source_is_visible_at_once_when_staleness_is_zero(source, mounts: Mounts):
    mount = mounts(source, plan(staleness_s=0))
    seen, kept = mount.mountpoint / "folder" / "file00", source / "folder" / "file00"
    number = seen.stat().st_ino
    for round_number in range(20):
        content = bytes([round_number]) * 50_000  # the same size: only time stamps tell
        kept.write_bytes(content)
        assert seen.read_bytes() == content
    assert seen.stat().st_ino == number
    assert mount.status()["stats"]["changed_files"] >= 19


def test_open_file_never_mixes_two_versions(source, mounts: Mounts):
    mount = mounts(source, plan(staleness_s=0))
    (source / "large").write_bytes(b"a" * (4 * MIB))
    with (mount.mountpoint / "large").open("rb", buffering=0) as old:
        assert os.pread(old.fileno(), 10, 0) == b"a" * 10
        (source / "large").write_bytes(b"b" * (4 * MIB))
        assert (mount.mountpoint / "large").read_bytes() == b"b" * (4 * MIB)
        outcomes = set()
        for offset in range(0, 4 * MIB, 256 << 10):
            try:
                outcomes |= set(os.pread(old.fileno(), 4096, offset))
            except OSError as error:
                outcomes.add(-(error.errno or 0))
        assert outcomes <= {ord("a"), -errno.ESTALE}
        assert -errno.ESTALE in outcomes


def test_change_within_staleness_is_found_by_a_read_that_reaches_the_source(source, mounts: Mounts):
    mount = mounts(source, plan(staleness_s=3600))
    seen = mount.mountpoint / "folder" / "file05"
    assert seen.stat().st_size == 110_000
    (source / "folder" / "file05").write_bytes(b"c" * 110_000)
    assert read_error(seen) == errno.ESTALE
    wait_until(lambda: _reads(seen, b"c" * 110_000))


def _reads(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def test_file_that_vanished_is_an_error_and_never_zeros(source, mounts: Mounts):
    mount = mounts(source, plan(staleness_s=3600))
    seen = mount.mountpoint / "folder" / "file03"
    assert {len(path.name) for path in seen.parent.iterdir()} == {6}  # all are known now
    (source / "folder" / "file03").unlink()
    assert read_error(seen) in {errno.ESTALE, errno.ENOENT}
    (source / "folder" / "file04").write_bytes(b"short")  # truncated below what was listed
    assert read_error(mount.mountpoint / "folder" / "file04") == errno.ESTALE


def test_new_and_deleted_names_show_within_staleness(source, mounts: Mounts):
    mount = mounts(source, plan(staleness_s=0))
    folder = mount.mountpoint / "folder"
    before = names_in(folder)
    (source / "folder" / "new").write_bytes(b"new")
    (source / "folder" / "file00").unlink()
    wait_until(lambda: names_in(folder) == before - {"file00"} | {"new"})
    assert (folder / "new").read_bytes() == b"new"
    assert not (folder / "file00").exists()


def test_hanging_source_is_a_timeout_and_the_mount_can_be_ended(source, mounts: Mounts):
    lower = mounts(source)
    upper = mounts(lower.mountpoint, plan(staleness_s=3600), MountOptions(deadline_s=1.0))
    seen = upper.mountpoint / "folder" / "file01"
    assert seen.stat().st_size == 110_000
    os.kill(lower.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert read_error(seen) == errno.ETIMEDOUT
        with pytest.raises(OSError) as caught:
            (upper.mountpoint / "never-looked-up").stat()
        assert caught.value.errno == errno.ETIMEDOUT
        assert time.monotonic() - start < 30  # 2 x deadline, and a busy machine; never the source's time
        assert upper.status()["stats"]["timed_out_operations"] >= 2
        upper.umount()
        assert _native.mounted_at(upper.mountpoint) is None
    finally:
        os.kill(lower.pid, signal.SIGCONT)


def test_busy_mount_is_refused_and_goes_on_until_lazy(source, mounts: Mounts):
    mount = mounts(source)
    data = (source / "large").read_bytes()
    with (mount.mountpoint / "large").open("rb", buffering=0) as file:
        with pytest.raises(RefusedError) as caught:
            mount.umount()
        assert caught.value.code == "busy"
        assert mount.status()["state"] == "serving"
        mount.umount(lazy=True)
        assert _native.mounted_at(mount.mountpoint) is None
        assert file.readall() == data  # open files stay readable
    wait_until(lambda: not Path(f"/proc/{mount.pid}").exists() or _is_zombie(mount.pid))


def _is_zombie(pid: int) -> bool:
    return ") Z" in Path(f"/proc/{pid}/stat").read_text()


def test_mount_over_a_dead_mount_of_ours_recovers(source, mounts: Mounts):
    mount = mounts(source)
    os.kill(mount.pid, signal.SIGKILL)
    os.waitpid(mount.pid, 0)
    assert session.status(mount.mountpoint)["state"] == "dead"
    with pytest.raises(OSError):
        names_in(mount.mountpoint)
    again = session.mount(source, mount.mountpoint, plan())
    assert tree_of(again.mountpoint) == tree_of(source)


def test_umount_clears_a_dead_mount(source, mounts: Mounts):
    mount = mounts(source)
    os.kill(mount.pid, signal.SIGKILL)
    os.waitpid(mount.pid, 0)
    session.umount(mount.mountpoint)
    assert _native.mounted_at(mount.mountpoint) is None
    with pytest.raises(InvalidInputError):
        session.umount(mount.mountpoint)


def test_umount_names_a_place_where_no_mount_is(tmp_path):
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InvalidInputError, match="no mount"):
            session.umount(place)


def test_sigterm_unmounts(source, mounts: Mounts):
    mount = mounts(source)
    os.kill(mount.pid, signal.SIGTERM)
    wait_until(lambda: _native.mounted_at(mount.mountpoint) is None)


def test_live_mount_is_never_stolen(source, mounts: Mounts):
    mount = mounts(source)
    with pytest.raises(RefusedError) as caught:
        session.mount(source, mount.mountpoint, plan())
    assert caught.value.code == "already-mounted"
    assert mount.status()["state"] == "serving"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("source/folder", "inside one another"),
        (".", "inside one another"),
        ("missing", "does not exist"),
        ("file", "no directory"),
    ],
)
def test_unusable_mountpoints_are_named(source, tmp_path, where, message):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=message):
        session.mount(source, tmp_path / where, plan())


def test_unusable_sources_and_budgets_are_named(source, tmp_path):
    place = tmp_path / "mnt"
    place.mkdir()
    for bad in (tmp_path / "missing", source / "large"):
        with pytest.raises(InvalidInputError, match="source"):
            session.mount(bad, place, plan())
    with pytest.raises(InvalidInputError, match="memory"):
        session.mount(source, place, plan(memory_bytes=1 << 60))
    for options in (MountOptions(staleness_s=-1), MountOptions(deadline_s=0), MountOptions(http="0.0.0.0:1")):
        with pytest.raises(InvalidInputError):
            session.mount(source, place, plan(), options)
    assert _native.mounted_at(place) is None


def test_mountpoint_with_content_is_allowed_with_a_note(source, tmp_path):
    place = tmp_path / "mnt"
    place.mkdir()
    (place / "hidden").write_bytes(b"")
    with session.mounted(source, place, plan()) as mount:
        assert "not empty" in mount.notes[0]
        assert not (place / "hidden").exists()
    assert (place / "hidden").exists()


def test_warden_that_dies_leaves_the_mount_correct(source, mounts: Mounts):
    mount = mounts(source)
    os.kill(mount.status()["warden_pid"], signal.SIGKILL)
    wait_until(lambda: mount.status()["stats"]["warden_deaths"] == 1)
    assert tree_of(mount.mountpoint) == tree_of(source)


def test_journal_replayed_through_a_fresh_core_gives_the_same_effects(source, mounts: Mounts, tmp_path):
    journal = tmp_path / "journal"
    mount = mounts(source, plan(), MountOptions(journal=journal))
    assert tree_of(mount.mountpoint) == tree_of(source)
    mount.umount()
    events, difference = _native.replay_journal(journal)
    assert events > 50
    assert difference is None


def test_many_threads_read_the_same_bytes(source, mounts: Mounts):
    mount = mounts(source)
    expected = tree_of(source)
    results: list[bool] = []

    def read_all() -> None:
        results.append(tree_of(mount.mountpoint) == expected)

    threads = [threading.Thread(target=read_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_hangup_swaps_in_a_changed_plan_and_keeps_the_old_one_otherwise(source, mounts: Mounts):
    mount = mounts(source)
    state = state_of(mount.mountpoint)

    def after_hangup(word: str) -> str:
        said = state.log_path.read_text().count("reload:")
        os.kill(mount.pid, signal.SIGHUP)
        wait_until(lambda: state.log_path.read_text().count("reload:") > said)
        assert word in state.log_path.read_text().splitlines()[-1]
        return str(mount.status()["plan_sha256"])

    first = mount.status()["plan_sha256"]
    assert after_hangup("is the plan in force") == first
    state.plan_path.write_text("{broken")
    assert after_hangup("the plan in force stays") == first
    state.plan_path.unlink()
    assert after_hangup("the plan in force stays") == first
    state.plan_path.write_text(plan(memory_bytes=32 * MIB))
    assert after_hangup("the new plan is in force") != first
    assert mount.status()["stats"]["budget_bytes"] == 32 * MIB
    assert tree_of(mount.mountpoint) == tree_of(source)


def test_a_mount_shows_its_decisions_where_the_plan_asks_for_them(source, mounts: Mounts):
    rule = {
        "id": "all", "priority": 1, "order": 0, "match": "all",
        "origin": {"layer": "custom", "file": "t", "line": 1},
        "conditions": [{"fact": "file.path", "op": "glob", "value": "**", "weight": 1.0, "required": False}],
        "actions": [{"type": "cache", "parameters": {"policy": "lru"}}],
    }  # fmt: skip
    quiet = mounts(source, plan(rules=[rule]))
    assert session.decisions(quiet.mountpoint) is None
    asked = mounts(source, json.dumps(json.loads(plan(rules=[rule])) | {"debug": True}))
    assert (asked.mountpoint / "large").read_bytes() == (source / "large").read_bytes()
    trace = session.decisions(asked.mountpoint)
    assert trace is not None
    (note,) = [each for each in trace["kept"] if each["path"] == "large"]
    assert note["rules"] == [{"id": "all", "score": 1.0}]
    assert note["winners"] == {"cache.policy": "all"}
