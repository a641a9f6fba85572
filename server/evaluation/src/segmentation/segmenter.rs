//! Coverage of garments in images, predicted by a segmentation network for images without a mask.

use anyhow::Context;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use dataset::bundle;
use dataset::{Coverage, Garments, Images, Loader, Plan};
use shared::bundle::load_segment;
use shared::input::InputSpec;
use shared::model::{Architecture, UNet};
use shared::outfit::OutfitClass;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Images per forward pass.
const BATCH: usize = 16;
/// Maximum length of a coverage's longer side: finer than the map of any network, and small in memory.
const FINEST: u32 = 256;
/// Garment probabilities with coverage 0 and coverage 1. Coverage is linear between them.
const RIM: (f32, f32) = (0.35, 0.65);

/// Segmentation network that separates garments from person and background.
#[derive(Debug)]
pub struct Segmenter {
    net: UNet,
    /// Height and width of the logits.
    map: (usize, usize),
    spec: InputSpec,
    /// Garment flags by class.
    is_garment: Vec<bool>,
    garments: [bool; 256],
}

impl Segmenter {
    /// Loads a bundle.
    ///
    /// # Errors
    /// If it is not a bundle for segmentation, or has no class of garments.
    pub fn read(dir: &Path, device: &Device) -> anyhow::Result<Self> {
        let (manifest, weights) = bundle::read(dir)?;
        let Architecture::Segment(config) = &manifest.architecture else {
            anyhow::bail!(
                "{} is a bundle for '{}' and not for segmentation\nhint: train one with the recipe segment.toml",
                dir.display(),
                manifest.task()
            );
        };
        let classes = config.classes()?;
        let piece = |label: &String| OutfitClass::from_id(label).is_some_and(OutfitClass::is_piece);
        let is_garment: Vec<bool> = manifest
            .labels
            .iter()
            .map(|label| label == "garment" || piece(label))
            .collect();
        anyhow::ensure!(
            is_garment.contains(&true),
            "{} has no class 'garment' and no class of an outfit among {:?}; train with task.classes = \"groups\" or \
             \"outfit\"",
            dir.display(),
            manifest.labels
        );
        let net = load_segment(&manifest, &weights.network, device)?;
        let garments = classes.map(|class| is_garment.get(usize::from(class)) == Some(&true));
        Ok(Self {
            net,
            map: config.map_size(manifest.input.height, manifest.input.width)?,
            spec: manifest.input,
            is_garment,
            garments,
        })
    }

    /// Garment flags by id of the masks that the network was trained on.
    pub fn garments(&self) -> &[bool; 256] {
        &self.garments
    }

    /// Predicts the coverage of garments in each image, in the order of `rows`. `done` is called after each image.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn coverages(
        &self,
        images: &Arc<Images>,
        rows: &[usize],
        device: &Device,
        done: impl Fn(),
    ) -> anyhow::Result<Vec<Coverage>> {
        let plan = Plan {
            batches: rows.chunks(BATCH).map(<[usize]>::to_vec).collect(),
            seed: 0,
            epoch: 0,
        };
        let (height, width) = self.map;
        let mut found = Vec::with_capacity(rows.len());
        for batch in Loader::start(Arc::clone(images), self.spec.clone(), plan) {
            let batch = batch?;
            let n = batch.rows.len();
            let x = TensorData::new(batch.pixels, [n, 3, self.spec.height, self.spec.width]);
            let probs = softmax(self.net.forward(Tensor::from_data(x, device)), 1);
            let classes = (0..self.is_garment.len()).filter(|class| self.is_garment[*class]);
            let garments: Vec<_> = classes.map(|class| probs.clone().narrow(1, class, 1)).collect();
            let probs = Tensor::cat(garments, 1).sum_dim(1);
            let probs: Vec<f32> = probs.into_data().iter::<f32>().collect();
            for (row, probs) in batch.rows.iter().zip(probs.chunks_exact(width * height)) {
                let photo = images.get(*row)?;
                found.push(self.coverage(probs, (photo.width(), photo.height())));
                done();
            }
        }
        Ok(found)
    }

    /// Maps the network's probabilities to an image of another shape.
    fn coverage(&self, probs: &[f32], (width, height): (u32, u32)) -> Coverage {
        let (rows, columns) = self.map;
        let scale = f64::from(FINEST) / f64::from(width.max(height));
        let side = |length: u32| {
            if scale < 1.0 {
                ((f64::from(length) * scale) as u32).max(1)
            } else {
                length
            }
        };
        let (w, h) = (side(width), side(height));
        // Neighbouring cells of a place along one side, and the place's distance from the first, 0–1.
        let cells = |at: f64, frame: usize, cells: usize| {
            let place = (at * cells as f64 / frame as f64 - 0.5).clamp(0.0, (cells - 1) as f64);
            (
                place as usize,
                (place as usize + 1).min(cells - 1),
                place.fract() as f32,
            )
        };
        let size = (width as usize, height as usize);
        let centre = |at: u32, cells: u32, length: u32| (f64::from(at) + 0.5) * f64::from(length) / f64::from(cells);
        let across: Vec<_> = (0..w)
            .map(|x| {
                cells(
                    self.spec.locate(size, (centre(x, w, width), 0.0)).0,
                    self.spec.width,
                    columns,
                )
            })
            .collect();
        let down: Vec<_> = (0..h)
            .map(|y| {
                cells(
                    self.spec.locate(size, (0.0, centre(y, h, height))).1,
                    self.spec.height,
                    rows,
                )
            })
            .collect();
        Coverage::from_fn(w, h, |x, y| {
            let ((x0, x1, fx), (y0, y1, fy)) = (across[x as usize], down[y as usize]);
            let line = |y: usize| probs[y * columns + x0] * (1.0 - fx) + probs[y * columns + x1] * fx;
            let prob = line(y0) * (1.0 - fy) + line(y1) * fy;
            (prob - RIM.0) / (RIM.1 - RIM.0)
        })
    }
}

/// Returns the garments of `rows` from their masks, and from the network `bundle` for rows without a mask.
///
/// `person` are the mask ids of skin, hair and other parts of the person. The default are the ids that the network was trained
/// on. `done` is called after each image of the network. Rows with neither mask nor network are counted on stderr.
///
/// # Errors
/// If there is neither `person` nor `bundle`, no row has a mask and there is no bundle, or a file cannot be read.
pub fn garments(
    images: &Arc<Images>,
    rows: &[usize],
    person: Option<&[u8]>,
    bundle: Option<&Path>,
    device: &Device,
    done: impl Fn(),
) -> anyhow::Result<Garments> {
    let table = &images.dataset().rows;
    let bare: Vec<usize> = rows.iter().copied().filter(|row| table[*row].mask.is_empty()).collect();
    let segmenter = bundle.map(|bundle| Segmenter::read(bundle, device)).transpose()?;
    let Some(segmenter) = segmenter else {
        anyhow::ensure!(
            bare.len() < rows.len(),
            "none of {} photos has a mask, and there is no network to find garments with; train one with the recipe \
             segment.toml and name its bundle as the segmenter",
            rows.len()
        );
        let person = person.context(
            "masks alone do not say what is garment: name the ids of skin and hair as person (41,19 for ccp, 2 for a \
             rendered shop), or a segmentation bundle as the segmenter",
        )?;
        if !bare.is_empty() {
            eprintln!(
                "{} of {} photos have no mask and stay as they are; a segmenter would find their garments",
                bare.len(),
                rows.len()
            );
        }
        return Ok(Garments {
            ids: Garments::garment_ids(person),
            found: HashMap::new(),
        });
    };
    let ids = person.map_or_else(|| Box::new(*segmenter.garments()), Garments::garment_ids);
    let found = segmenter.coverages(images, &bare, device, done)?;
    Ok(Garments {
        ids,
        found: bare.into_iter().zip(found).collect(),
    })
}
