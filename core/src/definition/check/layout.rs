//! Layouts of reports and their papers: sources, groups, columns and boxes that are there.

use super::super::field::FieldType;
use super::super::report::{
    ColumnKind, During, Footing, LINE_SOURCES, Layout, Paper, PaperBox, Part, Reading, Report, ReportColumn,
    Reports, Source,
};
use super::faults::{Faults, Noun};
use super::known::Known;
use super::reading::{Place, SOURCE, Subject};

const PERIODS: [&str; 8] =
    ["day", "week", "month", "quarter", "year", "per_inspection", "per_audit", "per_finding"];

/// Checks all reports.
pub(crate) fn check(book: &Reports, known: &Known, faults: &mut Faults) {
    faults.unique("/reports", book.reports.iter().map(|report| report.id.as_str()));
    for (at, report) in book.reports.iter().enumerate() {
        let pointer = format!("/reports/{at}");
        faults.dotted_id(format!("{pointer}/id"), &report.id);
        for period in report.period.split('|') {
            faults.refers(format!("{pointer}/period"), Noun("周期", "period"), period, PERIODS);
        }
        for (at, from) in report.from.iter().enumerate() {
            source(&format!("{pointer}/from/{at}"), from, known, faults);
        }
        if report.to != "all_branch" {
            known.role(faults, format!("{pointer}/to"), &report.to);
        }
        if let Some(layout) = &report.layout {
            shown(&pointer, report, layout, known, faults);
        }
    }
}

/// Checks that a source is there, and hands it on.
fn source<'k>(pointer: &str, id: &str, known: &'k Known, faults: &mut Faults) -> Option<Subject<'k>> {
    if let Some(ledger) = known.ledgers.get(id) {
        return Some(Subject::Ledger(ledger));
    }
    if let Some(checklist) = known.checklists.get(id) {
        return Some(Subject::Checklist(checklist));
    }
    if let Some((_, columns)) = LINE_SOURCES.iter().find(|(source, _)| *source == id) {
        return Some(Subject::Lines(columns));
    }
    let records = known.ledgers.keys().chain(known.checklists.keys()).map(String::as_str);
    let noun = Noun("数据来源", "source of a report:");
    faults.refers(pointer, noun, id, records.chain(LINE_SOURCES.iter().map(|(source, _)| *source)));
    None
}

fn shown(pointer: &str, report: &Report, layout: &Layout, known: &Known, faults: &mut Faults) {
    let place = format!("{pointer}/layout");
    let mut subjects = Vec::new();
    let groups = layout.group_by.len();
    let columns: Vec<&str> = layout.columns.iter().map(|column| column.id.as_str()).collect();
    let over = |subjects| Place { known, subjects, groups, columns: columns.clone() };
    for (at, from) in layout.records.iter().enumerate() {
        let pointer = format!("{place}/records/{at}");
        let subject = source(&format!("{pointer}/of"), &from.of, known, faults);
        records(&pointer, from, groups, &over(subject.iter().cloned().collect()), faults);
        subjects.extend(subject);
    }
    // One wrong source is said once; what else it would have had is not known.
    let all = over(if subjects.len() == layout.records.len() { subjects } else { Vec::new() });
    all.readings(&format!("{place}/group_by"), &layout.group_by, faults);
    if layout.every_project && layout.group_by.first() != Some(&Reading::Project) {
        faults.say(
            format!("{place}/every_project"),
            "每个项目一行时,第一个分组依据须是 project",
            "with a row for every project, what groups first is the project",
        );
    }
    faults.unique(&format!("{place}/columns"), columns.iter().copied());
    let is_grouped = groups > 0 || layout.one_row;
    for (at, one) in layout.columns.iter().enumerate() {
        column(&format!("{place}/columns/{at}"), one, is_grouped, &all, faults);
    }
    for (at, by) in layout.sort.iter().enumerate() {
        let id = by.strip_prefix('-').unwrap_or(by);
        faults.refers(format!("{place}/sort/{at}"), Noun("列", "column"), id, columns.iter().copied());
    }
    if let Some(form) = &report.paper {
        paper(&format!("{pointer}/paper"), form, layout, &all, faults);
    }
}

/// Which records of a source belong to a period, and what groups them.
fn records(pointer: &str, from: &Source, groups: usize, place: &Place<'_>, faults: &mut Faults) {
    let is_time = |kind: &FieldType| matches!(kind, FieldType::Date | FieldType::DeviceTime);
    match &from.during {
        During::Begun | During::Open | During::Always => {}
        During::Event(kinds) => place.events(&format!("{pointer}/during/event"), kinds, faults),
        During::Field(id) => place.field(&format!("{pointer}/during/field"), id, is_time, faults),
        During::Span(first, last) => {
            place.field(&format!("{pointer}/during/span/0"), first, is_time, faults);
            place.field(&format!("{pointer}/during/span/1"), last, is_time, faults);
        }
    }
    if let Some(test) = &from.when {
        place.test(&format!("{pointer}/when"), test, faults);
    }
    let Some(by) = &from.group_by else { return };
    place.readings(&format!("{pointer}/group_by"), by, faults);
    if by.len() != groups {
        faults.say(
            format!("{pointer}/group_by"),
            format!("分组依据须与其他来源一样多:{groups}"),
            format!("as many readings group it as group the others: {groups}"),
        );
    }
}

fn column(pointer: &str, column: &ReportColumn, is_grouped: bool, place: &Place<'_>, faults: &mut Faults) {
    faults.plain_id(format!("{pointer}/id"), &column.id);
    // A column without either is left to be written by hand.
    match (&column.show, &column.tally) {
        (Some(_), _) if is_grouped => faults.say(
            pointer,
            "分组的报表,列只能写 tally",
            "in a grouped report a column has a tally, and nothing else to show",
        ),
        (_, Some(_)) if !is_grouped => faults.say(
            pointer,
            "不分组的报表,列只能写 show",
            "in a report with a row for each record a column has what it shows, and no tally",
        ),
        (Some(show), _) => place.reading(&format!("{pointer}/show"), show, faults),
        (None, Some(tally)) => place.tally(&format!("{pointer}/tally"), tally, faults),
        (None, None) => {}
    }
    let is_summable = match column.kind {
        ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Percent | ColumnKind::Duration => true,
        ColumnKind::Text | ColumnKind::Date | ColumnKind::Time => false,
    };
    let fits = match column.foot {
        Footing::None | Footing::Count => true,
        Footing::Sum | Footing::Mean => is_summable,
        Footing::Tally => is_grouped,
    };
    if !fits {
        faults.say(
            format!("{pointer}/foot"),
            "这一列不能这样合计",
            "nothing of this kind can stand under this column",
        );
    }
}

fn paper(pointer: &str, paper: &Paper, layout: &Layout, all: &Place<'_>, faults: &mut Faults) {
    let sources = || layout.records.iter().map(|source| source.of.as_str());
    let place = match &paper.per {
        None => all.clone(),
        Some(per) => {
            faults.refers(format!("{pointer}/per"), SOURCE, per, sources());
            let at = layout.records.iter().position(|source| source.of == *per);
            let subject = at.and_then(|at| all.subjects.get(at)).cloned();
            all.over(subject.into_iter().collect())
        }
    };
    let per_record = paper.per.is_some();
    for (at, part) in paper.parts.iter().enumerate() {
        let pointer = format!("{pointer}/parts/{at}");
        match part {
            Part::Table => {}
            Part::Boxes(all) => boxes(&format!("{pointer}/boxes"), all, per_record, &place, faults),
            Part::Signatures(all) => boxes(&format!("{pointer}/signatures"), all, per_record, &place, faults),
            Part::Items | Part::Lines(_) | Part::Findings(_) | Part::Photos(_) if !per_record => faults.say(
                pointer,
                "这一部分只用于每条记录一张的表单",
                "this part is for papers with a sheet for each record",
            ),
            Part::Items => {}
            Part::Lines(id) => {
                place.lines(&format!("{pointer}/lines"), id, faults);
            }
            Part::Findings(columns) => {
                let findings = place.over_findings();
                for (at, one) in columns.iter().enumerate() {
                    column(&format!("{pointer}/findings/{at}"), one, false, &findings, faults);
                }
            }
            Part::Photos(fields) => {
                for (at, id) in fields.iter().enumerate() {
                    place.photos(&format!("{pointer}/photos/{at}"), id, faults);
                }
            }
        }
    }
}

fn boxes(pointer: &str, boxes: &[PaperBox], per_record: bool, place: &Place<'_>, faults: &mut Faults) {
    for (at, one) in boxes.iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        if let Some(show) = &one.show {
            place.reading(&format!("{pointer}/show"), show, faults);
            if !per_record && *show != Reading::Project {
                faults.say(
                    format!("{pointer}/show"),
                    "整份报表的表单,格中只能写 project",
                    "on the paper of a whole report a box can show the project only",
                );
            }
        }
    }
}
