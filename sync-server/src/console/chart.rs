//! Pictures of numbers: drawn here as SVG, or as tables whose cells are shaded; behind every picture stands
//! the table.

use std::fmt::Write as _;

/// A picture with its table.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) href: Option<String>,
    /// The drawing; `None` where the shaded table is the picture.
    pub(super) svg: Option<String>,
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<ChartRow>,
    /// What stands in the corner of the table.
    pub(super) corner: String,
}

/// A row of the table: its name, and a number with a shade from 0 to 5 for each column.
#[derive(Clone, Debug)]
pub(super) struct ChartRow {
    pub(super) label: String,
    pub(super) cells: Vec<ChartCell>,
}

/// A number of the table.
#[derive(Clone, Debug)]
pub(super) struct ChartCell {
    pub(super) text: String,
    pub(super) shade: u32,
    pub(super) href: Option<String>,
}

impl ChartCell {
    pub(super) fn plain(count: u32) -> Self {
        Self { text: count.to_string(), shade: 0, href: None }
    }
}

/// One series of a drawing: its name, the class of its colour, and its numbers.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) class: &'static str,
    pub(super) counts: Vec<u32>,
}

/// Height of the drawn area and width of what stands beside it.
const HEIGHT: u32 = 180;
const LEFT: u32 = 40;
const TOP: u32 = 28;
const BOTTOM: u32 = 26;

/// Numbers of several series side by side, place by place.
pub(super) fn columns(title: &str, places: &[String], series: &[Series]) -> String {
    let most = series.iter().flat_map(|one| &one.counts).copied().max().unwrap_or(0);
    let top = round_up(most);
    let (slot, bar) = (44, 30 / u32::try_from(series.len().max(1)).unwrap_or(1));
    let width = LEFT + slot * u32::try_from(places.len()).unwrap_or(0) + 10;
    let mut out = opening(title, width, TOP + HEIGHT + BOTTOM);
    lines(&mut out, width, top);
    for (at, place) in (0_u32..).zip(places) {
        let x = LEFT + slot * at;
        for (which, one) in (0_u32..).zip(series) {
            let count = one.counts.get(usize::try_from(at).unwrap_or(usize::MAX)).copied().unwrap_or(0);
            let height = scaled(count, top);
            let (left, y) = (x + 6 + which * bar, TOP + HEIGHT - height);
            rect(&mut out, one, place, count, [left, y, bar - 2, height]);
        }
        below(&mut out, x + slot / 2, place);
    }
    legend(&mut out, series);
    out.push_str("</svg>");
    out
}

/// Numbers of several series on top of each other, place by place.
pub(super) fn stacks(title: &str, places: &[String], series: &[Series]) -> String {
    let sum = |at: usize| series.iter().filter_map(|one| one.counts.get(at)).sum::<u32>();
    let top = round_up((0..places.len()).map(sum).max().unwrap_or(0));
    let slot = 84;
    let width = LEFT + slot * u32::try_from(places.len()).unwrap_or(0) + 10;
    let mut out = opening(title, width, TOP + HEIGHT + BOTTOM);
    lines(&mut out, width, top);
    for (at, place) in places.iter().enumerate() {
        let x = LEFT + slot * u32::try_from(at).unwrap_or(0);
        let mut y = TOP + HEIGHT;
        for one in series {
            let count = one.counts.get(at).copied().unwrap_or(0);
            let height = scaled(count, top);
            y -= height;
            rect(&mut out, one, place, count, [x + 14, y, slot - 28, height]);
        }
        below(&mut out, x + slot / 2, place);
    }
    legend(&mut out, series);
    out.push_str("</svg>");
    out
}

/// One bar, or a part of one, that says what it stands for.
fn rect(out: &mut String, series: &Series, place: &str, count: u32, [x, y, width, height]: [u32; 4]) {
    let (class, place, label) = (series.class, escaped(place), escaped(&series.label));
    put(
        out,
        &format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"><title>{place} {label}: {count}</title></rect>"
        ),
    );
}

/// The name of a place under its bars.
fn below(out: &mut String, x: u32, place: &str) {
    let (y, place) = (TOP + HEIGHT + 16, escaped(place));
    put(out, &format!("<text class=\"axis\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{place}</text>"));
}

/// How dark a number is among others, 0 for nothing and 5 for the most.
pub(super) fn shade(count: u32, most: u32) -> u32 {
    count.min(1) + count.min(most).saturating_mul(4).checked_div(most).unwrap_or(0)
}

fn opening(title: &str, width: u32, height: u32) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    )
}

/// Lines at the quarters, with their numbers.
fn lines(out: &mut String, width: u32, top: u32) {
    for part in 0..=4_u32 {
        let y = TOP + HEIGHT - HEIGHT * part / 4;
        put(out, &format!("<line class=\"grid-line\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{width}\" y2=\"{y}\"/>"));
        put(
            out,
            &format!(
                "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                LEFT - 6,
                y + 4,
                top * part / 4
            ),
        );
    }
}

fn legend(out: &mut String, series: &[Series]) {
    let mut x = LEFT;
    for one in series {
        put(
            out,
            &format!("<rect class=\"{}\" x=\"{x}\" y=\"4\" width=\"12\" height=\"12\" rx=\"2\"/>", one.class),
        );
        put(out, &format!("<text class=\"axis\" x=\"{}\" y=\"14\">{}</text>", x + 17, escaped(&one.label)));
        x += 40
            + u32::try_from(one.label.chars().map(|c| if c.is_ascii() { 7 } else { 13 }).sum::<usize>())
                .unwrap_or(60);
    }
}

fn scaled(count: u32, top: u32) -> u32 {
    count.saturating_mul(HEIGHT).checked_div(top).unwrap_or(0)
}

/// The next number of which the quarters are whole.
const fn round_up(most: u32) -> u32 {
    let mut top = 4;
    while top < most {
        top = if top < 20 { top + 4 } else { top * 2 };
    }
    top
}

fn put(out: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = out.write_str(text);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_no_markup_in_a_drawing() {
        let series = [Series { label: "<b>&".to_owned(), class: "s1", counts: vec![3, 0] }];
        let drawn = columns("\"x\" <script>", &["1".to_owned(), "2".to_owned()], &series);
        assert!(!drawn.contains("<script>") && !drawn.contains("<b>"));
        assert!(drawn.contains("aria-label=\"&quot;x&quot; &lt;script&gt;\""));
        assert!(drawn.contains("<title>1 &lt;b&gt;&amp;: 3</title>"));
    }

    #[test]
    fn the_scale_holds_the_largest_number_and_has_whole_quarters() {
        for (most, top) in [(0, 4), (4, 4), (5, 8), (20, 20), (21, 40), (1_000, 1_280)] {
            assert_eq!(round_up(most), top);
        }
        assert_eq!((shade(0, 9), shade(1, 9), shade(9, 9)), (0, 1, 5));
        assert_eq!((shade(u32::MAX, 1), shade(3, 0)), (5, 1), "more than the most is the most");
    }
}
