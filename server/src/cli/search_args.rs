//! Options of a search with retrieval networks, shared by evaluation and submission.

use anyhow::Result;
use clap::Args;
use dataset::bundle;
use evaluation::retrieval::{Fusion, RetrievalOptions, Search};
use search::rerank::{Parameters, Rerank, Reranking};
use search::storage::Storage;
use search::whitening::Whitening;
use std::path::PathBuf;

/// Options of a search with retrieval networks.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Average each gallery embedding with its nearest ones
    #[arg(long)]
    augment_gallery: bool,
    /// Storage of the gallery's embeddings: f32, f16 or int8
    #[arg(long, default_value = "f32", hide_possible_values = true)]
    storage: Storage,
    /// Re-rank the gallery: none, hop, alpha-qe or k-reciprocal
    #[arg(long, default_value = "none", hide_possible_values = true)]
    rerank: Rerank,
    #[command(flatten)]
    parameters: Parameters,
    /// Fusion of several retrieval networks: early (one joined embedding) or late (sum of scores)
    #[arg(long, default_value = "early", hide_possible_values = true)]
    fusion: Fusion,
    /// Split on which the weights of several retrieval networks are chosen per category; without it they are equal
    #[arg(long, value_name = "SPLIT")]
    pub(super) tune_split: Option<String>,
    /// Whiten the embeddings to this many dimensions, fitted on the dataset's split 'train'
    #[arg(long, value_name = "DIMS")]
    pub(super) whiten: Option<usize>,
    #[command(flatten)]
    whitening: Whitening,
    /// Folder of a category classifier's bundle. If it is confident about a query, only that category is searched, as by
    /// `serve --category-bundle`
    #[arg(long, value_name = "DIR")]
    pub(super) category_bundle: Option<PathBuf>,
}

impl SearchArgs {
    /// Options of the search, with defaults for the options of an evaluation alone.
    ///
    /// # Errors
    /// If a number of --rerank is out of range, or the category classifier's bundle cannot be read.
    pub(super) fn options(&self) -> Result<RetrievalOptions> {
        self.parameters.check().map_err(anyhow::Error::msg)?;
        anyhow::ensure!(
            self.whiten.is_some() || self.whitening == Whitening::to(self.whitening.dims),
            "--whiten-order and --whiten-shrinkage need the dimensions; add --whiten 256"
        );
        Ok(RetrievalOptions {
            search: Search {
                augment_gallery: self.augment_gallery,
                storage: self.storage,
                rerank: Reranking {
                    method: self.rerank,
                    parameters: self.parameters,
                },
                whiten: self.whiten.map(|dims| Whitening { dims, ..self.whitening }),
                ..Search::default()
            },
            fusion: self.fusion,
            tune_split: self.tune_split.clone(),
            category: self.category_bundle.as_deref().map(bundle::read).transpose()?,
            ..RetrievalOptions::default()
        })
    }

    /// Names of the flags, each with true if it differs from its default.
    pub(super) fn flags(&self) -> [(&'static str, bool); 9] {
        [
            ("--augment-gallery", self.augment_gallery),
            ("--storage", self.storage != Storage::default()),
            ("--rerank", self.rerank != Rerank::default()),
            ("the numbers of --rerank", self.parameters != Parameters::default()),
            ("--fusion", self.fusion != Fusion::default()),
            ("--tune-split", self.tune_split.is_some()),
            ("--whiten", self.whiten.is_some()),
            (
                "--whiten-order or --whiten-shrinkage",
                self.whitening != Whitening::to(self.whitening.dims),
            ),
            ("--category-bundle", self.category_bundle.is_some()),
        ]
    }
}
