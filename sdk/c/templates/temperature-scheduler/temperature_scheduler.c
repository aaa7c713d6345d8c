/* The surer the teacher is of an example, the higher its temperature. */
#include <brewer_losses.h>

Temperature choose(Tensor student, Tensor teacher, double base) {
    (void)student;
    Tensor surest = tensor_max(tensor_softmax(teacher, -1), dims(-1), false);
    return temperature_per_example(tensor_mul_scalar(surest, base));
}
