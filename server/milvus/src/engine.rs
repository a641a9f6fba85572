//! The engine over a Milvus server.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use engine::{Engine, EngineError, EngineHit, EngineQuery, IdRange, ProductVectors, Stamp};

use crate::answer::Described;
use crate::expression::{in_range, of_keys, of_products};
use crate::options::MilvusOptions;
use crate::row::{Row, Stamps, key, rows};
use crate::search::Search;
use crate::server::Server;

/// Maximum number of rows that a query returns. Their keys and ids fit into a message of 4 MiB.
const ROWS: usize = 4096;
/// Maximum number of bytes of vectors per request of changes.
const BYTES: usize = 2 << 20;
/// Maximum number of rows per request of changes.
const BATCH: usize = 1000;

/// An engine over a Milvus server. It connects with the first request.
///
/// # Collections
///
/// A generation is the collection `<prefix>_g<number>`, with one row per vector. The alias `<prefix>_live` names the live one.
/// The collection `<prefix>_state` has the sequence of the last change of each generation.
///
/// # Exceptions
///
/// * [`Engine::apply`] replaces the rows of a product in two requests: it writes the new rows, and then deletes the old rows
///   that are left over. A search between the two can find the product by an old vector. A repetition repairs a product of
///   which only one request arrived.
/// * If more than about 30,000 products have the same score at the end of the hits, some of them are chosen without regard to
///   their ids.
/// * A limit that needs more than about 30,000 products is refused.
///
/// Functions block, and must not be called in asynchronous code.
pub struct MilvusEngine {
    options: MilvusOptions,
    server: Server,
    /// Dimensions by generation, as far as they are known.
    dims: Mutex<HashMap<i64, usize>>,
}

impl MilvusEngine {
    /// Creates an engine without connecting.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] if the prefix is not a name, and [`EngineError::Refused`] if no thread can be started.
    pub fn new(options: MilvusOptions) -> Result<Self, EngineError> {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = options.prefix.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || !options.prefix.chars().all(is_letter) || options.prefix.len() > 100 {
            let message = "it is not a letter with up to 99 letters, digits and `_`";
            return Err(EngineError::invalid(format!("prefix `{}`", options.prefix), message));
        }
        Ok(Self {
            server: Server::new(&options)?,
            dims: Mutex::default(),
            options,
        })
    }

    /// Removes all collections with the prefix, and the alias. Searches fail until a generation is live again.
    ///
    /// # Errors
    /// [`EngineError::Away`].
    pub fn clear(&self) -> Result<(), EngineError> {
        let (alias, state) = (self.alias(), self.state());
        if self.describe(&alias)?.is_some() {
            self.server
                .call_within(self.options.timeout, "remove an alias", |client, limit| {
                    client.drop_alias(&alias, limit)
                })?;
        }
        for generation in self.generations()? {
            self.remove(generation)?;
        }
        self.drop_collection(&state)
    }

    /// Removes a collection if it exists.
    fn drop_collection(&self, name: &str) -> Result<(), EngineError> {
        if self.describe(name)?.is_some() {
            let limit = self.options.timeout;
            self.server.call_within(limit, "remove a collection", |client, limit| {
                client.drop_collection(name, limit)
            })?;
        }
        Ok(())
    }

    fn collection(&self, generation: i64) -> String {
        format!("{}_g{generation}", self.options.prefix)
    }

    /// Number of the generation with this collection.
    fn number(&self, collection: &str) -> Option<i64> {
        let number = collection.strip_prefix(&self.options.prefix)?.strip_prefix("_g")?;
        number
            .parse()
            .ok()
            .filter(|number| self.collection(*number) == collection)
    }

    fn alias(&self) -> String {
        format!("{}_live", self.options.prefix)
    }

    fn state(&self) -> String {
        format!("{}_state", self.options.prefix)
    }

    /// The collection of a name or an alias.
    fn describe(&self, name: &str) -> Result<Option<Described>, EngineError> {
        self.server
            .call_within(self.options.timeout, "describe a collection", |client, limit| {
                client.describe(name, limit)
            })
    }

    /// Dimension of a generation.
    fn dim(&self, generation: i64) -> Result<usize, EngineError> {
        if let Some(dim) = self.dims().get(&generation) {
            return Ok(*dim);
        }
        let found = self.describe(&self.collection(generation))?;
        let dim = found.ok_or_else(|| EngineError::unknown(generation))?.dim;
        self.dims().insert(generation, dim);
        Ok(dim)
    }

    fn dims(&self) -> std::sync::MutexGuard<'_, HashMap<i64, usize>> {
        self.dims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All rows of products, asked for in ranges or lists that `expression` writes. Halves a part whose answer is full.
    fn rows_of(&self, generation: i64, ids: &[&str]) -> Result<Vec<Row>, EngineError> {
        let collection = self.collection(generation);
        let mut parts = vec![ids];
        let mut all = Vec::new();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let expression = of_products(part);
            let rows = self.server.call("read products", generation, |client, limit| {
                client.stamps(&collection, ROWS, &expression, limit)
            })?;
            if rows.len() >= ROWS && part.len() > 1 {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([left, right]);
            } else {
                all.extend(rows);
            }
        }
        Ok(all)
    }

    /// Writes the rows of products, and deletes rows of these products that are left over.
    fn replace(&self, generation: i64, products: &[&ProductVectors]) -> Result<(), EngineError> {
        let collection = self.collection(generation);
        let rows: Vec<Row> = products.iter().flat_map(|product| rows(product)).collect();
        let per_request = rows
            .first()
            .map_or(1, |row| BYTES / (row.vector.len() * 4).max(1))
            .clamp(1, BATCH);
        for part in rows.chunks(per_request) {
            self.server.call("write vectors", generation, |client, limit| {
                client.upsert(&collection, part, limit)
            })?;
        }
        let ids: Vec<&str> = products.iter().map(|product| product.id.as_str()).collect();
        let counts: HashMap<&str, usize> = products
            .iter()
            .map(|product| (product.id.as_str(), product.images.len()))
            .collect();
        let is_left_over = |row: &Row| {
            let count = counts.get(row.product.as_str()).copied().unwrap_or_default();
            (0..count).all(|position| row.key != key(&row.product, position))
        };
        let left_over = self.rows_of(generation, &ids)?.into_iter().filter(is_left_over);
        let left_over: Vec<String> = left_over.map(|row| row.key).collect();
        self.delete_keys(generation, &left_over)
    }

    fn delete_keys(&self, generation: i64, keys: &[String]) -> Result<(), EngineError> {
        let collection = self.collection(generation);
        for part in keys.chunks(BATCH) {
            self.server.call("delete vectors", generation, |client, limit| {
                client.delete(&collection, of_keys(part), limit)
            })?;
        }
        Ok(())
    }

    /// Removes the sequence of a generation.
    fn forget_applied(&self, generation: i64) -> Result<(), EngineError> {
        let (state, keys) = (self.state(), of_keys(&[generation.to_string()]));
        self.server
            .call_within(self.options.timeout, "delete a sequence", |client, limit| {
                client.delete(&state, keys.clone(), limit)
            })?;
        Ok(())
    }
}

impl Engine for MilvusEngine {
    fn create(&self, generation: i64, dim: usize) -> Result<(), EngineError> {
        let (name, state, limit) = (self.collection(generation), self.state(), self.options.setup_timeout);
        match self.describe(&name)? {
            Some(found) if found.dim != dim => {
                let message = format!("it has dimension {}, not {dim}; remove it first", found.dim);
                return Err(EngineError::generation(generation, message));
            }
            Some(_) => {}
            // The sequence may be that of an earlier collection of this name.
            None => self.forget_applied(generation)?,
        }
        self.server.call_within(limit, "create a collection", |client, limit| {
            client.create_numbers(&state, limit)
        })?;
        self.server.call_within(limit, "create a collection", |client, limit| {
            client.create_products(&name, dim, limit)
        })?;
        self.dims().insert(generation, dim);
        Ok(())
    }

    fn generations(&self) -> Result<Vec<i64>, EngineError> {
        let names = self
            .server
            .call("list collections", 0, |client, limit| client.collections(limit))?;
        let mut numbers: Vec<i64> = names.iter().filter_map(|name| self.number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn remove(&self, generation: i64) -> Result<(), EngineError> {
        if self.live()? == Some(generation) {
            let message = "searches use it; switch to another one first";
            return Err(EngineError::generation(generation, message));
        }
        self.dims().remove(&generation);
        self.forget_applied(generation)?;
        self.drop_collection(&self.collection(generation))
    }

    fn switch(&self, generation: i64) -> Result<(), EngineError> {
        let (name, alias) = (self.collection(generation), self.alias());
        if self.describe(&name)?.is_none() {
            return Err(EngineError::unknown(generation));
        }
        let is_new = self.describe(&alias)?.is_none();
        self.server.call("switch", generation, |client, limit| {
            if is_new {
                client.create_alias(&alias, &name, limit)
            } else {
                client.alter_alias(&alias, &name, limit)
            }
        })
    }

    fn live(&self) -> Result<Option<i64>, EngineError> {
        Ok(self.describe(&self.alias())?.and_then(|found| self.number(&found.name)))
    }

    fn apply(&self, generation: i64, products: &[ProductVectors]) -> Result<(), EngineError> {
        let dim = self.dim(generation)?;
        products.iter().try_for_each(|product| product.check(dim))?;
        let last: BTreeMap<&str, &ProductVectors> =
            products.iter().map(|product| (product.id.as_str(), product)).collect();
        let last: Vec<&ProductVectors> = last.into_values().collect();
        last.chunks(BATCH).try_for_each(|part| self.replace(generation, part))
    }

    fn delete(&self, generation: i64, ids: &[String]) -> Result<(), EngineError> {
        self.dim(generation)?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for part in ids.chunks(BATCH) {
            let keys: Vec<String> = self.rows_of(generation, part)?.into_iter().map(|row| row.key).collect();
            self.delete_keys(generation, &keys)?;
        }
        Ok(())
    }

    fn search_in(&self, generation: i64, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        let dim = self.dim(generation)?;
        queries.iter().try_for_each(|query| query.check(dim))?;
        let collection = self.collection(generation);
        Search::new(&self.server, generation, &collection, dim).run(queries)
    }

    fn search(&self, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        // Resolves the alias once, so that the dimension and the vectors are of one generation.
        let live = self.describe(&self.alias())?.ok_or_else(EngineError::none_live)?;
        queries.iter().try_for_each(|query| query.check(live.dim))?;
        let generation = self.number(&live.name).unwrap_or_default();
        Search::new(&self.server, generation, &live.name, live.dim).run(queries)
    }

    fn stamps(&self, generation: i64, range: IdRange<'_>) -> Result<Vec<Stamp>, EngineError> {
        self.dim(generation)?;
        let collection = self.collection(generation);
        let mut parts = vec![(range.after.to_owned(), range.to.map(str::to_owned))];
        let mut stamps = Stamps::default();
        while let Some((after, to)) = parts.pop() {
            let part = IdRange {
                after: &after,
                to: to.as_deref(),
            };
            let rows = self.server.call("read products", generation, |client, limit| {
                client.stamps(&collection, ROWS, &in_range(part), limit)
            })?;
            match middle(&rows, part) {
                Some(middle) => parts.extend([(after, Some(middle.clone())), (middle, to)]),
                None => stamps.add(&rows),
            }
        }
        Ok(stamps.finish())
    }

    fn applied(&self, generation: i64) -> Result<Option<u64>, EngineError> {
        self.dim(generation)?;
        let (state, key) = (self.state(), generation.to_string());
        let number = self.server.call("read a sequence", generation, |client, limit| {
            client.number(&state, &key, limit)
        })?;
        Ok(number.map(i64::cast_unsigned))
    }

    fn set_applied(&self, generation: i64, sequence: u64) -> Result<(), EngineError> {
        self.dim(generation)?;
        let (state, key, number) = (self.state(), generation.to_string(), sequence.cast_signed());
        self.server.call("write a sequence", generation, |client, limit| {
            client.set_number(&state, &key, number, limit)
        })
    }
}

/// The id at which a range is halved if its answer is full, so that rows may be missing.
fn middle(rows: &[Row], range: IdRange<'_>) -> Option<String> {
    if rows.len() < ROWS {
        return None;
    }
    let mut ids: Vec<&str> = rows.iter().map(|row| row.product.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let middle = ids.get((ids.len().max(1) - 1) / 2)?;
    // A product has fewer rows than an answer, so a full answer has at least two products.
    (range.to != Some(middle)).then(|| (*middle).to_owned())
}
