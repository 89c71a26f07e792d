//! The kernel for processors with AVX-512 or AVX2.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::tiles::{Kernel, Piece, tiles};

#[target_feature(enable = "avx512f,avx512vl")]
pub fn multiply_avx512(piece: &Piece, products: &mut [f64]) {
    tiles::<16, __m512>(
        piece,
        products,
        Kernel {
            zero: _mm512_setzero_ps(),
            // SAFETY: sixteen elements are there to be read; they need not be aligned.
            load: |elements: &[f32; 16]| unsafe { _mm512_loadu_ps(elements.as_ptr()) },
            multiply_add: |a, b, sum| _mm512_fmadd_ps(a, b, sum),
            sum: |sums| _mm512_reduce_add_ps(sums),
            prefetch,
        },
    );
}

#[target_feature(enable = "avx2,fma")]
pub fn multiply_avx2(piece: &Piece, products: &mut [f64]) {
    tiles::<8, __m256>(
        piece,
        products,
        Kernel {
            zero: _mm256_setzero_ps(),
            // SAFETY: eight elements are there to be read; they need not be aligned.
            load: |elements: &[f32; 8]| unsafe { _mm256_loadu_ps(elements.as_ptr()) },
            multiply_add: |a, b, sum| _mm256_fmadd_ps(a, b, sum),
            sum: |sums| {
                let halves =
                    _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
                let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
                _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
            },
            prefetch,
        },
    );
}

/// Into the second-level cache.
#[inline(always)]
fn prefetch(address: *const f32) {
    // SAFETY: a hint; it reads nothing, and an address that is nobody's is ignored.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
}
