//! Why a report cannot be made, in sentences.

use crate::definition::Catalog;
use crate::error::{Error, ErrorKind};
use crate::limits::{REPORT_ROWS_MAX, REPORT_SHEETS_MAX};

pub(super) fn unknown_report(catalog: &Catalog) -> Error {
    let known: Vec<&str> = catalog.reports().map(|report| report.id.as_str()).collect();
    let known = known.join(" ");
    Error::new(
        ErrorKind::NotFound,
        format!("没有这个报表;现有:{known}"),
        format!("there is no such report; there are: {known}"),
    )
}

pub(super) fn no_layout() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "这个报表的定义是旧版本,没有列的内容;请载入新的报表定义",
        "the definition of this report is of an older version that does not say what its columns show; load the current reports",
    )
}

pub(super) fn unknown_project(catalog: &Catalog) -> Error {
    let projects = catalog.organisation().map_or(&[][..], |organisation| &organisation.projects);
    let known: Vec<&str> = projects.iter().map(|project| project.id.as_str()).collect();
    let known = known.join(" ");
    Error::new(
        ErrorKind::NotFound,
        format!("没有这个项目;现有:{known}"),
        format!("there is no such project; there are: {known}"),
    )
}

pub(super) fn foreign_record() -> Error {
    Error::new(ErrorKind::Invalid, "这条记录不属于这个报表", "this record is none that the report is about")
}

pub(super) fn too_long() -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("报表超过 {REPORT_ROWS_MAX} 行;请选较短的周期或一个项目"),
        format!("the report has more than {REPORT_ROWS_MAX} rows; choose a shorter period or one project"),
    )
}

pub(super) fn too_many_sheets() -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("要打印的表单超过 {REPORT_SHEETS_MAX} 张;请选较短的周期或一条记录"),
        format!(
            "there are more than {REPORT_SHEETS_MAX} sheets to print; choose a shorter period or one record"
        ),
    )
}
