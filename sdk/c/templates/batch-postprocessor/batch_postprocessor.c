/* Hides every tenth token from the models; `token` of the configuration stands in its place. */
#include <brewer.h>

Batch process(Context context, Batch batch) {
    (void)context;
    Tensor ids = batch_tensor(batch, "input_ids");
    Tensor position = tensor_unsqueeze(tensor_arange(0, tensor_shape(ids).sizes[1], 1, INT64), -1);
    Tensor tenth = tensor_arange(0, tensor_shape(ids).sizes[1], 10, INT64);
    Tensor hidden = tensor_any(tensor_eq(position, tenth), dims(1), false);
    int64_t token = (int64_t)config_number("token", 103);
    batch_insert(batch, "input_ids", tensor_masked_fill(ids, hidden, token));
    return batch;
}
