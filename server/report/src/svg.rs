//! Drawings as SVG text, with colours for light and dark schemes and a text alternative.
//!
//! **Invariant:** a drawing is well-formed XML and refers to no other file.

use std::fmt::Write;

/// Colours of series in the order of their use, on light and on dark background. They differ for all kinds of colour vision.
const SERIES: [(&str, &str); 6] = [
    ("#0b63b5", "#6bb1f5"),
    ("#c2510c", "#f59c5c"),
    ("#0d7a5f", "#4fcfa8"),
    ("#8a3f9e", "#d49be6"),
    ("#8a6d00", "#e0c24f"),
    ("#5a6470", "#a9b4c0"),
];

/// Number of colours. Further series start again with the first colour.
const N_SERIES: usize = SERIES.len();

/// Alignment of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Anchor at the left end.
    Start,
    /// Anchor at the middle.
    Middle,
    /// Anchor at the right end.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A drawing in progress. Lengths are pixels, and y points down.
#[derive(Debug, Clone)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    title: String,
    description: String,
    body: String,
}

impl Svg {
    /// Creates an empty drawing of `width` × `height` with a title and a text alternative.
    pub(crate) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        Self {
            width,
            height,
            title: title.to_owned(),
            description: description.to_owned(),
            body: String::new(),
        }
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    /// Draws a straight line.
    pub(crate) fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], class: &str) {
        self.push(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        ));
    }

    /// Draws a line through points.
    pub(crate) fn polyline(&mut self, points: &[[f64; 2]], class: &str) {
        let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        self.push(format_args!(
            r#"<polyline points="{}" class="{class}"/>"#,
            points.join(" ")
        ));
    }

    /// Draws a rectangle with an opacity of its fill, 0–1.
    pub(crate) fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], class: &str, opacity: f64) {
        self.push(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}" fill-opacity="{opacity:.3}"/>"#
        ));
    }

    /// Draws a disc.
    pub(crate) fn disc(&mut self, [x, y]: [f64; 2], radius: f64, class: &str) {
        self.push(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" class="{class}"/>"#
        ));
    }

    /// Writes text on the baseline `y`.
    pub(crate) fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, class: &str, text: &str) {
        let (anchor, text) = (anchor.name(), escape(text));
        self.push(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// Writes text that is rotated clockwise by `degrees` about its anchor.
    pub(crate) fn rotated_text(&mut self, [x, y]: [f64; 2], degrees: f64, anchor: Anchor, class: &str, text: &str) {
        let (anchor, text) = (anchor.name(), escape(text));
        self.push(format_args!(
            r#"<text transform="translate({x:.1} {y:.1}) rotate({degrees})" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// Returns the drawing as a file.
    pub(crate) fn finish(self) -> String {
        let Self {
            width,
            height,
            title,
            description,
            body,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" class=\"plot\">\n\
             <title>{}</title>\n<desc>{}</desc>\n<style>{}</style>\n\
             <rect width=\"{width:.0}\" height=\"{height:.0}\" class=\"ground\"/>\n{body}</svg>\n",
            escape(&title),
            escape(&description),
            style()
        )
    }
}

/// Converts a drawing to a part of an HTML page, without the namespace, which is an address.
pub(crate) fn inline(svg: &str) -> String {
    svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
}

/// Escapes text for elements and quoted attributes of XML. Characters that XML forbids become U+FFFD.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
        escaped
    })
}

/// Class of the line of series `index`.
pub(crate) fn series(index: usize) -> String {
    format!("s{}", index % N_SERIES)
}

/// Class of the filled marks of series `index`.
pub(crate) fn mark(index: usize) -> String {
    format!("m{}", index % N_SERIES)
}

fn style() -> String {
    let colours = |pick: fn(&(&'static str, &'static str)) -> &'static str| -> String {
        let rule = |(i, colour): (usize, &'static str)| {
            format!(".plot .s{i}{{stroke:{colour}}}.plot .m{i},.plot text.t{i}{{fill:{colour}}}")
        };
        SERIES.iter().map(pick).enumerate().map(rule).collect()
    };
    let ground = |ground: &str, ink: &str, soft: &str, grid: &str| {
        format!(
            ".plot .ground{{fill:{ground}}}.plot text{{fill:{ink}}}.plot text.soft{{fill:{soft}}}\
             .plot .grid{{stroke:{grid}}}.plot .axis{{stroke:{soft}}}.plot .guess{{stroke:{soft}}}.plot .halo{{fill:{ground};stroke:{ink}}}"
        )
    };
    format!(
        ".plot{{font:12px system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}}\
         .plot line,.plot polyline{{fill:none;stroke-width:1}}.plot .title{{font-size:15px;font-weight:600}}\
         .plot .name{{font-weight:600}}.plot .small{{font-size:11px}}\
         .plot .series{{stroke-width:1.8;stroke-linejoin:round}}.plot .guess{{stroke-dasharray:2 4}}\
         .plot .chosen{{stroke-dasharray:5 3;stroke-width:1.4}}.plot .halo{{stroke-width:1.4}}\
         {}{}.plot text.on{{fill:#fff}}@media(prefers-color-scheme:dark){{{}{}.plot text.on{{fill:#0d1117}}}}",
        ground("#ffffff", "#1c2127", "#59636e", "#e4e7eb"),
        colours(|pair| pair.0),
        ground("#14181d", "#e6e9ed", "#9aa5b1", "#2a3138"),
        colours(|pair| pair.1),
    )
}
