/* What a tensor is, and its elements as numbers. Its operations are in operations.c. */
#include "call.h"

Shape tensor_shape(Tensor self) {
    if (!can_ask(self.handle)) return (Shape){NULL, 0};
    contract_list_s64_t sizes;
    brewer_plugin_tensor_method_tensor_shape(of(self), &sizes);
    if (sizes.len > 0) keep_memory(sizes.ptr);
    return (Shape){sizes.ptr, sizes.len};
}

size_t tensor_rank(Tensor self) {
    return tensor_shape(self).count;
}

int64_t tensor_numel(Tensor self) {
    Shape shape = tensor_shape(self);
    int64_t product = 1;
    for (size_t dim = 0; dim < shape.count; dim++) product *= shape.sizes[dim];
    return product;
}

Kind tensor_kind(Tensor self) {
    return can_ask(self.handle) ? (Kind)brewer_plugin_tensor_method_tensor_kind(of(self)) : FLOAT32;
}

/* Elements of `type`, for which the contract's functions end in `name`. */
#define VALUES(name, type)                                                                                     \
    const type *tensor_read_##name(Tensor self, uint64_t start, uint64_t count) {                              \
        contract_list_##name##_t elements;                                                                     \
        brewer_plugin_tensor_error_t error;                                                                    \
        if (!can_ask(self.handle)) return NULL;                                                                \
        if (!brewer_plugin_values_read_##name(of(self), start, count, &elements, &error)) {                    \
            fail_with(error);                                                                                  \
            return NULL;                                                                                       \
        }                                                                                                      \
        /* A pointer to no element is none of `malloc`'s. */                                                   \
        return elements.len > 0 ? keep_memory(elements.ptr) : elements.ptr;                                    \
    }                                                                                                          \
    Tensor tensor_of_##name(const type *elements, size_t count, Shape shape) {                                 \
        contract_list_##name##_t list = {(type *)elements, count};                                             \
        contract_list_s64_t sizes = list_of(shape);                                                            \
        TENSOR(!brewer_failed(), brewer_plugin_values_new_##name(&list, &sizes, &made, &error));               \
    }

VALUES(f32, float)
VALUES(s64, int64_t)
VALUES(bool, bool)
