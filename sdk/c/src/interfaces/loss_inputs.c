/* Temperatures, and what losses compare. */
#include "../losses.h"

typedef brewer_plugin_tensor_own_tensor_t Own;
typedef brewer_plugin_tensor_own_tensor_list_t OwnList;
typedef brewer_plugin_tensor_error_t Error;
typedef brewer_plugin_loss_inputs_own_temperature_t OwnTemperature;

void free_temperature(uintptr_t handle) {
    brewer_plugin_loss_inputs_temperature_drop_own((OwnTemperature){(int32_t)handle});
}

void free_kd_inputs(uintptr_t handle) {
    brewer_plugin_loss_inputs_kd_inputs_drop_own((brewer_plugin_loss_inputs_own_kd_inputs_t){(int32_t)handle});
}

void free_match_inputs(uintptr_t handle) {
    brewer_plugin_loss_inputs_match_inputs_drop_own((brewer_plugin_loss_inputs_own_match_inputs_t){(int32_t)handle});
}

static Temperature keep_temperature(OwnTemperature made) {
    keep(free_temperature, (uintptr_t)made.__handle);
    return (Temperature){made.__handle};
}

static Temperature temperature_or(bool is_made, OwnTemperature made, Error error) {
    if (is_made) return keep_temperature(made);
    fail_with(error);
    return (Temperature){0};
}

static brewer_plugin_loss_inputs_borrow_temperature_t of_temperature(Temperature temperature) {
    return (brewer_plugin_loss_inputs_borrow_temperature_t){temperature.handle};
}

Temperature temperature_new(double value) {
    return keep_temperature(brewer_plugin_loss_inputs_constructor_temperature(value));
}

Temperature temperature_per_example(Tensor values) {
    if (!can_ask(values.handle)) return (Temperature){0};
    OwnTemperature made = {0};
    Error error = {0};
    bool is_made = brewer_plugin_loss_inputs_static_temperature_per_example(of(values), &made, &error);
    return temperature_or(is_made, made, error);
}

Tensor temperature_values(Temperature self) {
    if (!can_ask(self.handle)) return (Tensor){0};
    Own made = {0};
    Error error = {0};
    bool is_made = brewer_plugin_loss_inputs_method_temperature_values(of_temperature(self), &made, &error);
    return tensor_or(is_made, made, error);
}

bool temperature_value(Temperature self, double *value) {
    return can_ask(self.handle) && brewer_plugin_loss_inputs_method_temperature_value(of_temperature(self), value);
}

Tensor temperature_soften(Temperature self, Tensor logits) {
    if (!can_ask2(self.handle, logits.handle)) return (Tensor){0};
    Own made = {0};
    Error error = {0};
    bool is_made = brewer_plugin_loss_inputs_method_temperature_soften(of_temperature(self), of(logits), &made, &error);
    return tensor_or(is_made, made, error);
}

Temperature kd_temperature(KdInputs inputs) {
    if (!can_ask(inputs.handle)) return (Temperature){0};
    OwnTemperature made = {0};
    Error error = {0};
    brewer_plugin_loss_inputs_borrow_kd_inputs_t self = {inputs.handle};
    bool is_made = brewer_plugin_loss_inputs_method_kd_inputs_temperature(self, &made, &error);
    return temperature_or(is_made, made, error);
}

bool kd_has_labels(KdInputs inputs) {
    brewer_plugin_loss_inputs_borrow_kd_inputs_t self = {inputs.handle};
    return can_ask(inputs.handle) && brewer_plugin_loss_inputs_method_kd_inputs_has_labels(self);
}

bool match_has_mask(MatchInputs inputs) {
    brewer_plugin_loss_inputs_borrow_match_inputs_t self = {inputs.handle};
    return can_ask(inputs.handle) && brewer_plugin_loss_inputs_method_match_inputs_has_mask(self);
}

/* A part of the inputs: a tensor or a list. */
#define PART(prefix, Inputs, inputs_name, part, Kind, OwnKind, kind_or)                              \
    Kind prefix##_##part(Inputs inputs) {                                                            \
        if (!can_ask(inputs.handle)) return (Kind){0};                                               \
        OwnKind made = {0};                                                                          \
        Error error = {0};                                                                           \
        brewer_plugin_loss_inputs_borrow_##inputs_name##_t self = {inputs.handle};                   \
        bool is_made = brewer_plugin_loss_inputs_method_##inputs_name##_##part(self, &made, &error); \
        return kind_or(is_made, made, error);                                                        \
    }

PART(kd, KdInputs, kd_inputs, student, Tensor, Own, tensor_or)
PART(kd, KdInputs, kd_inputs, teacher, Tensor, Own, tensor_or)
PART(kd, KdInputs, kd_inputs, labels, Tensor, Own, tensor_or)
PART(match, MatchInputs, match_inputs, student, TensorList, OwnList, list_or)
PART(match, MatchInputs, match_inputs, teacher, TensorList, OwnList, list_or)
PART(match, MatchInputs, match_inputs, mask, Tensor, Own, tensor_or)
