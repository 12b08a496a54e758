//! A list as a person sees it and takes it home: columns, rows, pages, filters; the same as a file.

use axum::response::Response;
use xunyuan_core::definition::{ColumnKind, Title};
use xunyuan_core::projection::Order;
use xunyuan_core::report::{self, Cell, Column, Table};

use super::answer::download;
use super::tone::Tone;
use super::visit::Visit;
use crate::asked::{Asked, ROWS, refused};
use crate::problem::Problem;

/// Rows that a file takes.
pub(crate) const EXPORT_ROWS: u32 = 20_000;

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) title: Title,
    pub(crate) kind: ColumnKind,
    pub(crate) order: Option<Order>,
}

impl Head {
    pub(crate) fn new(id: &str, zh: &str, en: &str, kind: ColumnKind) -> Self {
        let title = Title { zh: zh.to_owned(), en: en.to_owned() };
        Self { id: id.to_owned(), title, kind, order: None }
    }

    pub(crate) fn text(id: &str, zh: &str, en: &str) -> Self {
        Self::new(id, zh, en, ColumnKind::Text)
    }

    pub(crate) fn time(id: &str, zh: &str, en: &str) -> Self {
        Self::new(id, zh, en, ColumnKind::Time)
    }

    pub(crate) fn count(id: &str, zh: &str, en: &str) -> Self {
        Self::new(id, zh, en, ColumnKind::Integer)
    }

    /// The same column, by which the list may be put in order.
    pub(crate) const fn by(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// True where figures stand in it.
    pub(crate) const fn is_number(&self) -> bool {
        is_figure(self.kind)
    }
}

/// True for kinds of which figures stand one below the other.
pub(crate) const fn is_figure(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Percent | ColumnKind::Duration)
}

/// A cell: what it says, how serious that is, where it leads.
#[derive(Clone, Debug)]
pub(crate) struct GridCell {
    pub(crate) cell: Cell,
    pub(crate) tone: Option<Tone>,
    pub(crate) href: Option<String>,
}

impl GridCell {
    pub(crate) const fn of(cell: Cell) -> Self {
        Self { cell, tone: None, href: None }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::of(if text.is_empty() { Cell::Empty } else { Cell::Text(text) })
    }

    pub(crate) fn badge(text: impl Into<String>, tone: Tone) -> Self {
        Self { tone: Some(tone), ..Self::text(text) }
    }

    pub(crate) fn time(visit: &Visit, ms: Option<i64>) -> Self {
        Self::of(ms.map_or(Cell::Empty, |ms| Cell::Time(visit.zone.instant(ms))))
    }

    pub(crate) fn count(number: impl Into<i64>) -> Self {
        Self::of(Cell::Integer(number.into()))
    }

    /// The same cell, leading somewhere.
    pub(crate) fn to(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }

    /// The same cell in a tone.
    pub(crate) const fn toned(mut self, tone: Tone) -> Self {
        self.tone = Some(tone);
        self
    }

    /// The moment that it shows, where it shows one.
    pub(crate) const fn ms(&self) -> Option<i64> {
        if let Cell::Time(time) = &self.cell { Some(time.unix_ms) } else { None }
    }

    /// What it says, in the reader's language.
    pub(crate) fn said(&self, visit: &Visit) -> String {
        self.cell.text(visit.lang.english)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.cell, Cell::Empty)
    }

    pub(crate) fn class(&self) -> &'static str {
        self.tone.unwrap_or_default().class()
    }
}

/// A row; its key stays the same when the list is read again.
#[derive(Clone, Debug)]
pub(crate) struct GridRow {
    pub(crate) key: String,
    pub(crate) href: Option<String>,
    pub(crate) cells: Vec<GridCell>,
}

/// One thing to filter by.
#[derive(Clone, Debug)]
pub(crate) enum FilterPart {
    /// Words to look for.
    Search { value: String },
    /// One of several.
    Select { name: &'static str, label: String, options: Vec<(String, String)>, chosen: String },
    /// A day.
    Day { name: &'static str, label: String, value: String },
    /// Yes or not asked.
    Tick { name: &'static str, label: String, is_on: bool },
}

/// A list on a page.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) title: Title,
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Vec<GridRow>,
    pub(crate) count: u32,
    pub(crate) is_more: bool,
    pub(crate) page: u32,
    pub(crate) filters: Vec<FilterPart>,
    pub(crate) asked: Asked,
    /// What an empty list means.
    pub(crate) nothing: String,
}

impl Grid {
    /// A list without filters whose rows are those of this page.
    pub(crate) fn plain(
        visit: &Visit,
        title: Title,
        heads: Vec<Head>,
        rows: Vec<GridRow>,
    ) -> Result<Self, Problem> {
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let (asked, page) = (visit.asked.clone(), visit.asked.page()?);
        let nothing = visit.t("没有内容。", "There is nothing.").to_owned();
        Ok(Self { title, heads, rows, count, is_more: false, page, filters: Vec::new(), asked, nothing })
    }

    /// Rows to pass over and to read for what is asked: a page, or as many as a file takes.
    pub(crate) fn window(asked: &Asked) -> Result<(u32, u32), Problem> {
        if is_file(asked)? {
            return Ok((0, EXPORT_ROWS));
        }
        Ok(((asked.page()? - 1).saturating_mul(ROWS), ROWS))
    }

    /// One page of rows that are all at hand.
    pub(crate) fn cut<T>(asked: &Asked, mut all: Vec<T>) -> Result<(Vec<T>, u32), Problem> {
        let (offset, limit) = Self::window(asked)?;
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        let mut rows = all.split_off(from);
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok((rows, count))
    }

    /// The first and the last row that are shown, from 1.
    pub(crate) fn span(&self) -> (u32, usize) {
        let first = (self.page - 1).saturating_mul(ROWS);
        (first.saturating_add(1), usize::try_from(first).unwrap_or(0).saturating_add(self.rows.len()))
    }

    /// The last page.
    pub(crate) const fn pages(&self) -> u32 {
        if self.count == 0 { 1 } else { self.count.div_ceil(ROWS) }
    }

    pub(crate) fn previous(&self) -> Option<String> {
        (self.page > 1).then(|| self.asked.with("page", Some(&(self.page - 1).min(self.pages()).to_string())))
    }

    pub(crate) fn next(&self) -> Option<String> {
        (self.page < self.pages()).then(|| self.asked.with("page", Some(&(self.page + 1).to_string())))
    }

    /// Where a column's heading leads: the order by it, the other way round at the second time.
    pub(crate) fn sort(&self, head: &Head) -> Option<String> {
        let order = head.order?;
        let (now, reversed) = self.asked.order().unwrap_or_default();
        let wanted =
            if now == order && !reversed { format!("-{}", order.id()) } else { order.id().to_owned() };
        Some(self.asked.with("sort", Some(&wanted)))
    }

    /// `aria-sort` of a column.
    pub(crate) fn sorted(&self, head: &Head) -> &'static str {
        let (now, reversed) = self.asked.order().unwrap_or_default();
        let descends = matches!(now, Order::Listed | Order::Updated);
        match head.order {
            Some(order) if order == now && descends == reversed => "ascending",
            Some(order) if order == now => "descending",
            _ => "none",
        }
    }

    pub(crate) fn file(&self, format: &str) -> String {
        self.asked.with("format", Some(format))
    }

    /// The list as a file where one is asked for; else as the page that `page` makes of it.
    pub(crate) fn answer(
        self,
        visit: &Visit,
        page: impl FnOnce(Self) -> Response,
    ) -> Result<Response, Problem> {
        if !is_file(&self.asked)? {
            return Ok(page(self));
        }
        let english = visit.lang.english;
        let name = format!("{} {}", self.title.text(english), visit.full(&visit.now_ms).replace(':', ""));
        let is_csv = self.asked.text("format") == Some("csv");
        let table = self.table(visit);
        if is_csv {
            return Ok(download(
                &format!("{name}.csv"),
                "text/csv; charset=utf-8",
                report::csv(&table).into(),
            ));
        }
        let bytes = report::xlsx(&table).map_err(|error| Problem::of(&error))?;
        let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        Ok(download(&format!("{name}.xlsx"), media_type, bytes))
    }

    fn table(self, visit: &Visit) -> Table {
        Table {
            report: "list".to_owned(),
            title: self.title,
            period: None,
            branch: None,
            projects: Vec::new(),
            as_of: visit.zone.instant(visit.now_ms),
            columns: self
                .heads
                .into_iter()
                .map(|head| Column { id: head.id, title: head.title, kind: head.kind })
                .collect(),
            rows: self
                .rows
                .into_iter()
                .map(|row| row.cells.into_iter().map(|cell| cell.cell).collect())
                .collect(),
            foot: None,
            notes: Vec::new(),
            sheets: Vec::new(),
            english: visit.lang.english,
        }
    }
}

/// True where the list is asked for as a file.
pub(crate) fn is_file(asked: &Asked) -> Result<bool, Problem> {
    match asked.text("format") {
        None => Ok(false),
        Some("csv" | "xlsx") => Ok(true),
        Some(_) => Err(refused("format", "format")),
    }
}
