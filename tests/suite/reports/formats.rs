//! CSV, workbook, JSON, terminal and paper of the same tables, read back by other programs.

use std::io::{Cursor, Read as _};

use calamine::{Data, Reader, Xlsx};
use xunyuan_core::report::{csv, html, json, xlsx};

use super::*;

const NOON: &str = "2026-11-23T12:00+08:00";

/// Every report with something in it.
fn all() -> Vec<Table> {
    let office = Office::new();
    let ids: Vec<String> = office.catalog.reports().map(|report| report.id.clone()).collect();
    ids.iter().map(|id| office.table(id, "2026", "2026-12-19T12:00+08:00")).collect()
}

/// What people may write to do harm: formulas, markup, quotes, lines, control characters.
const HARM: [&str; 5] = [
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "\"quoted\", with, commas\r\nand lines",
    "@SUM(A1:A9)",
    "bell\u{7} & <b>'x'</b>",
];

fn harmful() -> Table {
    let records: Vec<Json> = HARM
        .iter()
        .enumerate()
        .map(|(at, text)| {
            json!({
                "of": "led.complaint", "id": at.to_string(), "project": "pj.lanyuan",
                "fields": { "category": "cp.sec.ebike", "level": "general", "content": text, "owner_dept": "dept.sec" },
                "events": [["create", "u.fd01", format!("2026-11-0{}T09:00:00+08:00", at + 1), {}]],
            })
        })
        .collect();
    Office::of(&records).table("rep.complaint_monthly", "2026-11", NOON)
}

/// A plain reader of RFC 4180.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let mut lines = vec![vec![String::new()]];
    let mut chars = text.strip_prefix('\u{feff}').expect("a byte order mark").chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let line = lines.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                line.last_mut().unwrap().push(chars.next().unwrap())
            }
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(String::new()),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {
                chars.next();
                lines.push(vec![String::new()]);
            }
            c => line.last_mut().unwrap().push(c),
        }
    }
    assert!(!quoted, "every quote is closed");
    lines.pop();
    lines
}

#[test]
fn csv_reads_back_cell_by_cell_in_every_report() {
    for table in all() {
        let lines = parsed(&csv(&table));
        let titles: Vec<&str> = table.columns.iter().map(|column| column.title.zh.as_str()).collect();
        assert_eq!(lines[0], titles, "{}", table.report);
        assert_eq!(lines.len(), 1 + rows(&table).len() + table.notes.len());
        for (line, row) in lines[1..].iter().zip(rows(&table)) {
            let plain: Vec<&str> = line.iter().map(|cell| cell.strip_prefix('\'').unwrap_or(cell)).collect();
            assert_eq!(plain, row, "{}", table.report);
        }
    }
}

#[test]
fn nothing_that_people_wrote_is_a_formula_in_csv() {
    let lines = parsed(&csv(&harmful()));
    let contents: Vec<&str> = lines[1..6].iter().map(|line| line[6].as_str()).collect();
    assert_eq!(contents[0], "'=cmd|' /C calc'!A0");
    assert_eq!(contents[2], HARM[2]);
    assert_eq!(contents[3], "'@SUM(A1:A9)");
    for cell in lines.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }
}

fn opened(table: &Table) -> (calamine::Range<Data>, calamine::Range<String>) {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(xlsx(table).unwrap())).unwrap();
    let name = book.sheet_names()[0].clone();
    (book.worksheet_range(&name).unwrap(), book.worksheet_formula(&name).unwrap())
}

#[test]
fn workbooks_open_with_typed_cells_and_without_formulas() {
    for table in all() {
        let (range, formulas) = opened(&table);
        assert!(formulas.cells().all(|(_, _, formula)| formula.is_empty()), "{}", table.report);
        for (at, column) in table.columns.iter().enumerate() {
            let place = u32::try_from(at).unwrap();
            assert_eq!(range.get_value((1, place)), Some(&Data::String(column.title.zh.clone())));
            // The sums under the columns are numbers as well.
            for (line, row) in (2_u32..).zip(table.rows.iter().chain(&table.foot)) {
                let found = range.get_value((line, place)).cloned().unwrap_or(Data::Empty);
                let fits = match (&row[at], &found) {
                    (Cell::Empty, Data::Empty) => true,
                    (Cell::Text(text), Data::String(found)) => text == found,
                    #[expect(clippy::cast_precision_loss, reason = "small counts")]
                    (Cell::Integer(number), Data::Float(found)) => *number as f64 == *found,
                    (Cell::Decimal(number) | Cell::Percent(number), Data::Float(found)) => number == found,
                    (Cell::Date(day), Data::DateTime(found)) => {
                        found.to_ymd_hms_milli().0 == u16::try_from(day.year()).unwrap()
                    }
                    (Cell::Time(instant), Data::DateTime(found)) => {
                        let (year, month, day, hour, minute, ..) = found.to_ymd_hms_milli();
                        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}") == instant.minute()
                    }
                    (Cell::Duration(ms), Data::DateTime(found)) => {
                        #[expect(clippy::cast_precision_loss, reason = "lengths of days")]
                        let days = *ms as f64 / 86_400_000.0;
                        (found.as_f64() - days).abs() < 1e-9
                    }
                    (Cell::Duration(ms), Data::String(_)) => *ms < 0,
                    _ => false,
                };
                assert!(fits, "{} {}: {:?} became {found:?}", table.report, column.id, row[at]);
            }
        }
    }
}

#[test]
fn what_people_wrote_is_words_in_a_workbook() {
    let (range, formulas) = opened(&harmful());
    for (line, text) in (2_u32..).zip(HARM) {
        let kept: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        assert_eq!(range.get_value((line, 6)), Some(&Data::String(kept)));
    }
    assert!(formulas.is_empty());
}

/// A part of a workbook, which is a zip of XML.
fn part(table: &Table, name: &str) -> String {
    let mut book = zip::ZipArchive::new(Cursor::new(xlsx(table).unwrap())).unwrap();
    let mut text = String::new();
    book.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_workbook_is_set_up_to_print() {
    for table in all() {
        let sheet = part(&table, "xl/worksheets/sheet1.xml");
        let is_wide = table.columns.len() > 6;
        for expected in [
            // Title and headings stay in view.
            "<pane ySplit=\"2\" topLeftCell=\"A3\" activePane=\"bottomLeft\" state=\"frozen\"/>",
            // A4 is paper 9; one page wide, as many high as it takes.
            "paperSize=\"9\"",
            "fitToHeight=\"0\"",
            "<pageSetUpPr fitToPage=\"1\"/>",
            "&amp;C&amp;P / &amp;N",
            "<oddHeader>&amp;R杭州分公司(示例)</oddHeader>",
        ] {
            assert!(sheet.contains(expected), "{}: {expected} is not in {sheet}", table.report);
        }
        assert_eq!(sheet.contains("orientation=\"landscape\""), is_wide, "{}", table.report);
        let widths: Vec<f64> = sheet
            .split("<col ")
            .skip(1)
            .map(|column| {
                column.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert!(!widths.is_empty() && widths.iter().all(|width| (6.0..=50.0).contains(width)), "{widths:?}");
        let styles = part(&table, "xl/styles.xml");
        let has = |kind: fn(&Cell) -> bool| table.rows.iter().flatten().any(kind);
        for (is_there, format) in [
            (has(|cell| matches!(cell, Cell::Date(_))), "yyyy\\-mm\\-dd"),
            (has(|cell| matches!(cell, Cell::Duration(_))), "[h]:mm"),
        ] {
            let plain = format.replace('\\', "");
            assert!(
                !is_there || styles.contains(format) || styles.contains(&plain),
                "{}: {styles}",
                table.report
            );
        }
        let titles = part(&table, "xl/workbook.xml");
        assert!(titles.contains("_xlnm.Print_Titles") && titles.contains("$1:$2"), "{titles}");
    }
}

/// Tags of a page in order; panics where they do not nest.
fn nested(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    let body = page.split_once("<html").expect("a page").1;
    for piece in format!("<html{body}").split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("every tag is closed");
        assert!(!text.contains('>'), "a sign that was not escaped: {text}");
        if tag.starts_with("!--") {
            continue;
        }
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "tags nest");
        } else {
            seen.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

#[test]
fn pages_are_well_formed_and_nothing_that_people_wrote_is_markup() {
    for table in all().iter().chain([&harmful()]) {
        let page = html(table);
        let tags = nested(&page);
        assert!(!tags.iter().any(|tag| tag == "script" || tag == "b" || tag == "a"), "{}", table.report);
        assert!(page.contains("thead { display: table-header-group; }"));
    }
    let page = html(&harmful());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("bell  &amp; &lt;b&gt;&#39;x&#39;&lt;/b&gt;"));
}

#[test]
fn paper_forms_have_their_boxes_photos_and_signatures() {
    let office = Office::new();
    let page = |report: &str, period: &str, now: &str| html(&office.table(report, period, now));
    let finding = page("rep.nc_form", "2026-05", NOON);
    for text in [
        "<h1>不符合项报告单</h1>",
        "<th>原因分析</th>",
        "培训计划未随人员变动调整",
        "□体系性",
        "<th>验证人/日期</th>",
    ] {
        assert!(finding.contains(text), "{text}");
    }
    assert_eq!(finding.matches("<figure>").count(), 1);
    assert!(finding.contains("<div><span>受审方确认:</span><p>年    月    日</p></div>"));

    let patrol = page("rep.patrol", "2026-11", NOON);
    for text in [
        "<h1>园区巡查表</h1>",
        "<th>班次</th><td>白班</td>",
        "<h2>绿化</h2>",
        "0.08 MPa",
        "NC-PAT-2026-0112",
        "<div><span>巡查员:</span><p>",
    ] {
        assert!(patrol.contains(text), "{text}");
    }
    assert_eq!(patrol.matches("<figure>").count(), 4);

    let audit = page("rep.audit", "2026-05", NOON);
    for text in [
        "<h1>三标内审报告</h1>",
        "IA-2026-01",
        "NC-AUD-2026-0031",
        "能说明首问责任",
        "<div><span>审核组长:内审员戊 2026-05-18 16:20</span></div>",
    ] {
        assert!(audit.contains(text), "{text}");
    }
    let complaints = page("rep.complaint_monthly", "2026-11", NOON);
    assert!(
        complaints.contains("<h1>投诉月度汇总表</h1>")
            && complaints.contains("<div><span>分公司客服经理:</span>")
    );
    let star = page("rep.star", "2026Q4", NOON);
    assert!(
        star.contains("<h1>服务之星推荐表</h1>")
            && star.contains("<td colspan=\"3\" class=\"wide\">同意推荐</td>")
    );
    let handover = page("rep.handover_daily", "2026-12", "2026-12-19T12:00+08:00");
    // Thirty days before the handover begins.
    for text in ["<h1>交楼进度表</h1>", "2026-11-18", "交楼方案已编制", "<td>分公司客服经理</td>"]
    {
        assert!(handover.contains(text), "{text}");
    }
}

#[test]
fn json_names_its_columns_and_keeps_types() {
    let office = Office::new();
    let value = json(&office.table("rep.complaint_monthly", "2026-11", NOON));
    assert_eq!(value["period"], "2026-11");
    assert_eq!(value["as_of"], "2026-11-23T12:00:00+08:00");
    assert_eq!(value["columns"][9]["type"], "duration");
    assert_eq!(value["rows"][0]["reply"], 5_400_000);
    assert_eq!(value["rows"][0]["received"], "2026-11-05T10:00:00+08:00");
    assert_eq!(value["rows"][2]["closed"], Json::Null);
    assert_eq!(value["foot"]["reply"], 89_100_000);
    assert!(value["notes"][0]["en"].as_str().unwrap().starts_with("as of 2026-11-23 12:00"));
}

#[test]
fn english_is_english() {
    let office = Office::new();
    let request = Request { english: true, ..asked("rep.capa_aging", None, "2026-11-25T12:00+08:00") };
    let table = office.make(&request, &[]).unwrap();
    assert_eq!(
        rows(&table)[0],
        [
            "NC-GBC-2026-0007",
            "Implementation check",
            "Minor",
            "Customer service",
            "2026-11-20",
            "Confirmed",
            "5",
            ""
        ]
    );
    let page = text(&table, Screen { columns: 100 });
    assert!(page.contains("CAPA ageing  2026-W48") && page.contains("2 in all"), "{page}");
}

#[test]
fn the_terminal_cuts_wide_columns_and_nothing_moves_the_cursor() {
    let page = text(&harmful(), Screen { columns: 100 });
    assert!(!page.contains(['\u{7}', '\r']));
    assert!(page.lines().skip(1).take(7).all(|line| line.chars().count() <= 100), "{page}");
}
