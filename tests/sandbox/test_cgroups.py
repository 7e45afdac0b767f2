"""Cgroups of version 2, on a folder that stands for the kernel's: which files are written, where, with what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fogbank.sandbox.warden import cgroups, gauge

FILES = ("cgroup.procs", "cgroup.freeze", "cpu.max", "cpu.max.burst", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session's cgroup in a slice that is delegated: as a desktop has it."""
    here = tmp_path / "user.slice" / "session.scope"
    here.mkdir(parents=True)
    for folder, given in ((tmp_path / "user.slice", "cpu memory pids"), (here, "")):
        (folder / "cgroup.controllers").write_text("cpu memory pids")
        (folder / "cgroup.subtree_control").write_text(given)
    real = os.mkdir

    def kernel(path: str, *arguments: int, **more: int) -> None:
        real(path, *arguments, **more)
        given = Path(path).parent / "cgroup.subtree_control"
        for file in (*FILES, "cgroup.subtree_control"):
            Path(path, file).write_text("")
        Path(path, "cgroup.controllers").write_text(given.read_text())

    def write(path: str, text: str) -> None:
        if not path.endswith("subtree_control"):
            Path(path).write_text(text)
        elif text[1:] in Path(path).with_name("cgroup.controllers").read_text() and "session.scope/cgroup" not in path:
            Path(path).write_text(f"{Path(path).read_text()} {text[1:]}")
        else:
            raise OSError(16, "not handed on, or there are processes in it")

    monkeypatch.setattr(cgroups, "MOUNTS", str(tmp_path / "mounts"))
    monkeypatch.setattr(cgroups, "OWN", str(tmp_path / "own"))
    monkeypatch.setattr(os, "mkdir", kernel)
    monkeypatch.setattr(cgroups, "_write", write)
    monkeypatch.setattr(cgroups, "_can_join", lambda folder: True)
    monkeypatch.setattr(os, "rmdir", lambda path: None)
    (tmp_path / "mounts").write_text(f"30 1 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "own").write_text("0::/user.slice/session.scope\n")
    return tmp_path


def test_the_nearest_folder_that_hands_on_is_taken(tree: Path) -> None:
    """A cgroup with processes of its own cannot give limits to what is below it: its parent can."""
    found = cgroups.find()
    assert found.version == 2
    assert found.without() == set()
    assert {Path(folder).parent for folder in found.folders.values()} == {tree / "user.slice"}


def test_limits_are_written(tree: Path) -> None:
    """Memory without swap and as a group, processes, a share of the processor, and standing still."""
    group = cgroups.make(cgroups.find(), 7)
    assert isinstance(group, cgroups.Second)
    group.limit(100 << 20, 32)
    group.share(0.5)
    group.freeze(True)
    said = {file: Path(group.folder, file).read_text() for file in FILES}
    assert said == {
        "cgroup.procs": "",
        "cgroup.freeze": "1",
        "cpu.max": "10000 20000",
        "cpu.max.burst": "10000",
        "memory.max": str(100 << 20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "33",
    }


def test_what_is_used_is_read(tree: Path) -> None:
    """Files that can be dropped again are no memory; a kill by the kernel is seen."""
    group = cgroups.make(cgroups.find(), 8)
    assert isinstance(group, cgroups.Second)
    for file, text in {
        "memory.current": str(50 << 20),
        "memory.peak": str(70 << 20),
        "memory.stat": f"anon 1\nfile {12 << 20}\nshmem {2 << 20}\n",
        "cpu.stat": "usage_usec 2500\n",
        "memory.events": "oom 1\noom_kill 1\n",
    }.items():
        Path(group.folder, file).write_text(text)
    assert gauge.used(group.gauge, -1, -1) == (40 << 20, 60 << 20, 2.5)
    assert group.killed_for_memory()


def test_folders_of_the_dead_are_swept(tmp_path: Path) -> None:
    """Only those of wardens that are no more."""
    own = tmp_path / cgroups.name(os.getpid())
    for folder in (own, tmp_path / "fogbank-4194305-1" / "3", tmp_path / f"fogbank-{os.getpid()}-1", tmp_path / "other"):
        folder.mkdir(parents=True)
    cgroups.sweep(str(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([own.name, "other"])
