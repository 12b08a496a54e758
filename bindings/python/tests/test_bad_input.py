"""Whatever a program or its machine gets wrong: a typed error each, no crash, nothing lost."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import xunyuan
from conftest import SETTINGS, Branch, eventually, item

Error = xunyuan.SyncError


@pytest.fixture
def sheet(officer: xunyuan.Replica) -> str:
    return officer.start_sheet("tpl.park_patrol", "pj.lanyuan").document


@pytest.mark.parametrize("wrong", ["", " ", "null", "1234", "zz" * 16, "😀", "00" * 1000, "00" * 16 + "\n"])
def test_ids_that_are_none(officer: xunyuan.Replica, sheet: str, wrong: str) -> None:
    for look in (officer.sheet, officer.entry, officer.draft):
        with pytest.raises(Error.Invalid) as caught:
            look(wrong)
        assert str(caught.value) == caught.value.sentence and caught.value.code.endswith("_invalid")
    for act in (
        lambda: officer.answer(sheet, wrong, "pass"),
        lambda: officer.answer(sheet, "pp.green.01", wrong),
        lambda: officer.start_sheet(wrong, wrong),
        lambda: officer.create_entry(wrong, {}),
    ):
        with pytest.raises(Error):
            act()


def test_nothing_where_something_is_asked_for(officer: xunyuan.Replica) -> None:
    for look in (officer.sheet, officer.entry, officer.search):
        with pytest.raises(TypeError):
            look(None)  # type: ignore[arg-type]


def test_unusual_texts_are_kept_and_half_characters_refused(officer: xunyuan.Replica, sheet: str) -> None:
    for odd in ("🧯👩‍🚒 漏水", "\0", "a\u0301", "\u202eلیک", "'; DROP TABLE record; --", "𠮷野家"):
        assert item(officer.note(sheet, "pp.green.01", odd).sheet, "pp.green.01").notes[0].text == odd
    with pytest.raises(UnicodeEncodeError):
        officer.note(sheet, "pp.green.01", "half \ud83d")
    with pytest.raises(Error.Invalid):
        asyncio.run(officer.ask(lambda replica: replica.note(sheet, "pp.green.01", "half \ud83d")))


def test_a_note_of_ten_megabytes(officer: xunyuan.Replica, sheet: str) -> None:
    with pytest.raises(Error.Refused):
        officer.note(sheet, "pp.green.01", "水" * (10 * 1024 * 1024 // 3))
    assert item(officer.sheet(sheet), "pp.green.01").notes == []


def test_numbers_and_days_from_another_world(officer: xunyuan.Replica, sheet: str) -> None:
    for at in (-1, -(2**63), 2**63 - 1):
        try:
            officer.set_header(sheet, "started_at", at)
        except Error:
            pass
        officer.sheet(sheet)
    with pytest.raises(ValueError):
        officer.set_header(sheet, "started_at", 2**64)
    with pytest.raises(Error.Invalid):
        officer.answer(sheet, "pp.fire.06", float("nan"))
    assert officer.sync_once(30_000).is_finished


def test_listeners_that_fail_and_block(officer: xunyuan.Replica, sheet: str) -> None:
    calls: list[str] = []
    released = threading.Event()

    class Ear(xunyuan.Listener):
        def changed(self, documents: list[str], everything: bool) -> None:
            officer.standing()
            calls.append("changed")
            if len(calls) == 2:
                released.wait(30)
            raise RuntimeError("a program's defect")

        def standing(self, standing: xunyuan.Standing) -> None:
            raise RuntimeError("a program's defect")

    officer.set_listener(Ear())
    officer.note(sheet, "pp.green.01", "首次")
    eventually("the first news", lambda: len(calls) == 1)
    began = time.monotonic()
    for n in range(20):
        officer.note(sheet, "pp.green.01", f"第 {n} 次")
    assert time.monotonic() - began < 10, "nobody waits for a listener"
    released.set()
    officer.note(sheet, "pp.green.01", "末次")
    eventually("news after those that blocked", lambda: len(calls) >= 3)
    officer.set_listener(None)


def test_closed_opened_twice_and_held_elsewhere(branch: Branch, tmp_path: Path) -> None:
    replica = branch.enroll("u.pt01", tmp_path / "officer")
    file = replica.identity().file
    with pytest.raises(Error.InUse):
        xunyuan.Replica.open(file, **SETTINGS)
    code = "import sys, xunyuan\ntry: xunyuan.Replica.open(sys.argv[1], app='x/1')\nexcept xunyuan.SyncError.InUse: print('in use')"
    said = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True).stdout
    assert said.strip() == "in use"
    replica.shut()
    replica.shut()
    with pytest.raises(Error.Closed):
        replica.slots()
    with xunyuan.Replica.open(file, **SETTINGS) as again:
        assert again.identity().user == "u.pt01"


def test_a_damaged_file_is_set_aside(branch: Branch, tmp_path: Path) -> None:
    replica = branch.enroll("u.pt01", tmp_path / "officer")
    file = Path(replica.identity().file)
    replica.shut()
    file.write_bytes(b"torn" * 4000)
    with pytest.raises(Error.Corrupt):
        xunyuan.Replica.open(file, **SETTINGS)
    assert not file.exists() and any("damaged" in one.name for one in file.parent.iterdir())


def test_a_full_disk(branch: Branch) -> None:
    small = os.environ.get("SMALL_DISK")
    if not small:
        pytest.skip("no small disk on this machine")
    with branch.enroll("u.pt01", Path(small)) as replica:
        sheet = replica.start_sheet("tpl.park_patrol", "pj.lanyuan").document
        filler = Path(small) / "filler"
        with pytest.raises(OSError), filler.open("wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))
        with pytest.raises(Error.DiskFull):
            for n in range(2_000):
                replica.note(sheet, "pp.green.01", f"第 {n} 次")
        filler.unlink()
        replica.note(sheet, "pp.green.01", "有空间了")
        assert replica.sync_once(30_000).is_finished


def test_a_directory_that_cannot_be_written_costs_no_link(branch: Branch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    link = branch.invite("u.pt01")
    with pytest.raises(Error.Storage):
        xunyuan.Replica.enroll(link, tmp_path / "file" / "below", **SETTINGS)
    xunyuan.Replica.enroll(link, tmp_path, **SETTINGS).shut()


def test_networks_that_are_none(officer: xunyuan.Replica, sheet: str, branch: Branch, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()[1]
    officer.set_network(xunyuan.Network.FREE, f"http://127.0.0.1:{nobody}")
    report = officer.sync_once(5_000)
    assert not report.is_finished and report.failure_code and report.failure
    with pytest.raises(Error.Invalid):
        officer.set_network(xunyuan.Network.FREE, "not a proxy")
    officer.set_network(xunyuan.Network.FREE)
    assert officer.sync_once(30_000).is_finished
    link = branch.invite("u.pt02")
    branch.kill()
    with pytest.raises(Error.NoConnection):
        xunyuan.Replica.enroll(link, tmp_path, **SETTINGS)
    assert not officer.sync_once(5_000).is_finished
    branch.start()
    assert officer.sync_once(30_000).is_finished


def test_an_encrypted_replica_opens_with_its_key_only(branch: Branch, tmp_path: Path) -> None:
    key = bytes(range(32))
    with branch.enroll("u.pt01", tmp_path, key=key) as replica:
        file = replica.identity().file
        sheet = replica.start_sheet("tpl.park_patrol", "pj.lanyuan").document
        replica.note(sheet, "pp.fire.02", "灭火器压力不足")
    assert not any("灭火器".encode() in one.read_bytes() for one in tmp_path.glob("*.xunyuan*") if one.is_file())
    for wrong in (None, bytes(32)):
        with pytest.raises(Error.WrongKey):
            xunyuan.Replica.open(file, key=wrong, **SETTINGS)
    with pytest.raises(Error.Invalid):
        xunyuan.Replica.open(file, key=b"short", **SETTINGS)
    xunyuan.change_key(file, key, None, xunyuan.Language.ENGLISH)
    with xunyuan.Replica.open(file, **SETTINGS) as replica:
        assert item(replica.sheet(sheet), "pp.fire.02").notes[0].text == "灭火器压力不足"


def test_a_server_with_another_key_gets_nothing(tmp_path: Path) -> None:
    branch = Branch(tmp_path / "branch", https=True)
    try:
        with branch.enroll("u.pt01", tmp_path / "officer") as replica:
            replica.start_sheet("tpl.park_patrol", "pj.lanyuan")
            link = branch.invite("u.pt02")
            branch.kill()
            stranger = Branch(tmp_path / "stranger", https=True, port=branch.port)
            try:
                report = replica.sync_once(10_000)
                assert report.failure_code == "other_key" and replica.standing().pending_changes > 0
                with pytest.raises(Error.NotTrusted):
                    xunyuan.Replica.enroll(link, tmp_path / "nobody", **SETTINGS)
            finally:
                stranger.kill()
            branch.start()
            assert replica.sync_once(30_000).is_finished
    finally:
        branch.kill()
