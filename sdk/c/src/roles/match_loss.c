#include "../losses.h"

__attribute__((weak)) size_t match_num_layers(void) {
    return 1;
}

bool exports_brewer_plugin_match_loss_num_layers(uint32_t *num_layers, contract_string_t *error) {
    begin_call();
    *num_layers = (uint32_t)match_num_layers();
    return end_call(error);
}

bool exports_brewer_plugin_match_loss_loss(exports_brewer_plugin_match_loss_own_match_inputs_t inputs,
                                           exports_brewer_plugin_match_loss_own_tensor_t *loss,
                                           contract_string_t *error) {
    begin_call();
    keep(free_match_inputs, (uintptr_t)inputs.__handle);
    Tensor computed = match_loss((MatchInputs){inputs.__handle});
    loss->__handle = give(free_tensor, computed.handle, "loss");
    return end_call(error);
}
