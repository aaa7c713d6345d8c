/* Every role in one component: what it does, the ones in other languages do as well. */
#include <brewer.h>
#include <brewer_callback.h>
#include <brewer_losses.h>
#include <brewer_state.h>

#include <string.h>

void adapt(Context context, Batch batch, Outputs outputs, Features features) {
    (void)context, (void)batch;
    features_push_logits(features, outputs_tensor(outputs, "logits"));
}

Batch process(Context context, Batch batch) {
    (void)context;
    batch_insert(batch, "next_ids", tensor_add_scalar(batch_tensor(batch, "input_ids"), 1));
    batch_remove(batch, "token_type_ids");
    return batch;
}

static Tensor mean(Tensor tensor) {
    return tensor_mean(tensor, dims(), false);
}

/* [batch, ..., n] to [batch, ...]: the squared distance over the last dimension, of what counts. */
static Tensor distance(Tensor left, Tensor right) {
    return tensor_mean(tensor_pow_scalar(tensor_sub(left, right), 2), dims(-1), false);
}

static Tensor counted(Tensor rows, Tensor which) {
    Tensor counts = tensor_to_kind(which, FLOAT32);
    return tensor_div(tensor_mul(rows, counts), mean(counts));
}

Tensor kd_loss(KdInputs inputs) {
    Temperature temperature = kd_temperature(inputs);
    Tensor student = temperature_soften(temperature, kd_student(inputs));
    Tensor rows = distance(student, temperature_soften(temperature, kd_teacher(inputs)));
    if (kd_has_labels(inputs)) rows = counted(rows, tensor_ne_scalar(kd_labels(inputs), -100));
    double value = 0;
    temperature_value(temperature, &value);
    Tensor scaled = tensor_mul(mean(rows), tensor_to_kind(temperature_values(temperature), FLOAT32));
    return tensor_mul_scalar(scaled, value);
}

size_t match_num_layers(void) {
    return 2;
}

Tensor match_loss(MatchInputs inputs) {
    TensorList losses = tensor_list_new();
    for (size_t layer = 0; layer < match_num_layers(); layer++) {
        Tensor student = tensor_list_get(match_student(inputs), layer);
        Tensor squares = distance(student, tensor_list_get(match_teacher(inputs), layer));
        if (match_has_mask(inputs)) squares = counted(squares, match_mask(inputs));
        tensor_list_push(losses, mean(squares));
    }
    return tensor_sum(tensor_list_stack(losses, 0), dims(), false);
}

Temperature choose(Tensor student, Tensor teacher, double base) {
    (void)student;
    if (base > 5) return temperature_new(base / 2);
    Tensor surest = tensor_max(tensor_softmax(teacher, -1), dims(-1), false);
    return temperature_per_example(tensor_mul_scalar(surest, base));
}

static struct {
    uint64_t calls;
    double mean;
} memory;

/* The square of the progress, and the running mean of what it was in the calls before. */
double weight(double progress) {
    Step now = brewer_step();
    if (now.step != 3 || now.global_step != 3 || now.progress != progress || now.is_student || now.is_teacher) {
        brewer_fail("step %d, progress %f", (int)now.step, now.progress);
    }
    double chosen = progress * progress + memory.mean;
    memory.calls++;
    memory.mean += (progress - memory.mean) / (double)memory.calls;
    return chosen;
}

/* Of no call there is nothing to remember. */
Bytes save_state(void) {
    return (Bytes){&memory, memory.calls ? sizeof memory : 0};
}

void restore_state(Bytes bytes) {
    memset(&memory, 0, sizeof memory);
    if (bytes.size == sizeof memory) memcpy(&memory, bytes.data, bytes.size);
}

/* The element of a tensor that has one. */
static double item(Tensor tensor) {
    const float *element = tensor_read_f32(tensor, 0, 1);
    return element ? *element : 0;
}

Action on_checkpoint(uint64_t step) {
    metrics_report("numbers", metrics_names().count);
    metrics_report("splits", dataset_splits().count);
    double rows = 0, logits = 0;
    for (size_t index = 0; index < dataset_num_batches("dev"); index++) {
        Batch batch = dataset_read_batch("dev", index);
        rows += tensor_shape(batch_tensor(batch, "input_ids")).sizes[0];
        Outputs outputs = model_forward(batch, MODE_EVAL, "logits");
        logits += item(mean(outputs_tensor(outputs, "logits")));
        outputs_drop(outputs);
        batch_drop(batch);
    }
    metrics_report("rows", rows);
    metrics_report("logits", logits);
    Outputs trained = model_forward(dataset_read_batch("train", 0), MODE_TRAIN, "logits", "loss");
    metrics_report("trained", item(outputs_tensor(trained, "loss")));
    metrics_report("parameters", model_parameter_names().count);
    metrics_report("rank", model_parameter_shape("w").count);
    metrics_report("norm", model_parameter_statistics("w").norm);
    metrics_report("at_step", step);
    return metrics_value("dev_accuracy") > 0.9 ? ACTION_STOP : ACTION_CONTINUE;
}
