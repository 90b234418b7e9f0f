//! Two-dimensional convolution (cross-correlation, as everywhere in deep learning), as Keras' `Conv2D`.
//!
//! `y[i, j, o] = activation(bias[o] + sum over u, v, c of kernel[o, c, u, v] * x[i * stride + u, j * stride + v, c])`
//!
//! `[height, width, channels]` becomes `[height', width', filters]`.

use super::{
    ActivationFunction, Affine, Build, Forward, Initializer, LayerDefinition, Operator, Padding, Pair, Parameter, Pass,
    Precision, ShapeError, display_shape, elements, image_shape, initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

fn one() -> Pair {
    Pair([1, 1])
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn glorot_uniform() -> Initializer {
    Initializer::GlorotUniform
}

pub(super) fn zeros() -> Initializer {
    Initializer::Zeros
}

/// Slides learned filters over images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Convolution2D", "conv"], "examples" = [{"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}]))]
pub struct Conv2d {
    /// How many filters: the channels of the output.
    #[schemars(range(min = 1, max = 65536))]
    #[schemars(extend("x-known-as" = ["out_channels", "num_filters"]))]
    pub filters: usize,
    /// Height and width of the filters: one number for both, or `[height, width]`.
    #[schemars(extend("x-known-as" = ["kernel", "filter_size"]))]
    pub kernel_size: Pair,
    /// The distance between windows: one number for both directions, or `[vertical, horizontal]`.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["stride"]))]
    pub strides: Pair,
    /// `valid` uses only windows within the image; `same` pads with zeros so that the size stays (divided by the strides).
    #[serde(default)]
    pub padding: Padding,
    /// The function applied to the output.
    #[serde(default)]
    pub activation: ActivationFunction,
    /// Whether a learned number is added to each filter's output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the filters start.
    #[serde(default = "glorot_uniform")]
    pub kernel_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl Conv2d {
    /// Each principal component of a window makes two filters.
    fn can_whiten(&self, input: &[usize]) -> Result<(), ShapeError> {
        let Pair([height, width]) = self.kernel_size;
        let most = 2 * height * width * input[2];
        let is_sound = self.filters.is_multiple_of(2) && self.filters <= most;
        if self.kernel_initializer != Initializer::Whitening || is_sound {
            return Ok(());
        }
        let why = if self.filters > most { format!("of windows of {height}x{width}x{}", input[2]) } else { "in pairs".into() };
        Err(ShapeError::new(
            format!("`whitening` cannot make {} filters {why}", self.filters),
            format!("make `filters` an even number, at most {most}"),
        ))
    }
}

impl LayerDefinition for Conv2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [height, width, _] = image_shape(input, "conv2d")?;
        let Pair([kernel_height, kernel_width]) = self.kernel_size;
        let Pair([vertical, horizontal]) = self.strides;
        let rows = self.padding.windows(height, kernel_height, vertical).count;
        let columns = self.padding.windows(width, kernel_width, horizontal).count;
        if rows == 0 || columns == 0 {
            return Err(ShapeError::new(
                format!("a window of {kernel_height}x{kernel_width} doesn't fit into {}", display_shape(input)),
                "`padding: same` keeps the size; or remove a pooling before it",
            )
            .or(vec![rows.max(1), columns.max(1), self.filters]));
        }
        let output = vec![rows, columns, self.filters];
        self.can_whiten(input).map_err(|error| error.or(output.clone()))?;
        Ok(output)
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let Pair([height, width]) = self.kernel_size;
        let shape = vec![self.filters as i64, input[2] as i64, height as i64, width as i64];
        let kernel = Parameter { name: "kernel", shape, initializer: self.kernel_initializer, trainable: self.trainable };
        let bias =
            Parameter { name: "bias", shape: vec![self.filters as i64], initializer: self.bias_initializer, trainable: self.trainable };
        if self.use_bias { vec![kernel, bias] } else { vec![kernel] }
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let window = elements(&self.kernel_size.0).saturating_mul(input[2] as u64);
        elements(output).saturating_mul(window.saturating_mul(2).saturating_add(self.use_bias.into()))
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let rows = self.padding.windows(build.input[0], self.kernel_size.0[0], self.strides.0[0]);
        let columns = self.padding.windows(build.input[1], self.kernel_size.0[1], self.strides.0[1]);
        let even = rows.before == rows.after && columns.before == columns.after;
        let amounts = [columns.before, columns.after, rows.before, rows.after].map(|n| n as i64);
        let convolution = Convolution {
            weights: Affine::of(build.parameters),
            strides: self.strides.0.map(|n| n as i64),
            padding: if even { [rows.before as i64, columns.before as i64] } else { [0, 0] },
            uneven_padding: (!even).then_some(amounts),
            input: build.input.try_into().expect("the check lets only images through"),
            precision: build.precision,
        };
        let mut operations: Vec<Box<dyn Forward>> = vec![Box::new(convolution)];
        operations.extend(self.activation.operation());
        operations
    }

    fn is_linear(&self) -> bool {
        self.activation == ActivationFunction::Linear
    }

    fn activation(&self) -> ActivationFunction {
        self.activation
    }
}

/// A convolution with its bias.
pub struct Convolution {
    /// Its kernel, OIHW, and bias.
    pub weights: Affine,
    strides: [i64; 2],
    padding: [i64; 2],
    /// Left, right, top, bottom, where libtorch's even padding can't express it.
    uneven_padding: Option<[i64; 4]>,
    /// Height, width and channels of what reaches it.
    pub input: [usize; 3],
    precision: Precision,
}

impl Convolution {
    /// The same with other weights.
    pub fn with(&self, weights: Affine) -> Self {
        let Convolution { strides, padding, uneven_padding, input, precision, .. } = *self;
        Convolution { weights, strides, padding, uneven_padding, input, precision }
    }

    /// Whether it multiplies numbers of 32 bits.
    pub fn is_float32(&self) -> bool {
        self.precision == Precision::Float32
    }

    /// Whether windows of 3x3 lie beside each other at every place; then, how many zeros are put around the image.
    pub fn plain_3x3(&self) -> Option<usize> {
        let plain = self.weights.kernel.size()[2..] == [3, 3] && self.strides == [1, 1] && self.uneven_padding.is_none();
        let border = (self.padding[0] == self.padding[1]).then_some(self.padding[0] as usize);
        border.filter(|_| plain)
    }
}

impl Forward for Convolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let padded = self.uneven_padding.map(|amounts| x.f_constant_pad_nd(amounts)).transpose()?;
        let x = self.precision.factor(padded.as_ref().unwrap_or(x))?;
        let Affine { kernel, bias } = self.weights.factors(self.precision)?;
        x.f_conv2d(&kernel, bias.as_ref(), self.strides, self.padding, [1, 1], 1)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Convolution(self)
    }
}
