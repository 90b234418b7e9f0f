//! What kernels need of a vector register, so that each is written once for all instruction sets.

/// So many numbers that are computed with at once.
///
/// # Safety
/// All methods need a processor with the instructions of the type; those that take pointers, but for [`Vector::prefetch`], need
/// them to be valid for [`Vector::LANES`] numbers (codes: bytes; quads: four numbers). No alignment is asked for.
#[allow(clippy::missing_safety_doc, reason = "what is to be kept stands above, once for all")]
pub trait Vector: Copy {
    /// How many numbers.
    const LANES: usize;
    /// Whether there are 32 registers, rather than 16.
    const MANY: bool;
    /// Which of four candidates each lane means; 4 for none.
    type Codes: Copy;

    /// The same number everywhere.
    unsafe fn splat(value: f32) -> Self;
    /// From memory.
    unsafe fn load(from: *const f32) -> Self;
    /// Asks for what lies there, if anything does, to be brought into the cache: to be read or written soon.
    unsafe fn prefetch(from: *const f32);
    /// To memory.
    unsafe fn store(self, to: *mut f32);
    /// `self + a * b`, rounded once.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    /// `self + other`
    unsafe fn plus(self, other: Self) -> Self;
    /// `self - other`
    unsafe fn minus(self, other: Self) -> Self;
    /// What is above 0, and 0 elsewhere; not a number where it isn't one.
    unsafe fn cut(self) -> Self;
    /// The smaller one of each two; not a number where `self` isn't one.
    unsafe fn at_most(self, most: Self) -> Self;
    /// `self` where `other` is above 0, and 0 elsewhere.
    unsafe fn where_positive(self, other: Self) -> Self;
    /// Writes the maximum of the four candidates, and which of them it is, the first among equals; not a number where one of
    /// them isn't. With `relu`, a maximum that isn't above 0 becomes 0, of none of them.
    unsafe fn store_maximum(candidates: [Self; 4], relu: bool, to: *mut f32, codes: *mut u8);
    /// Codes from memory.
    unsafe fn codes(from: *const u8) -> Self::Codes;
    /// In each lane that one of four numbers which its code says; any of them where it says none.
    unsafe fn pick(quad: *const f32, codes: Self::Codes) -> Self;
    /// `self`, but 0 where the code says none.
    unsafe fn where_any(self, codes: Self::Codes) -> Self;
    /// Which of sixteen codes are this one, as bits.
    unsafe fn equal_codes(codes: &[u8; 16], code: u8) -> u16;
}

/// Eight numbers without any instructions of their own: what tests run.
#[derive(Clone, Copy)]
pub struct Portable([f32; 8]);

impl Vector for Portable {
    const LANES: usize = 8;
    const MANY: bool = false;
    type Codes = [u8; 8];

    unsafe fn splat(value: f32) -> Self {
        Portable([value; 8])
    }

    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's.
        Portable(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }

    unsafe fn prefetch(_: *const f32) {}

    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }

    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|lane| a.0[lane].mul_add(b.0[lane], self.0[lane])))
    }

    unsafe fn plus(self, other: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    unsafe fn minus(self, other: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] - other.0[lane]))
    }

    unsafe fn cut(self) -> Self {
        Portable(self.0.map(|value| if value <= 0.0 { 0.0 } else { value }))
    }

    unsafe fn at_most(self, most: Self) -> Self {
        Portable(std::array::from_fn(|lane| if most.0[lane] < self.0[lane] { most.0[lane] } else { self.0[lane] }))
    }

    unsafe fn where_positive(self, other: Self) -> Self {
        Portable(std::array::from_fn(|lane| if other.0[lane] > 0.0 { self.0[lane] } else { 0.0 }))
    }

    unsafe fn store_maximum(candidates: [Self; 4], relu: bool, to: *mut f32, codes: *mut u8) {
        let (mut largest, mut which) = (candidates[0].0, [0u8; 8]);
        for lane in 0..8 {
            for (code, candidate) in candidates.iter().enumerate().skip(1) {
                let value = candidate.0[lane];
                if value > largest[lane] || value.is_nan() {
                    (largest[lane], which[lane]) = (value, code as u8);
                }
            }
            if relu && largest[lane] <= 0.0 {
                (largest[lane], which[lane]) = (0.0, 4);
            }
        }
        // SAFETY: the caller's.
        unsafe {
            to.cast::<[f32; 8]>().write_unaligned(largest);
            codes.cast::<[u8; 8]>().write_unaligned(which);
        }
    }

    unsafe fn codes(from: *const u8) -> [u8; 8] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[u8; 8]>().read_unaligned() }
    }

    unsafe fn pick(quad: *const f32, codes: [u8; 8]) -> Self {
        // SAFETY: the caller's.
        let quad = unsafe { quad.cast::<[f32; 4]>().read_unaligned() };
        Portable(codes.map(|code| quad[code as usize % 4]))
    }

    unsafe fn where_any(self, codes: [u8; 8]) -> Self {
        Portable(std::array::from_fn(|lane| if codes[lane] < 4 { self.0[lane] } else { 0.0 }))
    }

    unsafe fn equal_codes(codes: &[u8; 16], code: u8) -> u16 {
        codes.iter().enumerate().fold(0, |mask, (at, one)| mask | u16::from(*one == code) << at)
    }
}
