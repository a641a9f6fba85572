//! Ablations: what each technique is worth, from many trainings of one recipe with techniques switched on and off.
//!
//! **Invariant:** every figure comes from `selvedge train` and `selvedge evaluate`, run as processes of their own, so one
//! that crashes takes nothing from the others; what is finished is never computed again.

pub mod options;
pub mod plan;
pub mod recipe;
pub mod results;
pub mod table;
pub mod work;

pub use plan::Plan;
pub use recipe::{AblationRecipe, Mode};
