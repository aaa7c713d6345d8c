//! What is wrong is said with its file and line, what was found and what was expected.

use brewer::Fault;
use brewer::data::{DataConfig, DataError, Dataset, TextColumns};
use brewer::model::ModelSpec;
use serde_json::{Value, json};

use crate::support::{Files, model, token_model};

/// The message for rows of which the last is wrong.
fn refused(model: ModelSpec, rows: &[Value]) -> String {
    let files = Files::new(model);
    let message = files.read_rows(rows).unwrap_err();
    let place = format!("train.jsonl:{}: ", rows.len());
    message.strip_prefix(&place).unwrap_or_else(|| panic!("not at {place}: {message}")).to_owned()
}

fn refused_line(line: &[u8]) -> String {
    let files = Files::new(model());
    files.write("train.jsonl", [b"{\"text\": \"good\"}\n\n", line, b"\n{\"text\": 1}\n"].concat());
    let message = files.read("train.jsonl").unwrap_err();
    message.strip_prefix("train.jsonl:3: ").unwrap_or_else(|| panic!("not at line 3: {message}")).to_owned()
}

#[test]
fn lines_that_are_no_objects() {
    assert_eq!(
        refused_line(b"{\"text\": \"good\", }"),
        "broken JSON at column 18: trailing comma; expected one JSON object a line"
    );
    assert_eq!(
        refused_line(b"{\"text\": \"good\""),
        "broken JSON at column 15: EOF while parsing an object; expected one JSON object a line"
    );
    assert_eq!(refused_line(b"[1, 2]"), "a list of 2 instead of a row; expected one JSON object a line");
    assert_eq!(
        refused_line(b"{\"text\": \"caf\xe9\"}"),
        "invalid UTF-8 at byte 14 of the line; expected text in UTF-8"
    );
}

#[test]
fn texts() {
    let good = json!({ "text": "good", "label": 1 });
    assert_eq!(
        refused(model(), &[json!({ "sentence": "good", "label": 1 })]),
        "there is no column `text`, which the data's `text` names; the row has `sentence`, `label`"
    );
    assert_eq!(
        refused(model(), &[good.clone(), json!({})]),
        "there is no column `text`, which the data's `text` names; the row is empty"
    );
    assert_eq!(refused(model(), &[good.clone(), json!({ "text": 5 })]), "`text` is 5; expected a text");
    assert_eq!(
        refused(model(), &[good.clone(), json!({ "input_ids": [4] })]),
        "`input_ids` is here and not in the rows before; expected it in every row or in none"
    );
    assert_eq!(
        refused(model(), &[json!({ "text": "good", "label": ["x"] })]),
        "`label` is a list of 1; expected an integer from 0 to 1, the name of a label, or -100 for none: the model has \
         one label for each example"
    );
    assert_eq!(
        refused(token_model(), &[good]),
        "`label` cannot be the label of a text, as the model has a label for each token; expected rows with \
         `input_ids` and a list of labels"
    );
}

#[test]
fn a_broken_text_before_a_broken_row_is_the_first() {
    let files = Files::new(model());
    let mut tokenizer = crate::support::tokenizer();
    tokenizer["post_processor"] = Value::Null;
    files.write("tokenizer.json", tokenizer.to_string());
    let rows = [json!({ "text": "good" }), json!({ "text": " " }), json!({ "text": 1 })];
    assert_eq!(files.read_rows(&rows).unwrap_err(), "train.jsonl:2: the text has no tokens; expected at least one");
}

#[test]
fn labels() {
    let label = |label: Value| refused(model(), &[json!({ "text": "good", "label": label })]);
    let expected = "expected an integer from 0 to 1, the name of a label, or -100 for none: the model has one label for \
                    each example";
    assert_eq!(label(json!(2)), format!("`label` is 2; {expected}"));
    assert_eq!(label(json!(-1)), format!("`label` is -1; {expected}"));
    assert_eq!(label(json!(0.5)), format!("`label` is 0.5; {expected}"));
    assert_eq!(
        label(json!("Postive")),
        "the label `Postive` is not one of the model's; did you mean `positive`? expected an index or one of \
         `negative`, `positive`"
    );
    assert_eq!(
        label(json!("x")),
        "the label `x` is not one of the model's; expected an index or one of `negative`, `positive`"
    );
    assert_eq!(
        refused(model(), &[json!({ "text": "good", "label": 0, "labels": 0 })]),
        "`label` and `labels` both give the label; expected one of them"
    );
}

#[test]
fn long_values_are_shown_by_their_beginning() {
    let long = "x".repeat(100);
    let begin = format!("{}…", "x".repeat(40));
    let message = refused(model(), &[json!({ "text": "good", "label": long })]);
    assert!(message.starts_with(&format!("the label `{begin}` is not one of the model's; ")));
    let message = refused(model(), &[json!({ "input_ids": [4], "attention_mask": long })]);
    assert_eq!(message, format!("`attention_mask` is the text \"{begin}\"; expected a list of integers"));
}

#[test]
fn labels_of_tokens() {
    let labels = |labels: Value| refused(token_model(), &[json!({ "input_ids": [4, 5], "labels": labels })]);
    assert_eq!(labels(json!(1)), "`labels` is 1; expected a list of labels: the model has one for each token");
    assert_eq!(labels(json!([1])), "`labels` has length 1; expected 2, as many as `input_ids`");
    assert_eq!(
        labels(json!([0, 2])),
        "`labels` holds 2 at position 1; expected an integer from 0 to 1, the name of a label, or -100 for none"
    );
}

#[test]
fn tokens() {
    let ids = |ids: Value| refused(model(), &[json!({ "input_ids": [4] }), json!({ "input_ids": ids })]);
    assert_eq!(ids(json!([])), "`input_ids` is empty; expected at least one token");
    assert_eq!(ids(json!("a")), "`input_ids` is the text \"a\"; expected a list of integers");
    assert_eq!(ids(json!([4, 4.5])), "`input_ids` holds 4.5 at position 1; expected an integer");
    for id in [-1, 10] {
        assert_eq!(
            ids(json!([4, id])),
            format!(
                "`input_ids` holds {id} at position 1; expected 0 to 9, the model's vocabulary has 10: was the row \
                 made with another tokenizer?"
            )
        );
    }
    assert_eq!(ids(json!(vec![4; 13])), "13 tokens; expected at most 12, the model's longest input");
    assert_eq!(
        refused(model(), &[json!({ "input_ids": [4] }), json!({ "text": "good" })]),
        "`input_ids` is missing; the rows before have it: expected it in every row or in none"
    );
    let mut files = Files::new(model());
    files.config.max_length = std::num::NonZeroUsize::new(3);
    assert_eq!(
        files.read_rows(&[json!({ "input_ids": vec![4; 4] })]).unwrap_err(),
        "train.jsonl:1: 4 tokens; expected at most 3, the data's max_length"
    );
}

#[test]
fn columns_beside_tokens() {
    let row = |name: &str, value: Value| refused(model(), &[json!({ "input_ids": [4, 5], name: value })]);
    assert_eq!(row("attention_mask", json!([1])), "`attention_mask` has length 1; expected 2, as many as `input_ids`");
    assert_eq!(
        row("attention_mask", json!([1, 2])),
        "`attention_mask` holds 2 at position 1; expected an integer from 0 to 1"
    );
    assert_eq!(row("attention_mask", json!(1)), "`attention_mask` is 1; expected a list of integers");
    assert_eq!(
        row("token_type_ids", json!([0, 2])),
        "`token_type_ids` holds 2 at position 1; expected an integer from 0 to 1"
    );

    let rows = |first: Value, second: Value| {
        let row = |mut value: Value| {
            value["input_ids"] = json!([4, 5]);
            value
        };
        refused(model(), &[row(first), row(second)])
    };
    let missing = "is missing; the rows before have it: expected it in every row or in none";
    assert_eq!(rows(json!({ "id": 1 }), json!({})), format!("`id` {missing}"));
    assert_eq!(rows(json!({ "id": 1 }), json!({ "id": null })), format!("`id` {missing}"));
    assert_eq!(
        rows(json!({}), json!({ "attention_mask": [1, 1] })),
        "`attention_mask` is here and not in the rows before; expected it in every row or in none"
    );
    assert_eq!(
        rows(json!({ "id": 1 }), json!({ "id": "a" })),
        "`id` is the text \"a\"; expected a number, as in the rows before"
    );
    assert_eq!(
        rows(json!({ "x": [1, 2] }), json!({ "x": 3 })),
        "`x` is 3; expected a list of numbers, as in the rows before"
    );
    assert_eq!(
        rows(json!({ "x": [1, 2, 3] }), json!({ "x": [1, 2] })),
        "`x` has length 2; expected 3, as in the rows before"
    );
    assert_eq!(
        rows(json!({ "x": [1, 2] }), json!({ "x": [1, "a"] })),
        "`x` holds the text \"a\" at position 1; expected a number"
    );
    assert_eq!(
        refused(model(), &[json!({ "input_ids": [4, 5], "x": [1, 2] }), json!({ "input_ids": [4], "x": [1, 2, 3] })]),
        "`x` has length 3; expected 1, as many as `input_ids`, or 2, as in the rows before"
    );
}

/// Rows are parsed many at a time.
#[test]
fn of_many_broken_rows_the_first_is_named_with_its_line() {
    let files = Files::new(model());
    let mut lines = vec!["{\"text\": \"good\"}"; 3000];
    (lines[10], lines[1500], lines[1501], lines[2999]) = ("", "{\"text\": 1}", "{", "{");
    files.write("train.jsonl", lines.join("\n"));
    assert!(files.read("train.jsonl").unwrap_err().starts_with("train.jsonl:1501: `text` is 1"));
    lines[1500] = "{\"text\": \"bad\"}";
    files.write("train.jsonl", lines.join("\n"));
    assert!(files.read("train.jsonl").unwrap_err().starts_with("train.jsonl:1502: broken JSON"));
}

#[test]
fn files() {
    let files = Files::new(model());
    files.write("train.jsonl", "\n \n");
    assert_eq!(files.read("train.jsonl").unwrap_err(), "train.jsonl: there are no examples; expected at least one row");
    assert!(files.read("absent.jsonl").unwrap_err().starts_with("cannot read absent.jsonl: it does not exist"));
    files.write("train.csv", "text,label\n");
    assert_eq!(
        files.read("train.csv").unwrap_err(),
        "train.csv: this format is not supported; expected a file that ends in .jsonl or .json. Python makes one of it: \
         python3 -c 'import pandas; pandas.read_csv(\"train.csv\").to_json(\"train.jsonl\", orient=\"records\", \
         lines=True, force_ascii=False)'"
    );
    std::fs::create_dir(files.path("folder.jsonl")).unwrap();
    assert!(files.read("folder.jsonl").unwrap_err().starts_with("cannot read folder.jsonl: "));
}

#[test]
fn tokenizers() {
    let mut files = Files::new(model());
    let text = [json!({ "text": "good" })];
    let path = files.write("train.jsonl", text[0].to_string());
    let error = Dataset::read(&path, &DataConfig::default(), &files.model, None, &|_| {}).unwrap_err();
    assert!(matches!(error, DataError::NoTokenizer { .. }));
    assert_eq!(error.fault(), Fault::Input);

    files.config.text = TextColumns::Pair(["text".to_owned(), "text".to_owned()]);
    files.config.max_length = std::num::NonZeroUsize::new(3);
    assert_eq!(
        files.read_rows(&text).unwrap_err(),
        "max_length is 3; expected more than 3, the number of special tokens that tokenizer.json adds"
    );
    files.config.max_length = std::num::NonZeroUsize::new(13);
    assert_eq!(
        files.read_rows(&text).unwrap_err(),
        "max_length is 13; expected at most 12, the longest input of the model"
    );
    files.config = DataConfig::default();

    // The tokenizer is refused before a row is: this one has no text.
    files.model.inputs.columns[0].count = Some(9);
    assert_eq!(
        files.read_rows(&[json!({ "text": 1 })]).unwrap_err(),
        "tokenizer.json: the tokenizer does not fit the model: its 10 tokens go up to id 9, the model's vocabulary has \
         9; expected the tokenizer.json that the model was trained with"
    );
    files.write("tokenizer.json", "{}");
    assert!(files.read_rows(&text).unwrap_err().starts_with("tokenizer.json: not a tokenizer: "));
    std::fs::remove_file(files.path("tokenizer.json")).unwrap();
    assert!(files.read_rows(&text).unwrap_err().starts_with("cannot read tokenizer.json: "));
}
