//! Views of a photo, whose embeddings are averaged.

use serde::{Deserialize, Serialize};
use shared::input::InputSpec;

/// Views of every photo. Averages of a catalog's views are made once, so that searches need no more time. Views of queries take
/// as many forward passes as views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotoViews {
    /// The photo without changes.
    #[default]
    None,
    /// The photo and its mirror image.
    Flip,
}

impl std::str::FromStr for PhotoViews {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "flip" => Ok(Self::Flip),
            _ => Err(format!("'{text}' is not one of the views none and flip")),
        }
    }
}

impl PhotoViews {
    /// Inputs of the views of one photo, `[3, height, width]` each.
    pub(crate) fn inputs(self, input: Vec<f32>, spec: &InputSpec) -> Vec<Vec<f32>> {
        match self {
            Self::None => vec![input],
            Self::Flip => {
                let mirrored = mirror(&input, spec.width);
                vec![input, mirrored]
            }
        }
    }

    /// Mean of the embeddings of a photo's views. It need not have unit length.
    pub(crate) fn mean(embeddings: Vec<Vec<f32>>) -> Vec<f32> {
        let count = embeddings.len() as f32;
        let sum = embeddings.into_iter().reduce(|mut sum, other| {
            sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
            sum
        });
        let mut mean = sum.unwrap_or_default();
        if count > 1.0 {
            mean.iter_mut().for_each(|value| *value /= count);
        }
        mean
    }

    /// Embeds inputs `[3, height, width]` with `embed`, and averages the embeddings of each photo over its views. The means of
    /// several views do not have unit length.
    ///
    /// # Errors
    /// Those of `embed`.
    pub(crate) fn embed(
        self,
        inputs: Vec<Vec<f32>>,
        spec: &InputSpec,
        mut embed: impl FnMut(Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>>,
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        let views = inputs.into_iter().map(|input| self.inputs(input, spec));
        let views: Vec<Vec<Vec<f32>>> = views.collect();
        let counts: Vec<usize> = views.iter().map(Vec::len).collect();
        let mut embedded = embed(views.into_iter().flatten().collect())?.into_iter();
        let mean = |count: usize| Self::mean(embedded.by_ref().take(count).collect());
        Ok(counts.into_iter().map(mean).collect())
    }
}

/// Exchanges left and right of every row of pixels.
fn mirror(input: &[f32], width: usize) -> Vec<f32> {
    input.chunks(width).flat_map(|row| row.iter().rev().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::input::Fit;

    #[test]
    fn views_are_mirrored_by_row_and_their_embeddings_averaged() {
        assert_eq!(
            mirror(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]
        );
        let spec = InputSpec::new(2, 1, Fit::Stretch);
        let input = vec![vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]];
        let doubled = |inputs: Vec<Vec<f32>>| {
            Ok(inputs
                .iter()
                .map(|input| input.iter().map(|v| v * 2.0).collect())
                .collect())
        };
        let embedded = |views: PhotoViews| views.embed(input.clone(), &spec, doubled).expect("nothing fails");
        assert_eq!(embedded(PhotoViews::None), [[2.0, 4.0, 6.0, 8.0, 10.0, 12.0]]);
        assert_eq!(embedded(PhotoViews::Flip), [[3.0, 3.0, 7.0, 7.0, 11.0, 11.0]]);
    }
}
