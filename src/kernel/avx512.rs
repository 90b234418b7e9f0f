//! Vectors of AVX-512.

use super::vector::Vector;
use std::arch::x86_64::*;

/// Sixteen numbers.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

impl Vector for Avx512 {
    const LANES: usize = 16;
    const MANY: bool = true;
    type Codes = __m512i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's, here and below.
        unsafe { Avx512(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Avx512(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: the caller's.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        unsafe { Avx512(_mm512_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        unsafe { Avx512(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        unsafe { Avx512(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn cut(self) -> Self {
        // Of two numbers one of which isn't any, the instruction gives the second.
        unsafe { Avx512(_mm512_max_ps(_mm512_setzero_ps(), self.0)) }
    }

    #[inline(always)]
    unsafe fn at_most(self, most: Self) -> Self {
        unsafe { Avx512(_mm512_min_ps(most.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        unsafe { Avx512(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(other.0, _mm512_setzero_ps()), self.0)) }
    }

    #[inline(always)]
    unsafe fn store_maximum(candidates: [Self; 4], relu: bool, to: *mut f32, codes: *mut u8) {
        unsafe {
            let [a, b, c, d] = candidates.map(|candidate| candidate.0);
            let larger = |(largest, which), code, value| {
                let larger = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, largest);
                let larger = larger | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
                (_mm512_mask_mov_ps(largest, larger, value), _mm512_mask_set1_epi32(which, larger, code))
            };
            // Written out: a loop would put the candidates into memory.
            let (mut largest, mut which) = larger(larger(larger((a, _mm512_setzero_si512()), 1, b), 2, c), 3, d);
            if relu {
                let cut = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(largest, _mm512_setzero_ps());
                largest = _mm512_maskz_mov_ps(!cut, largest);
                which = _mm512_mask_set1_epi32(which, cut, 4);
            }
            _mm512_storeu_ps(to, largest);
            _mm_storeu_si128(codes.cast(), _mm512_cvtepi32_epi8(which));
        }
    }

    #[inline(always)]
    unsafe fn codes(from: *const u8) -> __m512i {
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn pick(quad: *const f32, codes: __m512i) -> Self {
        // The permutation looks at the lowest two bits alone.
        unsafe { Avx512(_mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(quad)), codes)) }
    }

    #[inline(always)]
    unsafe fn equal_codes(codes: &[u8; 16], code: u8) -> u16 {
        unsafe { _mm_cmpeq_epi8_mask(_mm_loadu_si128(codes.as_ptr().cast()), _mm_set1_epi8(code as i8)) }
    }

    #[inline(always)]
    unsafe fn where_any(self, codes: __m512i) -> Self {
        unsafe { Avx512(_mm512_maskz_mov_ps(_mm512_cmplt_epi32_mask(codes, _mm512_set1_epi32(4)), self.0)) }
    }
}
