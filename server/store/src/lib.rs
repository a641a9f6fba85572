//! The living catalog's store: products, images, embeddings and changes in a folder.
//!
//! # Parts
//!
//! * **SQLite is the truth** (`store.sqlite`, write-ahead log, `synchronous=full`): products, images by the SHA-256 of their
//!   bytes, generations, segments, the place of each embedding, tasks, unfinished imports and the outbox of changes.
//! * **Segments** (`segments/*.seg`) are immutable files of embeddings with checksums, read through memory maps. A file
//!   counts only if SQLite names it. Its layout is in `src/segment/mod.rs`.
//! * One process has a store open. `store.lock` refuses a second one.
//!
//! # Durability
//!
//! A function that changes something returns after the change is on the disk. The order of storing embeddings is: write the
//! file, sync the file, sync the folder, commit the transaction that names it. The order of removing is the reverse: commit,
//! then remove. So a process that is killed leaves at most files that SQLite does not name, and the next start removes them.
//! A file whose transaction failed is removed only after a later commit, because the failed commit may be in the log.
//!
//! # Products and embeddings
//!
//! * A product has one version, which grows with every change and is never used twice. It is the sequence of the change in
//!   the outbox. Storing equal values changes nothing.
//! * An embedding belongs to an image and a generation. Products that show the same image share it. So a new price keeps
//!   the embedding, and only an image with another hash or crop box waits for one.
//! * An image that no product shows is deleted in the same transaction, with its embeddings. Its row in the segment stays as
//!   an unused row until [`Store::compact`].
//! * A generation is the work of one model: `building`, then `live`, then `kept` for a rollback, then `retired`.
//!
//! # Imports
//!
//! [`Store::import`] reads a file of any size in constant memory, in two phases. The first one parses every row, hashes the
//! images and stages the rows in SQLite. If too many rows or images fail, the import ends here and the catalog is as before.
//! The second one applies the rows in batches. Both record their position in the transactions, so an import of the same file
//! after a kill continues. Importing a file twice changes nothing.
//!
//! # Limits
//!
//! * A mapped file that another program shortens kills the process with SIGBUS. The lock keeps other stores away, and
//!   nothing else may write into the folder.
//! * The lock and the log of SQLite need a local file system. NFS is not supported.

mod changes;
mod clock;
mod compact;
pub mod currency;
mod db;
mod embed;
mod error;
mod export;
mod folder;
mod image;
mod import;
mod product;
mod repair;
mod rollout;
mod segment;
mod settings;
mod shown;
mod snapshot;
mod store;
mod tasks;
mod verify;
mod view;

pub use changes::{Effect, Expected, Found, ImageName, ProductPatch, Replaced};
pub use compact::{CompactOptions, Compacted};
pub use db::generations::{Generation, GenerationProgress, GenerationState, PendingImage};
pub use db::images::ImageFile;
pub use db::outbox::{Change, Operation};
pub use embed::Appended;
pub use error::StoreError;
pub use export::Stats;
pub use folder::{UNPACKED, UPLOADS};
pub use image::{Crop, ImageKey, ProductImage};
pub use import::{
    Counts, Encoding, FolderImages, Format, GivenHashes, ImageFault, ImageSource, ImportOptions, ImportProgress,
    ImportReport, Mode, Outcome, Phase, RowFault,
};
pub use product::{Attribute, Availability, Price, Product, Stock, StoredProduct};
pub use repair::{DamagedSegment, RepairReport};
pub use segment::{Check, Element, Segment, Values};
pub use shown::{Sample, ShownImage};
pub use snapshot::{SnapshotSummary, restore};
pub use store::Store;
pub use tasks::{Task, TaskState};
pub use verify::{Finding, FindingKind, VerifyReport};
pub use view::{ProductRow, View, ViewProduct, ViewRow};
