//! What is compared.

use serde_json::{Value, json};

/// One configuration that both run.
pub struct Case {
    pub name: &'static str,
    distiller: &'static str,
    distillation: Value,
}

impl Case {
    /// Brewer's experiment, which TextBrewer's side reads as well.
    pub fn experiment(&self) -> Value {
        let mut experiment = json!({
            "distiller": self.distiller,
            "student": { "model": "student" },
            "data": { "train": "train.jsonl", "batch_size": 32, "shuffle": false },
            "optimizer": { "name": "adamw", "lr": 1e-4, "weight_decay": 0.01 },
            "schedule": { "name": "linear", "num_warmup_steps": 4 },
            "training": { "num_epochs": 1, "output_dir": "brewer", "device": "cpu" },
            "distillation": self.distillation,
        });
        if self.distiller != "trainer" {
            experiment["teacher"] = json!({ "model": "teacher" });
        }
        experiment
    }
}

/// All cases, the simplest first.
pub fn all() -> Vec<Case> {
    let one = |feature: &str, loss: &str, student: u32, teacher: u32| json!({ "layer_T": teacher, "layer_S": student, "feature": feature, "loss": loss, "weight": 1 });
    let hidden =
        [one("hidden", "hidden_mse", 0, 0), one("hidden", "hidden_mse", 1, 3), one("hidden", "hidden_mse", 2, 6)];
    let maps = [one("attention", "attention_mse", 0, 2), one("attention", "attention_mse", 1, 5)];
    let case = |name, distiller, distillation| Case { name, distiller, distillation };
    vec![
        case("trainer", "trainer", json!({})),
        case("basic", "basic", json!({ "temperature": 4, "hard_label_weight": 0.5 })),
        case("general, hidden states", "general", json!({ "temperature": 4, "intermediate_matches": hidden })),
        case("general, attention maps", "general", json!({ "temperature": 4, "intermediate_matches": maps })),
    ]
}
