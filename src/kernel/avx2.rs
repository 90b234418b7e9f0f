//! Vectors of AVX2 with FMA.

use super::vector::Vector;
use std::arch::x86_64::*;

/// Eight numbers.
#[derive(Clone, Copy)]
pub struct Avx2(__m256);

impl Vector for Avx2 {
    const LANES: usize = 8;
    const MANY: bool = false;
    type Codes = __m256i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's, here and below.
        unsafe { Avx2(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Avx2(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: the caller's.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        unsafe { Avx2(_mm256_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        unsafe { Avx2(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        unsafe { Avx2(_mm256_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn cut(self) -> Self {
        // Of two numbers one of which isn't any, the instruction gives the second.
        unsafe { Avx2(_mm256_max_ps(_mm256_setzero_ps(), self.0)) }
    }

    #[inline(always)]
    unsafe fn at_most(self, most: Self) -> Self {
        unsafe { Avx2(_mm256_min_ps(most.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        unsafe { Avx2(_mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(other.0, _mm256_setzero_ps()), self.0)) }
    }

    #[inline(always)]
    unsafe fn store_maximum(candidates: [Self; 4], relu: bool, to: *mut f32, codes: *mut u8) {
        unsafe {
            let [a, b, c, d] = candidates.map(|candidate| candidate.0);
            let larger = |(largest, which), code, value| {
                let larger = _mm256_cmp_ps::<_CMP_GT_OQ>(value, largest);
                let larger = _mm256_or_ps(larger, _mm256_cmp_ps::<_CMP_UNORD_Q>(value, value));
                let code = _mm256_castsi256_ps(_mm256_set1_epi32(code));
                (_mm256_blendv_ps(largest, value, larger), _mm256_blendv_ps(which, code, larger))
            };
            // Written out: a loop would put the candidates into memory.
            let (mut largest, mut which) = larger(larger(larger((a, _mm256_setzero_ps()), 1, b), 2, c), 3, d);
            if relu {
                let cut = _mm256_cmp_ps::<_CMP_LE_OQ>(largest, _mm256_setzero_ps());
                largest = _mm256_andnot_ps(cut, largest);
                which = _mm256_blendv_ps(which, _mm256_castsi256_ps(_mm256_set1_epi32(4)), cut);
            }
            _mm256_storeu_ps(to, largest);
            let which = _mm256_castps_si256(which);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(which), _mm256_extracti128_si256::<1>(which));
            _mm_storel_epi64(codes.cast(), _mm_packus_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn codes(from: *const u8) -> __m256i {
        unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) }
    }

    #[inline(always)]
    unsafe fn pick(quad: *const f32, codes: __m256i) -> Self {
        // The permutation looks at the lowest two bits alone.
        unsafe { Avx2(_mm256_permutevar_ps(_mm256_broadcast_ps(&quad.cast::<__m128>().read_unaligned()), codes)) }
    }

    #[inline(always)]
    unsafe fn equal_codes(codes: &[u8; 16], code: u8) -> u16 {
        unsafe {
            let equal = _mm_cmpeq_epi8(_mm_loadu_si128(codes.as_ptr().cast()), _mm_set1_epi8(code as i8));
            _mm_movemask_epi8(equal) as u16
        }
    }

    #[inline(always)]
    unsafe fn where_any(self, codes: __m256i) -> Self {
        unsafe {
            let any = _mm256_cmpgt_epi32(_mm256_set1_epi32(4), codes);
            Avx2(_mm256_and_ps(self.0, _mm256_castsi256_ps(any)))
        }
    }
}
