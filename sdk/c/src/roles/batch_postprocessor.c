#include "../call.h"

bool exports_brewer_plugin_batch_postprocessor_process(exports_brewer_plugin_batch_postprocessor_context_t *context,
                                                       exports_brewer_plugin_batch_postprocessor_own_batch_t batch,
                                                       exports_brewer_plugin_batch_postprocessor_own_batch_t *made,
                                                       contract_string_t *error) {
    begin_call();
    Batch processed = process(context_of(context), keep_batch(batch));
    made->__handle = give(free_batch, processed.handle, "batch");
    return end_call(error);
}
