#include "../call.h"
#include "brewer_state.h"

#include <stdlib.h>
#include <string.h>

bool exports_brewer_plugin_state_save(contract_list_u8_t *saved, contract_string_t *error) {
    begin_call();
    Bytes bytes = save_state();
    if (!brewer_failed()) {
        /* The host frees the copy. */
        saved->ptr = malloc(bytes.size ? bytes.size : 1);
        if (!saved->ptr) abort();
        saved->len = bytes.size;
        if (bytes.size) memcpy(saved->ptr, bytes.data, bytes.size);
    }
    return end_call(error);
}

bool exports_brewer_plugin_state_restore(contract_list_u8_t *bytes, contract_string_t *error) {
    begin_call();
    keep_memory(bytes->ptr);
    restore_state((Bytes){bytes->ptr, bytes->len});
    return end_call(error);
}
