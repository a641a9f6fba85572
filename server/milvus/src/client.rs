//! The client of Milvus. This is the only file that uses the SDK.
//!
//! It calls the SDK's client of version 1, whose requests are those that servers from 2.3 on answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sdk::client::{Client as Sdk, ConsistencyLevel};
use sdk::collection::SearchResult;
use sdk::data::FieldColumn;
use sdk::error::Error;
use sdk::index::{IndexParams, IndexType, MetricType};
use sdk::mutate::{DeleteOptions, UpsertOptions};
use sdk::options::CreateCollectionOptions;
use sdk::proto::common::ErrorCode;
use sdk::query::{QueryOptions, SearchOptions};
use sdk::schema::{CollectionSchemaBuilder, FieldSchema};
use sdk::value::{Value, ValueVec};
use tokio::runtime::{Builder, Runtime};

use crate::answer::{Described, Fault};
use crate::options::MilvusOptions;
use crate::row::Row;

/// Maximum length of an id, a category and a brand in bytes.
const NAME: i32 = 256;
/// Maximum length of a key of a row in bytes: an id, `#` and a position.
const KEY: i32 = NAME + 8;
/// Fields of a row of products, except the vector: texts with their maximum lengths, and numbers with 0.
const FIELDS: [(&str, i32); 11] = [
    ("key", KEY),
    ("product", NAME),
    ("image", 128),
    ("category", NAME),
    ("brand", NAME),
    ("currency", NAME),
    ("availability", 16),
    ("version", 0),
    ("stamp", 0),
    ("position", 0),
    ("amount", 0),
];
const VECTOR: &str = "vector";
/// Maximum number of bytes of the texts that a search returns per row.
pub(crate) const ROW_BYTES: usize = 1024;

/// A connection to a server. It is made with the first request, and again after a failure.
pub(crate) struct Client {
    options: MilvusOptions,
    connection: Mutex<Option<Sdk>>,
    /// Runs the requests. It is `None` only while the client is dropped.
    runtime: Option<Runtime>,
}

impl Client {
    /// Creates a client without connecting.
    pub(crate) fn new(options: &MilvusOptions) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("milvus")
            .enable_all()
            .build()?;
        Ok(Self {
            options: options.clone(),
            connection: Mutex::new(None),
            runtime: Some(runtime),
        })
    }

    /// The collection of this name or alias.
    pub(crate) fn describe(&self, name: &str, limit: Duration) -> Result<Described, Fault> {
        self.request(limit, async |sdk| {
            let found = sdk.describe_collection(name).await?;
            let vector = found.schema.fields.iter().find(|field| field.name == VECTOR);
            let dim = vector.and_then(|field| field.type_params.iter().find(|param| param.key == "dim"));
            Ok(Described {
                name: found.schema.name,
                dim: dim.and_then(|param| param.value.parse().ok()).unwrap_or_default(),
            })
        })
    }

    /// Names of all collections.
    pub(crate) fn collections(&self, limit: Duration) -> Result<Vec<String>, Fault> {
        self.request(limit, async |sdk| sdk.list_collections().await)
    }

    /// Creates a collection of products, its index, and loads it. Continues where an earlier try ended.
    pub(crate) fn create_products(&self, name: &str, dim: usize, limit: Duration) -> Result<(), Fault> {
        let fields = FIELDS.iter().map(|(field, length)| match (*field, *length) {
            ("key", length) => FieldSchema::new_primary_varchar("key", "", false, length),
            (field, 0) => FieldSchema::new_int64(field, ""),
            (field, length) => FieldSchema::new_varchar(field, "", length),
        });
        self.create(name, fields.collect(), dim, limit)
    }

    /// Creates a collection of numbers with keys.
    pub(crate) fn create_numbers(&self, name: &str, limit: Duration) -> Result<(), Fault> {
        let fields = vec![
            FieldSchema::new_primary_varchar("key", "", false, KEY),
            FieldSchema::new_int64("number", ""),
        ];
        // A collection needs a vector. This one is never searched.
        self.create(name, fields, 2, limit)
    }

    fn create(&self, name: &str, fields: Vec<FieldSchema>, dim: usize, limit: Duration) -> Result<(), Fault> {
        self.request(limit, async |sdk| {
            if !sdk.has_collection(name).await? {
                let mut schema = CollectionSchemaBuilder::new(name, "Written by Selvedge");
                for field in fields {
                    schema.add_field(field);
                }
                schema.add_field(FieldSchema::new_float_vector(VECTOR, "", signed(dim)));
                let options = CreateCollectionOptions::with_consistency_level(ConsistencyLevel::Strong);
                sdk.create_collection(schema.build()?, Some(options)).await?;
            }
            let index = IndexParams::new(VECTOR.into(), IndexType::Flat, MetricType::IP, HashMap::new());
            sdk.create_index(name, VECTOR, index).await?;
            sdk.load_collection(name, None).await
        })
    }

    /// Removes a collection.
    pub(crate) fn drop_collection(&self, name: &str, limit: Duration) -> Result<(), Fault> {
        self.request(limit, async |sdk| sdk.drop_collection(name).await)
    }

    /// Creates an alias of a collection.
    pub(crate) fn create_alias(&self, alias: &str, name: &str, limit: Duration) -> Result<(), Fault> {
        self.request(limit, async |sdk| sdk.create_alias(name, alias).await)
    }

    /// Points an alias to another collection in one step.
    pub(crate) fn alter_alias(&self, alias: &str, name: &str, limit: Duration) -> Result<(), Fault> {
        self.request(limit, async |sdk| sdk.alter_alias(name, alias).await)
    }

    /// Removes an alias.
    pub(crate) fn drop_alias(&self, alias: &str, limit: Duration) -> Result<(), Fault> {
        self.request(limit, async |sdk| sdk.drop_alias(alias).await)
    }

    /// Adds or replaces rows of products by their keys.
    pub(crate) fn upsert(&self, name: &str, rows: &[Row], limit: Duration) -> Result<(), Fault> {
        let text = |field: &str, value: fn(&Row) -> &String| {
            let values: Vec<String> = rows.iter().map(|row| value(row).clone()).collect();
            FieldColumn::new(&FieldSchema::new_varchar(field, "", KEY), values)
        };
        let number = |field: &str, value: fn(&Row) -> i64| {
            let values: Vec<i64> = rows.iter().map(value).collect();
            FieldColumn::new(&FieldSchema::new_int64(field, ""), values)
        };
        let mut columns = vec![
            text("key", |row| &row.key),
            text("product", |row| &row.product),
            text("image", |row| &row.image),
            text("category", |row| &row.category),
            text("brand", |row| &row.brand),
            text("currency", |row| &row.currency),
            text("availability", |row| &row.availability),
            number("version", |row| row.version),
            number("stamp", |row| row.stamp),
            number("position", |row| row.position),
            number("amount", |row| row.amount),
        ];
        let dim = signed(rows.first().map_or(1, |row| row.vector.len()));
        let vectors: Vec<f32> = rows.iter().flat_map(|row| row.vector.iter().copied()).collect();
        columns.push(FieldColumn::new(
            &FieldSchema::new_float_vector(VECTOR, "", dim),
            vectors,
        ));
        self.request(limit, async |sdk| {
            sdk.upsert(name, columns, UpsertOptions::new()).await?;
            Ok(())
        })
    }

    /// Deletes the rows for which an expression over keys is true.
    pub(crate) fn delete(&self, name: &str, keys: String, limit: Duration) -> Result<(), Fault> {
        self.request(limit, async |sdk| {
            sdk.delete(name, &DeleteOptions::with_filter(keys)).await?;
            Ok(())
        })
    }

    /// Up to `rows` rows for which the expression is true, in any order: key, product and stamp.
    pub(crate) fn stamps(&self, name: &str, rows: usize, expression: &str, limit: Duration) -> Result<Vec<Row>, Fault> {
        let options = query_options(&["key", "product", "stamp"], rows);
        let mut columns = self.request(limit, async |sdk| sdk.query(name, expression, &options).await)?;
        let (keys, products) = (texts(&mut columns, "key"), texts(&mut columns, "product"));
        let stamps = numbers(&mut columns, "stamp");
        let row = |((key, product), stamp)| Row {
            key,
            product,
            stamp,
            ..Row::default()
        };
        Ok(keys.into_iter().zip(products).zip(stamps).map(row).collect())
    }

    /// The best `rows` rows of each query with their scores, best first.
    pub(crate) fn search(
        &self,
        name: &str,
        vectors: &[&[f32]],
        rows: usize,
        expression: &str,
        limit: Duration,
    ) -> Result<Vec<Vec<(Row, f32)>>, Fault> {
        let fields = ["key", "product", "image", "version", "position", VECTOR];
        let options = SearchOptions::with_limit(rows)
            .filter(expression.to_owned())
            .output_fields(fields.map(str::to_owned).to_vec())
            .anns_field(vec![VECTOR.to_owned()])
            .consistency_level(ConsistencyLevel::Strong as i32)
            .add_param("metric_type", MetricType::IP.to_string());
        let mut found: Vec<Vec<(Row, f32)>> = self.request(limit, async |sdk| {
            let data = vectors.iter().map(|vector| Value::from(vector.to_vec())).collect();
            match sdk.search(name, data, Some(options)).await {
                Err(Error::Unexpected(message)) if is_empty_answer(&message) => Ok(Vec::new()),
                found => Ok(found?.into_iter().map(hits).collect()),
            }
        })?;
        found.resize_with(vectors.len(), Vec::new);
        Ok(found)
    }

    /// The number with this key.
    pub(crate) fn number(&self, name: &str, key: &str, limit: Duration) -> Result<Option<i64>, Fault> {
        let options = query_options(&["number"], 1);
        let expression = format!("key == \"{key}\"");
        let mut columns = self.request(limit, async |sdk| sdk.query(name, &expression, &options).await)?;
        Ok(numbers(&mut columns, "number").first().copied())
    }

    /// Stores the number with this key.
    pub(crate) fn set_number(&self, name: &str, key: &str, number: i64, limit: Duration) -> Result<(), Fault> {
        let columns = vec![
            FieldColumn::new(&FieldSchema::new_varchar("key", "", KEY), vec![key.to_owned()]),
            FieldColumn::new(&FieldSchema::new_int64("number", ""), vec![number]),
            FieldColumn::new(&FieldSchema::new_float_vector(VECTOR, "", 2), vec![1.0f32, 0.0]),
        ];
        self.request(limit, async |sdk| {
            sdk.upsert(name, columns, UpsertOptions::new()).await?;
            Ok(())
        })
    }

    /// Runs a request within `limit`. Forgets the connection if the server does not answer.
    fn request<T>(&self, limit: Duration, send: impl AsyncFnOnce(Sdk) -> Result<T, Error>) -> Result<T, Fault> {
        let Some(runtime) = &self.runtime else {
            return Err(Fault::Away("the client was closed".into()));
        };
        let sent = async {
            let sdk = self.connect().await?;
            send(sdk).await
        };
        let answer = runtime.block_on(async { tokio::time::timeout(limit, sent).await });
        let result = match answer {
            Ok(result) => result.map_err(fault),
            Err(_) => Err(Fault::Away(format!("no answer within {} ms", limit.as_millis()))),
        };
        if matches!(result, Err(Fault::Away(_))) {
            *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result
    }

    /// The open connection, or a new one.
    async fn connect(&self) -> Result<Sdk, Error> {
        let open = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sdk) = open {
            return Ok(sdk);
        }
        let (user, password) = self.options.login.clone().unzip();
        let sdk = Sdk::with_timeout(self.options.url.clone(), self.options.setup_timeout, user, password).await?;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(sdk.clone());
        Ok(sdk)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The threads of a runtime may not be awaited in asynchronous code.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Options of a query with strong consistency.
fn query_options(fields: &[&str], rows: usize) -> QueryOptions {
    QueryOptions::new()
        .output_fields(fields.iter().map(|field| (*field).to_owned()).collect())
        .consistency_level(ConsistencyLevel::Strong as i32)
        .limit(signed(rows))
}

/// Takes the texts of a column.
fn texts(columns: &mut [FieldColumn], name: &str) -> Vec<String> {
    match take(columns, name) {
        ValueVec::String(values) => values,
        _ => Vec::new(),
    }
}

/// Takes the numbers of a column.
fn numbers(columns: &mut [FieldColumn], name: &str) -> Vec<i64> {
    match take(columns, name) {
        ValueVec::Long(values) => values,
        _ => Vec::new(),
    }
}

fn take(columns: &mut [FieldColumn], name: &str) -> ValueVec {
    let column = columns.iter_mut().find(|column| column.name == name);
    column.map_or(ValueVec::None, |column| {
        std::mem::replace(&mut column.value, ValueVec::None)
    })
}

/// The rows and scores of a query.
fn hits(found: SearchResult<'_>) -> Vec<(Row, f32)> {
    let mut columns = found.field;
    let (keys, products) = (texts(&mut columns, "key"), texts(&mut columns, "product"));
    let images = texts(&mut columns, "image");
    let (versions, positions) = (numbers(&mut columns, "version"), numbers(&mut columns, "position"));
    let vectors = match take(&mut columns, VECTOR) {
        ValueVec::Float(values) => values,
        _ => Vec::new(),
    };
    let dim = vectors.len() / products.len().max(1);
    let mut vectors = vectors.chunks_exact(dim.max(1)).map(<[f32]>::to_vec);
    let mut rows = Vec::new();
    for (at, score) in found.score.into_iter().enumerate() {
        let text = |values: &[String]| values.get(at).cloned().unwrap_or_default();
        let number = |values: &[i64]| values.get(at).copied().unwrap_or_default();
        let row = Row {
            key: text(&keys),
            product: text(&products),
            image: text(&images),
            version: number(&versions),
            position: number(&positions),
            vector: vectors.next().unwrap_or_default(),
            ..Row::default()
        };
        rows.push((row, score));
    }
    rows
}

/// True if the SDK refused an answer because no row was found.
fn is_empty_answer(message: &str) -> bool {
    message == "no IDs in search result" || message == "no ID field in search result"
}

/// Sorts the errors of the SDK by their remedy.
fn fault(error: Error) -> Fault {
    let text = error.to_string();
    match error {
        Error::Communication(_) | Error::Io(_) | Error::Grpc(_) => Fault::Away(text),
        Error::Server(code, message) => server_fault(code, &message),
        _ => Fault::Refused(text),
    }
}

/// Sorts the errors of the server. An error that is not known to be the fault of the request may pass.
#[allow(deprecated)]
fn server_fault(code: ErrorCode, message: &str) -> Fault {
    let text = format!("{} ({})", message, code.as_str_name());
    let lower = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match code {
        ErrorCode::CollectionNotExists | ErrorCode::CollectionNameNotFound => Fault::Missing,
        _ if has(&["can't find collection", "collection not found", "alias not found"]) => Fault::Missing,
        ErrorCode::PermissionDenied
        | ErrorCode::IllegalArgument
        | ErrorCode::IllegalDimension
        | ErrorCode::IllegalIndexType
        | ErrorCode::IllegalCollectionName
        | ErrorCode::IllegalTopk
        | ErrorCode::IllegalRowRecord
        | ErrorCode::IllegalMetricType => Fault::Refused(text),
        _ if has(&["cannot parse", "invalid", "illegal", "exceeds", "unsupported"]) => Fault::Refused(text),
        _ => Fault::Away(text),
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
