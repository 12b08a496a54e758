"""A real branch server in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xunyuan

SETTINGS = {
    "app": "xunyuan-python-test/1",
    "language": xunyuan.Language.ENGLISH,
    "time_zone": "Asia/Shanghai",
    "exchange_by_itself": False,
}


class Branch:
    """A branch with the sample organisation, on a free port of the loopback."""

    def __init__(self, directory: Path, *, https: bool = False, port: int | None = None) -> None:
        self.directory = directory
        self.https = https
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.command("org", "load", os.environ["XUNYUAN_ORGANISATION"])
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._line("serve"), env=self._environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually("the server answers", self._answers)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def command(self, *arguments: str) -> dict:
        done = subprocess.run(self._line(*arguments), env=self._environment(), capture_output=True, check=True)
        return json.loads(done.stdout)

    def invite(self, user: str) -> str:
        return self.command("invite", "--user", user)["link"]

    def enroll(self, user: str, directory: Path, **settings: object) -> xunyuan.Replica:
        directory.mkdir(parents=True, exist_ok=True)
        replica = xunyuan.Replica.enroll(self.invite(user), directory, **{**SETTINGS, **settings})
        report = replica.sync_once(30_000)
        assert report.is_finished, report.failure
        return replica

    def _line(self, *arguments: str) -> list[str]:
        program = os.environ["XUNYUAN_SERVER"]
        return [program, "--json", "--lang", "en", "--data", str(self.directory), *arguments]

    def _environment(self) -> dict[str, str]:
        plain = {"XUNYUAN_PLAIN_HTTP": "never"} if self.https else {}
        return {**os.environ, "XUNYUAN_LISTEN": f"127.0.0.1:{self.port}", **plain}

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def eventually(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, f"in vain: {what}"
        time.sleep(0.02)


def item(sheet: xunyuan.SheetScreen, wanted: str) -> xunyuan.Item:
    return next(one for section in sheet.sections for one in section.items if one.id == wanted)


def content(entry: xunyuan.EntryScreen, field: str) -> xunyuan.EntryContent:
    return next(one.content for one in entry.fields if one.form.id == field)


GREY = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71"
    "////m8H////6/+b9//j/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAI"
    "AQEAAD8AP//Z"
)


def picture(directory: Path, name: str) -> str:
    """A grey picture, and behind its end a name that makes it another file than every other."""
    file = directory / f"{name}.jpg"
    file.write_bytes(base64.b64decode(GREY) + name.encode())
    return str(file)


@pytest.fixture
def branch(tmp_path: Path) -> Iterator[Branch]:
    branch = Branch(tmp_path / "branch")
    yield branch
    branch.kill()


@pytest.fixture
def officer(branch: Branch, tmp_path: Path) -> Iterator[xunyuan.Replica]:
    with branch.enroll("u.pt01", tmp_path / "officer") as replica:
        yield replica
