//! What libtorch's operators leave on the table, picked up: kernels for convolution, max-pooling and ReLU together.
//!
//! One file a kernel; each is written once, over [`vector::Vector`], and compiled for every instruction set. They know only
//! slices of numbers. All unsafe code of the crate is here and in `device/native.rs`: kernels take pointers, because a check
//! of bounds in their inner loops would cost more than the multiplication beside it. What they are given is checked by
//! [`Block`], [`Convolution`], [`Pointwise`] and [`Normalization`], and every length by their tests, which `make memcheck` runs under valgrind.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
mod block;
mod convolution;
mod dropout;
mod first_gradient;
mod forward;
mod input_gradient;
mod moments;
mod normalization;
mod pointwise;
#[cfg(test)]
mod trial;
mod vector;
mod weight_gradient;
mod winograd;
mod winograd_gradient;

pub use batch::{Images, Scratch};
pub use block::{Block, Gradients};
pub use convolution::{Convolution, OutputGradient};
pub use dropout::Dropout;
use first_gradient::{Quads, first_gradient};
use forward::forward;
use input_gradient::input_gradient;
pub use moments::{Moments, Statistics};
pub use normalization::{Back, Cut, Normalization, Scaling, Slopes};
pub use pointwise::Pointwise;
use weight_gradient::{Lists, weight_gradient};
use winograd::{Picture, TILE, room, transform_kernel, winograd, winograd_convolution};
use winograd_gradient::{kernel_of_products, products_room, tile_products};

use std::sync::OnceLock;

/// The vector instructions that kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// AVX-512: F, BW, DQ and VL.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// None in particular: slow, for comparing with.
    Portable,
}

impl Instructions {
    /// What messages call them.
    pub fn name(self) -> &'static str {
        match self {
            Instructions::Avx512 => "AVX-512",
            Instructions::Avx2 => "AVX2",
            Instructions::Portable => "portable",
        }
    }

    /// Those that the processor has, the best first.
    pub fn supported() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            let all = [(avx512, Instructions::Avx512), (avx2, Instructions::Avx2)];
            all.into_iter().filter(|(has, _)| *has).map(|(_, instructions)| instructions).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    /// The best of those that the processor has and libtorch uses, which `ATEN_CPU_CAPABILITY` can lower; nothing where kernels
    /// would be slower than libtorch's operators.
    pub fn chosen() -> Option<Self> {
        static CHOSEN: OnceLock<Option<Instructions>> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let capability = crate::device::cpu_capability();
            Self::supported().into_iter().find(|instructions| match instructions {
                Instructions::Avx512 => capability == "AVX512",
                Instructions::Avx2 => capability == "AVX512" || capability == "AVX2",
                Instructions::Portable => false,
            })
        })
    }
}

/// What a block computes on one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the convolution's output; even.
    pub height: usize,
    /// Its columns; even.
    pub width: usize,
    /// Channels that come in: one, three, or a multiple of 16.
    pub inputs: usize,
    /// Channels that go out: a multiple of 16.
    pub outputs: usize,
}

impl Shape {
    /// Columns of an image with its border.
    fn padded_width(&self) -> usize {
        self.width + 2
    }

    /// Numbers of an image with its border.
    fn padded(&self) -> usize {
        (self.height + 2) * self.padded_width() * self.inputs
    }

    /// Windows of an image.
    fn windows(&self) -> usize {
        self.height / 2 * (self.width / 2)
    }

    /// Numbers that become of an image.
    pub fn pooled(&self) -> usize {
        self.windows() * self.outputs
    }
}

/// Compiles a function that is generic over vectors for each instruction set: the function gets the wanted [`Instructions`] as
/// its first argument.
macro_rules! compiled {
    ($(#[$doc:meta])* $visibility:vis unsafe fn $name:ident = $generic:ident($($argument:ident: $Type:ty),+ $(,)?);) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $visibility unsafe fn $name(instructions: $crate::kernel::Instructions, $($argument: $Type),+) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($argument: $Type),+) {
                // SAFETY: the caller's.
                unsafe { $generic::<$crate::kernel::avx512::Avx512>($($argument),+) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($argument: $Type),+) {
                // SAFETY: the caller's.
                unsafe { $generic::<$crate::kernel::avx2::Avx2>($($argument),+) }
            }
            // SAFETY: the caller's; instructions are only named where the processor has them.
            unsafe {
                match instructions {
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernel::Instructions::Avx512 => avx512($($argument),+),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernel::Instructions::Avx2 => avx2($($argument),+),
                    _ => $generic::<$crate::kernel::vector::Portable>($($argument),+),
                }
            }
        }
    };
}
use compiled;
