//! Teachers of a distillation: bundles whose networks process the same crop as the student.

use crate::sources::Group;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor, TensorData};
use dataset::bundle;
use shared::bundle::{GroupKind, LabelGroup, Manifest, PlattScale};
use shared::input::InputSpec;
use shared::server_models::{Classifier, load_classifier};
use std::ops::Range;
use std::path::PathBuf;

/// Returns the input that training images are rendered for: that of the student in the teacher's size.
///
/// # Errors
/// If teacher and student would see other crops: the student is larger, has other proportions, or its other keys differ.
pub(crate) fn rendered(teacher: &Manifest, student: &InputSpec) -> anyhow::Result<InputSpec> {
    let InputSpec { width, height, .. } = teacher.input;
    let rendered = InputSpec {
        width,
        height,
        ..student.clone()
    };
    let fits = student.width <= width && student.height <= height;
    anyhow::ensure!(
        teacher.input == rendered && fits && student.width * height == student.height * width,
        "the student's [input] differs from that of the teacher {} ({:?}); teachers and student must see the same crop, so use \
         the teacher's keys; a smaller size of the same proportions is possible",
        teacher.model_id(),
        teacher.input
    );
    Ok(rendered)
}

/// Reduces images, `[batch, 3, h, w]`, to the size of a student's input. Pixels are means of areas.
pub(crate) fn reduced(images: Tensor<4>, to: &InputSpec) -> Tensor<4> {
    let [_, _, height, width] = images.dims();
    if (height, width) == (to.height, to.width) {
        return images;
    }
    adaptive_avg_pool2d(images, [to.height, to.width])
}

/// Group that a network knows.
#[derive(Debug)]
struct Taught {
    /// The teacher's group.
    group: LabelGroup,
    /// Columns of the teacher.
    columns: Range<usize>,
    /// Number of the student's group.
    student: usize,
}

/// One network with the student's groups that it knows.
#[derive(Debug)]
struct Network {
    net: Classifier,
    taught: Vec<Taught>,
}

/// Teachers of a classifier.
#[derive(Debug)]
pub(crate) struct Teacher {
    /// One or more networks, without autodiff.
    networks: Vec<Network>,
    /// Columns of the student's groups.
    groups: Vec<Range<usize>>,
    /// Share of the dataset's labels in the target, 0–1. The rest is the mean of the teachers' probabilities.
    truth: f64,
    /// Input of the training images.
    pub(crate) rendered: InputSpec,
}

impl Teacher {
    /// Reads the teachers' bundles. A teacher knows each group of the student that has the labels and the kind of one of its
    /// own groups, whatever their names.
    ///
    /// # Errors
    /// If there is none, one knows no group of the student, the teachers' inputs differ, or their input and the
    /// student's, `input`, do not fit together.
    pub(crate) fn read(
        bundles: &[PathBuf],
        groups: &[Group],
        input: &InputSpec,
        truth: f64,
        device: &Device,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !bundles.is_empty(),
            "a distillation needs --teacher, the folder of a teacher's bundle"
        );
        let mut inputs = Vec::with_capacity(bundles.len());
        let mut read = |bundle: &PathBuf| {
            let (manifest, weights) = bundle::read(bundle)?;
            inputs.push(rendered(&manifest, input)?);
            let taught = taught(&manifest, groups);
            let labels: Vec<&String> = groups.iter().flat_map(|group| &group.ids).collect();
            anyhow::ensure!(
                !taught.is_empty(),
                "the teacher {} has other labels ({:?}) than the dataset ({labels:?}), or groups of another kind",
                manifest.model_id(),
                manifest.labels
            );
            let net = load_classifier(&manifest, &weights.network, device)?;
            Ok(Network { net, taught })
        };
        let networks = bundles.iter().map(&mut read).collect::<anyhow::Result<_>>()?;
        let rendered = inputs.swap_remove(0);
        anyhow::ensure!(
            inputs.iter().all(|other| *other == rendered),
            "the teachers have inputs of different sizes; use teachers of one size"
        );
        Ok(Self {
            networks,
            rendered,
            groups: groups.iter().map(|group| group.range.clone()).collect(),
            truth,
        })
    }

    /// Computes the student's target `[batch, labels]` for `images` `[batch, 3, h, w]` with the dataset's `labels`
    /// `[batch, labels]`. `known` is true per row and group with truth. It becomes true for every group that a teacher knows.
    pub(crate) fn target(&self, images: &Tensor<4>, labels: Tensor<2>, known: &mut [Vec<bool>]) -> Tensor<2> {
        let images = images.clone().without_autodiff();
        let mut soft: Vec<Vec<Tensor<2>>> = vec![Vec::new(); self.groups.len()];
        for Network { net, taught } in &self.networks {
            let logits = net.forward(images.clone());
            for taught in taught {
                soft[taught.student].push(taught.probabilities(&logits));
            }
        }
        let columns = soft.into_iter().enumerate().map(|(group, probs)| {
            let truth = columns(labels.clone(), &self.groups[group]);
            let n = probs.len();
            let Some(sum) = probs.into_iter().reduce(|sum, probs| sum + probs) else {
                return truth;
            };
            let soft = Tensor::from_inner(sum / n as f64).to_device(&labels.device());
            let target = self.blend(soft, truth, group, known);
            known.iter_mut().for_each(|row| row[group] = true);
            target
        });
        let columns: Vec<Tensor<2>> = columns.collect();
        Tensor::cat(columns, 1)
    }

    /// Blends the teachers' probabilities with the truth of rows that have one.
    fn blend(&self, soft: Tensor<2>, truth: Tensor<2>, group: usize, known: &[Vec<bool>]) -> Tensor<2> {
        if self.truth == 0.0 {
            return soft;
        }
        if known.iter().all(|row| row[group]) {
            return soft * (1.0 - self.truth) + truth * self.truth;
        }
        let share = |row: &Vec<bool>| if row[group] { self.truth as f32 } else { 0.0 };
        let shares: Vec<f32> = known.iter().map(share).collect();
        let shares = Tensor::<2>::from_data(TensorData::new(shares, [known.len(), 1]), &soft.device());
        soft * (shares.clone().neg() + 1.0) + truth * shares
    }
}

/// Returns the groups of a teacher that have the labels and the kind of a student's group.
fn taught(manifest: &Manifest, groups: &[Group]) -> Vec<Taught> {
    let mut taught = Vec::new();
    for (student, wanted) in groups.iter().enumerate() {
        let own = manifest.group_ranges().into_iter();
        let found = own
            .filter(|(group, columns)| {
                group.kind == wanted.recipe.kind && manifest.labels[columns.clone()] == wanted.ids
            })
            .map(|(group, columns)| Taught {
                group,
                columns,
                student,
            });
        taught.extend(found);
    }
    taught
}

impl Taught {
    /// Computes the group's calibrated probabilities from the teacher's logits `[batch, labels]`.
    fn probabilities(&self, logits: &Tensor<2>) -> Tensor<2> {
        let mut logits = columns(logits.clone(), &self.columns);
        if let Some(calibration) = &self.group.calibration {
            let labels = self.columns.len();
            let of_label: Vec<PlattScale> = (0..labels).map(|label| calibration.map.of_label(label)).collect();
            let row = |value: fn(&PlattScale) -> f32| {
                let values: Vec<f32> = of_label.iter().map(value).collect();
                Tensor::<2>::from_data(TensorData::new(values, [1, labels]), &logits.device())
            };
            let (scale, bias) = (row(|label| label.scale), row(|label| label.bias));
            logits = logits * scale + bias;
        }
        match self.group.kind {
            GroupKind::Several => sigmoid(logits),
            GroupKind::One => softmax(logits, 1),
        }
    }
}

/// Returns some columns of `[batch, labels]`.
fn columns(values: Tensor<2>, columns: &Range<usize>) -> Tensor<2> {
    let [batch, labels] = values.dims();
    if columns.len() == labels {
        values
    } else {
        values.slice([0..batch, columns.clone()])
    }
}
