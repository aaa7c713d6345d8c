/* The student, for callbacks. */
#include "../call.h"
#include "brewer_callback.h"

#include <stdlib.h>
#include <string.h>

typedef brewer_plugin_tensor_error_t Error;

Outputs model_forward_names(Batch batch, Mode mode, Names wanted) {
    if (!can_ask(batch.handle)) return (Outputs){0};
    contract_string_t *texts = keep_memory(malloc((wanted.count + 1) * sizeof *texts));
    if (!texts) abort();
    for (size_t position = 0; position < wanted.count; position++) texts[position] = borrowed(wanted.names[position]);
    contract_list_string_t list = {texts, wanted.count};
    brewer_plugin_model_mode_t how =
        mode == MODE_TRAIN ? BREWER_PLUGIN_MODEL_MODE_TRAIN : BREWER_PLUGIN_MODEL_MODE_EVAL;
    brewer_plugin_model_own_outputs_t made = {0};
    Error error;
    if (ASK(brewer_plugin_model_forward(of_batch(batch), &list, how, &made, &error))) return keep_outputs(made);
    return (Outputs){0};
}

Names model_parameter_names(void) {
    contract_list_string_t list;
    Error error;
    if (ASK(brewer_plugin_model_parameter_names(&list, &error))) return keep_names(list);
    return (Names){0};
}

Shape model_parameter_shape(const char *name) {
    contract_string_t text = borrowed(name);
    contract_list_s64_t sizes;
    Error error;
    if (!ASK(brewer_plugin_model_parameter_shape(&text, &sizes, &error))) return (Shape){0};
    return (Shape){sizes.len ? keep_memory(sizes.ptr) : NULL, sizes.len};
}

Statistics model_parameter_statistics(const char *name) {
    contract_string_t text = borrowed(name);
    brewer_plugin_model_statistics_t found;
    Error error;
    if (!ASK(brewer_plugin_model_parameter_statistics(&text, &found, &error))) return (Statistics){0};
    return (Statistics){found.mean, found.std, found.norm, found.min, found.max, found.count};
}
