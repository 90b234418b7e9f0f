//! Adam (Kingma and Ba, 2015), with Keras' defaults and Keras' place for epsilon.
//!
//! ```text
//! m = beta_1 * m + (1 - beta_1) * g
//! v = beta_2 * v + (1 - beta_2) * g^2
//! w = w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
//! ```

use super::adaptive::adam;

adam! {
    /// Adam: steps scaled by running means of the gradient and of its square.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.0003}]))]
    pub struct Adam(weight_decay: 0.0)
}
