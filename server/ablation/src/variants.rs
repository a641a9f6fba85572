//! Variants of a training, by the switches that are on, and the comparisons between them.

use crate::recipe::{AblationRecipe, Mode, Switch};

/// A set of switches that are on.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Name in tables.
    pub name: String,
    /// Indices of its switches, ascending.
    pub on: Vec<usize>,
    /// Index of the measurement of each seed.
    pub measurements: Vec<usize>,
}

/// A row of a table: a variant against another.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the difference.
    pub name: String,
    /// Index of the variant.
    pub variant: usize,
    /// Index of the variant that it is compared with.
    pub reference: usize,
}

/// Rows of one comparison.
#[derive(Debug, Clone)]
pub struct Group {
    /// Title of the comparison.
    pub title: String,
    /// Rows.
    pub rows: Vec<Row>,
}

/// Variants and comparisons of an ablation.
#[derive(Debug)]
pub(crate) struct Comparisons<'a> {
    ablation: &'a AblationRecipe,
    pub(crate) variants: Vec<Variant>,
    pub(crate) groups: Vec<Group>,
}

impl<'a> Comparisons<'a> {
    /// Lists the variants that the modes of an ablation compare.
    pub(crate) fn new(ablation: &'a AblationRecipe) -> Self {
        let mut comparisons = Self {
            ablation,
            variants: Vec::new(),
            groups: Vec::new(),
        };
        for mode in &ablation.modes {
            let joining = |(at, switch): (usize, &Switch)| switch.joins(*mode).then_some(at);
            let on: Vec<usize> = ablation.switches.iter().enumerate().filter_map(joining).collect();
            if !on.is_empty() {
                comparisons.compare(*mode, &on);
            }
        }
        comparisons
    }

    /// Adds the groups of one mode with the switches `on`.
    fn compare(&mut self, mode: Mode, on: &[usize]) {
        let names: Vec<String> = on.iter().map(|at| self.ablation.switches[*at].name.clone()).collect();
        let n = on.len();
        match mode {
            Mode::Off => {
                let all = self.variant(on);
                let without = |at: usize| [&on[..at], &on[at + 1..]].concat();
                let rows = (0..n).map(|at| (format!("without {}", names[at]), self.variant(&without(at)), all));
                let rows = rows.collect();
                self.group("Each off: all switches but one, against all", rows);
            }
            Mode::Alone => {
                let none = self.variant(&[]);
                let rows = (0..n)
                    .map(|at| (format!("only {}", names[at]), self.variant(&[on[at]]), none))
                    .collect();
                self.group("Each alone: one switch, against none", rows);
            }
            Mode::Ladder => {
                let rungs: Vec<usize> = (0..=n).map(|rung| self.variant(&on[..rung])).collect();
                let steps = |reference: &dyn Fn(usize) -> usize| -> Vec<(String, usize, usize)> {
                    (0..n)
                        .map(|at| (format!("+ {}", names[at]), rungs[at + 1], rungs[reference(at)]))
                        .collect()
                };
                let (previous, baseline) = (steps(&|at| at), steps(&|_| 0));
                self.group("Ladder: one switch more, against the rung before", previous);
                self.group("Ladder: against the baseline, without any switch", baseline);
            }
        }
    }

    fn group(&mut self, title: &str, rows: Vec<(String, usize, usize)>) {
        let row = |(name, variant, reference)| Row {
            name,
            variant,
            reference,
        };
        self.groups.push(Group {
            title: title.to_owned(),
            rows: rows.into_iter().map(row).collect(),
        });
    }

    /// Returns the index of the variant with these switches; adds it if it is new.
    fn variant(&mut self, on: &[usize]) -> usize {
        if let Some(at) = self.variants.iter().position(|variant| variant.on == on) {
            return at;
        }
        self.variants.push(Variant {
            name: self.name(on),
            on: on.to_vec(),
            measurements: Vec::new(),
        });
        self.variants.len() - 1
    }

    /// Returns the name of the variant with these switches.
    fn name(&self, on: &[usize]) -> String {
        let switches = &self.ablation.switches;
        let names: Vec<&str> = on.iter().map(|at| switches[*at].name.as_str()).collect();
        let off: Vec<usize> = (0..switches.len())
            .filter(|at| !on.contains(at) && switches[*at].joins(Mode::Off))
            .collect();
        match (&names[..], &off[..]) {
            ([], _) => "baseline".to_owned(),
            ([one], _) => format!("only {one}"),
            (_, []) => "all".to_owned(),
            (_, [one]) => format!("without {}", switches[*one].name),
            (several, _) => {
                // A folder's name has no room for the names of all switches of a rung.
                let mut ladder = (0..switches.len()).filter(|at| switches[*at].joins(Mode::Ladder));
                let is_rung = ladder.by_ref().take(on.len()).eq(on.iter().copied());
                if is_rung {
                    format!("up to {}", several[several.len() - 1])
                } else {
                    several.join(" + ")
                }
            }
        }
    }
}
