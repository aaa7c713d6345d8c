//! Matches between the outputs of modules.

use serde_json::{Value, json};

use crate::support::read_lines;
use crate::workspace::Workspace;

fn losses(workspace: &Workspace, scalar: &str) -> Vec<(Value, Value)> {
    workspace.run();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let steps = lines.iter().filter(|line| line.get("total_loss").is_some());
    steps.map(|line| (line["total_loss"].clone(), line[scalar].clone())).collect()
}

#[test]
fn a_match_of_layers_is_a_match_of_the_modules_that_return_them() {
    let layers = json!([{ "layer_T": 4, "layer_S": 2, "feature": "hidden", "loss": "hidden_mse", "weight": 2 }]);
    let modules = json!([{ "module_T": "bert.encoder.layer.3", "module_S": "bert.encoder.layer.1.output",
                           "loss": "hidden_mse", "weight": 2 }]);
    let width = Workspace::new().hidden_sizes();
    let sized = |mut matches: Value| {
        matches[0]["proj"] = json!(["linear", width.0, width.1]);
        matches
    };
    let of_layers = Workspace::new().with("distillation.intermediate_matches", sized(layers));
    let of_modules = Workspace::new().with("distillation.custom_matches", sized(modules));
    let expected = losses(&of_layers, "unweighted_hidden_hidden_mse_2_4");
    let scalar = "unweighted_custom_hidden_mse_bert.encoder.layer.1.output_bert.encoder.layer.3";
    assert!(expected.iter().all(|(_, loss)| loss.is_number()));
    assert_eq!(losses(&of_modules, scalar), expected);
}

#[test]
fn modules_that_no_output_is_returned_by_are_learnt_from_too() {
    let custom = |name: &str, loss: &str| {
        json!({ "module_T": format!("bert.encoder.layer.3.{name}"), "module_S": format!("bert.encoder.layer.1.{name}"),
                "loss": loss, "weight": 1 })
    };
    let (student, teacher) = Workspace::new().hidden_sizes();
    let mut matches = vec![custom("attention.self.query", "hidden_mse"), custom("attention.output", "cos")];
    matches.iter_mut().for_each(|one| one["proj"] = json!(["tanh", student, teacher]));
    let workspace = Workspace::new().with("distillation.custom_matches", json!(matches));
    let scalar = "unweighted_custom_hidden_mse_bert.encoder.layer.1.attention.self.query_\
                  bert.encoder.layer.3.attention.self.query";
    let found = losses(&workspace, scalar);
    assert!(found[0].1.as_f64() > found[5].1.as_f64(), "{found:?}");
}

#[test]
fn a_module_that_is_not_there_is_named() {
    let one = json!({ "module_T": "bert.encoder.layer.9.output", "module_S": "bert.encoder.layer.0.output",
                      "loss": "hidden_mse", "weight": 1 });
    let mut workspace = Workspace::new().with("distillation.custom_matches", json!([one]));
    workspace.refuses(&["custom_matches", "the teacher has no module `bert.encoder.layer.9.output`", "did you mean"]);
    workspace.set(
        "distillation.custom_matches",
        json!([{ "module_T": ["bert.pooler"], "module_S": "bert.pooler",
                                                          "loss": "hidden_mse", "weight": 1 }]),
    );
    workspace.refuses(&["custom_matches[0].module_T", "one, because `hidden_mse` compares one layer"]);
}
