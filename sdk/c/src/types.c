/* Lists, batch, outputs and features. */
#include "call.h"

typedef brewer_plugin_tensor_own_tensor_t Own;
typedef brewer_plugin_tensor_own_tensor_list_t OwnList;
typedef brewer_plugin_tensor_error_t Error;

Tensor tensor_or(bool is_made, Own made, Error error) {
    if (is_made) return keep_tensor(made);
    fail_with(error);
    return (Tensor){0};
}

TensorList list_or(bool is_made, OwnList made, Error error) {
    if (is_made) return keep_list(made);
    fail_with(error);
    return (TensorList){0};
}

#define LIST(name) brewer_plugin_tensor_method_tensor_list_##name

TensorList tensor_list_new(void) {
    return keep_list(brewer_plugin_tensor_constructor_tensor_list());
}

size_t tensor_list_len(TensorList self) {
    return can_ask(self.handle) ? LIST(len)(of_list(self)) : 0;
}

Tensor tensor_list_get(TensorList self, size_t index) {
    if (!can_ask(self.handle)) return (Tensor){0};
    Own made = {0};
    Error error = {0};
    bool is_made = LIST(get)(of_list(self), index, &made, &error);
    return tensor_or(is_made, made, error);
}

void tensor_list_push(TensorList self, Tensor tensor) {
    Error error;
    if (can_ask2(self.handle, tensor.handle) && !LIST(push)(of_list(self), of(tensor), &error)) fail_with(error);
}

TensorList tensor_list_narrow(TensorList self, size_t start, size_t length) {
    if (!can_ask(self.handle)) return (TensorList){0};
    OwnList made = {0};
    Error error = {0};
    bool is_made = LIST(narrow)(of_list(self), start, length, &made, &error);
    return list_or(is_made, made, error);
}

Tensor tensor_list_cat(TensorList self, int64_t dim) {
    if (!can_ask(self.handle)) return (Tensor){0};
    Own made = {0};
    Error error = {0};
    bool is_made = LIST(cat)(of_list(self), dim, &made, &error);
    return tensor_or(is_made, made, error);
}

Tensor tensor_list_stack(TensorList self, int64_t dim) {
    if (!can_ask(self.handle)) return (Tensor){0};
    Own made = {0};
    Error error = {0};
    bool is_made = LIST(stack)(of_list(self), dim, &made, &error);
    return tensor_or(is_made, made, error);
}

Batch batch_new(void) {
    return keep_batch(brewer_plugin_types_constructor_batch());
}

Names batch_names(Batch batch) {
    contract_list_string_t list;
    brewer_plugin_types_method_batch_names(of_batch(batch), &list);
    return keep_names(list);
}

bool batch_has(Batch batch, const char *name) {
    contract_string_t text = borrowed(name);
    return brewer_plugin_types_method_batch_has(of_batch(batch), &text);
}

Tensor batch_tensor(Batch batch, const char *name) {
    if (!can_ask(batch.handle)) return (Tensor){0};
    contract_string_t text = borrowed(name);
    Own made = {0};
    Error error = {0};
    brewer_plugin_types_borrow_batch_t self = {batch.handle};
    bool is_made = brewer_plugin_types_method_batch_tensor(self, &text, &made, &error);
    return tensor_or(is_made, made, error);
}

void batch_insert(Batch batch, const char *name, Tensor tensor) {
    if (!can_ask2(batch.handle, tensor.handle)) return;
    contract_string_t text = borrowed(name);
    Error error;
    (void)ASK(brewer_plugin_types_method_batch_insert(of_batch(batch), &text, of(tensor), &error));
}

void batch_remove(Batch batch, const char *name) {
    if (!can_ask(batch.handle)) return;
    contract_string_t text = borrowed(name);
    Error error;
    (void)ASK(brewer_plugin_types_method_batch_remove(of_batch(batch), &text, &error));
}

Names outputs_names(Outputs outputs) {
    contract_list_string_t list;
    brewer_plugin_types_method_outputs_names((brewer_plugin_types_borrow_outputs_t){outputs.handle}, &list);
    return keep_names(list);
}

bool outputs_has(Outputs outputs, const char *name) {
    contract_string_t text = borrowed(name);
    return brewer_plugin_types_method_outputs_has((brewer_plugin_types_borrow_outputs_t){outputs.handle}, &text);
}

Tensor outputs_tensor(Outputs outputs, const char *name) {
    if (!can_ask(outputs.handle)) return (Tensor){0};
    contract_string_t text = borrowed(name);
    Own made = {0};
    Error error = {0};
    brewer_plugin_types_borrow_outputs_t self = {outputs.handle};
    bool is_made = brewer_plugin_types_method_outputs_tensor(self, &text, &made, &error);
    return tensor_or(is_made, made, error);
}

TensorList outputs_list(Outputs outputs, const char *name) {
    if (!can_ask(outputs.handle)) return (TensorList){0};
    contract_string_t text = borrowed(name);
    OwnList made = {0};
    Error error = {0};
    brewer_plugin_types_borrow_outputs_t self = {outputs.handle};
    bool is_made = brewer_plugin_types_method_outputs_list(self, &text, &made, &error);
    return list_or(is_made, made, error);
}

#define PUT(name, type, reference)                                                                      \
    void features_##name(Features features, type value) {                                               \
        brewer_plugin_types_borrow_features_t self = {features.handle};                                 \
        Error error;                                                                                    \
        if (!can_ask2(features.handle, value.handle)) return;                                           \
        if (!brewer_plugin_types_method_features_##name(self, reference(value), &error)) fail_with(error); \
    }

PUT(push_logits, Tensor, of)
PUT(push_logits_mask, Tensor, of)
PUT(push_labels, Tensor, of)
PUT(push_loss, Tensor, of)
PUT(push_hidden, Tensor, of)
PUT(extend_hidden, TensorList, of_list)
PUT(push_attention, Tensor, of)
PUT(extend_attention, TensorList, of_list)
PUT(set_inputs_mask, Tensor, of)
