//! From a request to a table.

use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::datum::Datum;
use super::lines::{self, DeviceStanding};
use super::names::Names;
use super::order::{foot, labelled, number_rows, rank, sort};
use super::period::{BEGINNING, Period, Zone, future};
use super::problem::{foreign_record, no_layout, too_long, too_many_sheets, unknown_project, unknown_report};
use super::read::{Frame, Subject};
use super::record::{self, Record, Window};
use super::table::{Cell, Column, Table};
use super::tally::{Sum, change};
use super::{form, note};
use crate::definition::{Catalog, During, Footing, Layout, Reading, Report, ReportColumn, Source, Tally};
use crate::error::Error;
use crate::id::DocumentId;
use crate::limits::{REPORT_ROWS_MAX, REPORT_SHEETS_MAX};

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Id of the report.
    pub report: String,
    /// One project only; all that are held without it.
    pub project: Option<String>,
    /// The period; the one of the report's kind that contains now without it.
    pub period: Option<Period>,
    /// One record only, whatever the period: a single inspection, audit or finding.
    pub record: Option<DocumentId>,
    /// The time now, milliseconds since 1970.
    pub now_ms: i64,
    /// In English; else in Chinese.
    pub english: bool,
    /// With the sheets of the paper form.
    pub sheets: bool,
}

/// A group of records with its running tallies.
struct Group {
    keys: Vec<Datum>,
    sums: Vec<Sum>,
}

type Groups = BTreeMap<Vec<String>, Group>;

/// The rows, and what stands under them.
type Worked = (Vec<Vec<Cell>>, Vec<Cell>);

/// Works a report out. `seen` hears how many records were looked at so far.
///
/// # Errors
/// `NotFound` for an unknown report, project or record; `Invalid` for a period that has not begun, a
/// definition without a layout, or more rows than [`REPORT_ROWS_MAX`]; storage errors.
pub fn make(
    conn: &Connection,
    catalog: &Catalog,
    request: &Request,
    devices: &[DeviceStanding],
    seen: &mut dyn FnMut(u64),
) -> Result<Table, Error> {
    let report = catalog.report(&request.report).ok_or_else(|| unknown_report(catalog))?;
    let layout = report.layout.as_ref().ok_or_else(no_layout)?;
    if let Some(project) = &request.project {
        let branch = catalog.organisation().map(|organisation| organisation.branch.id.as_str());
        if catalog.project(project).is_none() && branch != Some(project) {
            return Err(unknown_project(catalog));
        }
    }
    let frame = frame(conn, catalog, report, request)?;
    let mut run = Run { frame: &frame, layout, request, devices, looked_at: 0, seen };
    let (mut rows, foot) = if layout.group_by.is_empty() && !layout.one_row {
        run.plain_rows()?
    } else {
        run.grouped_rows(report)?
    };
    sort(&mut rows, layout);
    number_rows(&mut rows, layout);
    if let Some(error) = frame.failed.take() {
        return Err(error);
    }
    let mut table = Table {
        report: report.id.clone(),
        title: report.title.clone(),
        period: request.record.is_none().then(|| frame.period.name()),
        branch: catalog.organisation().map(|org| org.branch.title.text(request.english).to_owned()),
        projects: request.project.iter().map(|id| frame.names.project(id)).collect(),
        as_of: frame.zone.instant(frame.as_of_ms),
        columns: layout.columns.iter().map(column).collect(),
        foot: labelled(foot, layout, request.english),
        rows,
        notes: note::notes(&frame, report, devices),
        sheets: Vec::new(),
        english: request.english,
    };
    if let Some(paper) = report.paper.as_ref().filter(|_| request.sheets) {
        let records = run.paper_records(paper)?;
        table.sheets = form::sheets(&frame, report, paper, &table, &records);
    }
    match frame.failed.take() {
        Some(error) => Err(error),
        None => Ok(table),
    }
}

fn frame<'f>(
    conn: &'f Connection,
    catalog: &'f Catalog,
    report: &Report,
    request: &'f Request,
) -> Result<Frame<'f>, Error> {
    let zone = Zone::of(catalog);
    let today = zone.day(request.now_ms);
    let kind = report.period.split('|').next_back().unwrap_or_default();
    let period = match (request.record, request.period) {
        (Some(_), _) => Period::between(BEGINNING, today),
        (None, Some(period)) => period,
        (None, None) => Period::around(kind, today),
    };
    if period.first() > today {
        return Err(future(&period, today));
    }
    let (start_ms, end_ms) = (zone.start_ms(period.first()), zone.end_ms(period.last()));
    Ok(Frame {
        conn,
        catalog,
        names: Names::new(catalog, request.english),
        zone,
        english: request.english,
        period,
        start_ms,
        end_ms,
        as_of_ms: request.now_ms.min(end_ms - 1),
        is_over: request.record.is_none() && end_ms <= request.now_ms,
        project: request.project.as_deref(),
        failed: RefCell::new(None),
    })
}

/// One working-out: what the steps share.
struct Run<'r> {
    frame: &'r Frame<'r>,
    layout: &'r Layout,
    request: &'r Request,
    devices: &'r [DeviceStanding],
    looked_at: u64,
    seen: &'r mut dyn FnMut(u64),
}

impl Run<'_> {
    /// A row for each record.
    fn plain_rows(&mut self) -> Result<Worked, Error> {
        let (frame, columns) = (self.frame, &self.layout.columns);
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        self.each(frame, &mut |_, subject| {
            if rows.len() >= REPORT_ROWS_MAX {
                return Err(too_long());
            }
            let cell = |column: &ReportColumn| {
                let shown = column.show.as_ref().map(|reading| frame.read(subject, reading, true));
                shown.map_or(Cell::Empty, |datum| datum.cell(column.kind, &frame.zone, frame.english))
            };
            rows.push(columns.iter().map(cell).collect());
            Ok(())
        })?;
        let foot = columns
            .iter()
            .enumerate()
            .map(|(at, column)| foot(column, frame.english, rows.iter().map(|row| &row[at])));
        let foot = foot.collect();
        Ok((rows, foot))
    }

    /// A row for each group, and the tallies over all of them.
    fn grouped_rows(&mut self, report: &Report) -> Result<Worked, Error> {
        let (frame, layout) = (self.frame, self.layout);
        let (mut groups, all) = self.groups(frame)?;
        if layout.every_project {
            self.seed_projects(&mut groups);
        }
        let looks_back = |tally: &Tally| matches!(tally, Tally::Change(_) | Tally::Before(_));
        let looks_back = layout.columns.iter().any(|column| column.tally.as_ref().is_some_and(looks_back));
        let before = if looks_back { Some(self.before(report)?) } else { None };
        let columns = &layout.columns;
        let row = |group: &Group, key: Option<&Vec<String>>| -> Vec<Datum> {
            let old = before.as_ref().and_then(|(groups, all)| match key {
                Some(key) if !layout.one_row => groups.get(key),
                Some(_) | None => Some(all),
            });
            let each = columns.iter().zip(&group.sums).enumerate();
            each.map(|(at, (column, sum))| match &column.tally {
                Some(tally @ Tally::Change(_)) => {
                    let old =
                        old.map_or(Datum::None, |group| group.sums[at].result(frame, tally, &group.keys));
                    change(&old, &sum.result(frame, tally, &group.keys))
                }
                Some(tally @ Tally::Before(_)) => {
                    old.map_or(Datum::None, |group| group.sums[at].result(frame, tally, &group.keys))
                }
                Some(tally) => sum.result(frame, tally, &group.keys),
                None => Datum::None,
            })
            .collect()
        };
        if layout.one_row {
            groups = Groups::from([(Vec::new(), Group { keys: Vec::new(), sums: all.sums.clone() })]);
        }
        let mut results: Vec<Vec<Datum>> = groups.iter().map(|(key, group)| row(group, Some(key))).collect();
        rank(&mut results, columns);
        let cells = |row: Vec<Datum>| -> Vec<Cell> {
            let pairs = row.into_iter().zip(columns);
            pairs.map(|(datum, column)| datum.cell(column.kind, &frame.zone, frame.english)).collect()
        };
        let rows: Vec<Vec<Cell>> = results.into_iter().map(cells).collect();
        let total = cells(row(&all, None));
        let foot = columns.iter().enumerate().map(|(at, column)| match column.foot {
            Footing::Tally => total[at].clone(),
            Footing::None | Footing::Sum | Footing::Mean | Footing::Count => {
                foot(column, frame.english, rows.iter().map(|row| &row[at]))
            }
        });
        let foot = foot.collect();
        Ok((rows, foot))
    }

    /// All records of the period by group, and all of them as one group.
    fn groups(&mut self, frame: &Frame<'_>) -> Result<(Groups, Group), Error> {
        let (layout, fresh) = (self.layout, |keys| new_group(self.layout, keys));
        let mut groups = Groups::new();
        let mut all = fresh(Vec::new());
        self.each(frame, &mut |source, subject| {
            let by = source.group_by.as_deref().unwrap_or(&layout.group_by);
            let keys = if layout.one_row { Vec::new() } else { keys(frame, by, subject) };
            for (key, keys) in keys {
                if groups.len() >= REPORT_ROWS_MAX {
                    return Err(too_long());
                }
                let group = groups.entry(key).or_insert_with(|| fresh(keys));
                add(group, frame, layout, subject);
            }
            add(&mut all, frame, layout, subject);
            Ok(())
        })?;
        Ok((groups, all))
    }

    /// The groups of the period before.
    fn before(&mut self, report: &Report) -> Result<(Groups, Group), Error> {
        let period = self.frame.period.before();
        let request = Request { period: Some(period), record: None, ..self.request.clone() };
        let frame = frame(self.frame.conn, self.frame.catalog, report, &request)?;
        self.groups(&frame)
    }

    fn seed_projects(&self, groups: &mut Groups) {
        let organisation = self.frame.catalog.organisation();
        let projects = organisation.map_or(&[][..], |organisation| &organisation.projects);
        let asked = self.request.project.as_deref();
        for project in projects.iter().filter(|one| !one.retired && asked.is_none_or(|id| id == one.id)) {
            let key = vec![project_key(self.frame, &project.id)];
            let name = Datum::text(self.frame.names.project(&project.id));
            groups.entry(key).or_insert_with(|| new_group(self.layout, vec![name]));
        }
    }

    /// The records that get a sheet of their own.
    fn paper_records(&mut self, paper: &crate::definition::Paper) -> Result<Vec<Record>, Error> {
        let Some(of) = &paper.per else { return Ok(Vec::new()) };
        let frame = self.frame;
        let mut records = Vec::new();
        self.each(frame, &mut |source, subject| {
            if let Subject::Record(record) = subject
                && source.of == *of
            {
                if records.len() >= REPORT_SHEETS_MAX {
                    return Err(too_many_sheets());
                }
                records.push(record.clone());
            }
            Ok(())
        })?;
        Ok(records)
    }

    /// Every record, post or device that belongs to the report.
    fn each(
        &mut self,
        frame: &Frame<'_>,
        take: &mut dyn FnMut(&Source, Subject<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let mut found = false;
        for source in &layout.records {
            if let Some(lines) = lines::of(frame, &source.of, self.devices) {
                for line in &lines {
                    let subject = Subject::Line(line);
                    if source.when.as_ref().is_none_or(|test| frame.holds(subject, test)) {
                        take(source, subject)?;
                    }
                }
                continue;
            }
            let mut look = |record: Record| {
                self.looked_at += 1;
                (self.seen)(self.looked_at);
                let subject = Subject::Record(&record);
                let is_named = self.request.record.is_some();
                let is_meant = || source.when.as_ref().is_none_or(|test| frame.holds(subject, test));
                if is_named || (belongs(frame, source, &record) && is_meant()) {
                    found = true;
                    take(source, subject)?;
                }
                Ok(())
            };
            match self.request.record {
                Some(id) => {
                    let record = record::one(frame.conn, id)?;
                    record.filter(|one| one.definition.id == source.of).map_or(Ok(()), &mut look)?;
                }
                None => record::each(frame.conn, &window(frame, source), look)?,
            }
        }
        if self.request.record.is_some() && !found {
            return Err(foreign_record());
        }
        Ok(())
    }
}

/// What SQL can leave out before a record is read.
fn window<'w>(frame: &'w Frame<'_>, source: &'w Source) -> Window<'w> {
    let all = Window { definition: &source.of, project: frame.project, ..Window::default() };
    let begun_before_ms = Some(frame.end_ms);
    match source.during {
        During::Begun => Window { begun_from_ms: Some(frame.start_ms), begun_before_ms, ..all },
        During::Open => Window { begun_before_ms, open_from_ms: Some(frame.as_of_ms), ..all },
        During::Event(_) => Window { begun_before_ms, touched_from_ms: Some(frame.start_ms), ..all },
        During::Field(_) | During::Span(..) | During::Always => all,
    }
}

/// Whether a record belongs to the period.
fn belongs(frame: &Frame<'_>, source: &Source, record: &Record) -> bool {
    let subject = Subject::Record(record);
    let in_period = |at_ms: i64| (frame.start_ms..frame.end_ms).contains(&at_ms);
    let moment = |field: &str, end: bool| {
        frame.read(subject, &Reading::Field(field.to_owned()), false).moment(&frame.zone, end)
    };
    match &source.during {
        During::Begun | During::Always => true,
        During::Open => frame.holds(subject, &crate::definition::Test::Open),
        During::Event(kinds) => {
            record.facts.events.iter().any(|event| kinds.contains(&event.kind) && in_period(event.at_ms))
        }
        During::Field(field) => in_period(moment(field, false).unwrap_or(record.begun_at_ms)),
        During::Span(from, to) => {
            let (from, to) = (moment(from, false), moment(to, true));
            from.zip(to).is_some_and(|(from, to)| from < frame.end_ms && to >= frame.start_ms)
        }
    }
}

/// The groups that a record belongs to: one, or one for each part of what it is grouped by.
fn keys(frame: &Frame<'_>, by: &[Reading], subject: Subject<'_>) -> Vec<(Vec<String>, Vec<Datum>)> {
    let mut all: Vec<(Vec<String>, Vec<Datum>)> = vec![(Vec::new(), Vec::new())];
    for reading in by {
        let ids = frame.read(subject, reading, false).parts();
        let names = frame.read(subject, reading, true).parts();
        let mut parts: Vec<(String, Datum)> = ids
            .into_iter()
            .zip(names)
            .map(|(id, name)| {
                let id = id.words(&frame.zone, true);
                (if *reading == Reading::Project { project_key(frame, &id) } else { id }, name)
            })
            .collect();
        if parts.is_empty() {
            parts.push((String::new(), Datum::None));
        }
        all = all
            .into_iter()
            .flat_map(|(key, labels)| {
                parts.iter().map(move |(id, name)| {
                    ([key.clone(), vec![id.clone()]].concat(), [labels.clone(), vec![name.clone()]].concat())
                })
            })
            .collect();
    }
    all
}

/// Projects stand in the order of the organisation.
fn project_key(frame: &Frame<'_>, id: &str) -> String {
    let projects = frame.catalog.organisation().map_or(&[][..], |organisation| &organisation.projects);
    let place = projects.iter().position(|project| project.id == id).unwrap_or(projects.len());
    format!("{place:05} {id}")
}

fn new_group(layout: &Layout, keys: Vec<Datum>) -> Group {
    let sum = |column: &ReportColumn| column.tally.as_ref().map_or(Sum::Outside, Sum::new);
    Group { keys, sums: layout.columns.iter().map(sum).collect() }
}

fn add(group: &mut Group, frame: &Frame<'_>, layout: &Layout, subject: Subject<'_>) {
    for (sum, column) in group.sums.iter_mut().zip(&layout.columns) {
        if let Some(tally) = &column.tally {
            sum.add(frame, tally, subject);
        }
    }
}

fn column(column: &ReportColumn) -> Column {
    Column { id: column.id.clone(), title: column.title.clone(), kind: column.kind }
}
