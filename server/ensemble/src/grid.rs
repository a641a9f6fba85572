//! Grids of booster parameters.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Parameters of one booster, under XGBoost's names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// Shrinkage of each tree, above 0, at most 1.
    pub eta: f32,
    /// Depth of each tree.
    pub max_depth: u32,
    /// Minimum sum of second derivatives in a leaf.
    pub min_child_weight: u32,
}

/// Values of each parameter. All combinations are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Values of `eta`.
    pub eta: Vec<f32>,
    /// Values of `max_depth`.
    pub max_depth: Vec<u32>,
    /// Values of `min_child_weight`.
    pub min_child_weight: Vec<u32>,
}

impl Grid {
    /// Two combinations of shallow trees that take a minute or two on a few thousand images.
    pub fn small() -> Self {
        Self {
            eta: vec![0.2],
            max_depth: vec![3],
            min_child_weight: vec![1, 5],
        }
    }

    /// Grid of the winner of the style challenge: 4 rates × depth 2–10 × minimum weight 1–5, 180 combinations.
    pub fn full() -> Self {
        Self {
            eta: vec![0.05, 0.1, 0.15, 0.2],
            max_depth: (2..=10).collect(),
            min_child_weight: (1..=5).collect(),
        }
    }

    /// Returns every combination, in a fixed order.
    pub fn points(&self) -> Vec<Params> {
        let mut points = Vec::new();
        for &eta in &self.eta {
            for &max_depth in &self.max_depth {
                for &min_child_weight in &self.min_child_weight {
                    points.push(Params {
                        eta,
                        max_depth,
                        min_child_weight,
                    });
                }
            }
        }
        points
    }
}

impl FromStr for Grid {
    type Err = String;

    /// Parses `small`, `full`, or lists that replace those of the small grid: `eta=0.1,0.2;max_depth=3;min_child_weight=1,5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut grid = match text {
            "small" => return Ok(Self::small()),
            "full" => return Ok(Self::full()),
            _ => Self::small(),
        };
        for part in text.split(';') {
            let (name, values) = part.split_once('=').ok_or_else(|| {
                format!("'{part}' is not NAME=VALUES; write small, full, or lists such as eta=0.1,0.2;max_depth=3")
            })?;
            match name {
                "eta" => grid.eta = list(part, values, |eta| *eta > 0.0 && *eta <= 1.0)?,
                "max_depth" => grid.max_depth = list(part, values, |depth| (1..=20).contains(depth))?,
                "min_child_weight" => grid.min_child_weight = list(part, values, |_| true)?,
                _ => return Err(format!("'{name}' is not eta, max_depth or min_child_weight")),
            }
        }
        Ok(grid)
    }
}

fn list<T: FromStr>(part: &str, values: &str, valid: impl Fn(&T) -> bool) -> Result<Vec<T>, String> {
    let parse = |value: &str| value.trim().parse().ok().filter(|value| valid(value));
    values
        .split(',')
        .map(|value| parse(value).ok_or_else(|| format!("'{value}' in '{part}' is out of range")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_parsed_and_wrong_ones_refused() {
        assert_eq!(Grid::full().points().len(), 180);
        let grid: Grid = "eta=0.1;max_depth=3,4".parse().expect("the grid is valid");
        assert_eq!(
            (grid.eta, grid.max_depth, grid.min_child_weight),
            (vec![0.1], vec![3, 4], vec![1, 5])
        );
        for (text, complaint) in [
            ("large", "NAME=VALUES"),
            ("depth=3", "'depth'"),
            ("eta=0", "'0'"),
            ("eta=", "''"),
        ] {
            let error = text.parse::<Grid>().expect_err(text);
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
