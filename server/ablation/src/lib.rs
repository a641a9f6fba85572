//! Ablations: the effect of each technique, from many trainings of one recipe with techniques switched on and off.
//!
//! **Invariant:** every metric comes from `selvedge train` or `selvedge distill`, and `selvedge evaluate`, run as separate
//! processes. A crash of one does not affect the others, and finished results are never computed again.

mod options;
mod plan;
mod recipe;
mod results;
mod run;
mod settings;
mod table;
mod variants;

pub use plan::{Measurement, Plan, Training};
pub use recipe::{AblationRecipe, Mode};
pub use results::Results;
pub use run::{Progress, Runner};
pub use table::write;
