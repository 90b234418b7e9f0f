//! The matrix nearest to one whose rows, or columns, are orthonormal, by the Newton-Schulz iteration (Jordan et al., 2024).
//!
//! With `A = X X'`, each step is `X = a X + (b A + c A A) X`, an odd polynomial of the singular values that brings all of them near
//! to 1.

use tch::{TchError, Tensor};

/// Keeps the division sound where all is 0.
const EPSILON: f64 = 1e-7;

/// The polynomial's coefficients.
const A: f64 = 3.4445;
const B: f64 = -4.7750;
const C: f64 = 2.0315;

/// Makes `matrix`, `[rows, columns]`, nearly orthogonal in so many steps.
pub(super) fn orthogonalize(matrix: &Tensor, steps: u32) -> Result<Tensor, TchError> {
    let &[rows, columns] = matrix.size().as_slice() else {
        return Err(TchError::Shape(format!("a matrix is wanted, not {:?}", matrix.size())));
    };
    // The product of the short side with itself is the small one.
    let is_tall = rows > columns;
    let matrix = if is_tall { matrix.f_transpose(0, 1)? } else { matrix.shallow_clone() };
    let norm = matrix.f_norm()?.f_add_scalar(EPSILON)?;
    // A batch of one: this operation has the factors built in.
    let mut x = matrix.f_div(&norm)?.f_unsqueeze(0)?;
    for _ in 0..steps {
        let square = x.f_bmm(&x.f_transpose(1, 2)?)?;
        let factor = square.f_baddbmm(&square, &square, B, C)?;
        x = x.f_baddbmm(&factor, &x, A, 1.0)?;
    }
    let x = x.f_squeeze_dim(0)?;
    if is_tall { x.f_transpose(0, 1) } else { Ok(x) }
}

/// A kernel as a matrix with a row for each filter, without copying one that lies channels last.
pub(super) fn as_matrix(kernel: &Tensor) -> Result<Tensor, TchError> {
    let filters = kernel.size()[0];
    match kernel.dim() {
        4 => kernel.f_permute([0, 2, 3, 1])?.f_reshape([filters, -1]),
        _ => kernel.f_reshape([filters, -1]),
    }
}

/// A matrix that [`as_matrix`] made of a kernel, as that kernel.
pub(super) fn as_kernel(matrix: &Tensor, shape: &[i64]) -> Result<Tensor, TchError> {
    match *shape {
        [filters, channels, height, width] => {
            matrix.f_reshape([filters, height, width, channels])?.f_permute([0, 3, 1, 2])
        }
        _ => matrix.f_reshape(shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::kind::FLOAT_CPU;

    fn numbers(shape: &[i64]) -> Tensor {
        (Tensor::arange(shape.iter().product::<i64>(), FLOAT_CPU) * 0.7 + 0.3).sin().reshape(shape)
    }

    #[test]
    fn singular_values_come_near_to_1() {
        for shape in [[6, 20], [20, 6], [9, 9]] {
            let matrix = numbers(&shape) + Tensor::eye_m(shape[0], shape[1], FLOAT_CPU);
            let orthogonal = orthogonalize(&matrix, 5).unwrap();
            assert_eq!(orthogonal.size(), shape);
            let (_, values, _) = orthogonal.svd(true, false);
            let (least, most) = (values.min().double_value(&[]), values.max().double_value(&[]));
            assert!(least > 0.5 && most < 1.3, "{shape:?}: {least} to {most}");
        }
        assert_eq!(orthogonalize(&Tensor::zeros([3, 4], FLOAT_CPU), 5).unwrap(), Tensor::zeros([3, 4], FLOAT_CPU));
    }

    #[test]
    fn a_kernel_goes_to_a_matrix_and_back() {
        for kernel in [numbers(&[4, 3, 2, 5]), numbers(&[4, 7])] {
            let matrix = as_matrix(&kernel).unwrap();
            assert_eq!(matrix.size(), [4, kernel.numel() as i64 / 4]);
            assert_eq!(as_kernel(&matrix, &kernel.size()).unwrap(), kernel);
        }
        let last = numbers(&[4, 2, 5, 3]).permute([0, 3, 1, 2]);
        assert_eq!(as_matrix(&last).unwrap().data_ptr(), last.data_ptr());
    }
}
