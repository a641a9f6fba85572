//! Tests of the contract of [`Engine`], for every engine.
//!
//! A case panics at the first difference from the contract. It begins with an engine without generations.

mod changes;
mod generations;
mod sample;
mod searches;
mod stamps;

use crate::engine::Engine;

pub use sample::{Sample, expected};

/// A case: its name and the test.
pub type Case = (&'static str, fn(&dyn Engine));

/// All cases.
pub const CASES: &[Case] = &[
    ("a product is found right after its change", changes::found_at_once),
    ("an equal change changes nothing", changes::equal_change),
    (
        "a replaced product has only its new vectors and values",
        changes::replaced,
    ),
    ("a product without vectors is deleted", changes::without_vectors),
    ("a deleted product is not found", changes::deleted),
    ("the last of two changes of one product counts", changes::last_counts),
    ("a product that cannot be stored changes nothing", changes::refused),
    (
        "ids and values with any characters are kept apart",
        changes::any_characters,
    ),
    ("a product is found once with its best vector", searches::grouped),
    ("hits of equal score are sorted by id", searches::ties),
    ("a limit may be zero or larger than the catalog", searches::limits),
    ("a batch finds what its queries find alone", searches::batches),
    ("a condition admits products by their values", searches::conditions),
    ("a query of another dimension is refused", searches::refused),
    ("a random catalog is searched exactly", searches::random),
    ("a large catalog is searched exactly", searches::large),
    ("stamps and fingerprints show the state of a range", stamps::ranges),
    ("a range of many vectors is read whole", stamps::many),
    ("a generation becomes live in one step", generations::switched),
    ("generations are apart from each other", generations::apart),
    (
        "a generation keeps the sequence of its last change",
        generations::applied,
    ),
];

/// Runs every case with an engine of its own. Calls `begin` with the name of each case.
///
/// # Panics
/// If the engine does not fulfil the contract.
pub fn run(mut make: impl FnMut() -> Box<dyn Engine>, mut begin: impl FnMut(&str)) {
    for (name, case) in CASES {
        begin(name);
        case(&*make());
    }
}
