//! Matrices of shares as tinted cells with percentages.

use super::svg::{Anchor, Svg};

/// A square matrix over named labels.
#[derive(Debug)]
pub(crate) struct Matrix<'a> {
    /// Title.
    pub(crate) title: String,
    /// Text alternative of the plot.
    pub(crate) description: String,
    /// Meaning of the lines.
    pub(crate) lines: &'a str,
    /// Meaning of the columns.
    pub(crate) columns: &'a str,
    /// Names of lines and columns.
    pub(crate) names: &'a [String],
    /// Shares 0–1, `[line][column]`; NaN if undefined.
    pub(crate) shares: &'a [Vec<f64>],
}

/// Side of a cell in pixels.
const CELL: f64 = 30.0;
/// Minimum tint of cells whose text has the colour of the background.
const DEEP: f64 = 0.6;

/// Draws the matrix as an SVG file.
pub(crate) fn draw(matrix: &Matrix<'_>) -> String {
    let n = matrix.names.len() as f64;
    let longest = matrix.names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64;
    let room = (longest * 6.6 + 34.0).max(90.0);
    // Names of columns are slanted and extend beyond the last column.
    let (left, top) = (room, 44.0 + room * 0.75);
    let (width, height) = ((left + n * CELL + room * 0.6).max(420.0), top + n * CELL + 16.0);
    let mut svg = Svg::new(width, height, &matrix.title, &matrix.description);
    svg.text([12.0, 22.0], Anchor::Start, "title", &matrix.title);
    svg.text(
        [left - 8.0, top - 8.0],
        Anchor::End,
        "small soft",
        &format!("{} ↓  {} →", matrix.lines, matrix.columns),
    );
    for (i, name) in matrix.names.iter().enumerate() {
        let middle = (i as f64 + 0.5) * CELL;
        svg.text([left - 8.0, top + middle + 4.0], Anchor::End, "small", name);
        svg.rotated_text([left + middle, top - 8.0], -45.0, Anchor::Start, "small", name);
    }
    for (i, line) in matrix.shares.iter().enumerate() {
        for (j, share) in line.iter().enumerate() {
            let corner = [left + j as f64 * CELL, top + i as f64 * CELL];
            if !share.is_finite() {
                svg.text(
                    [corner[0] + CELL / 2.0, corner[1] + CELL / 2.0 + 4.0],
                    Anchor::Middle,
                    "small soft",
                    "–",
                );
                continue;
            }
            // Every share above 0 has a minimum tint, so that small shares are visible.
            let tint = if *share > 0.0 { 0.06 + 0.94 * share } else { 0.02 };
            svg.rect([corner[0] + 1.0, corner[1] + 1.0], [CELL - 2.0, CELL - 2.0], "m0", tint);
            let class = if tint > DEEP { "small on" } else { "small" };
            let text = format!("{:.0}", share * 100.0);
            svg.text(
                [corner[0] + CELL / 2.0, corner[1] + CELL / 2.0 + 4.0],
                Anchor::Middle,
                class,
                &text,
            );
        }
    }
    svg.finish()
}
