/* Sequence classification: one label for each sequence. Serves token classification as well, where there is one for each
 * token and padding does not count. */
#include <brewer.h>

void adapt(Context context, Batch batch, Outputs outputs, Features features) {
    Tensor logits = outputs_tensor(outputs, "logits");
    features_push_logits(features, logits);
    if (batch_has(batch, "attention_mask")) {
        Tensor mask = batch_tensor(batch, "attention_mask");
        bool is_per_token = tensor_rank(logits) == 3;
        if (is_per_token) features_push_logits_mask(features, mask);
        features_set_inputs_mask(features, mask);
    }
    if (batch_has(batch, "labels")) features_push_labels(features, batch_tensor(batch, "labels"));
    if (context.is_student && outputs_has(outputs, "loss")) {
        features_push_loss(features, outputs_tensor(outputs, "loss"));
    }
    if (outputs_has(outputs, "hidden_states")) {
        features_extend_hidden(features, outputs_list(outputs, "hidden_states"));
    }
    if (outputs_has(outputs, "attentions")) features_extend_attention(features, outputs_list(outputs, "attentions"));
}
