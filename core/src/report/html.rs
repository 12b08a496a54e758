//! A report as a page to print: the paper form where it has one, else the table.

use super::fill::Mark;
use super::table::{Block, BoxedText, Cell, Sheet, Table};
use super::text::width;
use crate::id::FileHash;

const STYLE: &str = "
@page { size: A4; margin: 14mm 14mm 16mm; @bottom-center { content: counter(page) \" / \" counter(pages); font-size: 8.5pt; } }
@page wide { size: A4 landscape; margin: 12mm 12mm 15mm; }
body { font: 10.5pt/1.45 \"Songti SC\", SimSun, \"Noto Serif CJK SC\", serif; color: #000; margin: 0 auto; max-width: 181mm; padding: 0 0.4mm; }
body.wide { page: wide; max-width: 272mm; }
section { break-after: page; }
section:last-of-type { break-after: auto; }
p.branch { text-align: center; font-size: 12pt; margin: 0; }
h1 { font-size: 17pt; text-align: center; letter-spacing: 0.08em; margin: 1mm 0 3mm; }
h2 { font-size: 11pt; margin: 4mm 0 1mm; break-after: avoid; }
p.under { text-align: center; margin: 0 0 3mm; }
table { width: 100%; border-collapse: collapse; margin: 0 0 3mm; }
table.set { table-layout: fixed; font-size: 9.5pt; }
thead { display: table-header-group; }
tfoot { display: table-row-group; }
tr { break-inside: avoid; }
th, td { border: 0.3mm solid #000; padding: 1mm 1.5mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; white-space: pre-line; }
th { background: #f2f2f2; font-weight: 600; }
thead th { text-align: center; vertical-align: middle; overflow-wrap: normal; word-break: keep-all; }
td.number { text-align: right; white-space: nowrap; }
td.time { white-space: nowrap; }
tfoot td { font-weight: 600; }
.wide table { font-size: 9.5pt; }
.boxes { table-layout: fixed; }
.boxes th { width: 17%; vertical-align: middle; }
.boxes td { height: 7mm; vertical-align: middle; }
.boxes td.wide { height: 10mm; vertical-align: top; }
.photos { display: flex; flex-wrap: wrap; gap: 3mm; margin: 0 0 3mm; }
.photos figure { margin: 0; width: 58mm; height: 48mm; border: 0.3mm dashed #000; display: flex; flex-direction: column; align-items: center; justify-content: end; break-inside: avoid; }
.photos figure:has(img) { border-style: solid; }
.photos img { max-width: 57mm; max-height: 42mm; margin: auto; }
.photos figure p { margin: auto; padding: 2mm; text-align: center; }
.signatures { display: flex; margin: 5mm 0 3mm; break-inside: avoid; }
.signatures div { flex: 1 1 0; min-height: 17mm; border: 0.3mm solid #000; margin: 0 0 0 -0.3mm; padding: 1.5mm; display: flex; flex-direction: column; justify-content: space-between; }
.signatures img { max-width: 50mm; max-height: 16mm; }
.signatures p { margin: 0; text-align: right; white-space: pre; }
footer { font-size: 8.5pt; color: #333; }
";

/// From so many columns on the table lies across the sheet.
const WIDE_COLUMNS: usize = 8;
/// Narrowest and widest column of a grid, in characters of its line.
const GRID_CHARS: (usize, usize) = (12, 36);

/// The report as one page of HTML that needs nothing else: sheets of A4 with headings that repeat, boxes
/// for what is written by hand, places for photos and signatures, which are marked for [`fill`](super::fill). Every
/// text is escaped.
#[must_use]
pub fn html(table: &Table) -> String {
    let english = table.english;
    let mut out = String::from("<!DOCTYPE html>\n");
    let (lang, title) = (if english { "en" } else { "zh-CN" }, escaped(table.title.text(english)));
    let wide =
        if table.columns.len() >= WIDE_COLUMNS && !has_own_sheets(table) { " class=\"wide\"" } else { "" };
    out.push_str(&format!(
        "<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body{wide}>\n"
    ));
    if table.sheets.is_empty() {
        let title = table.title.text(english).to_owned();
        let sheet = Sheet { title, record: None, blocks: vec![Block::Table] };
        section(&mut out, table, &sheet);
    }
    for sheet in &table.sheets {
        section(&mut out, table, sheet);
    }
    out.push_str("</body>\n</html>\n");
    out
}

/// True where sheets stand for records: they are upright however wide the table is.
fn has_own_sheets(table: &Table) -> bool {
    table.sheets.iter().any(|sheet| !sheet.blocks.contains(&Block::Table))
}

fn section(out: &mut String, table: &Table, sheet: &Sheet) {
    out.push_str("<section>\n");
    if let Some(branch) = &table.branch {
        out.push_str(&format!("<p class=\"branch\">{}</p>\n", escaped(branch)));
    }
    out.push_str(&format!("<h1>{}</h1>\n", escaped(&sheet.title)));
    let mut under: Vec<String> = Vec::new();
    if sheet.record.is_none() {
        under.extend(table.projects.iter().cloned());
        under.extend(table.period.clone());
    }
    if !under.is_empty() {
        out.push_str(&format!("<p class=\"under\">{}</p>\n", escaped(&under.join("  "))));
    }
    for block in &sheet.blocks {
        self::block(out, table, sheet, block);
    }
    out.push_str("<footer>\n");
    if let Some(document) = sheet.record {
        out.push_str(&Mark::Counts(document).written());
    }
    for note in &table.notes {
        out.push_str(&format!("<div>{}</div>\n", escaped(if table.english { &note.en } else { &note.zh })));
    }
    out.push_str("</footer>\n</section>\n");
}

fn block(out: &mut String, table: &Table, sheet: &Sheet, block: &Block) {
    match block {
        Block::Boxes(boxes) => boxed(out, boxes),
        Block::Table => whole_table(out, table),
        Block::Grid { caption, heads, rows } => {
            if !caption.is_empty() {
                out.push_str(&format!("<h2>{}</h2>\n", escaped(caption)));
            }
            out.push_str("<table class=\"set\">\n");
            out.push_str(&set_widths(sheet, heads));
            head(out, heads.iter().map(String::as_str));
            out.push_str("<tbody>\n");
            for row in rows {
                let cells: Vec<String> =
                    row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
                out.push_str(&format!("<tr>{}</tr>\n", cells.concat()));
            }
            out.push_str("</tbody>\n</table>\n");
        }
        Block::Photos(places) => {
            let label = if table.english { "photo" } else { "照片" };
            let places = places.iter().map(|place| {
                let (name, photo) = (escaped(&place.name), mark(place.file));
                format!("<figure>{photo}<figcaption>{label} {name}</figcaption></figure>\n")
            });
            out.push_str(&format!("<div class=\"photos\">\n{}</div>\n", places.collect::<String>()));
        }
        Block::Signatures(places) => {
            let day = if table.english { "Date:                " } else { "年    月    日" };
            let places = places.iter().map(|place| {
                let (title, text) = (escaped(&place.title), escaped(&place.text));
                let day = if place.text.is_empty() { format!("<p>{day}</p>") } else { String::new() };
                format!("<div><span>{title}:{text}</span>{}{day}</div>\n", mark(place.drawn))
            });
            out.push_str(&format!("<div class=\"signatures\">\n{}</div>\n", places.collect::<String>()));
        }
    }
}

fn mark(file: Option<FileHash>) -> String {
    file.map(|hash| Mark::File(hash).written()).unwrap_or_default()
}

/// The widths of a grid's columns, alike in all grids of the sheet that have the same headings.
fn set_widths(sheet: &Sheet, heads: &[String]) -> String {
    let mut columns: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    for block in &sheet.blocks {
        let Block::Grid { heads: others, rows, .. } = block else { continue };
        for row in rows.iter().filter(|_| others == heads) {
            for (widest, cell) in columns.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
    }
    let of_line = columns.iter().map(|chars| chars.clamp(&GRID_CHARS.0, &GRID_CHARS.1));
    let all: usize = of_line.clone().sum();
    let columns = of_line.map(|chars| format!("<col style=\"width:{}%\"/>", chars * 100 / all.max(1)));
    format!("<colgroup>{}</colgroup>\n", columns.collect::<String>())
}

/// Boxes two in a row, wide ones alone.
fn boxed(out: &mut String, boxes: &[BoxedText]) {
    out.push_str("<table class=\"boxes\">\n<tbody>\n");
    let mut rest = boxes;
    while let [first, others @ ..] = rest {
        let one = |place: &BoxedText| {
            format!("<th>{}</th><td>{}</td>", escaped(&place.title), escaped(&place.text))
        };
        match others {
            [second, others @ ..] if !first.wide && !second.wide => {
                out.push_str(&format!("<tr>{}{}</tr>\n", one(first), one(second)));
                rest = others;
            }
            _ => {
                let (title, text) = (escaped(&first.title), escaped(&first.text));
                let class = if first.wide { " class=\"wide\"" } else { "" };
                out.push_str(&format!("<tr><th>{title}</th><td colspan=\"3\"{class}>{text}</td></tr>\n"));
                rest = others;
            }
        }
    }
    out.push_str("</tbody>\n</table>\n");
}

fn whole_table(out: &mut String, table: &Table) {
    out.push_str("<table>\n");
    head(out, table.columns.iter().map(|column| column.title.text(table.english)));
    out.push_str("<tbody>\n");
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| cell_of(cell, &cell.text(table.english))).collect();
        out.push_str(&format!("<tr>{}</tr>\n", cells.concat()));
    }
    out.push_str("</tbody>\n");
    if let Some(foot) = &table.foot {
        let cells: Vec<String> = foot.iter().map(|cell| cell_of(cell, &cell.text(table.english))).collect();
        out.push_str(&format!("<tfoot>\n<tr>{}</tr>\n</tfoot>\n", cells.concat()));
    }
    out.push_str("</table>\n");
}

fn head<'t>(out: &mut String, titles: impl Iterator<Item = &'t str>) {
    let titles: String = titles.map(|title| format!("<th>{}</th>", escaped(title))).collect();
    out.push_str(&format!("<thead>\n<tr>{titles}</tr>\n</thead>\n"));
}

fn cell_of(cell: &Cell, text: &str) -> String {
    let class = match cell {
        Cell::Integer(_) | Cell::Decimal(_) | Cell::Percent(_) | Cell::Duration(_) => " class=\"number\"",
        Cell::Date(_) | Cell::Time(_) => " class=\"time\"",
        Cell::Empty | Cell::Text(_) => "",
    };
    format!("<td{class}>{}</td>", escaped(text))
}

/// Text that stays text whatever is in it; control characters, which XML forbids, become spaces.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push('\n'),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
