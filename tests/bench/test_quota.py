"""`bench.exactness --quota`: a cgroup of either version, or a word why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import quota as quotas
from bench.quota import Quota, quota


def written(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("version", "files"),
    [(2, {"cpu.max": "20000 100000"}), (1, {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "20000"})],
)
def test_a_part_of_a_core_is_so_much_of_each_period(tmp_path, version, files):
    made = Quota(tmp_path / "made", 20, version)
    assert written(tmp_path / "made") == files
    made.take([17])
    assert written(tmp_path / "made")["cgroup.procs"] == "17"
    (tmp_path / "made" / "cpu.stat").write_text("nr_periods 12\nnr_throttled 5\nthrottled_time 9\n")
    assert made.periods() == (12, 5)


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_the_controller_is_looked_for_where_it_is_mounted(tmp_path, monkeypatch, kind):
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")
    (tmp_path / "mounts").write_text(f"tmpfs /tmp tmpfs rw 0 0\nx {tmp_path} {kind} rw,relatime,cpu 0 0\n")
    monkeypatch.setattr(quotas, "MOUNTS", tmp_path / "mounts")
    assert quotas._home() == (tmp_path, 2 if kind == "cgroup2" else 1)


def test_where_there_can_be_none_that_is_said(tmp_path, monkeypatch):
    (tmp_path / "mounts").write_text("tmpfs /tmp tmpfs rw 0 0\n")
    monkeypatch.setattr(quotas, "MOUNTS", tmp_path / "mounts")
    with (
        pytest.raises(SystemExit, match="no cgroup with a quota can be made here: no mounted cgroup file system"),
        quota(20),
    ):
        raise AssertionError
