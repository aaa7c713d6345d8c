/* The numbers of a checkpoint, for callbacks. */
#include "../call.h"
#include "brewer_callback.h"

typedef brewer_plugin_tensor_error_t Error;

Names metrics_names(void) {
    contract_list_string_t list;
    Error error;
    if (ASK(brewer_plugin_metrics_names(&list, &error))) return keep_names(list);
    return (Names){0};
}

double metrics_value(const char *name) {
    contract_string_t text = borrowed(name);
    double value;
    Error error;
    if (ASK(brewer_plugin_metrics_value(&text, &value, &error))) return value;
    return 0;
}

void metrics_report(const char *name, double value) {
    contract_string_t text = borrowed(name);
    Error error;
    (void)ASK(brewer_plugin_metrics_report(&text, value, &error));
}
