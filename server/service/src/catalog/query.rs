//! Searches of a catalog: filters, facets, products to leave out, and pages.

use std::collections::HashSet;
use std::sync::Arc;

use filter::{Facet, FacetRequest, Filter, FilterError};
use scan::Bitmap;
use search::{Parts, Rerank, Reranking, SearchOptions};
use shared::embedding::Embedding;
use shared::taxonomy::Category;
use store::Store;
use thiserror::Error;

use super::ranking::Ranked;
use super::state::Vectors;
use super::{Catalog, CatalogError, Hit, Live};

/// Products that a page asks for in addition to those of the pages before, in case the catalog has changed.
const SLACK: usize = 32;

/// Products per group of variants that a search allows for at first.
const VARIANTS: usize = 4;

/// Largest number of products that a page searches. Beyond it a page can be shorter than the limit.
const DEEPEST: usize = 20_000;

/// A query and its options.
#[derive(Debug, Clone)]
pub struct CatalogQuery {
    /// The query in the catalog's space.
    pub embedding: Embedding,
    /// Maximum number of products.
    pub limit: usize,
    /// Category of the products.
    pub category: Option<Category>,
    /// Condition of the products.
    pub filter: Option<Filter>,
    /// Facets to count.
    pub facets: Vec<FacetRequest>,
    /// Products that are not found.
    pub without: Without,
    /// Smallest score.
    pub min_score: Option<f32>,
    /// True if only the best product of each group of variants is found.
    pub group: bool,
    /// The last product of the page before.
    pub after: Option<After>,
    /// Parts of the network's embeddings, to split the scores. `None` leaves the scores whole.
    pub parts: Option<Arc<Parts>>,
    /// Second ranking.
    pub rerank: Reranking,
}

/// Products that are not found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Without {
    /// Ids of products.
    pub ids: Vec<String>,
    /// A group of variants.
    pub group: Option<String>,
}

/// The last product of a page.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct After {
    /// Its score.
    pub score: f32,
    /// Its id.
    pub id: String,
    /// Number of products on the pages so far.
    pub seen: usize,
}

/// Products that a query found, with the state of the catalog in which it found them.
pub struct Answer {
    live: Arc<Live>,
    found: Vec<Ranked>,
    /// Contributions of the parts to each score.
    parts: Vec<Vec<f32>>,
    /// Counts of the facets.
    pub facets: Vec<Facet>,
    /// The last product, if there are more after it.
    pub next: Option<After>,
}

/// Error of a query.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The filter or a facet does not fit the catalog.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The store cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Answer {
    /// Generation in which the query was answered.
    pub fn generation(&self) -> i64 {
        self.live.generation()
    }

    /// The model of that generation.
    pub fn model_id(&self) -> &str {
        &self.live.space.model_id
    }
}

impl Catalog {
    /// Finds per query the most similar products, best first; equal scores are ordered by product id. Every product occurs
    /// once, with its best photo. One pass over the embeddings answers all queries.
    ///
    /// A query of the other model's space searches that model's generation, if the catalog has it. A query of an unknown space or
    /// of another length finds nothing.
    pub fn search_batch(&self, queries: &[&CatalogQuery]) -> Vec<Result<Answer, QueryError>> {
        let (live, other) = (self.live(), self.other());
        let Some(other) = other else {
            return self.search_in(&live, queries);
        };
        let is_other = |query: &&&CatalogQuery| query.embedding.space() == other.space.model_id;
        let (of_other, of_live): (Vec<&CatalogQuery>, Vec<&CatalogQuery>) = queries.iter().partition(is_other);
        let mut of_other = self.search_in(&other, &of_other).into_iter();
        let mut of_live = self.search_in(&live, &of_live).into_iter();
        let answer = |query: &&CatalogQuery| {
            let answers = if is_other(&query) { &mut of_other } else { &mut of_live };
            answers.next()
        };
        queries.iter().filter_map(answer).collect()
    }

    /// Answers queries in one state.
    fn search_in(&self, live: &Arc<Live>, queries: &[&CatalogQuery]) -> Vec<Result<Answer, QueryError>> {
        let prepared: Vec<Result<Prepared, QueryError>> =
            queries.iter().map(|query| self.prepare(live, query)).collect();
        let searched: Vec<(usize, &SearchOptions)> = prepared
            .iter()
            .enumerate()
            .filter_map(|(at, prepared)| Some((at, &prepared.as_ref().ok()?.options)))
            .collect();
        let batch: Vec<(&Embedding, &SearchOptions)> = searched
            .iter()
            .map(|(at, options)| (&queries[*at].embedding, *options))
            .collect();
        let mut ranked = match live.rank(&batch) {
            Ok(ranked) => ranked.into_iter(),
            Err(error) => {
                let fail = |prepared: Result<Prepared, QueryError>| {
                    prepared.and_then(|_| Err(QueryError::Catalog(error.clone().into())))
                };
                return prepared.into_iter().map(fail).collect();
            }
        };
        let answer = |(query, prepared): (&&CatalogQuery, Result<Prepared, QueryError>)| {
            let Prepared { options, facets } = prepared?;
            let found = ranked.next().unwrap_or_default();
            let is_comparable = query.embedding.space() == live.space.model_id;
            let found = if is_comparable { found } else { Vec::new() };
            let (found, next) = live.page(query, options, found)?;
            Ok(Answer {
                live: Arc::clone(live),
                parts: live.contributions(self.store(), query, &found)?,
                found,
                facets,
                next,
            })
        };
        queries.iter().zip(prepared).map(answer).collect()
    }

    /// Reads the products of an answer from the store. Products that were deleted since the search are left out.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn hits(&self, answer: &Answer) -> Result<Vec<Hit>, CatalogError> {
        let wanted = answer
            .found
            .iter()
            .map(|found| (answer.live.ids.get(found.product), &found.image));
        let products = self.store().find(&wanted.collect::<Vec<_>>())?;
        let hit = |(at, (product, found)): (usize, (Option<store::Found>, &Ranked))| {
            Some(Hit {
                found: product?,
                score: found.score,
                parts: answer.parts.get(at).cloned().unwrap_or_default(),
            })
        };
        Ok(products
            .into_iter()
            .zip(&answer.found)
            .enumerate()
            .filter_map(hit)
            .collect())
    }

    /// Mean of the embeddings of a product's photos. `None` if there is no such product or it has no embedding.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn embedding_of(&self, id: &str) -> Result<Option<Embedding>, CatalogError> {
        let rows = self.store().product_rows(self.live().generation(), id)?;
        let mut sum = vec![0.0; self.space().dim];
        for row in &rows {
            let values = row.segment.vector(row.slot);
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        Ok(Embedding::new(self.space().model_id.as_str(), sum).ok())
    }

    /// Evaluates the filter and counts the facets.
    fn prepare(&self, live: &Arc<Live>, query: &CatalogQuery) -> Result<Prepared, QueryError> {
        let mut products = None;
        let mut facets = Vec::new();
        if query.filter.is_some() || !query.facets.is_empty() {
            let columns = live.columns(self.store())?;
            if !query.facets.is_empty() {
                let mut among = query.category.map(|category| live.of_category(category));
                if let Some(close) = live.close_enough(query) {
                    among
                        .get_or_insert_with(|| Bitmap::full(live.products()))
                        .intersect_with(&close);
                }
                facets = columns.facets(&query.facets, query.filter.as_ref(), among.as_ref())?;
            }
            if let Some(filter) = &query.filter {
                products = Some(Arc::new(columns.select(filter)?));
            }
        }
        let seen = query.after.as_ref().map_or(0, |after| after.seen + SLACK);
        let without = live.left_out(&query.without).len();
        let limit = query
            .limit
            .saturating_add(seen)
            .saturating_add(without)
            .saturating_add(1);
        let limit = match query.group {
            true => limit.saturating_mul(VARIANTS).min(limit.max(DEEPEST)),
            false => limit,
        };
        Ok(Prepared {
            options: SearchOptions {
                limit,
                category: query.category,
                products,
                rerank: query.rerank,
            },
            facets,
        })
    }
}

/// Options of a search in the catalog's present state, and the counts of facets.
struct Prepared {
    options: SearchOptions,
    facets: Vec<Facet>,
}

impl Live {
    /// Products that have the smallest score of a query. `None` if the query has none, a vector engine has the embeddings, or
    /// re-ranking changes the scores.
    fn close_enough(&self, query: &CatalogQuery) -> Option<Bitmap> {
        match (&self.vectors, query.min_score) {
            (Vectors::Memory(memory), Some(least)) if query.rerank.method == Rerank::None => {
                Some(memory.gallery.at_least(&query.embedding, least))
            }
            _ => None,
        }
    }

    /// Indices of the products that are not found.
    fn left_out(&self, without: &Without) -> HashSet<usize> {
        let ids = without.ids.iter().filter_map(|id| self.index_of(id));
        let group = without.group.iter().flat_map(|group| self.groups.products(group));
        ids.chain(group.map(|product| *product as usize)).collect()
    }

    /// Selects the products of a page from those that a search found, best first.
    fn page(
        &self,
        query: &CatalogQuery,
        options: SearchOptions,
        found: Vec<Ranked>,
    ) -> Result<(Vec<Ranked>, Option<After>), CatalogError> {
        let left_out = self.left_out(&query.without);
        let select = |found: Vec<Ranked>| -> Vec<Ranked> {
            let mut is_first = self.groups.firsts();
            let mut is_wanted = |found: &Ranked| {
                let is_after = query.after.as_ref().is_none_or(|after| {
                    found.score < after.score
                        || (found.score == after.score && *self.ids.get(found.product) > *after.id)
                });
                // The best product of a group may be on a page before.
                !left_out.contains(&found.product)
                    && query.min_score.is_none_or(|least| found.score >= least)
                    && (!query.group || is_first(found.product))
                    && is_after
            };
            found
                .into_iter()
                .filter(|found| is_wanted(found))
                .take(query.limit + 1)
                .collect()
        };
        let (mut asked, mut returned) = (options.limit, found.len());
        let mut page = select(found);
        // Many new products before the page can use up the slack, and variants can fill the page.
        let can_be_short = query.after.is_some() || query.group;
        while page.len() <= query.limit && returned >= asked && can_be_short && asked < DEEPEST {
            asked = asked.saturating_mul(2).min(DEEPEST);
            let options = SearchOptions {
                limit: asked,
                ..options.clone()
            };
            let found = self.rank(&[(&query.embedding, &options)])?.pop().unwrap_or_default();
            returned = found.len();
            page = select(found);
        }
        let has_more = page.len() > query.limit;
        page.truncate(query.limit);
        let last = page.last().filter(|_| has_more);
        let next = last.map(|last| After {
            score: last.score,
            id: self.ids.get(last.product).to_owned(),
            seen: query.after.as_ref().map_or(0, |after| after.seen) + page.len(),
        });
        Ok((page, next))
    }

    /// Contributions of the network's parts to the scores of products.
    fn contributions(
        &self,
        store: &Store,
        query: &CatalogQuery,
        found: &[Ranked],
    ) -> Result<Vec<Vec<f32>>, CatalogError> {
        let Some(parts) = &query.parts else {
            return Ok(Vec::new());
        };
        let split = parts.split(query.embedding.values());
        found
            .iter()
            .map(|found| Ok(split(&self.vector(store, found)?)))
            .collect()
    }
}
