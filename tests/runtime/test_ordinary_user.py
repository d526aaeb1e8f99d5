"""Mounts and runs by a user without rights, and on machines that lack what a mount needs."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_mounts import plan

from mlopt_engine import _native
from runtime import session
from runtime.session import MountOptions

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user and hide devices"),
]
NOBODY = 65_534
#: Not nobody, who owns all foreign files in a user namespace; with a name, which fusermount3 asks for.
USER = next(user.pw_uid for user in pwd.getpwall() if user.pw_uid not in (0, NOBODY))
OTHER_GROUP = 64_243
EXIT_MISSING, EXIT_RUN_FAILED = 3, 125


#: Root of a user namespace in which no further one may be made; the ids are the ones outside.
FORBID = """
import ctypes, os, sys
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        os._exit(99)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    with open("/proc/sys/user/max_user_namespaces", "w") as limit:
        limit.write("0")
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
for name in ("uid_map", "gid_map"):
    with open(f"/proc/{child}/{name}", "w") as ids:
        ids.write("0 0 65536")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def mounts_changed(script: str) -> list[str]:
    """Start a command behind a shell script that runs as root in a mount namespace of its own."""
    return ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh"]


@dataclass(frozen=True)
class Home:
    """An ordinary user's folder with data, a mountpoint and a folder for state."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def place(self) -> Path:
        return self.folder / "mnt"

    def mlopt(self, *words: object, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run mlopt as the user, started by a command that changes the surroundings as root, if given."""
        program = (
            "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
            "from mlopt_cli.main import main; sys.exit(main())"
        )
        command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={OTHER_GROUP}"]
        command += [sys.executable, "-c", program, json.dumps(sys.path), *map(str, words)]
        command = [*within, *command]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        environment |= {"XDG_RUNTIME_DIR": str(self.folder / "run"), "TMPDIR": str(self.folder / "tmp")}
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        for part in ("source/shared", "mnt", "run", "tmp"):
            (folder / part).mkdir(parents=True)
        (folder / "source" / "open").write_text("open to all\n")
        for part, mode in (("source/shared", 0o750), ("run", 0o700)):
            (folder / part).chmod(mode)
        (folder / "source" / "shared" / "file").write_text("the group's\n")
        (folder / "source" / "private").write_text("root's\n")
        (folder / "source" / "private").chmod(0o600)
        for part in ("", "mnt", "run", "tmp"):
            os.chown(folder / part, USER, USER)
        for part in ("source/shared", "source/shared/file"):
            os.chown(folder / part, 0, OTHER_GROUP)
        (folder / "source/shared/file").chmod(0o640)
        made = Home(folder)
        able = made.mlopt("--version")
        if able.returncode != 0:
            pytest.skip(
                f"an ordinary user cannot run this installation of mlopt: {able.stderr.strip()[-300:]}"
            )
        yield made


def test_run_by_an_ordinary_user_shows_what_the_user_may_read_and_nothing_else(home: Home) -> None:
    script = (
        "grep -c ' fuse.mlopt ' /proc/self/mounts; cat source/open source/shared/file; "
        "cat source/private || echo refused; touch source/new || echo read-only; exit 7"
    )
    done = home.mlopt("run", "--source", home.source, "--", "sh", "-c", script)
    assert done.stdout.splitlines() == ["1", "open to all", "the group's", "refused", "read-only"], (
        done.stderr
    )
    assert done.returncode == 7
    assert _native.mounted_at(home.source) is None


def test_mount_by_an_ordinary_user_is_for_that_user_alone(home: Home) -> None:
    if shutil.which("fusermount3") is None:
        pytest.skip("fusermount3 is not installed: an ordinary user cannot mount")
    done = home.mlopt("mount", home.source, home.place)
    assert done.returncode == 0, done.stderr
    try:
        with pytest.raises(PermissionError):  # also root: the kernel lets in who mounted
            list(home.place.iterdir())
        seen = json.loads(home.mlopt("status", home.place, "--json").stdout)["result"]["mounts"]
        assert [mount["state"] for mount in seen] == ["serving"]
        read = subprocess.run(
            ["cat", home.place / "open", home.place / "shared" / "file"],
            user=USER,
            group=USER,
            extra_groups=[OTHER_GROUP],
            capture_output=True,
            text=True,
            check=False,
        )
        assert read.stdout == "open to all\nthe group's\n", read.stderr
    finally:
        ended = home.mlopt("umount", home.place)
    assert ended.returncode == 0, ended.stderr
    assert _native.mounted_at(home.place) is None


def test_letting_others_in_needs_the_administrators_word(home: Home, tmp_path: Path) -> None:
    if shutil.which("fusermount3") is None or not Path("/etc/fuse.conf").exists():
        pytest.skip("fusermount3 with /etc/fuse.conf is not installed: an ordinary user cannot mount")
    (tmp_path / "conf").write_text("")
    refused = home.mlopt(
        "mount",
        home.source,
        home.place,
        "--allow-other",
        within=mounts_changed(f"mount --bind {tmp_path}/conf /etc/fuse.conf"),
    )
    assert refused.returncode == EXIT_MISSING
    assert "user_allow_other" in refused.stderr
    assert "/etc/fuse.conf" in refused.stderr
    assert _native.mounted_at(home.place) is None


@pytest.mark.parametrize("allow_other", [False, True], ids=["root alone", "others too"])
def test_others_see_a_mount_of_roots_only_where_let_in_and_only_what_they_may_read(
    home: Home, allow_other: bool
) -> None:
    with session.mounted(home.source, home.place, plan(), MountOptions(allow_other=allow_other)):
        outcome = [
            subprocess.run(
                ["cat", home.place / name],
                user=USER,
                group=USER,
                extra_groups=[OTHER_GROUP],
                capture_output=True,
                check=False,
            ).returncode
            for name in ("open", "shared/file", "private")
        ]
        assert (home.place / "private").read_text() == "root's\n"
    assert outcome == ([0, 0, 1] if allow_other else [1, 1, 1])


#: Shell words that take /dev/fuse away, or close it to users, in a mount namespace of their own.
DEVICES = "mount -t tmpfs none /mnt; for name in null zero urandom; do cp -a /dev/$name /mnt/; done; "
NO_DEVICE = mounts_changed(DEVICES + "mount --move /mnt /dev")
CLOSED_DEVICE = mounts_changed(DEVICES + "mknod -m 600 /mnt/fuse c 10 229; mount --move /mnt /dev")


@pytest.mark.parametrize(
    ("within", "words"),
    [(NO_DEVICE, "/dev/fuse is missing"), (CLOSED_DEVICE, "/dev/fuse may not be opened")],
    ids=["no device", "device closed to users"],
)
def test_machine_without_the_device_says_what_is_missing(home: Home, within: list[str], words: str) -> None:
    mount = home.mlopt("mount", home.source, home.place, within=within)
    assert (mount.returncode, words in mount.stderr) == (EXIT_MISSING, True), mount.stderr
    run = home.mlopt("run", "--source", home.source, "--", "touch", home.folder / "ran", within=within)
    assert (run.returncode, words in run.stderr) == (EXIT_RUN_FAILED, True), run.stderr
    assert not (home.folder / "ran").exists()
    assert list((home.folder / "run").glob("mlopt/*")) == []  # nothing is left of the attempt
    for done in (mount, run):
        assert "Traceback" not in done.stderr


def test_machine_without_the_helper_names_it(home: Home) -> None:
    hidden = 'for path in $(which -a fusermount3); do mount --bind /dev/null "$path"; done'
    done = home.mlopt("mount", home.source, home.place, within=mounts_changed(hidden))
    assert (done.returncode, "install fusermount3" in done.stderr) == (EXIT_MISSING, True), done.stderr


def test_machine_without_user_namespaces_says_so_and_runs_nothing(home: Home) -> None:
    done = home.mlopt(
        "run",
        "--source",
        home.source,
        "--",
        "touch",
        home.folder / "ran",
        within=[sys.executable, "-c", FORBID],
    )
    assert done.returncode == EXIT_RUN_FAILED, done.stderr
    assert "namespace is not permitted" in done.stderr
    assert not (home.folder / "ran").exists()
