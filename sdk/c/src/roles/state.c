#include "../call.h"
#include "brewer_state.h"

#include <stdlib.h>
#include <string.h>

bool exports_brewer_plugin_state_save(contract_list_u8_t *saved, contract_string_t *error) {
    begin_call();
    Bytes bytes = save_state();
    *saved = (contract_list_u8_t){NULL, 0};
    if (!brewer_failed() && bytes.size > 0) {
        /* The host frees the copy. It frees no list of nothing. */
        saved->ptr = malloc(bytes.size);
        if (!saved->ptr) abort();
        saved->len = bytes.size;
        memcpy(saved->ptr, bytes.data, bytes.size);
    }
    return end_call(error);
}

bool exports_brewer_plugin_state_restore(contract_list_u8_t *bytes, contract_string_t *error) {
    begin_call();
    /* A pointer to no byte is none of `malloc`'s. */
    if (bytes->len > 0) keep_memory(bytes->ptr);
    restore_state((Bytes){bytes->ptr, bytes->len});
    return end_call(error);
}
