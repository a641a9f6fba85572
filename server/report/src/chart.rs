//! Charts: panels with axes, ticks and marks, laid out in a grid.

use super::svg::{Anchor, Svg, mark, series};

/// Axis of a panel.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    title: String,
    low: f64,
    high: f64,
    logarithmic: bool,
    whole: bool,
}

impl Axis {
    /// Axis from `low` to `high`, exactly.
    pub(crate) fn fixed(title: &str, low: f64, high: f64) -> Self {
        Self {
            title: title.to_owned(),
            low,
            high,
            logarithmic: false,
            whole: false,
        }
    }

    /// Axis that contains all finite `values`, with round ends.
    pub(crate) fn fitting(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values);
        let step = step(low, high);
        Self::fixed(title, (low / step).floor() * step, (high / step).ceil() * step)
    }

    /// Axis of counts from `low` to `high` with ticks at whole numbers.
    pub(crate) fn counting(title: &str, low: usize, high: usize) -> Self {
        let (low, high) = (low as f64, high as f64);
        let (low, high) = if low < high {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        Self {
            whole: true,
            ..Self::fixed(title, low, high)
        }
    }

    /// Logarithmic axis that contains all positive `values`, with powers of ten as ends.
    pub(crate) fn logarithmic(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values.filter(|value| *value > 0.0).map(f64::log10));
        let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
        Self {
            logarithmic: true,
            ..Self::fixed(title, 10f64.powf(low), 10f64.powf(high))
        }
    }

    /// Position of `value`: 0 at the low end and 1 at the high end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (value, low, high) = if self.logarithmic {
            (value.max(self.low).log10(), self.low.log10(), self.high.log10())
        } else {
            (value, self.low, self.high)
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Values and texts of the ticks.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic {
            let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
            return (low..=high)
                .map(|power| (10f64.powi(power), format!("1e{power}")))
                .collect();
        }
        let step = if self.whole {
            step(self.low, self.high).max(1.0)
        } else {
            step(self.low, self.high)
        };
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|i| (i as f64 * step, number(i as f64 * step, step)))
            .collect()
    }
}

/// Smallest and largest finite value. If they are equal, they are moved apart.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    match (low <= high, low < high) {
        (false, _) => (0.0, 1.0),
        (true, true) => (low, high),
        (true, false) => {
            let around = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low - around, high + around)
        }
    }
}

/// Distance between ticks for about five ticks: 1, 2 or 5 times a power of ten.
fn step(low: f64, high: f64) -> f64 {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let leading = rough / power;
    power
        * if leading < 1.5 {
            1.0
        } else if leading < 3.5 {
            2.0
        } else if leading < 7.5 {
            5.0
        } else {
            10.0
        }
}

/// Text of a tick with as many digits as the step needs.
fn number(value: f64, step: f64) -> String {
    if value != 0.0 && (step < 1e-4 || value.abs() >= 1e6) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let digits = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

/// Element of a panel.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// Line through points, interrupted at points that are not finite.
    Line {
        /// Points as x and y.
        points: Vec<[f64; 2]>,
        /// Index of the colour.
        series: usize,
        /// Name in the legend; `None` for no entry.
        name: Option<String>,
    },
    /// Discs.
    Dots {
        /// Points as x and y.
        points: Vec<[f64; 2]>,
        /// Index of the colour.
        series: usize,
    },
    /// Dashed line over the whole height of the panel that marks a chosen value.
    Chosen {
        /// Position on the x axis.
        at: f64,
        /// Index of the colour.
        series: usize,
    },
    /// Dotted line of a constant baseline or of a perfect model.
    Guess {
        /// Start.
        from: [f64; 2],
        /// End.
        to: [f64; 2],
    },
    /// Bars from the bottom of the panel.
    Bars {
        /// Left end, right end and height of each bar.
        bars: Vec<[f64; 3]>,
        /// Index of the colour.
        series: usize,
    },
}

/// A plot with axes.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    /// Title above the panel.
    pub(crate) title: String,
    /// Horizontal axis.
    pub(crate) x: Axis,
    /// Vertical axis.
    pub(crate) y: Axis,
    /// Marks, from back to front.
    pub(crate) marks: Vec<Mark>,
}

/// Panels in one drawing.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    /// Title.
    pub(crate) title: String,
    /// Text alternative of the chart.
    pub(crate) description: String,
    /// Panels, line by line.
    pub(crate) panels: Vec<Panel>,
    /// Panels per line.
    pub(crate) columns: usize,
    /// Width and height of a panel, with its texts.
    pub(crate) size: [f64; 2],
}

/// Margins of a panel: left, top, right, bottom.
const MARGIN: [f64; 4] = [52.0, 46.0, 14.0, 40.0];
/// Height of the title above the panels.
const HEAD: f64 = 32.0;

impl Chart {
    /// Draws the chart as an SVG file.
    pub(crate) fn draw(&self) -> String {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let lines = self.panels.len().div_ceil(columns).max(1);
        let [width, height] = self.size;
        let mut svg = Svg::new(
            width * columns as f64,
            HEAD + height * lines as f64,
            &self.title,
            &self.description,
        );
        svg.text([12.0, 22.0], Anchor::Start, "title", &self.title);
        for (i, panel) in self.panels.iter().enumerate() {
            let corner = [(i % columns) as f64 * width, HEAD + (i / columns) as f64 * height];
            panel.draw(&mut svg, corner, self.size);
        }
        svg.finish()
    }
}

impl Panel {
    fn draw(&self, svg: &mut Svg, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        let [left, top, right, bottom] = MARGIN;
        let (w, h) = (width - left - right, height - top - bottom);
        let (x, y) = (x + left, y + top);
        let at = |[px, py]: [f64; 2]| [x + self.x.place(px) * w, y + (1.0 - self.y.place(py)) * h];

        svg.text([x, y - 28.0], Anchor::Start, "name", &shortened(&self.title, w));
        for (value, text) in self.y.ticks() {
            let [_, ty] = at([self.x.low, value]);
            svg.line([x, ty], [x + w, ty], "grid");
            svg.text([x - 6.0, ty + 4.0], Anchor::End, "small soft", &text);
        }
        for (value, text) in self.x.ticks() {
            let [tx, _] = at([value, self.y.low]);
            svg.line([tx, y + h], [tx, y + h + 4.0], "axis");
            svg.text([tx, y + h + 16.0], Anchor::Middle, "small soft", &text);
        }
        svg.line([x, y + h], [x + w, y + h], "axis");
        svg.text([x + w / 2.0, y + h + 33.0], Anchor::Middle, "small soft", &self.x.title);
        svg.rotated_text(
            [x - 40.0, y + h / 2.0],
            -90.0,
            Anchor::Middle,
            "small soft",
            &self.y.title,
        );

        let mut legend = x;
        for mark in &self.marks {
            if let Mark::Line {
                series: index,
                name: Some(name),
                ..
            } = mark
            {
                svg.line(
                    [legend, y - 14.0],
                    [legend + 14.0, y - 14.0],
                    &format!("series {}", series(*index)),
                );
                svg.text([legend + 18.0, y - 10.0], Anchor::Start, "small soft", name);
                legend += 32.0 + text_width(name);
            }
            mark.draw(svg, &at, (y, y + h));
        }
    }
}

impl Mark {
    fn draw(&self, svg: &mut Svg, at: &impl Fn([f64; 2]) -> [f64; 2], (top, floor): (f64, f64)) {
        match self {
            Self::Line {
                points, series: index, ..
            } => {
                let class = format!("series {}", series(*index));
                for part in points.split(|point| !point.iter().all(|value| value.is_finite())) {
                    let part: Vec<[f64; 2]> = part.iter().map(|point| at(*point)).collect();
                    match part[..] {
                        [] => {}
                        [alone] => svg.disc(alone, 2.5, &mark(*index)),
                        _ => svg.polyline(&part, &class),
                    }
                }
            }
            Self::Dots { points, series: index } => {
                for point in points
                    .iter()
                    .filter(|point| point.iter().all(|value| value.is_finite()))
                {
                    svg.disc(at(*point), 4.0, &mark(*index));
                }
            }
            Self::Chosen {
                at: value,
                series: index,
            } => {
                let [x, _] = at([*value, 0.0]);
                svg.line([x, top], [x, floor], &format!("chosen {}", series(*index)));
            }
            Self::Guess { from, to } => svg.line(at(*from), at(*to), "guess"),
            Self::Bars { bars, series: index } => {
                for [from, to, height] in bars {
                    let ([left, y], [right, _]) = (at([*from, *height]), at([*to, *height]));
                    let size = [(right - left - 2.0).max(0.5), (floor - y).max(0.0)];
                    svg.rect([left + 1.0, y], size, &mark(*index), 0.85);
                }
            }
        }
    }
}

/// Approximate width of a small text in pixels.
fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { 6.3 } else { 11.0 }).sum()
}

/// Shortens a title to `width` pixels.
fn shortened(text: &str, width: f64) -> String {
    let most = (width / 7.0) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let texts = |axis: &Axis| axis.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        let unit = Axis::fixed("", 0.0, 1.0);
        assert_eq!(texts(&unit), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            texts(&Axis::fitting("", [0.313, 0.298].into_iter())),
            [
                "0.298", "0.300", "0.302", "0.304", "0.306", "0.308", "0.310", "0.312", "0.314"
            ]
        );
        assert_eq!(texts(&Axis::counting("", 1, 3)), ["1", "2", "3"]);
        assert_eq!(texts(&Axis::counting("", 1, 1)), ["1"]);
        assert_eq!(
            texts(&Axis::logarithmic("", [3.0, 420.0].into_iter())),
            ["1e0", "1e1", "1e2", "1e3"]
        );
        assert_eq!(
            texts(&Axis::fitting("", [0.0, 4e-5].into_iter())),
            ["0.00000", "1e-5", "2e-5", "3e-5", "4e-5", "5e-5"]
        );
        // There is an axis even without values, or with a single one.
        for values in [vec![], vec![f64::NAN], vec![0.0], vec![-3.0]] {
            let axis = Axis::fitting("", values.iter().copied());
            assert!(axis.low < axis.high && axis.ticks().len() >= 2, "{values:?} {axis:?}");
        }
    }
}
