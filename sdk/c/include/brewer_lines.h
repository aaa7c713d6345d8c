/* Notes the plugin's line before each operation, for the message if it fails, and makes scalars of plain numbers. */
#ifndef BREWER_LINES_H
#define BREWER_LINES_H

void brewer_here(const char *file, int line, const char *function);

static inline Scalar brewer_scalar_same(Scalar value) {
    return value;
}

static inline Scalar brewer_scalar_float(double number) {
    return (Scalar){.is_int = false, .number = number};
}

static inline Scalar brewer_scalar_int(int64_t integer) {
    return (Scalar){.is_int = true, .integer = integer};
}

#define scalar(value) \
    _Generic((value), Scalar: brewer_scalar_same, float: brewer_scalar_float, double: brewer_scalar_float, \
             default: brewer_scalar_int)(value)

#ifndef BREWER_NO_LINES

#define BREWER_HERE(function, ...) (brewer_here(__FILE_NAME__, __LINE__, __func__), function(__VA_ARGS__))

#define brewer_fail(...) BREWER_HERE(brewer_fail, __VA_ARGS__)
#define batch_tensor(...) BREWER_HERE(batch_tensor, __VA_ARGS__)
#define batch_insert(...) BREWER_HERE(batch_insert, __VA_ARGS__)
#define batch_remove(...) BREWER_HERE(batch_remove, __VA_ARGS__)
#define outputs_tensor(...) BREWER_HERE(outputs_tensor, __VA_ARGS__)
#define outputs_list(...) BREWER_HERE(outputs_list, __VA_ARGS__)
#define features_push_logits(...) BREWER_HERE(features_push_logits, __VA_ARGS__)
#define features_push_logits_mask(...) BREWER_HERE(features_push_logits_mask, __VA_ARGS__)
#define features_push_labels(...) BREWER_HERE(features_push_labels, __VA_ARGS__)
#define features_push_loss(...) BREWER_HERE(features_push_loss, __VA_ARGS__)
#define features_push_hidden(...) BREWER_HERE(features_push_hidden, __VA_ARGS__)
#define features_extend_hidden(...) BREWER_HERE(features_extend_hidden, __VA_ARGS__)
#define features_push_attention(...) BREWER_HERE(features_push_attention, __VA_ARGS__)
#define features_extend_attention(...) BREWER_HERE(features_extend_attention, __VA_ARGS__)
#define features_set_inputs_mask(...) BREWER_HERE(features_set_inputs_mask, __VA_ARGS__)
#define tensor_shape(...) BREWER_HERE(tensor_shape, __VA_ARGS__)
#define tensor_rank(...) BREWER_HERE(tensor_rank, __VA_ARGS__)
#define tensor_numel(...) BREWER_HERE(tensor_numel, __VA_ARGS__)
#define tensor_kind(...) BREWER_HERE(tensor_kind, __VA_ARGS__)
#define tensor_share(...) BREWER_HERE(tensor_share, __VA_ARGS__)
#define tensor_detach(...) BREWER_HERE(tensor_detach, __VA_ARGS__)
#define tensor_to_kind(...) BREWER_HERE(tensor_to_kind, __VA_ARGS__)
#define tensor_zeros(...) BREWER_HERE(tensor_zeros, __VA_ARGS__)
#define tensor_ones(...) BREWER_HERE(tensor_ones, __VA_ARGS__)
#define tensor_full(shape, value, kind) BREWER_HERE(tensor_full, shape, scalar(value), kind)
#define tensor_arange(start, end, step, kind) BREWER_HERE(tensor_arange, scalar(start), scalar(end), scalar(step), kind)
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
#define tensor_list_get(...) BREWER_HERE(tensor_list_get, __VA_ARGS__)
#define tensor_list_push(...) BREWER_HERE(tensor_list_push, __VA_ARGS__)
#define tensor_list_narrow(...) BREWER_HERE(tensor_list_narrow, __VA_ARGS__)
#define tensor_list_cat(...) BREWER_HERE(tensor_list_cat, __VA_ARGS__)
#define tensor_list_stack(...) BREWER_HERE(tensor_list_stack, __VA_ARGS__)
#define loss_cross_entropy(...) BREWER_HERE(loss_cross_entropy, __VA_ARGS__)
#define loss_mean_squared_error(...) BREWER_HERE(loss_mean_squared_error, __VA_ARGS__)
#define loss_kl_divergence(...) BREWER_HERE(loss_kl_divergence, __VA_ARGS__)
#define loss_binary_cross_entropy_with_logits(...) BREWER_HERE(loss_binary_cross_entropy_with_logits, __VA_ARGS__)
#define loss_cosine_similarity(...) BREWER_HERE(loss_cosine_similarity, __VA_ARGS__)
#define tensor_read_f32(...) BREWER_HERE(tensor_read_f32, __VA_ARGS__)
#define tensor_read_s64(...) BREWER_HERE(tensor_read_s64, __VA_ARGS__)
#define tensor_read_bool(...) BREWER_HERE(tensor_read_bool, __VA_ARGS__)
#define tensor_of_f32(...) BREWER_HERE(tensor_of_f32, __VA_ARGS__)
#define tensor_of_s64(...) BREWER_HERE(tensor_of_s64, __VA_ARGS__)
#define tensor_of_bool(...) BREWER_HERE(tensor_of_bool, __VA_ARGS__)

#endif
#endif
