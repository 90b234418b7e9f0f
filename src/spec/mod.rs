//! The pipeline: as written, a tree with places ([`tree`]); resolved, the families' argument structs ([`Pipeline`]).
//!
//! [`load`] leads from the one to the other: it reads the YAML, applies `--set`, rewrites sugar, checks against the
//! schema, fills in the defaults that hang on other values, and hands the tree to serde.

mod class_weight;
pub mod contract;
pub mod difference;
mod expectation;
pub mod extends;
mod initial_weights;
pub mod load;
mod normalize;
pub mod origins;
mod overrides;
mod parse;
mod pipeline;
mod plain;
pub mod reference;
pub mod schema;
mod syntax;
pub mod tree;
mod validation;
mod vocabulary;

pub use class_weight::ClassWeight;
pub use expectation::{Against, Expectation, Inconclusive};
pub use initial_weights::{Fit, InitialWeights, Taken, Target};
pub use load::{Loaded, load};
pub use normalize::listed;
pub use parse::parse;
pub use pipeline::*;
pub use plain::plain;
pub use validation::{Validation, k_fold, none, split, test};
pub use vocabulary::advice;
