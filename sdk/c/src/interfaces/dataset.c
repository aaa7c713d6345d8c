/* The data of the experiment, for callbacks. */
#include "../call.h"
#include "brewer_callback.h"

typedef brewer_plugin_tensor_error_t Error;

Names dataset_splits(void) {
    contract_list_string_t list;
    Error error;
    if (ASK(brewer_plugin_dataset_splits(&list, &error))) return keep_names(list);
    return (Names){0};
}

size_t dataset_num_batches(const char *split) {
    contract_string_t text = borrowed(split);
    uint32_t count;
    Error error;
    if (ASK(brewer_plugin_dataset_num_batches(&text, &count, &error))) return count;
    return 0;
}

Batch dataset_read_batch(const char *split, size_t index) {
    contract_string_t text = borrowed(split);
    brewer_plugin_dataset_own_batch_t made = {0};
    Error error;
    if (ASK(brewer_plugin_dataset_read_batch(&text, (uint32_t)index, &made, &error))) return keep_batch(made);
    return (Batch){0};
}
