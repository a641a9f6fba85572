//! Options of a search, whatever its query is.

use filter::{FacetRequest, Filter};
use search::Rerank;
use serde_json::Value;
use shared::api::{DEFAULT_LIMIT, MAX_LIMIT};
use shared::embedding::Embedding;
use shared::input::CropBox;
use shared::taxonomy::Category;

use super::cursor;
use crate::catalog::{After, CatalogQuery, Without};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query_spaces::Floors;

/// A search that was read.
pub(super) struct Asked {
    pub(super) query: CatalogQuery,
    pub(super) crop: Option<CropBox>,
    pub(super) floors: Floors,
    /// The options as a cursor repeats them.
    pub(super) wire: cursor::Options,
}

/// Options of a search as they arrived.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) category: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) filter: Option<Value>,
    pub(super) facets: Option<Value>,
    pub(super) min_score: Option<f32>,
    pub(super) explain: bool,
    pub(super) group: bool,
    pub(super) without: Without,
    pub(super) after: Option<After>,
}

impl Options {
    /// The query of `embedding` with these options.
    ///
    /// # Errors
    /// If the limit, the category, the filter or a facet is not valid.
    pub(super) fn query(self, app: &App, embedding: Embedding) -> Result<(CatalogQuery, cursor::Options), ApiError> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::field(
                "limit",
                format!("{limit} is not between 1 and {MAX_LIMIT}"),
            ));
        }
        let category = self.category.as_deref().map(|id| {
            let short = || id.chars().take(40).collect();
            Category::from_id(id).ok_or_else(|| ApiError::UnknownCategory(short()))
        });
        let parts = app.parts.parts().filter(|_| self.explain);
        if self.explain && (parts.is_none() || app.rerank.method != Rerank::None) {
            let reason = "hits are re-ranked, or the directions of the whitening depend on each other, so the scores have no parts; leave it out";
            return Err(ApiError::field("explain", reason));
        }
        let query = CatalogQuery {
            embedding,
            limit,
            category: category.transpose()?,
            filter: self.filter.as_ref().map(Filter::parse).transpose()?,
            facets: self.facets.as_ref().map_or(Ok(Vec::new()), FacetRequest::parse_list)?,
            without: self.without.clone(),
            min_score: self.min_score,
            group: self.group,
            after: self.after,
            parts,
            rerank: app.rerank,
        };
        let wire = cursor::Options {
            category: self.category,
            filter: self.filter,
            min_score: self.min_score,
            explain: self.explain,
            group: self.group,
            without: self.without,
        };
        Ok((query, wire))
    }
}
