use brewer::data::{Dataset, ReadProgress, TextColumns};
use serde_json::json;

use crate::support::{CLS, Files, SEP, VOCABULARY, dataset, model, rows, singles};

#[test]
fn texts_are_tokenized_with_special_tokens_and_padded_to_the_longest_of_the_batch() {
    let data = dataset(
        model(),
        &[
            json!({ "text": "The film was good", "label": 1 }),
            json!({ "text": "badly", "label": "negative" }),
            json!({ "text": "the cinema", "label": null }),
        ],
    );
    let batch = data.batch(&[0, 1, 2]).unwrap();
    assert_eq!(batch.names().collect::<Vec<_>>(), ["input_ids", "attention_mask", "token_type_ids", "labels"]);
    // Neither the truncation to 4 tokens nor the padding to 9 that the tokenizer's file asks for.
    assert_eq!(rows(&batch, "input_ids"), [[CLS, 4, 5, 6, 7, SEP], [CLS, 8, 9, SEP, 0, 0], [CLS, 4, 1, SEP, 0, 0]]);
    assert_eq!(rows(&batch, "attention_mask"), [[1; 6], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0]]);
    assert_eq!(rows(&batch, "token_type_ids"), [[0; 6]; 3]);
    assert_eq!(singles(&batch, "labels"), [1, 0, -100]);
    let short = data.batch(&[2, 1]).unwrap();
    assert_eq!(rows(&short, "input_ids"), [[CLS, 4, 1, SEP], [CLS, 8, 9, SEP]]);
}

#[test]
fn a_pair_of_texts_has_two_types() {
    let mut files = Files::new(model());
    files.config.text = TextColumns::Pair(["premise".to_owned(), "hypothesis".to_owned()]);
    let data = files.read_rows(&[json!({ "premise": "good film", "hypothesis": "bad", "label": 0 })]).unwrap();
    let batch = data.batch(&[0]).unwrap();
    assert_eq!(rows(&batch, "input_ids"), [[CLS, 7, 5, SEP, 8, SEP]]);
    assert_eq!(rows(&batch, "token_type_ids"), [[0, 0, 0, 0, 1, 1]]);
}

#[test]
fn long_texts_are_cut_between_their_special_tokens() {
    let mut files = Files::new(model());
    files.config.max_length = std::num::NonZeroUsize::new(5);
    let data = files.read_rows(&[json!({ "text": "the film was good" }), json!({ "text": "good" })]).unwrap();
    assert_eq!(rows(&data.batch(&[0]).unwrap(), "input_ids"), [[CLS, 4, 5, 6, SEP]]);
    assert_eq!(data.summary(&files.model).truncated, 1);

    files.config.max_length = None;
    let words = ["bad"; 40].join(" ");
    let data = files.read_rows(&[json!({ "text": words })]).unwrap();
    assert_eq!(Some(data.length(0)), files.model.inputs.max_length);
}

#[test]
fn a_tokenizer_that_cuts_at_the_left_still_does() {
    let mut files = Files::new(model());
    files.config.max_length = std::num::NonZeroUsize::new(4);
    let mut tokenizer = crate::support::tokenizer();
    tokenizer["truncation"]["direction"] = json!("Left");
    files.write("tokenizer.json", tokenizer.to_string());
    let data = files.read_rows(&[json!({ "text": "the film was good" })]).unwrap();
    assert_eq!(rows(&data.batch(&[0]).unwrap(), "input_ids"), [[CLS, 6, 7, SEP]]);
}

#[test]
fn a_model_with_one_type_gets_no_token_type_ids() {
    let mut distil = model();
    distil.inputs.columns.retain(|column| column.name != "token_type_ids");
    let data = dataset(distil, &[json!({ "text": "good" })]);
    let batch = data.batch(&[0]).unwrap();
    assert_eq!(batch.names().collect::<Vec<_>>(), ["input_ids", "attention_mask"]);
    assert!(!data.has_labels());
}

#[test]
fn texts_keep_their_order_over_many_chunks() {
    let texts: Vec<_> =
        (0..5000).map(|index| json!({ "text": if index % 3 == 0 { "good" } else { "bad film" } })).collect();
    let data = dataset(model(), &texts);
    assert_eq!(data.len(), 5000);
    assert!((0..5000).all(|index| data.length(index) == if index % 3 == 0 { 3 } else { 4 }));
}

#[test]
fn blank_lines_and_byte_order_marks_are_passed_over() {
    let files = Files::new(model());
    files.write("train.jsonl", "\u{feff}{\"text\": \"good\"}\r\n\r\n  \n{\"text\": \"bad\"}");
    assert_eq!(files.read("train.jsonl").unwrap().len(), 2);
}

#[test]
fn a_summary_counts() {
    let files = Files::new(model());
    let data = files
        .read_rows(&[
            json!({ "text": "the film was good", "label": 1, "source": "imdb" }),
            json!({ "text": "bad", "label": "negative", "source": "sst", "stars": 1 }),
            json!({ "text": "badly", "label": 0 }),
        ])
        .unwrap();
    let summary = data.summary(&files.model);
    assert_eq!(
        summary.to_string(),
        "3 examples, 4.3 tokens on average, 6 at most; labels: negative 2, positive 1; columns left out: source, stars"
    );
}

/// The same vocabulary without a `tokenizer.json`.
#[test]
fn a_vocabulary_of_word_pieces_makes_berts_tokens() {
    let mut files = Files::new(model());
    files.config.text = TextColumns::Pair(["premise".to_owned(), "hypothesis".to_owned()]);
    let texts = [json!({ "premise": "The FILM was [SEP] good", "hypothesis": "badly, [PAD] the", "label": 0 })];
    let expected = files.read_rows(&texts).unwrap().batch(&[0]).unwrap();
    files.write("vocab.txt", VOCABULARY.join("\n"));
    let vocabulary = files.path("vocab.txt");
    let found = files.read_with(&texts, &vocabulary).unwrap().batch(&[0]).unwrap();
    for column in ["input_ids", "token_type_ids"] {
        assert_eq!(rows(&found, column), rows(&expected, column), "{column}");
    }
    files.write("tokenizer_config.json", json!({ "do_lower_case": false }).to_string());
    let found = files.read_with(&texts, &vocabulary).unwrap().batch(&[0]).unwrap();
    assert_eq!(rows(&found, "input_ids")[0][1..4], [1, 1, 6], "upper case is none of its words now");
    files.write("vocab.txt", VOCABULARY.join("\n").replace("[UNK]", "<unk>"));
    let renamed = files.read_with(&texts, &vocabulary).unwrap().batch(&[0]).unwrap();
    assert_eq!(rows(&renamed, "input_ids"), rows(&found, "input_ids"), "an unknown word is the token there is for it");
}

/// As transformers makes them of these files.
#[test]
fn a_vocabulary_of_byte_pairs_makes_robertas_tokens() {
    let words =
        ["<pad>", "<s>", "</s>", "<unk>", "<mask>", "l", "o", "w", "e", "r", "Ġ", "n", "lo", "low", "er", "Ġlow"];
    let words = words.into_iter().chain(["Ġn", "!"]).enumerate().map(|(id, word)| (word.to_owned(), json!(id)));
    let mut spec = model();
    spec.inputs.columns[0].count = Some(19);
    let mut files = Files::new(spec);
    files.write("vocab.json", serde_json::Value::Object(words.collect()).to_string());
    files.write("merges.txt", "#version: 0.2\nl o\nlo w\ne r\nĠ low\nĠ n\n");
    let vocabulary = files.path("vocab.json");
    let ids = |files: &Files, row: serde_json::Value| {
        let data = files.read_with(&[row], &vocabulary).unwrap();
        rows(&data.batch(&[0]).unwrap(), "input_ids").remove(0)
    };
    let text = |text: &str| json!({ "text": text });
    assert_eq!(ids(&files, text("low lower <mask> new!")), [1, 13, 15, 14, 10, 4, 16, 8, 7, 17, 2]);
    assert_eq!(ids(&files, text("lo <s> x")), [1, 12, 10, 1, 10, 2], "what it has no bytes for is left out");
    files.write("added_tokens.json", json!({ "new": 18 }).to_string());
    assert_eq!(ids(&files, text("lownew")), [1, 13, 18, 2]);
    files.write("added_tokens.json", json!({ "new": 17 }).to_string());
    let error = files.read_with(&[text("low")], &vocabulary).unwrap_err();
    assert!(error.contains("vocab.json: not a tokenizer: added_tokens.json gives `new` the id 17"), "{error}");
    std::fs::remove_file(files.path("added_tokens.json")).unwrap();
    files.config.text = TextColumns::Pair(["a".to_owned(), "b".to_owned()]);
    assert_eq!(ids(&files, json!({ "a": "low", "b": "lower" })), [1, 13, 2, 2, 13, 14, 2]);
}

/// An automaton that is built in quadratic time takes minutes for it.
#[test]
fn an_added_token_may_be_long() {
    let files = Files::new(model());
    let long = "a".repeat(100_000);
    for normalized in [false, true] {
        let mut tokenizer = crate::support::tokenizer();
        let token = json!({ "id": 9, "content": long, "single_word": false, "lstrip": false, "rstrip": false,
                            "normalized": normalized, "special": false });
        tokenizer["model"]["vocab"].as_object_mut().unwrap().remove("##ly");
        tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
        files.write("tokenizer.json", tokenizer.to_string());
        let data = files.read_rows(&[json!({ "text": format!("good {long}") })]).unwrap();
        assert_eq!(rows(&data.batch(&[0]).unwrap(), "input_ids"), [[CLS, 7, 9, SEP]]);
    }
}

#[test]
fn how_far_a_file_is_read_is_told() {
    let files = Files::new(model());
    let lines = "{\"text\": \"good\"}\n\n".repeat(3000);
    let path = files.write("train.jsonl", &lines);
    let told = std::cell::RefCell::new(vec![]);
    let on_read = |progress: &ReadProgress<'_>| {
        assert_eq!((progress.path, progress.all_bytes), (path.as_path(), lines.len() as u64));
        told.borrow_mut().push((progress.rows, progress.bytes));
    };
    let tokenizer = files.path("tokenizer.json");
    Dataset::read(&path, &files.config, &files.model, Some(&tokenizer), &on_read).unwrap();
    // A row and the blank line behind it are 18 bytes; the last blank line does not count yet.
    let line = lines.len() as u64 / 3000;
    assert_eq!(told.into_inner(), [(0, 0), (1024, 1024 * line - 1), (2048, 2048 * line - 1)]);
}
