use brewer::Task;
use brewer::data::Dataset;
use proptest::prelude::*;
use serde_json::{Value, json};
use tch::Kind;

use crate::support::{dataset, labels, model, rows, singles, token_model, with_task};

#[test]
fn rows_with_input_ids_are_taken_as_they_are() {
    // As TextBrewer's examples come: padded already, with types that go on over the padding.
    let data = dataset(
        model(),
        &[
            json!({ "input_ids": [7, 5, 4, 0, 0], "attention_mask": [1, 1, 1, 0, 0], "token_type_ids": [0, 0, 1, 1, 1],
                "labels": 1 }),
            json!({ "input_ids": [6, 6, 0, 0, 0], "attention_mask": [1, 1, 0, 0, 0], "token_type_ids": [0, 1, 1, 1, 1],
                "labels": 0 }),
        ],
    );
    let batch = data.batch(&[0, 1]).unwrap();
    assert_eq!(batch.names().collect::<Vec<_>>(), ["input_ids", "attention_mask", "token_type_ids", "labels"]);
    assert_eq!(rows(&batch, "input_ids"), [[7, 5, 4, 0, 0], [6, 6, 0, 0, 0]]);
    assert_eq!(rows(&batch, "attention_mask"), [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]);
    assert_eq!(rows(&batch, "token_type_ids"), [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]);
    assert_eq!(singles(&batch, "labels"), [1, 0]);
    let summary = data.summary(&model());
    assert_eq!((summary.mean_tokens, summary.max_tokens), (2.5, 3));
}

#[test]
fn each_column_has_its_own_padding() {
    let mut with_pad = token_model();
    with_pad.inputs.pad_token_id = 9;
    let data = dataset(
        with_pad,
        &[
            json!({ "input_ids": [2, 7, 3], "labels": [-100, "positive", 0], "weight": [0.5, 1, 2], "word": [0, 1, 2] }),
            json!({ "input_ids": [8], "labels": [1], "weight": [4], "word": [0] }),
            json!({ "input_ids": [5, 5], "weight": [0, 0], "word": [0, 0] }),
        ],
    );
    let batch = data.batch(&[0, 1, 2]).unwrap();
    assert_eq!(rows(&batch, "input_ids"), [[2, 7, 3], [8, 9, 9], [5, 5, 9]]);
    assert_eq!(rows(&batch, "attention_mask"), [[1, 1, 1], [1, 0, 0], [1, 1, 0]]);
    assert_eq!(rows(&batch, "labels"), [[-100, 1, 0], [1, -100, -100], [-100, -100, -100]]);
    assert_eq!(rows(&batch, "word"), [[0, 1, 2], [0, 0, 0], [0, 0, 0]]);
    let weight = batch.get("weight").unwrap();
    assert_eq!(weight.kind(), Kind::Float);
    let weight: Vec<Vec<f32>> = Vec::try_from(weight).unwrap();
    assert_eq!(weight, [[0.5, 1.0, 2.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
}

#[test]
fn other_numbers_come_along_and_other_values_do_not() {
    let big = i64::from(i32::MAX) + 1;
    let data = dataset(
        model(),
        &[
            json!({ "input_ids": [7, 7], "id": 1, "scores": [1, 2], "score": 3, "text": "good good", "tags": ["a"] }),
            json!({ "input_ids": [7], "id": big, "scores": [0.25, 0.5], "score": 0.5, "text": null, "tags": [] }),
        ],
    );
    let batch = data.batch(&[0, 1]).unwrap();
    assert_eq!(batch.names().collect::<Vec<_>>(), ["input_ids", "attention_mask", "id", "scores", "score"]);
    assert_eq!(singles(&batch, "id"), [1, big]);
    // As many in every row, though in the first also as many as tokens.
    let scores: Vec<Vec<f32>> = Vec::try_from(batch.get("scores").unwrap()).unwrap();
    assert_eq!(scores, [[1.0, 2.0], [0.25, 0.5]]);
    let score: Vec<f32> = Vec::try_from(batch.get("score").unwrap()).unwrap();
    assert_eq!(score, [3.0, 0.5]);
    assert_eq!(data.summary(&model()).ignored, ["text", "tags"]);
}

#[test]
fn a_model_of_tokens_takes_tokens_for_labels() {
    let language_model = with_task(Task::MaskedLm { vocab_size: 10 });
    let data = dataset(language_model.clone(), &[json!({ "input_ids": [4, 5], "labels": [-100, 9] })]);
    assert_eq!(rows(&data.batch(&[0]).unwrap(), "labels"), [[-100, 9]]);
    assert_eq!(data.summary(&language_model).labels, []);
}

/// Rows of one to eight tokens with everything that a row may have.
fn examples() -> impl Strategy<Value = Vec<Vec<i64>>> {
    prop::collection::vec(prop::collection::vec(0..10_i64, 1..=8), 1..20)
}

fn read(examples: &[Vec<i64>]) -> Dataset {
    let row = |(index, ids): (usize, &Vec<i64>)| -> Value {
        let labels: Vec<i64> = ids.iter().map(|id| id % 2).collect();
        let halves: Vec<f64> = ids.iter().map(|&id| id as f64 + 0.5).collect();
        json!({ "input_ids": ids, "labels": labels, "halves": halves, "index": index })
    };
    let mut model = token_model();
    model.inputs.pad_token_id = 1;
    dataset(model, &examples.iter().enumerate().map(row).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn padding_changes_nothing_but_the_width(examples in examples(), chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..9)) {
        let data = read(&examples);
        let chosen: Vec<usize> = chosen.iter().map(|index| index.index(examples.len())).collect();
        let batch = data.batch(&chosen).unwrap();
        let width = chosen.iter().map(|&index| examples[index].len()).max().unwrap();
        let (ids, mask, labels) = (rows(&batch, "input_ids"), rows(&batch, "attention_mask"), rows(&batch, "labels"));
        let halves: Vec<Vec<f32>> = Vec::try_from(batch.get("halves").unwrap()).unwrap();
        prop_assert_eq!(singles(&batch, "index"), chosen.iter().map(|&index| index as i64).collect::<Vec<_>>());
        for (row, &index) in chosen.iter().enumerate() {
            let example = &examples[index];
            prop_assert_eq!(ids[row].len(), width);
            for position in 0..width {
                let found = (ids[row][position], mask[row][position], labels[row][position], halves[row][position]);
                let expected = match example.get(position) {
                    Some(&id) => (id, 1, id % 2, id as f32 + 0.5),
                    None => (1, 0, -100, 0.0),
                };
                prop_assert_eq!(found, expected);
            }
        }
    }
}

/// The numbers of the column `labels`, whatever its shape.
fn numbers(batch: &brewer::Batch) -> (Vec<i64>, Vec<f32>) {
    let labels = batch.get("labels").unwrap();
    assert_eq!(labels.kind(), tch::Kind::Float);
    (labels.size(), Vec::try_from(labels.flatten(0, -1)).unwrap())
}

#[test]
fn several_labels_of_an_example_are_a_number_for_each_class() {
    let several = with_task(Task::MultiLabel { labels: labels() });
    let examples = [
        json!({ "text": "good", "label": ["positive"] }),
        json!({ "text": "bad", "label": [] }),
        json!({ "text": "the film", "label": [1, "negative"] }),
        json!({ "text": "good", "label": [0.25, 1.0] }),
    ];
    let data = dataset(several.clone(), &examples);
    let (shape, found) = numbers(&data.batch(&[0, 1, 2, 3]).unwrap());
    assert_eq!((shape, found), (vec![4, 2], vec![0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.25, 1.0]));
    let counts = [("negative".to_owned(), 1), ("positive".to_owned(), 3)];
    assert_eq!(data.summary(&several).labels, counts);
    // A row without labels says nothing of any class.
    let data = dataset(several, &[examples[0].clone(), json!({ "text": "bad" })]);
    let (_, found) = numbers(&data.batch(&[0, 1]).unwrap());
    assert_eq!(found[..2], [0.0, 1.0]);
    assert!(found[2..].iter().all(|number| number.is_nan()), "{found:?}");
}

#[test]
fn a_number_is_a_label_of_a_regression() {
    let score = with_task(Task::Regression { labels: vec!["score".to_owned()] });
    let data = dataset(score.clone(), &[json!({ "text": "good", "label": 4 }), json!({ "text": "bad", "label": 0.5 })]);
    assert_eq!(numbers(&data.batch(&[0, 1]).unwrap()), (vec![2], vec![4.0, 0.5]));
    assert!(data.summary(&score).labels.is_empty());
    let both = with_task(Task::Regression { labels: labels() });
    let data = dataset(both, &[json!({ "input_ids": [4], "labels": [4, 0.5] }), json!({ "input_ids": [5, 4] })]);
    let (shape, found) = numbers(&data.batch(&[0, 1]).unwrap());
    assert_eq!((shape, &found[..2]), (vec![2, 2], &[4.0, 0.5][..]));
    assert!(found[2].is_nan() && found[3].is_nan());
}
