use brewer::data::{DataConfig, Order, TextColumns};
use serde_json::json;

fn parse(config: serde_json::Value) -> Result<DataConfig, String> {
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn absent_keys_have_their_defaults() {
    let config = parse(json!({ "train": "train.jsonl", "seed": 3 })).unwrap();
    assert_eq!(config.text, TextColumns::Single("text".to_owned()));
    assert_eq!((config.label.as_str(), config.batch_size.get(), config.eval_batch_size().get()), ("label", 32, 32));
    assert_eq!(config.train_order(7), Order::Shuffled { seed: 3 });
    assert_eq!(parse(json!({})).unwrap().train_order(7), Order::Shuffled { seed: 7 });
    assert_eq!(parse(json!({ "shuffle": false })).unwrap().train_order(7), Order::File);
}

#[test]
fn a_resolved_configuration_reads_as_itself() {
    let config =
        parse(json!({ "dev": "d.jsonl", "text": ["a", "b"], "max_length": 64, "eval_batch_size": 8 })).unwrap();
    assert_eq!(parse(serde_json::to_value(&config).unwrap()).unwrap(), config);
}

#[test]
fn wrong_keys_and_values_are_refused() {
    let refused = |config| parse(config).unwrap_err();
    assert!(refused(json!({ "batchsize": 8 })).contains("unknown field `batchsize`"));
    assert!(refused(json!({ "batch_size": 0 })).contains("nonzero"));
    assert_eq!(refused(json!({ "text": ["a"] })), "expected the name of a column or a pair of names");
}

#[test]
fn the_schema_describes_every_key() {
    let schema = schemars::schema_for!(DataConfig).to_value();
    let keys = schema["properties"].as_object().unwrap();
    assert_eq!(keys.len(), 11);
    assert!(keys.values().all(|key| key["description"].is_string()), "{schema:#}");
    assert_eq!(keys["batch_size"]["default"], 32);
}
