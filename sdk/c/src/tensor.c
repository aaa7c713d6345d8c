/* The operations of tensors, lists and losses: each asks the host unless the call has failed. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

typedef brewer_plugin_tensor_own_tensor_t Own;
typedef brewer_plugin_tensor_error_t Error;

/* `expression` asks the host for a tensor into `made`, or for an `error`. */
#define TENSOR(possible, expression)              \
    Own made = {0};                               \
    Error error;                                  \
    if (!(possible)) return (Tensor){0};          \
    if (expression) return keep_tensor(made);     \
    fail_with(error);                             \
    return (Tensor){0}

#define METHOD(name) brewer_plugin_tensor_method_tensor_##name

#define ALONE(name) \
    Tensor tensor_##name(Tensor self) { TENSOR(can_ask(self.handle), METHOD(name)(of(self), &made, &error)); }
#define WITH_TENSOR(name)                                                                                  \
    Tensor tensor_##name(Tensor self, Tensor other) {                                                      \
        TENSOR(can_ask2(self.handle, other.handle), METHOD(name)(of(self), of(other), &made, &error));     \
    }
#define WITH_SCALAR(name)                                                                   \
    Tensor tensor_##name(Tensor self, Scalar other) {                                       \
        brewer_plugin_tensor_scalar_t number = scalar_of(other);                            \
        TENSOR(can_ask(self.handle), METHOD(name)(of(self), &number, &made, &error));       \
    }
#define WITH_DIM(name)                                                                 \
    Tensor tensor_##name(Tensor self, int64_t dim) {                                   \
        TENSOR(can_ask(self.handle), METHOD(name)(of(self), dim, &made, &error));      \
    }
#define WITH_TWO(name)                                                                           \
    Tensor tensor_##name(Tensor self, int64_t first, int64_t second) {                           \
        TENSOR(can_ask(self.handle), METHOD(name)(of(self), first, second, &made, &error));      \
    }
#define WITH_SHAPE(name)                                                                   \
    Tensor tensor_##name(Tensor self, Shape shape) {                                       \
        contract_list_s64_t sizes = list_of(shape);                                        \
        TENSOR(can_ask(self.handle), METHOD(name)(of(self), &sizes, &made, &error));       \
    }
#define REDUCTION(name)                                                                           \
    Tensor tensor_##name(Tensor self, Dims dims, bool keep_dims) {                                \
        contract_list_s64_t over = list_of(dims);                                                 \
        TENSOR(can_ask(self.handle), METHOD(name)(of(self), &over, keep_dims, &made, &error));    \
    }

static brewer_plugin_tensor_scalar_t scalar_of(Scalar value) {
    brewer_plugin_tensor_scalar_t scalar = {.tag = BREWER_PLUGIN_TENSOR_SCALAR_FLOAT, .val.float_ = value.number};
    if (value.is_int) {
        scalar.tag = BREWER_PLUGIN_TENSOR_SCALAR_INT;
        scalar.val.int_ = value.integer;
    }
    return scalar;
}

/* The generated functions only read it. */
static contract_list_s64_t list_of(Shape shape) {
    return (contract_list_s64_t){(int64_t *)shape.sizes, shape.count};
}

ALONE(share)
ALONE(detach)
ALONE(neg)
ALONE(abs)
ALONE(exp)
ALONE(log)
ALONE(sqrt)
ALONE(tanh)
ALONE(sigmoid)
ALONE(relu)
ALONE(gelu)
ALONE(logical_not)
WITH_TENSOR(add)
WITH_TENSOR(sub)
WITH_TENSOR(mul)
WITH_TENSOR(div)
WITH_TENSOR(maximum)
WITH_TENSOR(minimum)
WITH_TENSOR(eq)
WITH_TENSOR(ne)
WITH_TENSOR(lt)
WITH_TENSOR(le)
WITH_TENSOR(gt)
WITH_TENSOR(ge)
WITH_TENSOR(logical_and)
WITH_TENSOR(logical_or)
WITH_TENSOR(matmul)
WITH_TENSOR(masked_select)
WITH_SCALAR(add_scalar)
WITH_SCALAR(sub_scalar)
WITH_SCALAR(mul_scalar)
WITH_SCALAR(div_scalar)
WITH_SCALAR(pow_scalar)
WITH_SCALAR(eq_scalar)
WITH_SCALAR(ne_scalar)
WITH_SCALAR(lt_scalar)
WITH_SCALAR(le_scalar)
WITH_SCALAR(gt_scalar)
WITH_SCALAR(ge_scalar)
WITH_DIM(squeeze)
WITH_DIM(unsqueeze)
WITH_DIM(softmax)
WITH_DIM(log_softmax)
WITH_TWO(select)
WITH_TWO(transpose)
WITH_TWO(flatten)
WITH_SHAPE(reshape)
WITH_SHAPE(permute)
WITH_SHAPE(expand)
REDUCTION(sum)
REDUCTION(mean)
REDUCTION(max)
REDUCTION(min)
REDUCTION(any)
REDUCTION(all)

Tensor tensor_to_kind(Tensor self, Kind kind) {
    TENSOR(can_ask(self.handle), METHOD(to_kind)(of(self), kind, &made, &error));
}

Tensor tensor_narrow(Tensor self, int64_t dim, int64_t start, int64_t length) {
    TENSOR(can_ask(self.handle), METHOD(narrow)(of(self), dim, start, length, &made, &error));
}

static Tensor clamp(Tensor self, brewer_plugin_tensor_scalar_t *min, brewer_plugin_tensor_scalar_t *max) {
    TENSOR(can_ask(self.handle), METHOD(clamp)(of(self), min, max, &made, &error));
}

Tensor tensor_clamp(Tensor self, Scalar min, Scalar max) {
    brewer_plugin_tensor_scalar_t low = scalar_of(min), high = scalar_of(max);
    return clamp(self, &low, &high);
}

Tensor tensor_clamp_min(Tensor self, Scalar min) {
    brewer_plugin_tensor_scalar_t low = scalar_of(min);
    return clamp(self, &low, NULL);
}

Tensor tensor_clamp_max(Tensor self, Scalar max) {
    brewer_plugin_tensor_scalar_t high = scalar_of(max);
    return clamp(self, NULL, &high);
}

Tensor tensor_where(Tensor self, Tensor condition, Tensor other) {
    bool possible = can_ask2(self.handle, condition.handle) && can_ask(other.handle);
    TENSOR(possible, METHOD(where)(of(self), of(condition), of(other), &made, &error));
}

Tensor tensor_norm(Tensor self, double p, Dims dims, bool keep_dims) {
    contract_list_s64_t over = list_of(dims);
    TENSOR(can_ask(self.handle), METHOD(norm)(of(self), p, &over, keep_dims, &made, &error));
}

Tensor tensor_argmax(Tensor self, int64_t dim, bool keep_dim) {
    TENSOR(can_ask(self.handle), METHOD(argmax)(of(self), dim, keep_dim, &made, &error));
}

Tensor tensor_gather(Tensor self, int64_t dim, Tensor index) {
    TENSOR(can_ask2(self.handle, index.handle), METHOD(gather)(of(self), dim, of(index), &made, &error));
}

Tensor tensor_index_select(Tensor self, int64_t dim, Tensor index) {
    TENSOR(can_ask2(self.handle, index.handle), METHOD(index_select)(of(self), dim, of(index), &made, &error));
}

Tensor tensor_masked_fill(Tensor self, Tensor mask, Scalar value) {
    brewer_plugin_tensor_scalar_t number = scalar_of(value);
    TENSOR(can_ask2(self.handle, mask.handle), METHOD(masked_fill)(of(self), of(mask), &number, &made, &error));
}

Shape tensor_shape(Tensor self) {
    if (!can_ask(self.handle)) return (Shape){NULL, 0};
    contract_list_s64_t sizes;
    METHOD(shape)(of(self), &sizes);
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
    return can_ask(self.handle) ? (Kind)METHOD(kind)(of(self)) : FLOAT32;
}

Tensor tensor_zeros(Shape shape, Kind kind) {
    contract_list_s64_t sizes = list_of(shape);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_zeros(&sizes, kind, &made, &error));
}

Tensor tensor_ones(Shape shape, Kind kind) {
    contract_list_s64_t sizes = list_of(shape);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_ones(&sizes, kind, &made, &error));
}

Tensor tensor_full(Shape shape, Scalar value, Kind kind) {
    contract_list_s64_t sizes = list_of(shape);
    brewer_plugin_tensor_scalar_t number = scalar_of(value);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_full(&sizes, &number, kind, &made, &error));
}

Tensor tensor_arange(Scalar start, Scalar end, Scalar step, Kind kind) {
    brewer_plugin_tensor_scalar_t from = scalar_of(start), to = scalar_of(end), by = scalar_of(step);
    TENSOR(!brewer_failed(), brewer_plugin_tensor_arange(&from, &to, &by, kind, &made, &error));
}

#define LOSS(name) brewer_plugin_losses_##name

Tensor loss_cross_entropy(Tensor logits, Tensor labels, int64_t ignore_index, Reduction reduction) {
    bool possible = can_ask2(logits.handle, labels.handle);
    TENSOR(possible, LOSS(cross_entropy)(of(logits), of(labels), ignore_index, reduction, &made, &error));
}

Tensor loss_mean_squared_error(Tensor input, Tensor target, Reduction reduction) {
    bool possible = can_ask2(input.handle, target.handle);
    TENSOR(possible, LOSS(mean_squared_error)(of(input), of(target), reduction, &made, &error));
}

Tensor loss_kl_divergence(Tensor input, Tensor target, bool log_target, Reduction reduction) {
    bool possible = can_ask2(input.handle, target.handle);
    TENSOR(possible, LOSS(kl_divergence)(of(input), of(target), log_target, reduction, &made, &error));
}

Tensor loss_binary_cross_entropy_with_logits(Tensor logits, Tensor targets, Reduction reduction) {
    bool possible = can_ask2(logits.handle, targets.handle);
    TENSOR(possible, LOSS(binary_cross_entropy_with_logits)(of(logits), of(targets), reduction, &made, &error));
}

Tensor loss_cosine_similarity(Tensor left, Tensor right, int64_t dim) {
    bool possible = can_ask2(left.handle, right.handle);
    TENSOR(possible, LOSS(cosine_similarity)(of(left), of(right), dim, &made, &error));
}

/* Elements of `type`, for which the contract's functions end in `name`. */
#define VALUES(name, type)                                                                                     \
    const type *tensor_read_##name(Tensor self, uint64_t start, uint64_t count) {                              \
        contract_list_##name##_t elements;                                                                     \
        Error error;                                                                                           \
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
