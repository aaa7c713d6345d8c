#include "../losses.h"

bool exports_brewer_plugin_kd_loss_loss(exports_brewer_plugin_kd_loss_own_kd_inputs_t inputs,
                                        exports_brewer_plugin_kd_loss_own_tensor_t *loss, contract_string_t *error) {
    begin_call();
    keep(free_kd_inputs, (uintptr_t)inputs.__handle);
    Tensor computed = kd_loss((KdInputs){inputs.__handle});
    loss->__handle = give(free_tensor, computed.handle, "loss");
    return end_call(error);
}
