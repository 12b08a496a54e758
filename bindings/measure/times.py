"""Times and memory of the library as it is shipped, in this process, against a real server."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "python" / "tests"))

RECORDS = 5_000
MEMORY_MAX_MB = 40.0
STAFF = "u.eng01"
PASSES = "rs.pass_fail_na"
SETTINGS = {"app": "xunyuan-measure/1", "time_zone": "Asia/Shanghai", "exchange_by_itself": False}


def row(what: str, value: str, mark: str = "") -> None:
    print(f"{what:<62} {value:>14}   {mark}", flush=True)


def memory_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def ms(call: Callable[[], object], repeats: int = 30) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1_000)
    return statistics.median(taken)


def fill(link: str, directory: str) -> None:
    """Writes the records as a front desk does, and delivers them."""
    import xunyuan

    with xunyuan.Replica.enroll(link, directory, **SETTINGS) as desk:
        assert desk.sync_once(60_000).is_finished
        for n in range(RECORDS):
            call = {
                "channel": "phone",
                "category": "fd.repair.leak",
                "content": f"第 {n} 单:卫生间顶部滴水,怀疑楼上漏水",
                "urgency": "normal",
                "owner_dept": "dept.eng",
            }
            desk.create_entry("led.front_desk", call)
        while not desk.sync_once(60_000).is_finished:
            pass


def phone(link: str, directory: str) -> int:
    """A phone with all of them, in a process of its own."""
    before = memory_mb("VmRSS")
    import xunyuan

    began = time.perf_counter()
    replica = xunyuan.Replica.enroll(link, directory, **SETTINGS)
    enrolled = time.perf_counter()
    first = None
    while True:
        report = replica.sync_once(1_000)
        if first is None and replica.catalogue().ledgers:
            first = time.perf_counter()
        if report.is_finished:
            break
    listed = time.perf_counter()
    total = replica.list(xunyuan.CardFilter(), 0, 1).total
    assert total >= RECORDS, total
    row("first open: enrol", f"{(enrolled - began) * 1e3:.0f} ms")
    row("first open: until forms and slots can be used", f"{((first or listed) - began) * 1e3:.0f} ms")
    row(f"first open: until {RECORDS} records are held, proven and listed", f"{listed - began:.1f} s")
    file = replica.identity().file
    sheet = replica.start_sheet("tpl.park_patrol", "pj.lanyuan").document
    items = [item.id for section in replica.sheet(sheet).sections for item in section.items if item.option_set == PASSES]
    entry = replica.list(xunyuan.CardFilter(kind=xunyuan.CardKind.ENTRY), 0, 1).cards[0].document
    answers = iter(items * 3)
    screens: dict[str, list[Callable[[], object]]] = {
        "home: slots, duties, standing": [replica.slots, replica.duties, replica.standing],
        "list of 50": [lambda: replica.list(xunyuan.CardFilter(), 0, 50)],
        "sheet of 43 items": [lambda: replica.sheet(sheet)],
        "answer with the sheet after it, durable": [lambda: replica.answer(sheet, next(answers), "pass")],
        "entry": [lambda: replica.entry(entry)],
        "search 漏水": [lambda: replica.search("漏水", 50)],
        "conflicts": [replica.conflicts],
    }
    for name, calls in screens.items():
        taken = ms(lambda calls=calls: [call() for call in calls])
        row(f"screen, {name}", f"{taken:.2f} ms", f"{len(calls)} call{'s' * (len(calls) > 1)}, at most 3")
        assert len(calls) <= 3
    replica.shut()
    del replica, screens
    gc.collect()

    def cold() -> None:
        with xunyuan.Replica.open(file, **SETTINGS) as opened:
            opened.slots()

    row("cold open until the slots show", f"{ms(cold, 7):.0f} ms")
    peak = memory_mb("VmHWM") - before
    mark = "ok" if peak <= MEMORY_MAX_MB else f"OVER {MEMORY_MAX_MB:.0f} MB"
    row(f"peak memory of all this beyond the interpreter's, {RECORDS} records", f"{peak:.1f} MB", mark)
    return 0 if peak <= MEMORY_MAX_MB else 1


def main() -> int:
    if len(sys.argv) > 2:
        what, link, directory = sys.argv[1:]
        if what == "fill":
            fill(link, directory)
            return 0
        return phone(link, directory)
    from conftest import Branch

    with tempfile.TemporaryDirectory() as root:
        # Somebody of the staff sees the desk's records and goes on patrol as well.
        organisation = json.loads(Path(os.environ["XUNYUAN_ORGANISATION"]).read_text())
        person = next(user for user in organisation["users"] if user["id"] == STAFF)
        person["role"] = "role.cs_staff"
        os.environ["XUNYUAN_ORGANISATION"] = f"{root}/organisation.json"
        Path(os.environ["XUNYUAN_ORGANISATION"]).write_text(json.dumps(organisation))
        branch = Branch(Path(root) / "branch")
        try:
            for what, user in (("fill", "u.fd01"), ("phone", STAFF)):
                directory = Path(root) / what
                directory.mkdir()
                line = [sys.executable, __file__, what, branch.invite(user), str(directory)]
                done = subprocess.run(line, env=os.environ)
                if done.returncode:
                    return done.returncode
        finally:
            branch.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
