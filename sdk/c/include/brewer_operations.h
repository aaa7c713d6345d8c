/* Generated from wit/ by `cargo xtask sdk`; do not edit. */
#ifndef BREWER_OPERATIONS_H
#define BREWER_OPERATIONS_H

/* ---- The tensor itself ---- */

/* Another handle to the same tensor. */
Tensor tensor_share(Tensor self);
/* The same elements without a gradient. */
Tensor tensor_detach(Tensor self);
/* The elements converted: to integers by cutting off, to `BOOLEAN` by `!= 0`. */
Tensor tensor_to_kind(Tensor self, Kind kind);

/* ---- Views ---- */

/* The same elements in another shape. A view takes no memory, but the gradient of one that leaves elements out is as
 * large as what it is a view of. Errors: `bad-dimension`, `bad-shape`, `bad-argument`, `over-limit`. */

/* The elements at one index of a dimension, which vanishes: `[a, b, c]` becomes `[a, c]` for dim 1. A negative index
 * counts from the end. */
Tensor tensor_select(Tensor self, int64_t dim, int64_t index);
/* The elements `start..start + length` of a dimension: `[a, b]` becomes `[a, length]` for dim 1. */
Tensor tensor_narrow(Tensor self, int64_t dim, int64_t start, int64_t length);
/* Another shape with as many elements; one size may be -1 and follows from the others. */
Tensor tensor_reshape(Tensor self, Shape shape);
/* The dimensions in another order; each is named once. */
Tensor tensor_permute(Tensor self, Dims dims);
/* Two dimensions exchanged. */
Tensor tensor_transpose(Tensor self, int64_t first, int64_t second);
/* Without dimension `dim` if its size is 1, unchanged otherwise. */
Tensor tensor_squeeze(Tensor self, int64_t dim);
/* With a dimension of size 1 put in before `dim`; -1 appends it. */
Tensor tensor_unsqueeze(Tensor self, int64_t dim);
/* Dimensions of size 1 repeated to `shape`, which may have more dimensions in front; -1 keeps a size. */
Tensor tensor_expand(Tensor self, Shape shape);
/* The dimensions `first..=last` made one. */
Tensor tensor_flatten(Tensor self, int64_t first, int64_t last);

/* ---- Arithmetic ---- */

/* Element by element. Two tensors broadcast. Errors: `bad-shape`, `bad-kind`, `over-limit`. */

/* `self + other` */
Tensor tensor_add(Tensor self, Tensor other);
/* `self - other` */
Tensor tensor_sub(Tensor self, Tensor other);
/* `self * other` */
Tensor tensor_mul(Tensor self, Tensor other);
/* `self / other`; integers give `FLOAT32`. */
Tensor tensor_div(Tensor self, Tensor other);
/* The larger of each two elements. */
Tensor tensor_maximum(Tensor self, Tensor other);
/* The smaller of each two elements. */
Tensor tensor_minimum(Tensor self, Tensor other);
/* `self + other` */
Tensor tensor_add_scalar(Tensor self, Scalar other);
/* `self - other` */
Tensor tensor_sub_scalar(Tensor self, Scalar other);
/* `self * other` */
Tensor tensor_mul_scalar(Tensor self, Scalar other);
/* `self / other`; integers give `FLOAT32`. */
Tensor tensor_div_scalar(Tensor self, Scalar other);
/* Each element raised to `exponent`. */
Tensor tensor_pow_scalar(Tensor self, Scalar exponent);
/* Each element, but at least `min` and at most `max`. */
Tensor tensor_clamp(Tensor self, Scalar min, Scalar max);
/* Each element, but at least `min`. */
Tensor tensor_clamp_min(Tensor self, Scalar min);
/* Each element, but at most `max`. */
Tensor tensor_clamp_max(Tensor self, Scalar max);
/* `-self` */
Tensor tensor_neg(Tensor self);
/* The absolute values. */
Tensor tensor_abs(Tensor self);
/* e to the power of each element. */
Tensor tensor_exp(Tensor self);
/* The natural logarithm. */
Tensor tensor_log(Tensor self);
/* The square roots; NaN of negative numbers. */
Tensor tensor_sqrt(Tensor self);
/* The hyperbolic tangents. */
Tensor tensor_tanh(Tensor self);
/* `1 / (1 + exp(-self))` */
Tensor tensor_sigmoid(Tensor self);
/* Each element, but at least 0. */
Tensor tensor_relu(Tensor self);
/* The exact GELU, by the error function. */
Tensor tensor_gelu(Tensor self);

/* ---- Comparisons and logic ---- */

/* Element by element, into `BOOLEAN` tensors. Two tensors broadcast. Errors: `bad-shape`, `bad-kind`, `over-limit`. */

/* `self == other` */
Tensor tensor_eq(Tensor self, Tensor other);
/* `self != other` */
Tensor tensor_ne(Tensor self, Tensor other);
/* `self < other` */
Tensor tensor_lt(Tensor self, Tensor other);
/* `self <= other` */
Tensor tensor_le(Tensor self, Tensor other);
/* `self > other` */
Tensor tensor_gt(Tensor self, Tensor other);
/* `self >= other` */
Tensor tensor_ge(Tensor self, Tensor other);
/* `self == other` */
Tensor tensor_eq_scalar(Tensor self, Scalar other);
/* `self != other` */
Tensor tensor_ne_scalar(Tensor self, Scalar other);
/* `self < other` */
Tensor tensor_lt_scalar(Tensor self, Scalar other);
/* `self <= other` */
Tensor tensor_le_scalar(Tensor self, Scalar other);
/* `self > other` */
Tensor tensor_gt_scalar(Tensor self, Scalar other);
/* `self >= other` */
Tensor tensor_ge_scalar(Tensor self, Scalar other);
/* True where both are not zero. */
Tensor tensor_logical_and(Tensor self, Tensor other);
/* True where one or both are not zero. */
Tensor tensor_logical_or(Tensor self, Tensor other);
/* True where the element is zero. */
Tensor tensor_logical_not(Tensor self);
/* `self` where `condition` (a `BOOLEAN` tensor) holds and `other` elsewhere; all three broadcast. */
Tensor tensor_where(Tensor self, Tensor condition, Tensor other);

/* ---- Reductions ---- */

/* Over `dims`; over all dimensions, to a scalar, if there are none. A reduced dimension vanishes, or stays with size
 * 1 if `keep_dims`. Errors: `bad-dimension`, `bad-shape`, `bad-kind`, `over-limit`. */

/* The sum over `dims`. Integers and `BOOLEAN` give `INT64`. */
Tensor tensor_sum(Tensor self, Dims dims, bool keep_dims);
/* The mean over `dims` of a floating-point tensor. */
Tensor tensor_mean(Tensor self, Dims dims, bool keep_dims);
/* The logarithm of the sum of the exponentials over `dims` of a floating-point tensor, computed stably: what a
 * softmax divides by, for losses that are made of parts of one. */
Tensor tensor_logsumexp(Tensor self, Dims dims, bool keep_dims);
/* The largest elements over `dims`; a gradient is shared evenly among equal ones. */
Tensor tensor_max(Tensor self, Dims dims, bool keep_dims);
/* The smallest elements over `dims`; a gradient is shared evenly among equal ones. */
Tensor tensor_min(Tensor self, Dims dims, bool keep_dims);
/* The `p`-norm over `dims` of a floating-point tensor: 2 for the Euclidean one. */
Tensor tensor_norm(Tensor self, double p, Dims dims, bool keep_dims);
/* Whether any element over `dims` is not zero. */
Tensor tensor_any(Tensor self, Dims dims, bool keep_dims);
/* Whether no element over `dims` is zero. */
Tensor tensor_all(Tensor self, Dims dims, bool keep_dims);

/* ---- Along a dimension ---- */

/* Errors: `bad-dimension`, `bad-shape`, `bad-kind`, `over-limit`. */

/* The index of the largest element along `dim`, as `INT64`. The dimension vanishes, or stays with size 1 if
 * `keep_dim`. */
Tensor tensor_argmax(Tensor self, int64_t dim, bool keep_dim);
/* Softmax of a floating-point tensor along `dim`. */
Tensor tensor_softmax(Tensor self, int64_t dim);
/* The logarithm of the softmax along `dim`, computed stably. */
Tensor tensor_log_softmax(Tensor self, int64_t dim);

/* ---- Products and selections ---- */

/* The matrix product: `[…, n, k]` by `[…, k, m]` gives `[…, n, m]`; the dimensions in front broadcast; one dimension
 * is a vector. Both tensors have one kind. Errors: `bad-shape`, `bad-kind`, `over-limit`. */
Tensor tensor_matmul(Tensor self, Tensor other);
/* The elements that `index` (`INT64`, of as many dimensions) names: each of its elements picks the element of `self`
 * at that index of `dim` and its own place elsewhere. Errors: `bad-dimension`, `bad-shape`, `bad-kind`; for an index
 * outside `bad-argument` with the permission `read-values`, while without it the call ends, because the error would
 * tell what the index holds. */
Tensor tensor_gather(Tensor self, int64_t dim, Tensor index);
/* The parts of `dim` that `index` (`INT64`, `[n]`) names: `[a, b]` becomes `[a, n]` for dim 1. Errors: as for
 * `gather`. */
Tensor tensor_index_select(Tensor self, int64_t dim, Tensor index);
/* `value` where `mask` (`BOOLEAN`, broadcast to `self`) holds and `self` elsewhere. Errors: `bad-kind`, `bad-shape`,
 * `over-limit`. */
Tensor tensor_masked_fill(Tensor self, Tensor mask, Scalar value);
/* The elements where `mask` (`BOOLEAN`; both broadcast) holds, as `[n]`. How many there are tells what the mask
 * holds, so the experiment must permit it; a loss that multiplies by the mask needs no permission. Errors:
 * `not-permitted`, `bad-kind`, `bad-shape`, `over-limit`. Needs the permission `read-values`. */
Tensor tensor_masked_select(Tensor self, Tensor mask);

/* ---- Creation ---- */

/* New tensors, on the device of the model. Errors: `bad-shape` for a negative size, `over-limit`. */

/* A tensor of zeros. */
Tensor tensor_zeros(Shape shape, Kind kind);
/* A tensor of ones. */
Tensor tensor_ones(Shape shape, Kind kind);
/* A tensor of one value. */
Tensor tensor_full(Shape shape, Scalar value, Kind kind);
/* `start`, `start + step`, … below `end` (above it for a negative step), as `[n]`. Errors: `bad-argument` for a step
 * of 0, a step away from `end`, or a number that is not finite. */
Tensor tensor_arange(Scalar start, Scalar end, Scalar step, Kind kind);

/* ---- Losses ---- */

/* The cross-entropy of logits `[…, classes]` and labels `[…]`: integers in 0..classes, or `ignore_index` (PyTorch's
 * is -100) for positions that do not count. `REDUCE_NONE` gives `[…]`; a mean over no position at all is NaN.
 * Errors: `bad-kind`, `bad-shape`; for a label outside the classes `bad-argument` with the permission `read-values`,
 * while without it the call ends, because the error would tell what the labels hold. */
Tensor loss_cross_entropy(Tensor logits, Tensor labels, int64_t ignore_index, Reduction reduction);
/* The squared difference of two floating-point tensors of one shape. Errors: `bad-kind`, `bad-shape`. */
Tensor loss_mean_squared_error(Tensor input, Tensor target, Reduction reduction);
/* `target * (log(target) - input)`: `input` holds log-probabilities, `target` of the same shape probabilities, or
 * log-probabilities if `log_target`. `REDUCE_MEAN` divides by the number of elements; for the mean over a batch
 * divide the sum by its size. Errors: `bad-kind`, `bad-shape`. */
Tensor loss_kl_divergence(Tensor input, Tensor target, bool log_target, Reduction reduction);
/* The cross-entropy of `sigmoid(logits)` and targets in 0..1, floating-point tensors of one shape. Errors:
 * `bad-kind`, `bad-shape`. */
Tensor loss_binary_cross_entropy_with_logits(Tensor logits, Tensor targets, Reduction reduction);
/* The cosine of the angle between two floating-point tensors of one shape along a dimension, which vanishes from the
 * shape. Errors: `bad-kind`, `bad-shape`, `bad-dimension`. */
Tensor loss_cosine_similarity(Tensor left, Tensor right, int64_t dim);

#ifndef BREWER_NO_LINES

#define tensor_share(...) BREWER_HERE(tensor_share, __VA_ARGS__)
#define tensor_detach(...) BREWER_HERE(tensor_detach, __VA_ARGS__)
#define tensor_to_kind(...) BREWER_HERE(tensor_to_kind, __VA_ARGS__)
#define tensor_select(...) BREWER_HERE(tensor_select, __VA_ARGS__)
#define tensor_narrow(...) BREWER_HERE(tensor_narrow, __VA_ARGS__)
#define tensor_reshape(...) BREWER_HERE(tensor_reshape, __VA_ARGS__)
#define tensor_permute(...) BREWER_HERE(tensor_permute, __VA_ARGS__)
#define tensor_transpose(...) BREWER_HERE(tensor_transpose, __VA_ARGS__)
#define tensor_squeeze(...) BREWER_HERE(tensor_squeeze, __VA_ARGS__)
#define tensor_unsqueeze(...) BREWER_HERE(tensor_unsqueeze, __VA_ARGS__)
#define tensor_expand(...) BREWER_HERE(tensor_expand, __VA_ARGS__)
#define tensor_flatten(...) BREWER_HERE(tensor_flatten, __VA_ARGS__)
#define tensor_add(...) BREWER_HERE(tensor_add, __VA_ARGS__)
#define tensor_sub(...) BREWER_HERE(tensor_sub, __VA_ARGS__)
#define tensor_mul(...) BREWER_HERE(tensor_mul, __VA_ARGS__)
#define tensor_div(...) BREWER_HERE(tensor_div, __VA_ARGS__)
#define tensor_maximum(...) BREWER_HERE(tensor_maximum, __VA_ARGS__)
#define tensor_minimum(...) BREWER_HERE(tensor_minimum, __VA_ARGS__)
#define tensor_add_scalar(self, other) BREWER_HERE(tensor_add_scalar, self, scalar(other))
#define tensor_sub_scalar(self, other) BREWER_HERE(tensor_sub_scalar, self, scalar(other))
#define tensor_mul_scalar(self, other) BREWER_HERE(tensor_mul_scalar, self, scalar(other))
#define tensor_div_scalar(self, other) BREWER_HERE(tensor_div_scalar, self, scalar(other))
#define tensor_pow_scalar(self, exponent) BREWER_HERE(tensor_pow_scalar, self, scalar(exponent))
#define tensor_clamp(self, min, max) BREWER_HERE(tensor_clamp, self, scalar(min), scalar(max))
#define tensor_clamp_min(self, min) BREWER_HERE(tensor_clamp_min, self, scalar(min))
#define tensor_clamp_max(self, max) BREWER_HERE(tensor_clamp_max, self, scalar(max))
#define tensor_neg(...) BREWER_HERE(tensor_neg, __VA_ARGS__)
#define tensor_abs(...) BREWER_HERE(tensor_abs, __VA_ARGS__)
#define tensor_exp(...) BREWER_HERE(tensor_exp, __VA_ARGS__)
#define tensor_log(...) BREWER_HERE(tensor_log, __VA_ARGS__)
#define tensor_sqrt(...) BREWER_HERE(tensor_sqrt, __VA_ARGS__)
#define tensor_tanh(...) BREWER_HERE(tensor_tanh, __VA_ARGS__)
#define tensor_sigmoid(...) BREWER_HERE(tensor_sigmoid, __VA_ARGS__)
#define tensor_relu(...) BREWER_HERE(tensor_relu, __VA_ARGS__)
#define tensor_gelu(...) BREWER_HERE(tensor_gelu, __VA_ARGS__)
#define tensor_eq(...) BREWER_HERE(tensor_eq, __VA_ARGS__)
#define tensor_ne(...) BREWER_HERE(tensor_ne, __VA_ARGS__)
#define tensor_lt(...) BREWER_HERE(tensor_lt, __VA_ARGS__)
#define tensor_le(...) BREWER_HERE(tensor_le, __VA_ARGS__)
#define tensor_gt(...) BREWER_HERE(tensor_gt, __VA_ARGS__)
#define tensor_ge(...) BREWER_HERE(tensor_ge, __VA_ARGS__)
#define tensor_eq_scalar(self, other) BREWER_HERE(tensor_eq_scalar, self, scalar(other))
#define tensor_ne_scalar(self, other) BREWER_HERE(tensor_ne_scalar, self, scalar(other))
#define tensor_lt_scalar(self, other) BREWER_HERE(tensor_lt_scalar, self, scalar(other))
#define tensor_le_scalar(self, other) BREWER_HERE(tensor_le_scalar, self, scalar(other))
#define tensor_gt_scalar(self, other) BREWER_HERE(tensor_gt_scalar, self, scalar(other))
#define tensor_ge_scalar(self, other) BREWER_HERE(tensor_ge_scalar, self, scalar(other))
#define tensor_logical_and(...) BREWER_HERE(tensor_logical_and, __VA_ARGS__)
#define tensor_logical_or(...) BREWER_HERE(tensor_logical_or, __VA_ARGS__)
#define tensor_logical_not(...) BREWER_HERE(tensor_logical_not, __VA_ARGS__)
#define tensor_where(...) BREWER_HERE(tensor_where, __VA_ARGS__)
#define tensor_sum(...) BREWER_HERE(tensor_sum, __VA_ARGS__)
#define tensor_mean(...) BREWER_HERE(tensor_mean, __VA_ARGS__)
#define tensor_logsumexp(...) BREWER_HERE(tensor_logsumexp, __VA_ARGS__)
#define tensor_max(...) BREWER_HERE(tensor_max, __VA_ARGS__)
#define tensor_min(...) BREWER_HERE(tensor_min, __VA_ARGS__)
#define tensor_norm(...) BREWER_HERE(tensor_norm, __VA_ARGS__)
#define tensor_any(...) BREWER_HERE(tensor_any, __VA_ARGS__)
#define tensor_all(...) BREWER_HERE(tensor_all, __VA_ARGS__)
#define tensor_argmax(...) BREWER_HERE(tensor_argmax, __VA_ARGS__)
#define tensor_softmax(...) BREWER_HERE(tensor_softmax, __VA_ARGS__)
#define tensor_log_softmax(...) BREWER_HERE(tensor_log_softmax, __VA_ARGS__)
#define tensor_matmul(...) BREWER_HERE(tensor_matmul, __VA_ARGS__)
#define tensor_gather(...) BREWER_HERE(tensor_gather, __VA_ARGS__)
#define tensor_index_select(...) BREWER_HERE(tensor_index_select, __VA_ARGS__)
#define tensor_masked_fill(self, mask, value) BREWER_HERE(tensor_masked_fill, self, mask, scalar(value))
#define tensor_masked_select(...) BREWER_HERE(tensor_masked_select, __VA_ARGS__)
#define tensor_zeros(...) BREWER_HERE(tensor_zeros, __VA_ARGS__)
#define tensor_ones(...) BREWER_HERE(tensor_ones, __VA_ARGS__)
#define tensor_full(shape, value, kind) BREWER_HERE(tensor_full, shape, scalar(value), kind)
#define tensor_arange(start, end, step, kind) BREWER_HERE(tensor_arange, scalar(start), scalar(end), scalar(step), kind)
#define loss_cross_entropy(...) BREWER_HERE(loss_cross_entropy, __VA_ARGS__)
#define loss_mean_squared_error(...) BREWER_HERE(loss_mean_squared_error, __VA_ARGS__)
#define loss_kl_divergence(...) BREWER_HERE(loss_kl_divergence, __VA_ARGS__)
#define loss_binary_cross_entropy_with_logits(...) BREWER_HERE(loss_binary_cross_entropy_with_logits, __VA_ARGS__)
#define loss_cosine_similarity(...) BREWER_HERE(loss_cosine_similarity, __VA_ARGS__)

#endif
#endif
