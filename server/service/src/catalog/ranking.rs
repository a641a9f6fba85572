//! Ranking of a state's products by their similarity to queries, in memory or by a vector engine.

use std::collections::BTreeSet;

use engine::{Condition, Engine, EngineError, EngineHit, EngineQuery, sort_hits};
use scan::Bitmap;
use search::SearchOptions;
use shared::embedding::Embedding;
use shared::taxonomy::Category;
use store::{ImageName, Store};

use super::state::{Reach, Vectors};
use super::{CatalogError, Live};

/// Products that a vector engine returns beyond those that are needed, in case the catalog has changed.
const SLACK: usize = 8;

/// A product that a search found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked {
    /// Index of the product in the state.
    pub(super) product: usize,
    /// Cosine similarity of its most similar image.
    pub(super) score: f32,
    /// Name of that image.
    pub(super) image: ImageName,
    /// Row of that image, if the vectors are in memory.
    row: Option<usize>,
}

impl Live {
    /// Finds per query the most similar products, best first, with ties by id. A query of another length finds nothing.
    ///
    /// # Errors
    /// Errors of the vector engine.
    pub(super) fn rank(&self, queries: &[(&Embedding, &SearchOptions)]) -> Result<Vec<Vec<Ranked>>, EngineError> {
        match &self.vectors {
            Vectors::Memory(memory) => {
                let found = memory.gallery.search_batch(queries).into_iter();
                let ranked = |found: search::Match| Ranked {
                    product: found.product,
                    score: found.score,
                    image: ImageName::Number(memory.image(found.row)),
                    row: Some(found.row),
                };
                Ok(found.map(|found| found.into_iter().map(ranked).collect()).collect())
            }
            Vectors::Engine { engine, reach, .. } => self.rank_in(&**engine, *reach, queries),
        }
    }

    /// The vector of a product's image. Empty if the product has changed since the search.
    ///
    /// # Errors
    /// Errors of the database.
    pub(super) fn vector(&self, store: &Store, found: &Ranked) -> Result<Vec<f32>, CatalogError> {
        if let (Vectors::Memory(memory), Some(row)) = (&self.vectors, found.row) {
            return Ok(memory.gallery.embeddings().row(row));
        }
        let id = self.ids.get(found.product);
        let Some(stored) = store.product(id)? else {
            return Ok(Vec::new());
        };
        let images = &stored.product.images;
        let is_wanted = |position: usize| {
            let image = images
                .get(position)
                .map(|image| ImageName::Key(image.key().to_string()));
            image.as_ref() == Some(&found.image)
        };
        let rows = store.product_rows(self.generation(), id)?;
        let row = rows.iter().find(|row| is_wanted(row.position));
        Ok(row.map(|row| row.segment.vector(row.slot)).unwrap_or_default())
    }

    /// [`Self::rank`] with a vector engine. The engine may be ahead of this state or behind it. Products that this state lacks
    /// are left out.
    fn rank_in(
        &self,
        engine: &dyn Engine,
        reach: Reach,
        queries: &[(&Embedding, &SearchOptions)],
    ) -> Result<Vec<Vec<Ranked>>, EngineError> {
        let mut plans: Vec<Plan<'_>> = queries
            .iter()
            .map(|(embedding, options)| self.plan(reach, embedding, options))
            .collect();
        let mut open: Vec<usize> = (0..plans.len()).filter(|at| plans[*at].limit > 0).collect();
        let mut found = vec![Vec::new(); plans.len()];
        while !open.is_empty() {
            let asked: Vec<EngineQuery<'_>> = open.iter().map(|at| plans[*at].query()).collect();
            let answers = engine.search_in(self.generation(), &asked)?;
            let mut left = Vec::new();
            for (at, hits) in open.into_iter().zip(answers) {
                let plan = &mut plans[at];
                let (returned, ranked) = (hits.len(), self.admitted(plan, hits));
                if ranked.len() >= plan.limit || returned < plan.asked {
                    found[at] = ranked;
                } else if plan.asked < reach.deepest {
                    plan.asked = plan.asked.saturating_mul(4).min(reach.deepest);
                    left.push(at);
                } else {
                    found[at] = self.rank_listed(engine, reach, plan)?;
                }
                found[at].truncate(plan.limit);
            }
            open = left;
        }
        Ok(found)
    }

    /// Ranks the products of a plan by conditions that name them. For filters that hardly any of the nearest products pass.
    fn rank_listed(&self, engine: &dyn Engine, reach: Reach, plan: &Plan<'_>) -> Result<Vec<Ranked>, EngineError> {
        let admitted: Vec<usize> = match &plan.admitted {
            Some(admitted) => admitted.iter().collect(),
            None => (0..self.ids.len()).collect(),
        };
        let mut hits = Vec::new();
        for part in admitted.chunks(reach.listed) {
            let query = EngineQuery {
                vector: plan.vector,
                limit: plan.limit,
                condition: self.listed(part.iter().copied()),
            };
            hits.extend(engine.search_in(self.generation(), &[query])?.into_iter().flatten());
            sort_hits(&mut hits);
            hits.truncate(plan.limit);
        }
        Ok(self.admitted(plan, hits))
    }

    fn plan<'a>(&self, reach: Reach, embedding: &'a Embedding, options: &SearchOptions) -> Plan<'a> {
        let products = self.ids.len();
        let mut admitted = options.products.as_deref().cloned();
        let mut condition = Condition::default();
        if let Some(category) = options.category {
            let of_category = self.of_category(category);
            match &mut admitted {
                Some(admitted) => admitted.intersect_with(&of_category),
                None => admitted = Some(of_category),
            }
            condition.categories = self.category_texts(category);
        }
        let count = admitted.as_ref().map_or(products, Bitmap::count);
        let is_comparable = embedding.dim() == self.dim() && count > 0;
        let limit = if is_comparable { options.limit.min(count) } else { 0 };
        let mut asked = limit.saturating_add(SLACK);
        match &admitted {
            Some(admitted) if count <= reach.listed => condition = self.listed(admitted.iter()),
            // The engine applies the category, so only a filter has to be made up for.
            Some(_) if options.products.is_some() => {
                let share = products.div_ceil(count.max(1));
                asked = limit
                    .saturating_mul(share)
                    .saturating_mul(2)
                    .saturating_add(SLACK)
                    .min(reach.deepest.max(asked));
            }
            _ => {}
        }
        Plan {
            vector: embedding.values(),
            limit,
            asked,
            condition,
            admitted,
        }
    }

    /// The condition that names these products.
    fn listed(&self, products: impl Iterator<Item = usize>) -> Condition {
        let ids: BTreeSet<String> = products.map(|product| self.ids.get(product).to_owned()).collect();
        Condition {
            products: Some(ids),
            ..Condition::default()
        }
    }

    /// The hits that this state has and the plan admits.
    fn admitted(&self, plan: &Plan<'_>, hits: Vec<EngineHit>) -> Vec<Ranked> {
        let ranked = |hit: EngineHit| {
            let product = self.index_of(&hit.id)?;
            let is_admitted = plan.admitted.as_ref().is_none_or(|admitted| admitted.contains(product));
            is_admitted.then_some(Ranked {
                product,
                score: hit.score,
                image: ImageName::Key(hit.image),
                row: None,
            })
        };
        hits.into_iter().filter_map(ranked).collect()
    }

    /// Products of a category.
    pub(super) fn of_category(&self, category: Category) -> Bitmap {
        let categories = match &self.vectors {
            Vectors::Memory(memory) => memory.gallery.categories(),
            Vectors::Engine { categories, .. } => categories,
        };
        Bitmap::from_fn(categories.len(), |product| categories[product] == category)
    }

    /// The texts of shops that mean a category. `None` if products without a text mean it, too.
    fn category_texts(&self, category: Category) -> Option<Vec<String>> {
        let Vectors::Engine { texts, .. } = &self.vectors else {
            return None;
        };
        let texts = texts.iter().filter(|(_, known)| *known == category);
        (category != Category::Other).then(|| texts.map(|(text, _)| text.clone()).collect())
    }
}

/// A query for a vector engine.
struct Plan<'a> {
    vector: &'a [f32],
    /// Number of products that are wanted.
    limit: usize,
    /// Number of products that the engine is asked for.
    asked: usize,
    /// Condition that the engine applies. It admits at least the products of `admitted`.
    condition: Condition,
    /// Products that can be found; all if `None`.
    admitted: Option<Bitmap>,
}

impl Plan<'_> {
    fn query(&self) -> EngineQuery<'_> {
        EngineQuery {
            vector: self.vector,
            limit: self.asked,
            condition: self.condition.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::conformance::Sample;
    use engine::{ExactEngine, Feeder, FeederOptions};
    use search::Rerank;
    use store::{Element, Expected, ImageKey, Product, ProductImage};

    use super::super::state::SearchBy;
    use super::*;

    const DIM: usize = 12;
    const PRODUCTS: usize = 90;

    /// A store whose products have one to three photos. Some photos are shared, so scores tie.
    fn store(dir: &std::path::Path) -> (Arc<Store>, i64) {
        let store = Store::open(dir).expect("the store opens");
        for at in 0..PRODUCTS {
            let image = |number: usize| {
                let name = format!("photo {}", (at * number) % 60);
                ProductImage::new(format!("{name}.jpg"), ImageKey::of_bytes(name.as_bytes()).to_string())
            };
            let product = Product {
                id: format!("P{at:03}"),
                names: [("en".to_owned(), "A product".to_owned())].into(),
                category: [Some("Shirts"), Some("tops"), Some("shoes"), None][at % 4].map(str::to_owned),
                images: (1..=1 + at % 3).map(image).collect(),
                ..Product::default()
            };
            store.upsert(&product, Expected::Any).expect("the product is stored");
        }
        let generation = store
            .begin_generation("m", DIM, Element::F32)
            .expect("the generation begins")
            .number;
        let mut sample = Sample::new(7);
        let pending = store.pending(generation, 0, 1000).expect("the photos wait");
        let vectors: Vec<(ImageKey, Vec<f32>)> = pending
            .iter()
            .map(|image| (image.key.parse().expect("the key is valid"), sample.vector(DIM)))
            .collect();
        store.append(generation, &vectors).expect("the vectors are stored");
        store.switch_generation(generation).expect("the generation is live");
        (Arc::new(store), generation)
    }

    #[test]
    fn a_vector_engine_ranks_as_the_memory_does() {
        let dir = tempfile::tempdir().expect("a folder is made");
        let (store, generation) = store(&dir.path().join("store"));
        let engine: Arc<dyn Engine> = Arc::new(ExactEngine::new());
        let mut feeder = Feeder::new(Arc::clone(&store), Arc::clone(&engine), FeederOptions::default());
        feeder.catch_up().expect("the engine is filled");
        let by = SearchBy::Memory {
            before: None,
            device: None,
        };
        let memory = Live::read(&store, generation, by).expect("the store is readable");
        let mut other = Live::read(&store, generation, SearchBy::Engine(&engine)).expect("the store is readable");
        let mut sample = Sample::new(9);
        for (listed, deepest) in [(10_000, 20_000), (5, 40), (5, 5), (40, 20)] {
            if let Vectors::Engine { reach, .. } = &mut other.vectors {
                *reach = Reach { listed, deepest };
            }
            for (step, limit) in [(1, 10), (2, 10), (7, 3), (13, 50), (PRODUCTS, 4), (3, 0)] {
                for category in [None, Some(Category::Tops), Some(Category::Other), Some(Category::Bags)] {
                    let products = Arc::new(Bitmap::from_fn(PRODUCTS, |product| product % step == 0));
                    let options = SearchOptions {
                        limit,
                        category,
                        products: (step > 1).then_some(products),
                        rerank: Rerank::None.into(),
                    };
                    let query = Embedding::new("m", sample.vector(DIM)).expect("the vector is not zero");
                    let rank = |live: &Live| {
                        let ranked = live.rank(&[(&query, &options)]).expect("the engine answers").remove(0);
                        let vectors: Vec<_> = ranked
                            .iter()
                            .map(|found| live.vector(&store, found).expect("readable"))
                            .collect();
                        let scores: Vec<_> = ranked.iter().map(|found| (found.product, found.score)).collect();
                        (scores, vectors)
                    };
                    assert_eq!(
                        rank(&memory),
                        rank(&other),
                        "{listed} {deepest} {step} {limit} {category:?}"
                    );
                }
            }
        }
    }
}
