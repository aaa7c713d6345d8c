/* The squared distance of the softened logits of both sides. */
#include <brewer_losses.h>

Tensor kd_loss(KdInputs inputs) {
    Temperature temperature = kd_temperature(inputs);
    Tensor student = temperature_soften(temperature, kd_student(inputs));
    Tensor teacher = temperature_soften(temperature, kd_teacher(inputs));
    return loss_mean_squared_error(student, teacher, REDUCE_MEAN);
}
