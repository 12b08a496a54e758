//! Lists of records: what an address asks for as a filter, and records as rows.

use serde_json::Value as Json;
use xunyuan_core::definition::{ColumnKind, Element, Field, FieldType, Ledger, Target, Title};
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{Filter, Order, Row, RowKind};
use xunyuan_core::report::Names;

use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::tone::Tone;
use super::visit::Visit;
use crate::asked::{Asked, FIELD};
use crate::hub::Listed;
use crate::problem::Problem;

/// Columns of a ledger's own fields in a list.
const OWN_COLUMNS_MAX: usize = 3;

/// The filter that an address asks for, within a kind of records.
pub(crate) fn filter(visit: &Visit, kind: RowKind, definition: Option<&str>) -> Result<Filter, Problem> {
    visit.look().records(Some(kind), definition, Grid::window(&visit.asked)?)
}

/// The choice of units, where there is one.
pub(crate) fn unit_part(visit: &Visit) -> Option<FilterPart> {
    let units = visit.sight.units();
    (units.len() > 1).then(|| {
        let options = units.iter().map(|unit| ((*unit).to_owned(), visit.unit(unit))).collect();
        select("project", visit.t("项目", "Project"), options, &visit.asked)
    })
}

pub(crate) fn select(
    name: &'static str,
    label: &str,
    options: Vec<(String, String)>,
    asked: &Asked,
) -> FilterPart {
    FilterPart::Select { name, label: label.to_owned(), options, chosen: asked.shown(name).to_owned() }
}

pub(crate) fn day(name: &'static str, label: &str, asked: &Asked) -> FilterPart {
    FilterPart::Day { name, label: label.to_owned(), value: asked.shown(name).to_owned() }
}

pub(crate) fn tick(name: &'static str, label: &str, asked: &Asked) -> FilterPart {
    FilterPart::Tick { name, label: label.to_owned(), is_on: asked.flag(name) }
}

/// What a ledger's list can be filtered by.
pub(crate) fn ledger_filters(visit: &Visit, ledger: &Ledger) -> Vec<FilterPart> {
    let asked = &visit.asked;
    let mut parts = vec![FilterPart::Search { value: asked.shown("q").to_owned() }];
    let states = ledger.states.iter().map(|state| (state.id.clone(), visit.title(&state.title).to_owned()));
    parts.push(select("state", visit.t("状态", "State"), states.collect(), asked));
    parts.extend(unit_part(visit));
    if ledger.field("owner_dept").is_some() {
        let depts = visit.catalog().departments().iter();
        let depts = depts.map(|dept| (dept.id.clone(), visit.title(&dept.title).to_owned())).collect();
        parts.push(select("dept", visit.t("责任部门", "Department"), depts, asked));
    }
    parts.push(day("since", visit.t("登记自", "From"), asked));
    parts.push(day("until", visit.t("至", "To"), asked));
    parts.push(tick("open", visit.t("未结", "Open"), asked));
    parts.push(tick("overdue", visit.t("逾期", "Overdue"), asked));
    parts.push(tick("undecided", visit.t("待裁决", "Undecided"), asked));
    parts.push(tick("mine", visit.t("与我有关", "Mine"), asked));
    parts
}

/// The filters by fields that an address names, to be taken away one by one.
pub(crate) fn field_marks(visit: &Visit, ledger: &Ledger) -> Vec<(String, String)> {
    let names = visit.names();
    let marks = ledger.fields.iter().filter_map(|field| {
        let name = format!("{FIELD}{}", field.id);
        let value = visit.asked.text(&name)?;
        let said = names.said(&visit.zone, field, &Json::from(value));
        let said = if said == value { names.element_said(&visit.zone, field, value) } else { said };
        Some((format!("{} = {said}", field_title(visit, field)), visit.asked.with(&name, None)))
    });
    marks.collect()
}

/// A field by its name.
pub(crate) fn field_title<'f>(visit: &Visit, field: &'f Field) -> &'f str {
    field.title.as_ref().map_or(field.id.as_str(), |title| visit.lang.title(title))
}

/// The columns of a ledger's list: what every ledger has, and its first telling fields.
#[derive(Debug)]
pub(crate) struct Columns<'l> {
    ledger: &'l Ledger,
    own: Vec<&'l Field>,
}

impl<'l> Columns<'l> {
    pub(crate) fn of(ledger: &'l Ledger) -> Self {
        let grade = ledger.grade();
        let tells = |field: &&Field| {
            let is_word = match &field.kind {
                FieldType::Choice(_) | FieldType::Date | FieldType::Month => true,
                FieldType::Ref(target) => !matches!(
                    target,
                    Target::Project
                        | Target::User
                        | Target::InspectionItem
                        | Target::Ledger(_)
                        | Target::Form(_)
                ),
                FieldType::Set(Element::Ref(target)) => matches!(target, Target::Clause | Target::Project),
                FieldType::HumanNo(_)
                | FieldType::Text
                | FieldType::Phone
                | FieldType::Bool
                | FieldType::Int
                | FieldType::Number
                | FieldType::Time
                | FieldType::DeviceTime
                | FieldType::Set(Element::Text)
                | FieldType::Photos
                | FieldType::Signature
                | FieldType::Entries
                | FieldType::Events => false,
            };
            is_word
                && !field.pii
                && !field.retired
                && field.id != "owner_dept"
                && field.id != "due"
                && grade.is_none_or(|grade| grade.id != field.id)
        };
        // What a complete entry must have says most.
        let (must, may): (Vec<&Field>, Vec<&Field>) =
            ledger.fields.iter().filter(tells).partition(|f| f.required);
        let mut own: Vec<&Field> = must.into_iter().chain(may).take(OWN_COLUMNS_MAX).collect();
        own.splice(0..0, grade);
        Self { ledger, own }
    }

    pub(crate) fn heads(&self) -> Vec<Head> {
        let own = self.own.iter().map(|field| {
            let title =
                field.title.clone().unwrap_or_else(|| Title { zh: field.id.clone(), en: field.id.clone() });
            Head { id: field.id.clone(), title, kind: ColumnKind::Text, order: None }
        });
        let mut heads = vec![
            Head::text("number", "编号", "Number").by(Order::Number),
            Head::text("summary", "摘要", "Summary"),
            Head::text("state", "状态", "State").by(Order::State),
        ];
        heads.extend(own);
        heads.push(Head::text("project", "项目", "Project").by(Order::Project));
        if self.ledger.field("owner_dept").is_some() {
            heads.push(Head::text("dept", "责任部门", "Department"));
        }
        heads.push(Head::text("handler", "处理人", "Handler"));
        heads.push(Head::time("due", "期限", "Due").by(Order::Due));
        heads.push(Head::time("listed", "登记", "Recorded").by(Order::Listed));
        heads.push(Head::time("updated", "最近更新", "Updated").by(Order::Updated));
        heads
    }

    pub(crate) fn row(&self, visit: &Visit, names: &Names<'_>, listed: &Listed) -> GridRow {
        let Listed { row, fields } = listed;
        let grade = self.ledger.grade();
        let own = self.own.iter().map(|field| {
            let value = fields.get(&field.id).unwrap_or(&Json::Null);
            let cell = if let Some(elements) = value.as_array() {
                let all = elements.iter().filter_map(Json::as_str);
                let all: Vec<String> = all.map(|one| names.element_said(&visit.zone, field, one)).collect();
                GridCell::text(all.join(visit.t("、", ", ")))
            } else {
                GridCell::text(names.said(&visit.zone, field, value))
            };
            match value.as_str().filter(|_| grade.is_some_and(|grade| grade.id == field.id)) {
                Some(option) => cell.toned(Tone::of_grade(field, option)),
                None => cell,
            }
        });
        let mut cells = vec![
            GridCell::text(number_of(row)),
            GridCell::text(row.summary.clone()),
            GridCell::badge(
                visit.state(&row.definition, &row.state),
                Tone::of_state(self.ledger, &row.state),
            ),
        ];
        cells.extend(own);
        cells.push(GridCell::text(visit.unit(&row.project)));
        if self.ledger.field("owner_dept").is_some() {
            let dept = row.owner_dept.as_deref().and_then(|id| visit.catalog().department(id));
            cells.push(GridCell::text(dept.map_or("", |dept| visit.title(&dept.title))));
        }
        cells.push(GridCell::text(
            row.handler.as_ref().map_or_else(String::new, |user| names.user(user.as_str())),
        ));
        cells.push(due(visit, row));
        cells.push(GridCell::time(visit, Some(row.listed_at_ms)));
        cells.push(GridCell::time(visit, Some(row.updated_at_ms)));
        mark(visit, row, &mut cells);
        GridRow { key: row.document.to_string(), href: Some(address(row.document)), cells }
    }
}

/// A record in dispute says so at its state.
fn mark(visit: &Visit, row: &Row, cells: &mut [GridCell]) {
    if row.clashes + row.contested > 0
        && let Some(state) = cells.get_mut(2)
    {
        let text = format!("{} · {}", state.cell.text(visit.lang.english), visit.t("待裁决", "undecided"));
        *state = GridCell::badge(text, Tone::Bad);
    }
}

/// When a record is due, red once it is late.
pub(crate) fn due(visit: &Visit, row: &Row) -> GridCell {
    let cell = GridCell::time(visit, row.due_ms);
    let is_late = !row.terminal && row.due_ms.is_some_and(|due_ms| due_ms < visit.now_ms);
    if is_late { cell.toned(Tone::Bad) } else { cell }
}

/// A record by its number: the official one, the one given offline, or the start of its id.
pub(crate) fn number_of(row: &Row) -> String {
    let number = row.number.as_ref().or(row.temp_number.as_ref());
    number.cloned().unwrap_or_else(|| row.document.to_string().chars().take(8).collect())
}

/// The page of a record.
pub(crate) fn address(document: DocumentId) -> String {
    format!("/records/{document}")
}
