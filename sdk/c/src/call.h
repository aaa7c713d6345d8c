/* What the SDK's files share: the state of the running call, and the contract as wit-bindgen's generator writes it. */
#ifndef BREWER_CALL_H
#define BREWER_CALL_H

#define BREWER_NO_LINES
#include "brewer.h"
#include "contract.h"

/* Each export begins and ends so. The end frees what the call kept; false if the call has failed, whose error is then for
 * the host. */
void begin_call(void);
bool end_call(contract_string_t *error);

/* Takes the context. */
Context context_of(brewer_plugin_types_context_t *context);

/* Frees a handle or memory when the call ends. */
typedef void Free(uintptr_t what);
void keep(Free *free, uintptr_t what);

/* Each returns what it was given. */
Tensor keep_tensor(brewer_plugin_tensor_own_tensor_t made);
TensorList keep_list(brewer_plugin_tensor_own_tensor_list_t made);
Batch keep_batch(brewer_plugin_types_own_batch_t made);
Outputs keep_outputs(brewer_plugin_types_own_outputs_t made);
void *keep_memory(void *memory);

/* The host's text as a string of C's, and its names. They take the text. */
const char *keep_text(contract_string_t text);
Names keep_names(contract_list_string_t list);

/* The handle, no longer the call's but the host's. Fails the call if it is none of the call's; `what` names it. */
int32_t give(Free *free, int32_t handle, const char *what);
Free free_tensor, free_batch;

/* The text for the host to read. */
static inline contract_string_t borrowed(const char *text) {
    contract_string_t string;
    contract_string_set(&string, text);
    return string;
}

/* Fails the call with the host's error, and frees the error. */
void fail_with(brewer_plugin_tensor_error_t error);

/* Asks the host, unless the call has failed. If the host refuses, the call fails with what it wrote to `error`. */
#define ASK(request) (!brewer_failed() && ((request) || (fail_with(error), false)))

static inline brewer_plugin_tensor_borrow_tensor_t of(Tensor tensor) {
    return (brewer_plugin_tensor_borrow_tensor_t){tensor.handle};
}

static inline brewer_plugin_tensor_borrow_tensor_list_t of_list(TensorList list) {
    return (brewer_plugin_tensor_borrow_tensor_list_t){list.handle};
}

static inline brewer_plugin_types_borrow_batch_t of_batch(Batch batch) {
    return (brewer_plugin_types_borrow_batch_t){batch.handle};
}

/* Whether the host can be asked: no failure so far, and no handle that is empty because of one that was recovered from. */
bool can_ask(int32_t handle);
bool can_ask2(int32_t first, int32_t second);

static inline brewer_plugin_tensor_scalar_t scalar_of(Scalar value) {
    brewer_plugin_tensor_scalar_t scalar = {.tag = BREWER_PLUGIN_TENSOR_SCALAR_FLOAT, .val.float_ = value.number};
    if (value.is_int) {
        scalar.tag = BREWER_PLUGIN_TENSOR_SCALAR_INT;
        scalar.val.int_ = value.integer;
    }
    return scalar;
}

/* The contract's functions only read it. */
static inline contract_list_s64_t list_of(Shape shape) {
    return (contract_list_s64_t){(int64_t *)shape.sizes, shape.count};
}

/* The end of a function that gives a tensor: if it is possible to ask the host, `expression` asks for the tensor into `made`,
 * or for an `error`. */
#define TENSOR(possible, expression)              \
    brewer_plugin_tensor_own_tensor_t made = {0}; \
    brewer_plugin_tensor_error_t error;           \
    if (!(possible)) return (Tensor){0};          \
    if (expression) return keep_tensor(made);     \
    fail_with(error);                             \
    return (Tensor){0}

/* What became of a request for a tensor or for a list: kept, or the call's failure. */
Tensor tensor_or(bool is_made, brewer_plugin_tensor_own_tensor_t made, brewer_plugin_tensor_error_t error);
TensorList list_or(bool is_made, brewer_plugin_tensor_own_tensor_list_t made, brewer_plugin_tensor_error_t error);

#endif
