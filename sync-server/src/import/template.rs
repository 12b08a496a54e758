//! Spreadsheets to fill in, with an example and the allowed values beside it.

use rust_xlsxwriter::{DataValidation, Format, Workbook, Worksheet, XlsxError};
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::{Error, ErrorKind};

use super::table::Column;
use super::{checklist, organisation};

/// Rows that get a list of allowed values to choose from.
const LISTED_ROWS: u32 = 1_000;

/// A checklist to fill in; columns name their allowed values from the catalog.
pub(crate) fn checklist_template(catalog: &Catalog) -> Result<Vec<u8>, Error> {
    let mut book = Workbook::new();
    let sets: Vec<String> = catalog.response_sets().map(|set| set.id.clone()).collect();
    let departments: Vec<String> = catalog.departments().iter().map(|dept| dept.id.clone()).collect();
    let roles: Vec<String> = catalog.roles().iter().map(|role| role.id.clone()).collect();
    let streams: Vec<String> = catalog.checklists().map(|list| list.stream.clone()).collect();
    let first = |list: &[String]| list.first().cloned().unwrap_or_default();
    let set = catalog.response_sets().next().map_or_else(String::new, |set| set.title.zh.clone());
    let department = catalog.departments().first().map_or_else(String::new, |dept| dept.title.zh.clone());
    let example = |key: &str| match key {
        "section" => "泵房",
        "item" => "水泵无渗漏、无异响",
        "type" => "选择",
        "response_set" => set.as_str(),
        "weight" => "2",
        "critical" | "photo" => "否",
        "department" => department.as_str(),
        "days" => "7",
        _ => "",
    };
    let made = (|| {
        let sheet = book.add_worksheet().set_name(checklist::SHEETS[0])?;
        head(sheet, &checklist::COLUMNS, &example)?;
        offer(sheet, &checklist::COLUMNS, "response_set", &sets)?;
        offer(sheet, &checklist::COLUMNS, "department", &departments)?;
        let kinds = ["选择", "数值", "文字", "日期", "时刻"].map(str::to_owned);
        offer(sheet, &checklist::COLUMNS, "type", &kinds)?;
        for key in ["critical", "photo", "required"] {
            offer(sheet, &checklist::COLUMNS, key, &["是".to_owned(), "否".to_owned()])?;
        }
        let sheet = book.add_worksheet().set_name(checklist::SETTINGS[0])?;
        sheet.set_column_width(0, 16)?.set_column_width(1, 40)?;
        let settings = [
            ("编号", "chk.pump_room".to_owned()),
            ("名称", "泵房检查表".to_owned()),
            ("英文名称", "Pump room check".to_owned()),
            ("数据流", first(&streams)),
            ("填写角色", first(&roles)),
            ("合格线", "85".to_owned()),
        ];
        for (row, (key, value)) in (0..).zip(settings) {
            sheet.write(row, 0, key)?.write(row, 1, value)?;
        }
        book.save_to_buffer()
    })();
    made.map_err(failed)
}

/// Projects and people to fill in.
pub(crate) fn organisation_template(catalog: &Catalog) -> Result<Vec<u8>, Error> {
    let mut book = Workbook::new();
    let roles: Vec<String> = catalog.roles().iter().map(|role| role.id.clone()).collect();
    let departments: Vec<String> = catalog.departments().iter().map(|dept| dept.id.clone()).collect();
    let role = catalog.roles().first().map_or_else(String::new, |role| role.title.zh.clone());
    let project = |key: &str| match key {
        "id" => "pj.example",
        "title" => "示例园",
        "households" => "100",
        "off_duty_time" => "17:30",
        _ => "",
    };
    let person = |key: &str| match key {
        "id" => "u.example",
        "name" => "示例",
        "roles" => role.as_str(),
        "project" => "pj.example",
        _ => "",
    };
    let made = (|| {
        let sheet = book.add_worksheet().set_name(organisation::PROJECT_SHEETS[0])?;
        head(sheet, &organisation::PROJECT_COLUMNS, &project)?;
        let sheet = book.add_worksheet().set_name(organisation::PEOPLE_SHEETS[0])?;
        head(sheet, &organisation::PEOPLE_COLUMNS, &person)?;
        offer(sheet, &organisation::PEOPLE_COLUMNS, "roles", &roles)?;
        offer(sheet, &organisation::PEOPLE_COLUMNS, "dept", &departments)?;
        book.save_to_buffer()
    })();
    made.map_err(failed)
}

/// The heading and one example row.
fn head<'e>(
    sheet: &mut Worksheet,
    columns: &[Column],
    example: &dyn Fn(&str) -> &'e str,
) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    sheet.set_freeze_panes(1, 0)?;
    for (at, column) in (0..).zip(columns) {
        let name = column.names.first().copied().unwrap_or(column.key);
        sheet.write_with_format(0, at, name, &bold)?;
        sheet.set_column_width(at, if column.is_required { 24 } else { 12 })?;
        sheet.write(1, at, example(column.key))?;
    }
    Ok(())
}

/// A list to choose from under a column; other values stay possible, since titles are understood as well.
fn offer(sheet: &mut Worksheet, columns: &[Column], key: &str, values: &[String]) -> Result<(), XlsxError> {
    let Some(at) = columns.iter().position(|column| column.key == key) else { return Ok(()) };
    let at = u16::try_from(at).unwrap_or(u16::MAX);
    // Excel takes 255 characters of a list; a longer one is not offered.
    let Ok(list) = DataValidation::new().allow_list_strings(values) else { return Ok(()) };
    let list = list.ignore_blank(true).show_error_message(false);
    sheet.add_data_validation(1, at, LISTED_ROWS, at, &list)?;
    Ok(())
}

fn failed(cause: XlsxError) -> Error {
    Error::new(ErrorKind::Storage, "无法生成工作簿", "the workbook could not be made").caused_by(cause)
}
