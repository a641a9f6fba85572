//! The commands for one picture: its tags, its embedding.

use super::print;
use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use clap::Args;
use dataset::bundle;
use dataset::{Crop, Photo};
use device::DeviceChoice;
use shared::bundle::{load_query, load_retrieval, load_style};
use shared::embedding::Embedding;
use shared::input::{InputSpec, Pixels};
use shared::model::Architecture;
use std::path::PathBuf;

/// A picture, as a file or as raw pixels.
#[derive(Debug, Args)]
struct PictureArgs {
    /// The picture: JPEG, PNG, WebP, GIF or BMP.
    #[arg(required_unless_present = "pixels", conflicts_with = "pixels")]
    image: Option<PathBuf>,
    /// Raw RGBA pixels instead of a picture.
    #[arg(long, requires_all = ["width", "height"])]
    pixels: Option<PathBuf>,
    /// Width of the raw pixels.
    #[arg(long)]
    width: Option<usize>,
    /// Height of the raw pixels.
    #[arg(long)]
    height: Option<usize>,
    /// The part of the picture to look at, upright: x0,y0,x1,y1 in pixels, or auto for a box around what stands out; all of
    /// it without.
    #[arg(long = "box", value_name = "BOX", conflicts_with = "pixels")]
    crop: Option<Crop>,
}

impl PictureArgs {
    /// Input of a model for the picture: `[3, height, width]`.
    fn input(&self, spec: &InputSpec) -> anyhow::Result<Vec<f32>> {
        Ok(match (&self.image, &self.pixels, self.width, self.height) {
            (_, Some(path), Some(width), Some(height)) => {
                let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                spec.to_chw(Pixels::new(&bytes, width, height, 4)?, None)?
            }
            (Some(path), ..) => {
                let photo = Photo::read(path)?;
                let crop = self.crop.unwrap_or_default().of(&photo)?;
                if self.crop == Some(Crop::Auto) {
                    match crop {
                        Some(b) => eprintln!("box {},{},{},{}", b.x, b.y, b.x + b.width, b.y + b.height),
                        None => eprintln!("nothing stands out; the whole picture is used"),
                    }
                }
                spec.to_chw(photo.pixels()?, crop)?
            }
            _ => anyhow::bail!("name a picture, or --pixels with --width and --height"),
        })
    }
}

/// `selvedge tag`
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Folder of a style bundle.
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    picture: PictureArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// `selvedge embed`
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Folder of a retrieval bundle, or of a query encoder's.
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    picture: PictureArgs,
}

pub(super) fn tag(args: &TagArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    let device = choice.open()?;
    let net = load_style(&manifest, &weights, &device)?;
    let input = args.picture.input(&manifest.input)?;
    let logits = run(&manifest.input, input, &device, |x| net.forward(x));
    let tags = manifest.tags(&logits);
    if args.json {
        return print(&serde_json::to_string_pretty(&tags)?);
    }
    let lines: Vec<String> = tags
        .iter()
        .map(|tag| format!("{} {:.3}  {}", if tag.on { "+" } else { " " }, tag.prob, tag.id))
        .collect();
    print(&lines.join("\n"))
}

/// Prints the embedding as a search takes it.
pub(super) fn embed(args: &EmbedArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    let device = choice.open()?;
    let input = args.picture.input(&manifest.input)?;
    let values = if let Architecture::Query(_) = manifest.architecture {
        let net = load_query(&manifest, &weights, &device)?;
        run(&manifest.input, input, &device, |x| net.forward(x))
    } else {
        let net = load_retrieval(&manifest, &weights, &device)?;
        run(&manifest.input, input, &device, |x| net.forward(x))
    };
    let embedding = Embedding::new(manifest.space(), values)?;
    print(&serde_json::to_string(&serde_json::json!({
        "model_id": manifest.model_id(), "values": embedding.values(),
    }))?)
}

fn run(spec: &InputSpec, input: Vec<f32>, device: &Device, forward: impl FnOnce(Tensor<4>) -> Tensor<2>) -> Vec<f32> {
    let data = TensorData::new(input, [1, 3, spec.height, spec.width]);
    forward(Tensor::from_data(data, device))
        .into_data()
        .iter::<f32>()
        .collect()
}
