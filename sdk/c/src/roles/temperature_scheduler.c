#include "../losses.h"

bool exports_brewer_plugin_temperature_scheduler_choose(
    exports_brewer_plugin_temperature_scheduler_own_tensor_t student,
    exports_brewer_plugin_temperature_scheduler_own_tensor_t teacher, double base,
    exports_brewer_plugin_temperature_scheduler_own_temperature_t *temperature, contract_string_t *error) {
    begin_call();
    Temperature chosen = choose(keep_tensor(student), keep_tensor(teacher), base);
    temperature->__handle = give(free_temperature, chosen.handle, "temperature");
    return end_call(error);
}
