//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019), with Keras' defaults: Adam, but that it decays where nothing
//! is said.

use super::adaptive::adam;

adam! {
    /// Adam, with parameters that are drawn towards 0 besides.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": {"cosine_decay": {"initial_learning_rate": 0.001}}, "weight_decay": 0.01}]))]
    pub struct Adamw(weight_decay: 0.004)
}
