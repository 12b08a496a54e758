//! An `.xlsx` file as sheets of plain text.

use calamine::{DataRef, Reader as _, Xlsx};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read as _};
use xunyuan_core::error::Sentence;
use zip::ZipArchive;

use super::origin::{Place, Problems};

/// Largest file, bytes.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How files of the format before `.xlsx` begin, and protected ones of today.
const OLD_FILE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
/// Largest content of a file when it is unpacked, bytes.
const UNPACKED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most rows of a sheet: far above any checklist or list of people.
const ROWS_MAX: u32 = 20_000;
/// Most columns of a sheet.
const COLUMNS_MAX: u32 = 200;
/// Most sheets that are read.
const SHEETS_MAX: usize = 20;

/// The sheets of a file.
#[derive(Debug)]
pub(super) struct Workbook {
    sheets: Vec<Sheet>,
}

/// One sheet: the text of every cell that has one.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) name: String,
    /// Rows from 1, columns from 0.
    pub(super) rows: BTreeMap<u32, BTreeMap<u32, String>>,
}

impl Sheet {
    pub(super) fn place(&self, row: u32, column: Option<u32>) -> Place {
        Place { sheet: self.name.clone(), row, column }
    }
}

impl Workbook {
    /// Reads a file; what is wrong with it is told, and `None` when it cannot be gone on with.
    pub(super) fn read(bytes: &[u8], problems: &mut Problems) -> Option<Self> {
        if bytes.len() > FILE_BYTES_MAX {
            problems.file("文件超过 16 MB", "the file is larger than 16 MB");
            return None;
        }
        if bytes.starts_with(OLD_FILE) {
            problems.file(
                "这是旧版 .xls 或加密的工作簿;请解除保护,另存为“Excel 工作簿 (.xlsx)”",
                "this is an old .xls file or a protected workbook; remove the protection and save it as \"Excel workbook (.xlsx)\"",
            );
            return None;
        }
        if !bytes.starts_with(b"PK") {
            problems.file(
                "这不是 .xlsx 文件;请在表格软件中另存为“Excel 工作簿 (.xlsx)”",
                "this is not an .xlsx file; save it as \"Excel workbook (.xlsx)\" in the spreadsheet program",
            );
            return None;
        }
        if let Err(said) = unpacked(bytes) {
            problems.file(said.zh, said.en);
            return None;
        }
        let mut file = match Xlsx::new(Cursor::new(bytes)) {
            Ok(file) => file,
            Err(cause) => {
                problems.file(
                    format!("无法读取这个工作簿:{cause}"),
                    format!("the workbook cannot be read: {cause}"),
                );
                return None;
            }
        };
        let names = file.sheet_names();
        if names.len() > SHEETS_MAX {
            problems.file("工作表太多,最多 20 张", "the workbook has too many sheets, 20 at most");
            return None;
        }
        let mut sheets = Vec::new();
        for name in names {
            let mut sheet = Sheet { name, rows: BTreeMap::new() };
            cells(&mut file, &mut sheet, problems);
            merged(&mut file, &sheet, problems);
            formulas(&mut file, &sheet, problems);
            sheets.push(sheet);
        }
        problems.faults.is_empty().then_some(Self { sheets })
    }

    /// The first sheet with one of these names, upper and lower case alike.
    pub(super) fn sheet(&self, names: &[&str]) -> Option<&Sheet> {
        let is_named = |sheet: &&Sheet| names.iter().any(|name| sheet.name.trim().to_lowercase() == *name);
        self.sheets.iter().find(is_named)
    }

    /// The first sheet.
    pub(super) fn first(&self) -> Option<&Sheet> {
        self.sheets.first()
    }
}

type File<'b> = Xlsx<Cursor<&'b [u8]>>;

/// Unpacks every part once without keeping it: what a part claims to hold proves nothing, and the reader keeps
/// whole parts in memory.
fn unpacked(bytes: &[u8]) -> Result<(), Sentence> {
    let broken = |cause: &dyn std::fmt::Display| {
        Sentence::new(format!("无法读取这个工作簿:{cause}"), format!("the workbook cannot be read: {cause}"))
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|cause| broken(&cause))?;
    let mut left = UNPACKED_BYTES_MAX;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|cause| broken(&cause))?;
        let took = io::copy(&mut part.take(left), &mut io::sink()).map_err(|cause| broken(&cause))?;
        left -= took;
        if left == 0 {
            return Err(Sentence::new("工作簿解开后超过 256 MB", "the workbook unpacks to more than 256 MB"));
        }
    }
    Ok(())
}

/// Reads cell by cell, so that a sheet which claims a million rows costs no memory.
fn cells(file: &mut File<'_>, sheet: &mut Sheet, problems: &mut Problems) {
    let name = sheet.name.clone();
    let whole = sheet.place(0, None);
    // A sheet of charts has no cells.
    let Ok(mut reader) = file.worksheet_cells_reader(&name) else { return };
    loop {
        let cell = match reader.next_cell() {
            Ok(Some(cell)) => cell,
            Ok(None) => return,
            Err(cause) => {
                let (zh, en) = (format!("无法读取:{cause}"), format!("cannot be read: {cause}"));
                return problems.fault(&whole, zh, en);
            }
        };
        let (row, column) = cell.get_position();
        let place = sheet.place(row.saturating_add(1), Some(column));
        let text = match text(cell.get_value()) {
            Ok(text) if text.is_empty() => continue,
            Ok(text) => text,
            Err((zh, en)) => {
                problems.fault(&place, zh, en);
                continue;
            }
        };
        if row >= ROWS_MAX || column >= COLUMNS_MAX {
            let zh = format!("超出范围:一张表最多 {ROWS_MAX} 行、{COLUMNS_MAX} 列");
            let en = format!("out of range: a sheet has {ROWS_MAX} rows and {COLUMNS_MAX} columns at most");
            return problems.fault(&place, zh, en);
        }
        sheet.rows.entry(row + 1).or_default().insert(column, text);
    }
}

/// The text of a cell as a person reads it: numbers without a needless `.0`, days as `YYYY-MM-DD`.
fn text(value: &DataRef<'_>) -> Result<String, (String, String)> {
    Ok(match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => clean(text),
        DataRef::SharedString(text) => clean(text),
        DataRef::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, _, _) = time.to_ymd_hms_milli();
            match (time.as_f64() < 1.0, hour, minute) {
                (true, ..) => format!("{hour:02}:{minute:02}"),
                (false, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                (false, ..) => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
            }
        }
        DataRef::Error(error) => {
            return Err((format!("单元格有错误 {error}"), format!("the cell holds the error {error}")));
        }
    })
}

/// Without blanks around it; signs of a wrong encoding and control characters go.
fn clean(text: &str) -> String {
    text.replace(['\u{feff}', '\u{200b}'], "")
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect::<String>()
        .trim()
        .to_owned()
}

fn merged(file: &mut File<'_>, sheet: &Sheet, problems: &mut Problems) {
    let Ok(regions) = file.merge_cells_by_sheet_name(&sheet.name) else { return };
    for region in regions {
        let place = sheet.place(region.start.0.saturating_add(1), Some(region.start.1));
        problems.fault(
            &place,
            "有合并单元格;请取消合并,在每一行写明内容",
            "merged cells: split them and write the text in every row",
        );
    }
}

/// A formula's last result may be stale, and what it means is not in the file: values only.
fn formulas(file: &mut File<'_>, sheet: &Sheet, problems: &mut Problems) {
    let Ok(mut reader) = file.worksheet_cells_reader(&sheet.name) else { return };
    while let Ok(Some(cell)) = reader.next_formula() {
        if !cell.get_value().is_empty() {
            let (row, column) = cell.get_position();
            problems.fault(
                &sheet.place(row.saturating_add(1), Some(column)),
                "有公式;请复制后以“值”粘贴",
                "a formula: copy the cell and paste it as a value",
            );
        }
    }
}
