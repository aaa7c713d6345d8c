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
#define tensor_list_get(...) BREWER_HERE(tensor_list_get, __VA_ARGS__)
#define tensor_list_push(...) BREWER_HERE(tensor_list_push, __VA_ARGS__)
#define tensor_list_narrow(...) BREWER_HERE(tensor_list_narrow, __VA_ARGS__)
#define tensor_list_cat(...) BREWER_HERE(tensor_list_cat, __VA_ARGS__)
#define tensor_list_stack(...) BREWER_HERE(tensor_list_stack, __VA_ARGS__)
#define tensor_read_f32(...) BREWER_HERE(tensor_read_f32, __VA_ARGS__)
#define tensor_read_s64(...) BREWER_HERE(tensor_read_s64, __VA_ARGS__)
#define tensor_read_bool(...) BREWER_HERE(tensor_read_bool, __VA_ARGS__)
#define tensor_of_f32(...) BREWER_HERE(tensor_of_f32, __VA_ARGS__)
#define tensor_of_s64(...) BREWER_HERE(tensor_of_s64, __VA_ARGS__)
#define tensor_of_bool(...) BREWER_HERE(tensor_of_bool, __VA_ARGS__)

#endif
#endif
