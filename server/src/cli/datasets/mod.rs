//! `selvedge dataset …`: commands that make, import or inspect datasets.

mod augmented;
mod bench;
mod boxes;
mod describe;
mod import_retrieval;
mod import_style;
mod pairs;
mod piece_boxes;
mod recolour;
mod render;
mod sheet;

use clap::Subcommand;
use device::DeviceChoice;

/// Subcommands of `selvedge dataset`.
#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Draw a shop: products with shop photos, user photos, masks and labels
    Render(render::RenderArgs),
    /// Write a contact sheet of a dataset's photos
    Sheet(sheet::SheetArgs),
    /// Write a contact sheet of a recipe's augmentation: each photo, then several inputs of the network made from it
    Augmented(augmented::AugmentedArgs),
    /// Recolour the garments of photos, and write the result as a new dataset
    Recolour(recolour::RecolourArgs),
    /// Measure proposed crop boxes against the boxes of the photos' masks, or write the boxes of a segmenter's pieces
    Boxes(boxes::BoxesArgs),
    /// Write a retrieval dataset of pairs from photos without pairs: pieces cut out by masks, and salient parts of photos
    Pairs(pairs::PairsArgs),
    /// Measure the speed of decoding and augmentation
    Bench(bench::BenchArgs),
    /// Import style labels and images of the JD AI Fashion Challenge
    ImportStyle(import_style::ImportStyleArgs),
    /// Import retrieval lists and images of DeepFashion, Stanford Online Products or the JD AI Fashion Challenge
    ImportRetrieval(import_retrieval::ImportRetrievalArgs),
    /// Count images, items and labels per split, and list files that are missing or in two splits
    Describe(describe::DescribeArgs),
}

pub(super) fn run(command: DatasetCommand, device: DeviceChoice) -> anyhow::Result<()> {
    match command {
        DatasetCommand::Render(args) => render::render(&args),
        DatasetCommand::Sheet(args) => sheet::sheet(&args),
        DatasetCommand::Augmented(args) => augmented::augmented(&args, device),
        DatasetCommand::Recolour(args) => recolour::recolour(&args, device),
        DatasetCommand::Boxes(args) => boxes::boxes(&args, device),
        DatasetCommand::Pairs(args) => pairs::pairs(&args),
        DatasetCommand::Bench(args) => bench::bench(&args),
        DatasetCommand::ImportStyle(args) => import_style::import_style(&args),
        DatasetCommand::ImportRetrieval(args) => import_retrieval::import_retrieval(&args),
        DatasetCommand::Describe(args) => describe::describe(&args),
    }
}
