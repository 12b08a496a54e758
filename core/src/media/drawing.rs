//! Drawn signatures as SVG: shapes and nothing else.
//!
//! A browser runs what an SVG says, so only a short list of elements and attributes is a drawing: no script, no
//! style, no link, no text, no entity, nothing that is fetched.

use roxmltree::{Document, Node, ParsingOptions};

/// Largest drawing, bytes; a signature is a few kilobytes of strokes.
const DRAWING_BYTES_MAX: usize = 512 * 1024;
/// The namespace of SVG.
const SVG: &str = "http://www.w3.org/2000/svg";

const ELEMENTS: [&str; 11] =
    ["svg", "g", "path", "line", "polyline", "polygon", "rect", "circle", "ellipse", "title", "desc"];
const ATTRIBUTES: [&str; 32] = [
    "width",
    "height",
    "viewBox",
    "version",
    "preserveAspectRatio",
    "d",
    "points",
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "transform",
    "fill",
    "fill-opacity",
    "fill-rule",
    "stroke",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-miterlimit",
    "opacity",
    "color",
    "id",
    "space",
];

/// True for an SVG file that only draws shapes.
pub(super) fn is_drawing(bytes: &[u8]) -> bool {
    if bytes.len() > DRAWING_BYTES_MAX {
        return false;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if !text.contains("<svg") {
        return false;
    }
    // Without a document type there are no entities to blow up.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 100_000, ..ParsingOptions::default() };
    let Ok(document) = Document::parse_with_options(text, options) else { return false };
    let root = document.root_element();
    root.tag_name().name() == "svg"
        && document.descendants().all(|node| is_shape(&node))
        && root.descendants().any(|node| node.is_element() && node.attributes().len() > 0)
}

fn is_shape(node: &Node<'_, '_>) -> bool {
    if node.is_pi() {
        return false;
    }
    if !node.is_element() {
        return true;
    }
    let tag = node.tag_name();
    let is_known = tag.namespace().is_none_or(|namespace| namespace == SVG) && ELEMENTS.contains(&tag.name());
    // A url() would be fetched, or points at what is not a colour.
    is_known
        && node.attributes().all(|attribute| {
            ATTRIBUTES.contains(&attribute.name()) && !attribute.value().to_ascii_lowercase().contains("url(")
        })
}

#[cfg(test)]
mod tests {
    use super::is_drawing;

    #[test]
    fn strokes_are_a_drawing() {
        let drawing = "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 300 100\">\
                       <g fill=\"none\" stroke=\"#000\"><path d=\"M1 1C2 2 3 3 4 4\"/></g></svg>";
        assert!(is_drawing(drawing.as_bytes()));
    }

    #[test]
    fn what_runs_or_fetches_is_none() {
        let within = |inner: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"1\">{inner}</svg>"
            )
        };
        let bad = [
            within("<script>alert(1)</script>"),
            within("<path d=\"M0 0\" onclick=\"alert(1)\"/>"),
            within("<image href=\"http://example.org/a.png\"/>"),
            within("<g xlink:href=\"javascript:alert(1)\"/>"),
            within("<g fill=\"URL(http://example.org/a)\"/>"),
            within("<style>*{}</style>"),
            within("<foreignObject><body/></foreignObject>"),
            within("<text>a</text>"),
            "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg width=\"1\">&a;</svg>".to_owned(),
            "<?xml-stylesheet href=\"a.css\"?><svg width=\"1\"/>".to_owned(),
            "<html><svg width=\"1\"/></html>".to_owned(),
            "<svg/>".to_owned(),
        ];
        for text in bad {
            assert!(!is_drawing(text.as_bytes()), "{text}");
        }
    }
}
