/* The squared distance of two layers, of the positions that are no padding. */
#include <brewer_losses.h>

Tensor match_loss(MatchInputs inputs) {
    Tensor student = tensor_list_get(match_student(inputs), 0);
    Tensor teacher = tensor_list_get(match_teacher(inputs), 0);
    Tensor squares = tensor_mean(tensor_pow_scalar(tensor_sub(student, teacher), 2), dims(-1), false);
    if (!match_has_mask(inputs)) return tensor_mean(squares, dims(), false);
    Tensor mask = tensor_to_kind(match_mask(inputs), FLOAT32);
    return tensor_div(tensor_sum(tensor_mul(squares, mask), dims(), false), tensor_sum(mask, dims(), false));
}
