/* What the SDK's files share: the state of the running call, and the contract as wit-bindgen's generator writes it. */
#ifndef BREWER_CALL_H
#define BREWER_CALL_H

#define BREWER_NO_LINES
#include "brewer.h"
#include "contract.h"

/* What is freed when the call ends. Each returns what it was given. */
Tensor keep_tensor(brewer_plugin_tensor_own_tensor_t made);
TensorList keep_list(brewer_plugin_tensor_own_tensor_list_t made);
void *keep_memory(void *memory);

/* The host's text as a string of C's, freed when the call ends. Takes the text. */
const char *keep_text(contract_string_t text);

/* Fails the call with the host's error, and frees the error. */
void fail_with(brewer_plugin_tensor_error_t error);

static inline brewer_plugin_tensor_borrow_tensor_t of(Tensor tensor) {
    return (brewer_plugin_tensor_borrow_tensor_t){tensor.handle};
}

static inline brewer_plugin_tensor_borrow_tensor_list_t of_list(TensorList list) {
    return (brewer_plugin_tensor_borrow_tensor_list_t){list.handle};
}

/* Whether the host can be asked: no failure so far, and no handle that is empty because of one that was recovered from. */
bool can_ask(int32_t handle);
bool can_ask2(int32_t first, int32_t second);

#endif
