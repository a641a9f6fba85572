//! Sampling of style label sets, and the rule that maps them to attributes.
//!
//! **Sets.** The label set of each item is drawn from `style_sets.csv`: the 192 label sets of the 54,908 training images of
//! the JD AI Fashion Challenge 2018 with their counts. Co-occurrence and the imbalance of 480 : 1 are therefore real, and a
//! small shop may lack the rare styles. [`StyleMix::Tempered`] raises the counts to a power below 1 to include them.
//!
//! **Attributes.** Each label of the set applies its signature with probability 0.9. The most common label comes first, so a
//! rare label overrides common ones. One item in twenty also gets the signature of a random style. All other attributes are
//! drawn from priors of the kind of garment.
//!
//! | style | signature |
//! |---|---|
//! | sport | zip hoodies, tees, sneakers; saturated colours; side stripes |
//! | casual | tees, hoodies, denim, sneakers, backpacks, totes; pockets; everyday colours |
//! | ol_commuter | shirts, blouses, blazers, coats, dresses, pumps, handbags; muted colours |
//! | japanese | sailor collars or wrap fronts with wide sleeves; navy, indigo and white |
//! | korean | pale colours, oversize, dropped shoulders |
//! | european_american | fitted, V-necks, bold colours, leather, leopard |
//! | british | tartan or houndstooth, double-breasted coats, heritage colours |
//! | girlish | pinks and pastels, puff sleeves, bows, dots, gingham |
//! | ladylike | nipped or belted waist, pearls, lace edges, florals |
//! | minimalist | plain, neutral, no trim, no pocket |
//! | natural | linen, earth colours, wooden buttons, loose |
//! | street_punk | black, studs, zips, big graphics, camouflage, leather, platform soles |
//! | ethnic | folk colours, embroidered bands, woven motifs, tassels |

use super::random::Dice;
use shared::taxonomy::STYLES;

/// Indices into [`STYLES`].
pub(crate) mod id {
    pub(crate) const SPORT: usize = 0;
    pub(crate) const CASUAL: usize = 1;
    pub(crate) const OL: usize = 2;
    pub(crate) const JAPANESE: usize = 3;
    pub(crate) const KOREAN: usize = 4;
    pub(crate) const EURO: usize = 5;
    pub(crate) const BRITISH: usize = 6;
    pub(crate) const GIRLISH: usize = 7;
    pub(crate) const LADYLIKE: usize = 8;
    pub(crate) const MINIMALIST: usize = 9;
    pub(crate) const NATURAL: usize = 10;
    pub(crate) const PUNK: usize = 11;
    pub(crate) const ETHNIC: usize = 12;
}

/// Order in which signatures are applied, from the most common to the rarest style.
pub(crate) const BY_RARITY: [usize; 13] = [
    id::OL,
    id::LADYLIKE,
    id::KOREAN,
    id::EURO,
    id::MINIMALIST,
    id::CASUAL,
    id::NATURAL,
    id::GIRLISH,
    id::PUNK,
    id::ETHNIC,
    id::JAPANESE,
    id::BRITISH,
    id::SPORT,
];

/// Label sets with their counts, `labels,count`, most common first. They were counted over the train split of the
/// challenge's label rows, which have the columns `id,split,fold` and one column per style:
/// `zcat labels.csv.gz | python3 -c "import csv,sys,collections as c; n=c.Counter(';'.join(k for k in list(r)[3:] if
/// r[k]=='1') for r in csv.DictReader(sys.stdin) if r['split']=='train'); print('labels,count');
/// [print(f'{k},{v}') for k,v in sorted(n.items(), key=lambda x:(-x[1],x[0]))]" > style_sets.csv`
const TABLE: &str = include_str!("style_sets.csv");

/// Sampling of a shop's label sets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum StyleMix {
    /// Probabilities proportional to the real counts.
    #[default]
    Real,
    /// Probabilities proportional to the counts raised to this power, in `[0, 1]`. 1 is [`StyleMix::Real`], and 0 gives all
    /// sets the same probability.
    Tempered(f32),
}

/// Set of style labels as ascending indices into [`STYLES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StyleSet(pub(crate) Vec<usize>);

impl StyleSet {
    /// True if the set contains this style.
    pub(crate) fn has(&self, style: usize) -> bool {
        self.0.contains(&style)
    }

    /// Ids of the styles in the order of [`STYLES`].
    pub(crate) fn ids(&self) -> Vec<&'static str> {
        self.0.iter().map(|&i| STYLES[i].id).collect()
    }
}

/// Label sets with their cumulative weights.
pub(crate) struct StyleTable {
    sets: Vec<StyleSet>,
    cumulative: Vec<f64>,
}

impl StyleTable {
    /// Reads the table and weighs it according to `mix`.
    pub(crate) fn new(mix: StyleMix) -> Self {
        let mut table = Self {
            sets: Vec::new(),
            cumulative: Vec::new(),
        };
        let mut total = 0.0;
        for line in TABLE.lines().skip(1) {
            let Some((labels, count)) = line.rsplit_once(',') else {
                continue;
            };
            let Ok(count) = count.parse::<f64>() else {
                continue;
            };
            let set = labels
                .split(';')
                .filter_map(|l| STYLES.iter().position(|style| style.id == l))
                .collect();
            total += match mix {
                StyleMix::Real => count,
                StyleMix::Tempered(power) => libm::pow(count, f64::from(power.clamp(0.0, 1.0))),
            };
            table.sets.push(StyleSet(set));
            table.cumulative.push(total);
        }
        table
    }

    /// Draws a label set.
    pub(crate) fn draw(&self, dice: &mut Dice) -> StyleSet {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = (dice.word() >> 11) as f64 / (1u64 << 53) as f64 * total;
        let i = self.cumulative.partition_point(|&c| c <= at).min(self.sets.len() - 1);
        self.sets[i].clone()
    }

    /// Returns all sets with their probabilities.
    #[cfg(test)]
    pub(crate) fn shares(&self) -> Vec<(StyleSet, f64)> {
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let mut before = 0.0;
        let mut out = Vec::new();
        for (set, &c) in self.sets.iter().zip(&self.cumulative) {
            out.push((set.clone(), (c - before) / total));
            before = c;
        }
        out
    }
}
