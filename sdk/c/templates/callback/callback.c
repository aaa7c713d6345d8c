/* Ends the run when the student is good enough: `{ "metric": "dev_accuracy", "enough": 0.9 }`. */
#include <brewer_callback.h>

Action on_checkpoint(uint64_t step) {
    (void)step;
    double reached = metrics_value(config_string("metric", "dev_accuracy"));
    return reached >= config_number("enough", 0.9) ? ACTION_STOP : ACTION_CONTINUE;
}
