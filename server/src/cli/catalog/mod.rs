//! `selvedge catalog`: the catalog of a shop without a running service.

mod embed;
mod generations;
mod import;
mod maintain;
mod place;
mod samples;

use clap::Subcommand;
use device::DeviceChoice;

/// Subcommands of `selvedge catalog`.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Import products from a file. Products of the same id are changed, and others stay
    Import(import::ImportArgs),
    /// Write all products as one JSON object per line. An import of the file changes nothing
    Export(maintain::ExportArgs),
    /// Embed the photos that wait, or all photos with another model
    Embed(embed::EmbedArgs),
    /// Print the numbers of products, photos and embeddings
    Stats(maintain::StatsArgs),
    /// List, add or remove the photos that visitors can try
    Samples(samples::SamplesArgs),
    /// Check the database, all checksums and all embeddings
    Verify(maintain::VerifyArgs),
    /// Copy the catalog with its uploaded photos into a new folder. The shop's folder of photos is not copied
    Snapshot(maintain::SnapshotArgs),
    /// Check a snapshot and copy it into a new folder, which is a catalog afterwards
    Restore(maintain::RestoreArgs),
    /// Remove unused embeddings and merge small files
    Compact(maintain::CompactArgs),
    /// List the generations of embeddings, return to the one before, or delete one
    Generations(generations::GenerationsArgs),
}

pub(super) fn run(command: &CatalogCommand, device: DeviceChoice) -> anyhow::Result<()> {
    match command {
        CatalogCommand::Import(args) => import::import(args, device),
        CatalogCommand::Export(args) => maintain::export(args),
        CatalogCommand::Embed(args) => embed::embed(args, device),
        CatalogCommand::Stats(args) => maintain::stats(args),
        CatalogCommand::Samples(args) => samples::samples(args),
        CatalogCommand::Verify(args) => maintain::verify(args),
        CatalogCommand::Snapshot(args) => maintain::snapshot(args),
        CatalogCommand::Restore(args) => maintain::restore(args),
        CatalogCommand::Compact(args) => maintain::compact(args),
        CatalogCommand::Generations(args) => generations::generations(args),
    }
}
