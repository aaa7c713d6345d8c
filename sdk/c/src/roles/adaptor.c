#include "../call.h"

static void free_features(uintptr_t handle) {
    brewer_plugin_types_features_drop_own((brewer_plugin_types_own_features_t){(int32_t)handle});
}

bool exports_brewer_plugin_adaptor_adapt(exports_brewer_plugin_adaptor_context_t *context,
                                         exports_brewer_plugin_adaptor_own_batch_t batch,
                                         exports_brewer_plugin_adaptor_own_outputs_t outputs,
                                         exports_brewer_plugin_adaptor_own_features_t *made,
                                         contract_string_t *error) {
    begin_call();
    *made = brewer_plugin_types_constructor_features();
    keep(free_features, (uintptr_t)made->__handle);
    adapt(context_of(context), keep_batch(batch), keep_outputs(outputs), (Features){made->__handle});
    give(free_features, made->__handle, "features");
    return end_call(error);
}
