"""The day of a patrol officer, and what an integrator does with its records."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xunyuan
from conftest import SETTINGS, Branch, content, eventually, item, picture

IN_THE_BASEMENT = """
import sys, time, xunyuan
file, sheet, photo = sys.argv[1:]
replica = xunyuan.Replica.open(file, app="officer/1")
replica.set_network(xunyuan.Network.ABSENT)
replica.answer(sheet, "pp.green.01", "pass")
replica.answer(sheet, "pp.fire.02", "fail", note="灭火器压力不足", photos=[photo])
print("saved", flush=True)
time.sleep(600)
"""


def test_a_patrol_officers_day(branch: Branch, tmp_path: Path) -> None:
    # In the morning, with signal: enrol.
    with branch.enroll("u.pt01", tmp_path / "officer") as officer:
        file = officer.identity().file
        slot = officer.slots()[0]
        sheet = officer.start_slot(slot.key, slot.project).document

    # In the basement, without signal; the process dies.
    line = [sys.executable, "-c", IN_THE_BASEMENT, file, sheet, picture(tmp_path, "gauge")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None and dying.stdout.readline().strip() == "saved"
        dying.kill()

    # What was saved is there, and goes to the branch.
    with xunyuan.Replica.open(file, **SETTINGS) as officer:
        fire = item(officer.sheet(sheet), "pp.fire.02")
        assert fire.is_fail and fire.notes[0].text == "灭火器压力不足" and len(fire.photos) == 1
        assert officer.standing().pending_changes > 0
        finding = officer.list(xunyuan.CardFilter(kind=xunyuan.CardKind.ENTRY)).cards[0]
        assert officer.sync_once(30_000).is_finished
        assert officer.standing().pending_changes == 0 and officer.standing().pending_files == 0
        files = officer.files(sheet)
        assert files.at_branch == 1 and files.files[0].thumbnail is not None
        assert officer.card(finding.document).number is not None

        # A colleague writes something else on the same item.
        with branch.enroll("u.pt02", tmp_path / "colleague") as colleague:
            colleague.answer(sheet, "pp.green.02", "pass")
            officer.answer(sheet, "pp.green.02", "fail", note="断枝")
            for replica in (colleague, officer, colleague):
                assert replica.sync_once(30_000).is_finished
            (conflict,) = colleague.conflicts()
            assert {choice.by_name for choice in conflict.choices} == {"巡查员子", "巡查员丑"}
            assert colleague.resolve(sheet, conflict.key, 0) == 0
            for replica in (colleague, officer):
                assert replica.sync_once(30_000).is_finished
        assert officer.conflicts() == []


def test_a_refused_day_is_a_draft(branch: Branch, officer: xunyuan.Replica, tmp_path: Path) -> None:
    sheet = officer.start_sheet("tpl.park_patrol", "pj.lanyuan").document
    assert officer.sync_once(30_000).is_finished
    organisation = json.loads(Path(os.environ["XUNYUAN_ORGANISATION"]).read_text())

    def give(role: str, version: int) -> None:
        organisation["version"] = version
        next(user for user in organisation["users"] if user["id"] == "u.pt01")["role"] = role
        changed = tmp_path / "organisation.json"
        changed.write_text(json.dumps(organisation, ensure_ascii=False))
        branch.command("org", "load", str(changed))

    give("role.hr", 2)
    officer.note(sheet, "pp.green.01", "枯枝")
    assert officer.sync_once(30_000).refused > 0
    (draft,) = officer.drafts()
    assert any(line.text == "枯枝" for line in officer.draft(draft.id).lines)
    officer.export_draft(draft.id, str(tmp_path / "draft.json"))
    assert json.loads((tmp_path / "draft.json").read_text())["document"] == sheet
    with pytest.raises(xunyuan.SyncError.Refused):
        officer.apply_draft(draft.id)
    give("role.patrol", 3)

    def is_granted_again() -> bool:
        assert officer.sync_once(30_000).is_finished
        return all(scope.is_granted for scope in officer.identity().scopes if scope.id.endswith("/patrol"))

    eventually("the branch hears of the role and grants it again", is_granted_again)
    assert officer.apply_draft(draft.id) > 0
    assert officer.sync_once(30_000).is_finished and officer.drafts() == []


def test_others_work_is_heard_of(branch: Branch, tmp_path: Path) -> None:
    with branch.enroll("u.pt01", tmp_path / "a", exchange_by_itself=True) as one:
        assert one.sync_once(30_000).is_finished
        with branch.enroll("u.pt02", tmp_path / "b") as other:
            watched = one.watch(timeout=30)
            assert isinstance(next(watched), xunyuan.Standing)
            sheet = other.start_sheet("tpl.park_patrol", "pj.lanyuan").document
            assert asyncio.run(other.sync()).is_finished
            news = (event for event in watched if isinstance(event, xunyuan.Changed))
            assert any(sheet in event.documents or event.everything for event in news)
            watched.close()
            one.answer(sheet, "pp.green.01", "pass")
            eventually("it goes out by itself", lambda: one.standing().pending_changes == 0)


def test_what_integrators_do(branch: Branch, tmp_path: Path) -> None:
    with branch.enroll("u.fd01", tmp_path / "desk") as desk:
        call = {
            "channel": "phone",
            "category": "fd.repair.leak",
            "content": "卫生间顶部滴水",
            "urgency": "urgent",
            "owner_dept": "dept.eng",
        }
        entries = [desk.create_entry("led.front_desk", call | {"content": f"第 {n} 单 滴水"}) for n in range(7)]
        assert desk.record_event(entries[0].document, "assign").state == "assigned"
        desk.edit_entry(entries[0].document, {"content": "已改"})
        assert content(desk.entry(entries[0].document), "content") == xunyuan.EntryContent.TEXT("已改")
        with branch.enroll("u.csl01", tmp_path / "lead") as lead:
            meeting = lead.create_entry(
                "led.meeting", {"topic": "晨会", "attendees": ["u.fd01", "u.fd02"], "minutes": "排班"}
            )
            lined = lead.add_entry_line(meeting.document, "actions", {"what": "补牌"})
            (line,) = content(lined, "actions").lines
            lead.edit_entry_line(meeting.document, "actions", line.id, {"done_at": "2026-11-25"})
        cards, offset = [], 0
        while offset is not None:
            page = desk.list(xunyuan.CardFilter(definition="led.front_desk"), offset, 3)
            cards += page.cards
            offset = page.next
        assert len(cards) == 7 == page.total
        assert len(desk.search("滴水")) == 6
        for format in xunyuan.ReportFormat:
            made = desk.report(xunyuan.ReportRequest(report=desk.reports()[0].id, format=format))
            assert made.bytes and made.media_type
        desk.export(str(tmp_path / "support.jsonl"))
        assert len((tmp_path / "support.jsonl").read_text().splitlines()) == 1 + 7


def test_the_readme_runs(branch: Branch, tmp_path: Path) -> None:
    here = Path(__file__).parent.parent
    program = subprocess.run(
        [here.parent / "walkthrough", here / "README.md", "python"], capture_output=True, text=True, check=True
    ).stdout
    line = [sys.executable, "-c", program, branch.invite("u.pt01"), str(tmp_path), picture(tmp_path, "branch")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "开具整改" in done.stdout
