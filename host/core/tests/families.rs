//! What every family of models does alike. Its numbers are compared in `model_parity.rs`.

mod common;

use brewer::model::{Model, from_config, from_layers, load};
use brewer::{Batch, OutputRequest, Pass};
use common::{
    Scratch, as_class, assert_close_as_a_whole, batch_of, computed, load_error, load_recorded, options, read_tensors,
    recorded, request, run, train,
};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const DEBERTA: &str = "deberta_v2_token_classification";
const MODERNBERT: &str = "modernbert_masked_lm";

/// A model of each family, what its layers' parameters begin with, and the class for whole examples.
const FAMILIES: [(&str, &str, &str); 8] = [
    ("bert_masked_lm", "bert.encoder.layer.", "BertForSequenceClassification"),
    ("roberta_masked_lm", "roberta.encoder.layer.", "RobertaForSequenceClassification"),
    ("xlm_roberta_token_classification", "roberta.encoder.layer.", "XLMRobertaForSequenceClassification"),
    ("camembert_sequence_classification", "roberta.encoder.layer.", "CamembertForTokenClassification"),
    ("distilbert_masked_lm", "distilbert.transformer.layer.", "DistilBertForSequenceClassification"),
    ("electra_masked_lm", "electra.encoder.layer.", "ElectraForSequenceClassification"),
    ("mpnet_masked_lm", "mpnet.encoder.layer.", "MPNetForSequenceClassification"),
    ("deberta_v2_token_classification", "deberta.encoder.layer.", "DebertaV2ForSequenceClassification"),
];

fn recorded_batch(name: &str) -> Batch {
    batch_of(&read_tensors(&recorded(name).join("io.safetensors")))
}

/// Weights of another shape in the last layer show whether it was run: it would fail.
#[test]
fn layers_above_the_last_wanted_one_are_not_run() {
    for (name, layers, _) in FAMILIES {
        let model = load_recorded(name).model;
        for (parameter, tensor) in model.parameters().iter() {
            if parameter.starts_with(&format!("{layers}2.")) {
                tensor.shallow_clone().set_data(&Tensor::zeros([7], (Kind::Float, Device::Cpu)));
            }
        }
        let batch = recorded_batch(name);
        let outputs = run(&*model, &batch, &request(&[], &[("hidden_states", 2), ("attentions", 1)]));
        assert_eq!(computed(&outputs, "hidden_states"), [false, false, true, false], "{name}");
        assert_eq!(computed(&outputs, "attentions"), [false, true, false], "{name}");
        let logits = request(&["logits"], &[]);
        assert!(model.forward(&batch, &mut Pass::evaluation(&logits)).is_err(), "{name}");
    }
}

#[test]
fn every_module_that_is_offered_is_there() {
    for (name, layers, _) in FAMILIES {
        let model = load_recorded(name).model;
        let batch = recorded_batch(name);
        let mut everything = OutputRequest::everything();
        let offered = run(&*model, &batch, &everything).modules().to_vec();
        offered.iter().for_each(|module| everything.add_module(module));
        let outputs = run(&*model, &batch, &everything);
        for module in &offered {
            assert_eq!(outputs.module(module).unwrap_or_else(|| panic!("{module}")).size()[..2], [3, 11], "{module}");
        }
        for layer in 0..3 {
            let hidden = outputs.layer("hidden_states", layer + 1).unwrap();
            assert!(outputs.module(&format!("{layers}{layer}")).unwrap().equal(hidden), "{name}");
        }
        let projections = offered.iter().filter(|module| module.starts_with(&format!("{layers}0.attention")));
        assert!(projections.count() >= 4, "query, key, value and what comes of them: {offered:?}");
    }
}

#[test]
fn a_student_of_some_layers_is_made_of_any_family() {
    for (name, layers, _) in FAMILIES {
        let teacher = load_recorded(name).model;
        let student = from_layers(&*teacher, &[2], Device::Cpu).unwrap();
        assert_eq!(student.spec().num_layers, Some(1));
        for (parameter, tensor) in student.parameters().iter() {
            let of_teacher = parameter.replace(&format!("{layers}0."), &format!("{layers}2."));
            assert_eq!(tensor, teacher.parameters().get(&of_teacher).unwrap(), "{parameter}");
        }
        let folder = tempfile::tempdir().unwrap();
        student.save(folder.path()).unwrap();
        assert_eq!(load(folder.path(), &options(false)).unwrap().model.spec(), student.spec());
    }
    // Its layers are one, so a student of some of them runs it less often.
    let teacher = load_recorded("albert_sequence_classification").model;
    let student = from_layers(&*teacher, &[0], Device::Cpu).unwrap();
    let batch = recorded_batch("albert_sequence_classification");
    let wanted = request(&[], &[("hidden_states", 1)]);
    let hidden = |outputs: brewer::Outputs| outputs.layer("hidden_states", 1).unwrap().shallow_clone();
    assert_eq!(hidden(run(&*student, &batch, &wanted)), hidden(run(&*teacher, &batch, &wanted)));
}

/// Its layers are of two kinds, and its first layer has no norm before its attention.
#[test]
fn a_student_of_modernbert_has_layers_of_the_kinds_chosen() {
    let teacher = load_recorded("modernbert_masked_lm").model;
    let student = from_layers(&*teacher, &[2, 3, 0], Device::Cpu).unwrap();
    let types = serde_json::json!(["sliding_attention", "full_attention", "full_attention"]);
    assert_eq!(student.config().unwrap().get("layer_types"), Some(&types));
    assert!(student.parameters().get("model.layers.0.attn_norm.weight").is_none());
    let norm = |layer: usize| student.parameters().get(&format!("model.layers.{layer}.attn_norm.weight")).unwrap();
    assert_eq!(norm(1), teacher.parameters().get("model.layers.3.attn_norm.weight").unwrap());
    assert_eq!(norm(2), &norm(2).ones_like(), "the teacher's first layer has none");
    let folder = tempfile::tempdir().unwrap();
    student.save(folder.path()).unwrap();
    assert_same_parameters(&*load(folder.path(), &options(false)).unwrap().model, &*student);

    let batch = recorded_batch("modernbert_masked_lm");
    let outputs = run(&*teacher, &batch, &request(&[], &[("hidden_states", 2), ("attentions", 1)]));
    assert_eq!(computed(&outputs, "hidden_states"), [false, false, true, false, false]);
    let new =
        load(&recorded("modernbert_masked_lm"), &as_class("ModernBertForTokenClassification", &["a", "b"])).unwrap();
    assert_eq!(
        new.new,
        ["classifier.weight", "classifier.bias"],
        "the norm and the dense layer of the head are shared"
    );
}

#[test]
fn any_body_gets_another_head() {
    for (name, _, class) in FAMILIES {
        let loaded = load(&recorded(name), &as_class(class, &["a", "b"])).unwrap();
        assert_eq!(loaded.model.spec().architecture, class);
        assert_eq!(loaded.model.spec().task.labels(), ["a", "b"]);
        assert!(!loaded.new.is_empty() && !loaded.left_out.is_empty(), "{name}");
        let random = from_config(&recorded(name).join("config.json"), &as_class(class, &["a", "b"])).unwrap();
        assert_eq!(random.spec(), loaded.model.spec());
    }
}

#[test]
fn a_body_alone_is_read_whatever_its_prefix() {
    for (name, prefix, class) in [
        ("xlm_roberta_sequence_classification", "roberta.", "XLMRobertaForSequenceClassification"),
        ("distilbert_sequence_classification", "distilbert.", "DistilBertForSequenceClassification"),
    ] {
        let checkpoint = Scratch::of(name);
        checkpoint.set("architectures", vec!["Body"]);
        checkpoint.rename_weights(|name| name.strip_prefix(prefix).map(str::to_owned));
        let loaded = load(checkpoint.path(), &as_class(class, &["a", "b"])).unwrap();
        let whole = load_recorded(name).model;
        let words = format!("{prefix}embeddings.word_embeddings.weight");
        assert_eq!(loaded.model.parameters().get(&words), whole.parameters().get(&words));
    }
}

#[test]
fn inputs_are_what_the_family_reads() {
    let distilbert = load_recorded("distilbert_sequence_classification").model;
    let mut batch = recorded_batch("distilbert_sequence_classification");
    let logits = |batch: &Batch| {
        let outputs = run(&*distilbert, batch, &request(&["logits"], &[]));
        outputs.tensor("logits").unwrap().shallow_clone()
    };
    let expected = logits(&batch);
    assert!(!distilbert.spec().inputs.reads("token_type_ids"));
    batch.insert("token_type_ids", batch.get("input_ids").unwrap().shallow_clone());
    assert_eq!(logits(&batch), expected, "it has no types, so it reads none");

    // Of 40 positions, two stand for padding and for the ids below it.
    let roberta = load_recorded("roberta_sequence_classification").model;
    assert_eq!(roberta.spec().inputs.max_length, Some(38));
    let of_length = |length: i64| [("input_ids", Tensor::full([1, length], 5, (Kind::Int64, Device::Cpu)))];
    let everything = OutputRequest::everything();
    run(&*roberta, &of_length(38).into_iter().collect(), &everything);
    let too_long = of_length(39).into_iter().collect();
    let error = roberta.forward(&too_long, &mut Pass::evaluation(&everything)).unwrap_err().to_string();
    assert!(error.contains("39 tokens long; the model takes at most 38 tokens"), "{error}");
}

#[test]
fn configs_that_a_family_does_not_support_are_refused() {
    for (name, key, value, expected) in [
        ("distilbert_masked_lm", "sinusoidal_pos_embds", Value::Bool(true), "only learnt positions are supported"),
        ("distilbert_masked_lm", "dim", Value::from(25), "`dim` is 25, but in "),
        ("distilbert_masked_lm", "n_layers", Value::from(2), "`n_layers` is 2, but in "),
        ("distilbert_masked_lm", "dropout", Value::from(1), "`dropout` is 1; expected 0 or more and less than 1"),
        ("roberta_masked_lm", "pad_token_id", Value::from(39), "expected more than 40, because positions count from"),
        ("electra_masked_lm", "embedding_size", Value::from(24), "`embedding_size` is 24, but in "),
        ("albert_masked_lm", "num_hidden_groups", Value::from(2), "only 1 is supported, with which all layers are one"),
        ("albert_masked_lm", "num_hidden_layers", Value::from(1_i64 << 60), "expected at most 1024"),
        ("bert_masked_lm", "tie_word_embeddings", Value::from("yes"), "expected true or false"),
        (DEBERTA, "pos_att_type", Value::from("c2p|p2p"), "`pos_att_type`: `p2p`; only `c2p` and `p2c` are supported"),
        (DEBERTA, "attention_head_size", Value::from(8), "only `hidden_size` by heads is supported, 6"),
        (DEBERTA, "conv_kernel_size", Value::from(4), "expected an odd number"),
        (DEBERTA, "conv_groups", Value::from(5), "`hidden_size` 24 is not a multiple of `conv_groups` 5"),
        (DEBERTA, "position_buckets", Value::from(1), "leave none for far ones"),
        (
            DEBERTA,
            "position_buckets",
            Value::from(i64::MAX),
            "`position_buckets` is 9223372036854775807; expected at most",
        ),
        (MODERNBERT, "layer_types", Value::from(vec!["full_attention"]), "`layer_types` has 1 items; expected 4"),
        (MODERNBERT, "classifier_pooling", Value::from("max"), "unknown variant `max`, expected `cls` or `mean`"),
        (MODERNBERT, "num_attention_heads", Value::from(8), "a head has 3 elements"),
        (MODERNBERT, "rope_parameters", serde_json::json!({ "full_attention": { "rope_type": "yarn" } }), "`yarn`"),
        (MODERNBERT, "rope_scaling", serde_json::json!({ "type": "linear", "factor": 2.0 }), "are both given"),
    ] {
        let checkpoint = Scratch::of(name);
        checkpoint.set(key, value);
        let error = load_error(checkpoint.path(), &options(false));
        assert!(error.contains(expected), "{name} {key}: {error}");
    }
    for (key, value) in [("global_rope_theta", 0), ("local_rope_theta", -1)] {
        let checkpoint = Scratch::of(MODERNBERT);
        checkpoint.set("rope_parameters", Value::Null);
        checkpoint.set(key, value);
        let error = load_error(checkpoint.path(), &options(false));
        assert!(error.contains(&format!("`{key}` is {value}; expected more than 0")), "{error}");
    }
    let checkpoint = Scratch::of(MODERNBERT);
    checkpoint.set("intermediate_size", i64::MAX);
    let error = from_config(&checkpoint.path().join("config.json"), &options(false)).err().unwrap().to_string();
    assert!(error.contains("`intermediate_size` is 9223372036854775807; expected at most"), "{error}");
}

/// Padding far from all tokens attends to nothing in a sliding layer, and whatever reads the model there, its gradient is
/// that of the attention that is computed step by step.
#[test]
fn modernberts_gradient_is_right_at_padding() {
    let gradients = |request: &OutputRequest| {
        let model = load_recorded(MODERNBERT).model;
        let column = |values: Vec<i64>| Tensor::from_slice(&values).view([1, 16]);
        let mask = (0..16).map(|position| i64::from(position < 3)).collect();
        let columns = [("input_ids", column((5..21).collect())), ("attention_mask", column(mask))];
        let outputs = train(&*model, &columns.into_iter().collect(), request);
        outputs.layer("hidden_states", 3).unwrap().square().sum(Kind::Float).backward();
        let parameters = model.parameters().iter().map(|(name, parameter)| (name.to_owned(), parameter.grad()));
        parameters.filter(|(_, gradient)| gradient.defined()).collect::<Vec<_>>()
    };
    let wanted = [("hidden_states", 3)];
    let fast = gradients(&request(&[], &wanted));
    let explicit = gradients(&request(&[], &[wanted[0], ("attentions", 0), ("attentions", 1), ("attentions", 2)]));
    assert_eq!(fast.len(), explicit.len());
    for ((name, fast), (_, explicit)) in fast.iter().zip(&explicit) {
        assert_close_as_a_whole(name, fast, explicit, 1e-4);
    }
}

/// Models over the vocabulary: the word embeddings, and their other name.
const TIED: [(&str, &str, &str); 7] = [
    ("bert_masked_lm", "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
    ("roberta_masked_lm", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"),
    ("distilbert_masked_lm", "distilbert.embeddings.word_embeddings.weight", "vocab_projector.weight"),
    ("electra_masked_lm", "electra.embeddings.word_embeddings.weight", "generator_lm_head.weight"),
    ("albert_masked_lm", "albert.embeddings.word_embeddings.weight", "predictions.decoder.weight"),
    ("mpnet_masked_lm", "mpnet.embeddings.word_embeddings.weight", "lm_head.decoder.weight"),
    ("modernbert_masked_lm", "model.embeddings.tok_embeddings.weight", "decoder.weight"),
];

fn assert_same_parameters(found: &dyn Model, expected: &dyn Model) {
    assert_eq!(found.parameters().iter().count(), expected.parameters().iter().count());
    for (name, tensor) in expected.parameters().iter() {
        assert_eq!(found.parameters().get(name).unwrap(), tensor, "{name}");
    }
}

/// One parameter, one tensor, all names in the file.
#[test]
fn a_tied_parameter_is_one_under_all_its_names() {
    for (name, words, decoder) in TIED {
        let model = load_recorded(name).model;
        let parameters = model.parameters();
        let (first, second) = (parameters.get(words).unwrap(), parameters.get(decoder).unwrap());
        assert_eq!(first.data_ptr(), second.data_ptr());
        let trained: Vec<&str> = parameters.iter().map(|(name, _)| name).collect();
        assert!(trained.contains(&words) && !trained.contains(&decoder), "{trained:?}");

        let folder = tempfile::tempdir().unwrap();
        model.save(folder.path()).unwrap();
        let stored = read_tensors(&folder.path().join("model.safetensors"));
        assert_eq!(stored[words], stored[decoder]);
        assert_same_parameters(&*load(folder.path(), &options(false)).unwrap().model, &*model);
    }
}

#[test]
fn a_tied_parameter_may_stand_under_any_of_its_names() {
    for (name, words, decoder) in TIED {
        let model = load_recorded(name).model;
        let checkpoint = Scratch::of(name);
        checkpoint.rename_weights(|name| Some(if name == words { decoder } else { name }.to_owned()));
        assert_same_parameters(&*load(checkpoint.path(), &options(false)).unwrap().model, &*model);

        // Two tensors that differ are no tied parameter, unless the config says that they are two.
        let checkpoint = Scratch::of(name);
        checkpoint.change_weights(|mut tensors| {
            let (_, mut raw) = tensors.iter().find(|(name, _)| name == words).unwrap().clone();
            raw.bytes[..4].copy_from_slice(&7_f32.to_le_bytes());
            tensors.push((decoder.to_owned(), raw));
            tensors
        });
        let error = load_error(checkpoint.path(), &options(false));
        let expected = format!("differ under `{words}` and `{decoder}`, which are one parameter of the model");
        assert!(error.contains(&expected) && error.contains("tie_word_embeddings"), "{error}");
        checkpoint.set("tie_word_embeddings", false);
        let untied = load(checkpoint.path(), &options(false)).unwrap().model;
        assert_eq!(untied.parameters().get(decoder).unwrap().double_value(&[0, 0]), 7.0);
        assert_ne!(untied.parameters().get(words).unwrap().double_value(&[0, 0]), 7.0);
    }
}

/// BERT's own checkpoints have what it was pre-trained with besides.
#[test]
fn what_bert_was_pretrained_with_is_left_out() {
    let checkpoint = Scratch::of("bert_masked_lm");
    checkpoint.change_weights(|mut tensors| {
        let bias = tensors.iter().find(|(name, _)| name == "cls.predictions.bias").unwrap().1.clone();
        tensors.push(("cls.seq_relationship.bias".to_owned(), bias));
        tensors
    });
    assert_eq!(load(checkpoint.path(), &options(false)).unwrap().left_out, ["cls.seq_relationship.bias"]);
}
