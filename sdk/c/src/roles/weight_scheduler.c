#include "../losses.h"

bool exports_brewer_plugin_weight_scheduler_weight(double progress, double *chosen, contract_string_t *error) {
    begin_call();
    *chosen = weight(progress);
    return end_call(error);
}
