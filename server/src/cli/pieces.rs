//! `selvedge pieces`: the pieces of the outfit in one photo.

use super::output::print;
use anyhow::Context;
use burn::tensor::Device;
use clap::Args;
use dataset::{Photo, bundle};
use device::DeviceChoice;
use shared::input::CropBox;
use shared::piece_finder::PieceFinder;
use std::path::{Path, PathBuf};

/// Arguments of `selvedge pieces`.
#[derive(Debug, Args)]
pub(crate) struct PiecesArgs {
    /// Folder of a segmentation bundle for outfits (recipe outfit.toml)
    #[arg(long)]
    bundle: PathBuf,
    /// The photo: a JPEG, PNG, WebP, GIF or BMP file
    image: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Loads a segmentation bundle for outfits.
///
/// # Errors
/// If the folder is not a bundle, or the bundle does not segment outfits.
pub(super) fn read_finder(dir: &Path, device: &Device) -> anyhow::Result<PieceFinder> {
    let (manifest, weights) = bundle::read(dir)?;
    PieceFinder::load(&manifest, &weights.network, device).with_context(|| {
        format!(
            "{} cannot find pieces\nhint: train a bundle with the recipe outfit.toml",
            dir.display()
        )
    })
}

/// Prints the pieces, largest first. `--box` of other commands takes the printed boxes.
pub(super) fn pieces(args: &PiecesArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let finder = read_finder(&args.bundle, &choice.open()?)?;
    let outfit = finder.find(Photo::read(&args.image)?.pixels()?)?;
    if args.json {
        return print(&serde_json::to_string_pretty(&outfit)?);
    }
    let corners = |CropBox { x, y, width, height }: CropBox| format!("{x},{y},{},{}", x + width, y + height);
    let pieces = outfit.pieces.iter().map(|piece| {
        let (class, bounds) = (piece.class.id(), corners(piece.bounds));
        format!(
            "{class:<10} {bounds:<20} share {:.3}  score {:.3}",
            piece.share, piece.score
        )
    });
    let person = outfit
        .person
        .map(|bounds| format!("{:<10} {}", "person", corners(bounds)));
    let lines: Vec<String> = pieces.chain(person).collect();
    if lines.is_empty() {
        eprintln!("no piece of an outfit was found");
        return Ok(());
    }
    print(&lines.join("\n"))
}
