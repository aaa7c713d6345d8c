/* What the tests ask of a plugin in C; `do` in its configuration says what. */
#include <brewer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned calls;

static void add_up(TensorList layers, uint64_t step) {
    Tensor sum = tensor_mul_scalar(tensor_list_get(layers, 0), 2);
    for (size_t index = 0; index < tensor_list_len(layers); index++) {
        sum = tensor_add(sum, tensor_list_get(layers, index));
    }
    brewer_fail("no logits for step %llu", (unsigned long long)step);
}

static void count(Outputs outputs, Features features) {
    if (calls % 10 == 0) {
        TensorList layers = outputs_list(outputs, "hidden_states");
        tensor_list_get(layers, 1);
        tensor_drop(tensor_list_get(layers, 2));
        brewer_fail("call %u of this instance", calls);
    }
    features_push_logits(features, tensor_softmax(outputs_tensor(outputs, "logits"), -1));
    features_push_loss(features, tensor_full(shape(), (float)calls, FLOAT32));
    features_extend_hidden(features, tensor_list_narrow(outputs_list(outputs, "hidden_states"), 1, 3));
}

/* Names as a JSON array. */
static void quote(char *to, size_t size, Names names) {
    size_t length = (size_t)snprintf(to, size, "[");
    for (size_t position = 0; position < names.count; position++) {
        const char *separator = position > 0 ? "," : "";
        length += (size_t)snprintf(to + length, size - length, "%s\"%s\"", separator, names.names[position]);
    }
    snprintf(to + length, size - length, "]");
}

static void describe(Context context, Batch batch, Outputs outputs, Features features) {
    char batch_list[256], outputs_list_text[256], teacher[16] = "null", task[64] = "null";
    quote(batch_list, sizeof batch_list, batch_names(batch));
    quote(outputs_list_text, sizeof outputs_list_text, outputs_names(outputs));
    if (!context.is_student) snprintf(teacher, sizeof teacher, "%u", context.teacher);
    if (context.task) snprintf(task, sizeof task, "\"%s\"", context.task);
    double random = brewer_random();
    brewer_log(LEVEL_DEBUG, "for those who ask");
    brewer_log(LEVEL_INFO,
               "{\"answer\":%s,\"is_student\":%s,\"teacher\":%s,\"task\":%s,\"step\":%llu,\"batch\":%s,\"outputs\":%s,"
               "\"has\":[%s,%s],\"layers\":%zu,\"random\":%.17g,\"bits\":%llu,\"own\":%d}",
               config_value("answer"), context.is_student ? "true" : "false", teacher, task,
               (unsigned long long)context.step, batch_list, outputs_list_text,
               batch_has(batch, "labels") ? "true" : "false", outputs_has(outputs, "x") ? "true" : "false",
               tensor_list_len(outputs_list(outputs, "hidden_states")), random,
               (unsigned long long)brewer_random_u64(), rand());
    brewer_log(LEVEL_WARN, "careful");
    brewer_log(LEVEL_ERROR, "alas");
    bool is_read = config_number("number", 0) == -1.5 && config_bool("truth", false) && config_number("do", 7) == 7 &&
                   strcmp(config_string("text", ""), "\"a\\\n\1\u00e4\U0001F600") == 0 && !config_value("inner");
    brewer_log(LEVEL_INFO, is_read ? "printed" : "the configuration is not what it should be");
    features_push_logits(features, outputs_tensor(outputs, "logits"));
}

static void recover(Outputs outputs, Features features) {
    outputs_tensor(outputs, "unheard-of");
    if (brewer_error_code() == ERROR_NOT_FOUND && strstr(brewer_error(), "unheard-of")) brewer_recover();
    features_push_logits(features, outputs_tensor(outputs, "logits"));
}

static void operations(Batch batch, Features features) {
    Tensor x = batch_tensor(batch, "x"), y = batch_tensor(batch, "y"), w = batch_tensor(batch, "w");
    Tensor index = batch_tensor(batch, "index"), pick = batch_tensor(batch, "pick"), mask = batch_tensor(batch, "mask");
    Tensor positive = tensor_gt_scalar(x, 0);
    Tensor probabilities = tensor_softmax(y, -1), logs = tensor_log_softmax(x, -1);
    TensorList sides = tensor_list_new(), twice = tensor_list_new(), three = tensor_list_new();
    tensor_list_push(sides, x);
    tensor_list_push(sides, tensor_transpose(w, 0, 1));
    tensor_list_push(twice, x);
    tensor_list_push(twice, tensor_share(x));
    for (int number = 0; number < 3; number++) tensor_list_push(three, tensor_add_scalar(x, number));
    Shape sizes = tensor_shape(x);

    Tensor results[] = {
        tensor_add(x, y),
        tensor_sub(x, y),
        tensor_mul(x, y),
        tensor_div(x, y),
        tensor_add_scalar(x, 1),
        tensor_sub_scalar(x, 0.5),
        tensor_mul_scalar(index, 2),
        tensor_mul_scalar(index, 0.5f),
        tensor_div_scalar(index, scalar(2)),
        tensor_pow_scalar(x, 2),
        tensor_clamp(x, -0.5, 0.5),
        tensor_clamp_min(x, 0),
        tensor_neg(x),
        tensor_abs(x),
        tensor_exp(x),
        tensor_log(y),
        tensor_sqrt(y),
        tensor_tanh(x),
        tensor_sigmoid(x),
        tensor_relu(x),
        tensor_gelu(x),
        tensor_maximum(x, y),
        tensor_minimum(x, y),
        tensor_eq(x, y),
        tensor_ne(x, y),
        tensor_lt(x, y),
        tensor_le(x, y),
        tensor_gt(x, y),
        tensor_ge(x, y),
        tensor_eq_scalar(index, 1),
        tensor_ne_scalar(index, 1),
        tensor_lt_scalar(index, 1),
        tensor_le_scalar(index, 1),
        tensor_gt_scalar(index, 1),
        tensor_ge_scalar(index, 1),
        tensor_logical_and(mask, positive),
        tensor_logical_or(mask, positive),
        tensor_logical_not(mask),
        tensor_where(x, mask, y),
        tensor_sum(x, dims(), false),
        tensor_sum(index, dims(), false),
        tensor_sum(x, dims(1), false),
        tensor_sum(x, dims(0, 1), true),
        tensor_mean(x, dims(), false),
        tensor_mean(x, dims(0), false),
        tensor_logsumexp(x, dims(-1), true),
        tensor_max(x, dims(1), false),
        tensor_min(x, dims(-1), true),
        tensor_norm(x, 1, dims(1), false),
        tensor_any(mask, dims(0), false),
        tensor_all(mask, dims(1), false),
        tensor_argmax(x, 1, false),
        tensor_softmax(x, -1),
        logs,
        tensor_matmul(x, w),
        tensor_gather(x, 1, index),
        tensor_index_select(x, 1, pick),
        tensor_masked_fill(x, mask, -1),
        tensor_masked_select(x, mask),
        tensor_detach(x),
        tensor_to_kind(x, INT64),
        tensor_select(x, 1, -1),
        tensor_narrow(x, 1, 1, 2),
        tensor_reshape(x, shape(3, -1)),
        tensor_permute(x, dims(1, 0)),
        tensor_transpose(x, 0, -1),
        tensor_unsqueeze(x, 1),
        tensor_squeeze(tensor_unsqueeze(x, 1), 1),
        tensor_expand(tensor_unsqueeze(x, 0), shape(4, -1, -1)),
        tensor_flatten(x, 0, 1),
        tensor_list_cat(sides, 1),
        tensor_list_stack(twice, 0),
        tensor_list_cat(tensor_list_narrow(three, 1, 2), 0),
        tensor_zeros(shape(2), INT64),
        tensor_ones(shape(2, 1), BFLOAT16),
        tensor_full(shape(2), 1.5, FLOAT64),
        tensor_arange(0, 6, 2, INT64),
        loss_cross_entropy(x, pick, 2, REDUCE_MEAN),
        loss_mean_squared_error(x, y, REDUCE_NONE),
        loss_kl_divergence(logs, probabilities, false, REDUCE_SUM),
        loss_kl_divergence(logs, tensor_log_softmax(y, -1), true, REDUCE_MEAN),
        loss_binary_cross_entropy_with_logits(x, probabilities, REDUCE_SUM),
        loss_cosine_similarity(x, y, 1),
        tensor_of_f32(tensor_read_f32(x, 0, (uint64_t)tensor_numel(x)), 6, sizes),
        tensor_of_s64(tensor_read_s64(index, 2, 4), 4, shape(4)),
        tensor_of_bool(tensor_read_bool(mask, 0, 6), 6, shape(2, 3)),
        tensor_of_s64(sizes.sizes, sizes.count, shape(2)),
    };
    for (size_t position = 0; position < sizeof results / sizeof *results; position++) {
        features_push_loss(features, results[position]);
    }
}

void adapt(Context context, Batch batch, Outputs outputs, Features features) {
    char deed[32] = "";
    bool twice = false;
    sscanf(config_string("do", ""), "%31s", deed);
    twice = strstr(config_string("do", ""), " twice") != NULL;
    calls++;
    if (twice && calls > 2) {
        features_push_logits(features, outputs_tensor(outputs, "logits"));
    } else if (strcmp(deed, "fail") == 0) {
        add_up(outputs_list(outputs, "hidden_states"), context.step);
    } else if (strcmp(deed, "refused") == 0) {
        Tensor sum = tensor_add(outputs_tensor(outputs, "logits"), tensor_zeros(shape(17), FLOAT32));
        features_push_logits(features, tensor_softmax(sum, -1));
    } else if (strcmp(deed, "recover") == 0) {
        recover(outputs, features);
    } else if (strcmp(deed, "dropped") == 0) {
        Tensor logits = outputs_tensor(outputs, "logits");
        tensor_drop(logits);
        features_push_logits(features, logits);
    } else if (strcmp(deed, "invented") == 0) {
        features_push_logits(features, (Tensor){4242});
    } else if (strcmp(deed, "another-kind") == 0) {
        features_push_logits(features, (Tensor){batch.handle});
    } else if (strcmp(deed, "same-twice") == 0) {
        Tensor logits = outputs_tensor(outputs, "logits");
        features_push_logits(features, logits);
        features_push_logits(features, logits);
    } else if (strcmp(deed, "count") == 0) {
        count(outputs, features);
    } else if (strcmp(deed, "describe") == 0) {
        describe(context, batch, outputs, features);
    } else if (strcmp(deed, "operations") == 0) {
        operations(batch, features);
    }
}
