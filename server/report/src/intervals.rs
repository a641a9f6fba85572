//! Plot of values with intervals, one per line.

use super::svg::{Anchor, Svg, mark, series};

/// One value with an interval.
#[derive(Debug, Clone)]
pub struct Dot {
    /// Name of the line.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its interval, if there is one.
    pub interval: Option<(f64, f64)>,
    /// Note next to the interval.
    pub note: String,
}

/// Height of a line in pixels.
const LINE: f64 = 30.0;
/// Width of the plot in pixels.
const PLOT: f64 = 420.0;

/// Draws groups of values, each with a heading, as an SVG file with a line at zero.
pub fn intervals(title: &str, unit: &str, groups: &[(String, Vec<Dot>)]) -> String {
    let dots = || groups.iter().flat_map(|(_, dots)| dots);
    let ends = dots().flat_map(|dot| {
        let (low, high) = dot.interval.unwrap_or((dot.value, dot.value));
        [low, high, dot.value]
    });
    let axis = super::chart::Axis::fitting(unit, ends.chain([0.0]));
    let longest = |length: &dyn Fn(&Dot) -> usize| dots().map(length).max().unwrap_or(0) as f64 * 6.8;
    let left = longest(&|dot| dot.name.chars().count()).max(80.0) + 28.0;
    let right = longest(&|dot| dot.note.chars().count()) + 24.0;
    let n_lines = groups.iter().map(|(_, dots)| dots.len() + 1).sum::<usize>() as f64;
    let (top, floor) = (40.0, 40.0 + n_lines * LINE);
    let describe = |dot: &Dot| format!("{}: {}", dot.name, dot.note);
    let description: Vec<String> = dots().map(describe).collect();
    let mut svg = Svg::new(left + PLOT + right, floor + 46.0, title, &description.join("; "));
    let at = |value: f64| left + axis.place(value) * PLOT;

    svg.text([12.0, 22.0], Anchor::Start, "title", title);
    for (value, text) in axis.ticks() {
        svg.line([at(value), top], [at(value), floor], "grid");
        svg.text([at(value), floor + 16.0], Anchor::Middle, "small soft", &text);
    }
    svg.line([at(0.0), top], [at(0.0), floor], "axis");
    svg.text([left + PLOT / 2.0, floor + 36.0], Anchor::Middle, "small soft", unit);
    let mut y = top + LINE / 2.0;
    for (i, (heading, dots)) in groups.iter().enumerate() {
        svg.text([12.0, y + 4.0], Anchor::Start, "name", heading);
        y += LINE;
        for dot in dots {
            svg.text([left - 12.0, y + 4.0], Anchor::End, "small", &dot.name);
            if let Some((low, high)) = dot.interval {
                svg.line([at(low), y], [at(high), y], &format!("series {}", series(i)));
                for end in [low, high] {
                    svg.line([at(end), y - 5.0], [at(end), y + 5.0], &format!("series {}", series(i)));
                }
            }
            svg.disc([at(dot.value), y], 4.5, &mark(i));
            svg.text([left + PLOT + 12.0, y + 4.0], Anchor::Start, "small soft", &dot.note);
            y += LINE;
        }
    }
    svg.finish()
}
