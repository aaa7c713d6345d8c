#include "../call.h"
#include "brewer_callback.h"

bool exports_brewer_plugin_callback_on_checkpoint(uint64_t step, exports_brewer_plugin_callback_action_t *action,
                                                  contract_string_t *error) {
    begin_call();
    *action = on_checkpoint(step) == ACTION_STOP ? EXPORTS_BREWER_PLUGIN_CALLBACK_ACTION_STOP
                                                 : EXPORTS_BREWER_PLUGIN_CALLBACK_ACTION_CONTINUE;
    return end_call(error);
}
