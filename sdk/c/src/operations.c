/* Generated from wit/ by `cargo xtask sdk`; do not edit. */
#include "call.h"

Tensor tensor_share(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_share(of(self), &made, &error));
}

Tensor tensor_detach(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_detach(of(self), &made, &error));
}

Tensor tensor_to_kind(Tensor self, Kind kind) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_to_kind(of(self), kind, &made, &error));
}

Tensor tensor_select(Tensor self, int64_t dim, int64_t index) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_select(of(self), dim, index, &made, &error));
}

Tensor tensor_narrow(Tensor self, int64_t dim, int64_t start, int64_t length) {
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_narrow(of(self), dim, start, length, &made, &error));
}

Tensor tensor_reshape(Tensor self, Shape shape) {
    contract_list_s64_t shape_list = list_of(shape);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_reshape(of(self), &shape_list, &made, &error));
}

Tensor tensor_permute(Tensor self, Dims dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_permute(of(self), &dims_list, &made, &error));
}

Tensor tensor_transpose(Tensor self, int64_t first, int64_t second) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_transpose(of(self), first, second, &made, &error));
}

Tensor tensor_squeeze(Tensor self, int64_t dim) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_squeeze(of(self), dim, &made, &error));
}

Tensor tensor_unsqueeze(Tensor self, int64_t dim) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_unsqueeze(of(self), dim, &made, &error));
}

Tensor tensor_expand(Tensor self, Shape shape) {
    contract_list_s64_t shape_list = list_of(shape);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_expand(of(self), &shape_list, &made, &error));
}

Tensor tensor_flatten(Tensor self, int64_t first, int64_t last) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_flatten(of(self), first, last, &made, &error));
}

Tensor tensor_add(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_add(of(self), of(other), &made, &error));
}

Tensor tensor_sub(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_sub(of(self), of(other), &made, &error));
}

Tensor tensor_mul(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_mul(of(self), of(other), &made, &error));
}

Tensor tensor_div(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_div(of(self), of(other), &made, &error));
}

Tensor tensor_maximum(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_maximum(of(self), of(other), &made, &error));
}

Tensor tensor_minimum(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_minimum(of(self), of(other), &made, &error));
}

Tensor tensor_add_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_add_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_sub_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_sub_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_mul_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_mul_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_div_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_div_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_pow_scalar(Tensor self, Scalar exponent) {
    brewer_plugin_tensor_scalar_t exponent_number = scalar_of(exponent);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_pow_scalar(of(self), &exponent_number, &made, &error));
}

Tensor tensor_clamp(Tensor self, Scalar min, Scalar max) {
    brewer_plugin_tensor_scalar_t min_number = scalar_of(min);
    brewer_plugin_tensor_scalar_t max_number = scalar_of(max);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_clamp(of(self), &min_number, &max_number, &made, &error));
}

Tensor tensor_clamp_min(Tensor self, Scalar min) {
    brewer_plugin_tensor_scalar_t min_number = scalar_of(min);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_clamp(of(self), &min_number, NULL, &made, &error));
}

Tensor tensor_clamp_max(Tensor self, Scalar max) {
    brewer_plugin_tensor_scalar_t max_number = scalar_of(max);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_clamp(of(self), NULL, &max_number, &made, &error));
}

Tensor tensor_neg(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_neg(of(self), &made, &error));
}

Tensor tensor_abs(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_abs(of(self), &made, &error));
}

Tensor tensor_exp(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_exp(of(self), &made, &error));
}

Tensor tensor_log(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_log(of(self), &made, &error));
}

Tensor tensor_sqrt(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_sqrt(of(self), &made, &error));
}

Tensor tensor_tanh(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_tanh(of(self), &made, &error));
}

Tensor tensor_sigmoid(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_sigmoid(of(self), &made, &error));
}

Tensor tensor_relu(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_relu(of(self), &made, &error));
}

Tensor tensor_gelu(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_gelu(of(self), &made, &error));
}

Tensor tensor_eq(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_eq(of(self), of(other), &made, &error));
}

Tensor tensor_ne(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_ne(of(self), of(other), &made, &error));
}

Tensor tensor_lt(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_lt(of(self), of(other), &made, &error));
}

Tensor tensor_le(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_le(of(self), of(other), &made, &error));
}

Tensor tensor_gt(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_gt(of(self), of(other), &made, &error));
}

Tensor tensor_ge(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_ge(of(self), of(other), &made, &error));
}

Tensor tensor_eq_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_eq_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_ne_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_ne_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_lt_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_lt_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_le_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_le_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_gt_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_gt_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_ge_scalar(Tensor self, Scalar other) {
    brewer_plugin_tensor_scalar_t other_number = scalar_of(other);
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_ge_scalar(of(self), &other_number, &made, &error));
}

Tensor tensor_logical_and(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_logical_and(of(self), of(other), &made, &error));
}

Tensor tensor_logical_or(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_logical_or(of(self), of(other), &made, &error));
}

Tensor tensor_logical_not(Tensor self) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_logical_not(of(self), &made, &error));
}

Tensor tensor_where(Tensor self, Tensor condition, Tensor other) {
    TENSOR(can_ask2(self.handle, condition.handle) && can_ask(other.handle),
           brewer_plugin_tensor_method_tensor_where(of(self), of(condition), of(other), &made, &error));
}

Tensor tensor_sum(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_sum(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_mean(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_mean(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_logsumexp(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_logsumexp(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_max(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_max(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_min(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_min(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_norm(Tensor self, double p, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_norm(of(self), p, &dims_list, keep_dims, &made, &error));
}

Tensor tensor_any(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_any(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_all(Tensor self, Dims dims, bool keep_dims) {
    contract_list_s64_t dims_list = list_of(dims);
    TENSOR(can_ask(self.handle),
           brewer_plugin_tensor_method_tensor_all(of(self), &dims_list, keep_dims, &made, &error));
}

Tensor tensor_argmax(Tensor self, int64_t dim, bool keep_dim) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_argmax(of(self), dim, keep_dim, &made, &error));
}

Tensor tensor_softmax(Tensor self, int64_t dim) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_softmax(of(self), dim, &made, &error));
}

Tensor tensor_log_softmax(Tensor self, int64_t dim) {
    TENSOR(can_ask(self.handle), brewer_plugin_tensor_method_tensor_log_softmax(of(self), dim, &made, &error));
}

Tensor tensor_matmul(Tensor self, Tensor other) {
    TENSOR(can_ask2(self.handle, other.handle),
           brewer_plugin_tensor_method_tensor_matmul(of(self), of(other), &made, &error));
}

Tensor tensor_gather(Tensor self, int64_t dim, Tensor index) {
    TENSOR(can_ask2(self.handle, index.handle),
           brewer_plugin_tensor_method_tensor_gather(of(self), dim, of(index), &made, &error));
}

Tensor tensor_index_select(Tensor self, int64_t dim, Tensor index) {
    TENSOR(can_ask2(self.handle, index.handle),
           brewer_plugin_tensor_method_tensor_index_select(of(self), dim, of(index), &made, &error));
}

Tensor tensor_masked_fill(Tensor self, Tensor mask, Scalar value) {
    brewer_plugin_tensor_scalar_t value_number = scalar_of(value);
    TENSOR(can_ask2(self.handle, mask.handle),
           brewer_plugin_tensor_method_tensor_masked_fill(of(self), of(mask), &value_number, &made, &error));
}

Tensor tensor_masked_select(Tensor self, Tensor mask) {
    TENSOR(can_ask2(self.handle, mask.handle),
           brewer_plugin_tensor_method_tensor_masked_select(of(self), of(mask), &made, &error));
}

Tensor tensor_zeros(Shape shape, Kind kind) {
    contract_list_s64_t shape_list = list_of(shape);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_zeros(&shape_list, kind, &made, &error));
}

Tensor tensor_ones(Shape shape, Kind kind) {
    contract_list_s64_t shape_list = list_of(shape);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_ones(&shape_list, kind, &made, &error));
}

Tensor tensor_full(Shape shape, Scalar value, Kind kind) {
    contract_list_s64_t shape_list = list_of(shape);
    brewer_plugin_tensor_scalar_t value_number = scalar_of(value);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_full(&shape_list, &value_number, kind, &made, &error));
}

Tensor tensor_arange(Scalar start, Scalar end, Scalar step, Kind kind) {
    brewer_plugin_tensor_scalar_t start_number = scalar_of(start);
    brewer_plugin_tensor_scalar_t end_number = scalar_of(end);
    brewer_plugin_tensor_scalar_t step_number = scalar_of(step);
    TENSOR(!brewer_failed(),
           brewer_plugin_tensor_arange(&start_number, &end_number, &step_number, kind, &made, &error));
}

Tensor loss_cross_entropy(Tensor logits, Tensor labels, int64_t ignore_index, Reduction reduction) {
    TENSOR(can_ask2(logits.handle, labels.handle),
           brewer_plugin_losses_cross_entropy(of(logits), of(labels), ignore_index, reduction, &made, &error));
}

Tensor loss_mean_squared_error(Tensor input, Tensor target, Reduction reduction) {
    TENSOR(can_ask2(input.handle, target.handle),
           brewer_plugin_losses_mean_squared_error(of(input), of(target), reduction, &made, &error));
}

Tensor loss_kl_divergence(Tensor input, Tensor target, bool log_target, Reduction reduction) {
    TENSOR(can_ask2(input.handle, target.handle),
           brewer_plugin_losses_kl_divergence(of(input), of(target), log_target, reduction, &made, &error));
}

Tensor loss_binary_cross_entropy_with_logits(Tensor logits, Tensor targets, Reduction reduction) {
    TENSOR(can_ask2(logits.handle, targets.handle),
           brewer_plugin_losses_binary_cross_entropy_with_logits(of(logits), of(targets), reduction, &made, &error));
}

Tensor loss_cosine_similarity(Tensor left, Tensor right, int64_t dim) {
    TENSOR(can_ask2(left.handle, right.handle),
           brewer_plugin_losses_cosine_similarity(of(left), of(right), dim, &made, &error));
}
