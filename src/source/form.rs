//! What an example is.

/// What every example of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An image: bytes of 0 to 255, `[height, width, channels]`.
    Image([usize; 3]),
    /// So many numbers, float32 in the machine's byte order, `[features]`.
    Features(usize),
}

impl Form {
    /// The form of that shape, where there is one.
    pub fn of_shape(shape: &[usize]) -> Option<Self> {
        match *shape {
            [height, width, channels] => Some(Form::Image([height, width, channels])),
            [features] => Some(Form::Features(features)),
            _ => None,
        }
    }

    /// `[height, width, channels]`, or `[features]`.
    pub fn shape(self) -> Vec<usize> {
        match self {
            Form::Image(shape) => shape.to_vec(),
            Form::Features(features) => vec![features],
        }
    }

    /// Bytes of an example.
    pub fn bytes(self) -> usize {
        match self {
            Form::Image(shape) => shape.iter().product(),
            Form::Features(features) => features * size_of::<f32>(),
        }
    }

    /// Numbers that have a mean and a variance of their own: channels, or features.
    pub fn channels(self) -> usize {
        match self {
            Form::Image([_, _, channels]) => channels,
            Form::Features(features) => features,
        }
    }

    /// Height, width and channels of an image.
    pub fn image(self) -> Option<[usize; 3]> {
        match self {
            Form::Image(shape) => Some(shape),
            Form::Features(_) => None,
        }
    }

    /// What its values are stored as.
    pub fn dtype(self) -> &'static str {
        match self {
            Form::Image(_) => "uint8",
            Form::Features(_) => "float32",
        }
    }
}

impl From<[usize; 3]> for Form {
    fn from(shape: [usize; 3]) -> Self {
        Form::Image(shape)
    }
}
