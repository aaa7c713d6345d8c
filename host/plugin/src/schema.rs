//! What a plugin's `config_schema` may be. It is a stranger's: checking a configuration against it must not take longer
//! than a moment, whatever it holds.

use serde_json::{Map, Value};

/// Schemas within the schema, each counted as often as it is referred to.
const MOST_SCHEMAS: u64 = 10_000;

/// Schemas within each other, references followed.
const MOST_NESTING: usize = 64;

/// Regular expressions, each counted as often as it is referred to.
const MOST_PATTERNS: u64 = 100;

/// Keywords that make the meaning of a part depend on what surrounds it, or the work on how often it is repeated.
const REFUSED: [&str; 7] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$vocabulary",
];

/// Keywords whose value is one schema, a list of schemas, or schemas by name.
const ONE: [&str; 10] = [
    "not",
    "if",
    "then",
    "else",
    "items",
    "additionalItems",
    "additionalProperties",
    "propertyNames",
    "contains",
    "contentSchema",
];
const LISTED: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const NAMED: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "dependencies"];

/// Refuses a schema that refers to itself, to another document, or to so much that it is no small one.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    let mut walk = Walk { root: schema, within: vec![], schemas: 0, patterns: 0 };
    walk.schema(schema)
}

/// The number of a configuration that stands for a scalar of the run.
pub(crate) const METRIC_NAME: &str = "metric-name";

/// The values that are names of scalars, by their place in the configuration: those whose schema says
/// `"format": "metric-name"`, in `properties` and `items`. What the configuration leaves out has the schema's `default`.
pub(crate) fn metric_names(schema: &Value, config: &Value) -> Vec<(String, String)> {
    let mut found = vec![];
    collect(schema, Some(config), "config".to_owned(), &mut found);
    found
}

fn collect(schema: &Value, value: Option<&Value>, key: String, found: &mut Vec<(String, String)>) {
    let value = value.or_else(|| schema.get("default"));
    if schema.get("format").and_then(Value::as_str) == Some(METRIC_NAME)
        && let Some(name) = value.and_then(Value::as_str)
    {
        found.push((key.clone(), name.to_owned()));
    }
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        collect(inner, value.and_then(|value| value.get(name)), format!("{key}.{name}"), found);
    }
    if let (Some(inner), Some(items)) = (schema.get("items"), value.and_then(Value::as_array)) {
        for (index, item) in items.iter().enumerate() {
            collect(inner, Some(item), format!("{key}.{index}"), found);
        }
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// The schemas that the walk is in, outermost first.
    within: Vec<*const Value>,
    schemas: u64,
    patterns: u64,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Value) -> Result<(), String> {
        self.schemas += 1;
        if self.schemas > MOST_SCHEMAS {
            return Err(format!("it comes to more than {MOST_SCHEMAS} schemas when its references are followed"));
        }
        if self.within.len() >= MOST_NESTING {
            return Err(format!("more than {MOST_NESTING} schemas stand within each other"));
        }
        let Some(keywords) = schema.as_object() else { return Ok(()) };
        self.within.push(schema);
        self.keywords(keywords)?;
        self.within.pop();
        Ok(())
    }

    fn keywords(&mut self, keywords: &'s Map<String, Value>) -> Result<(), String> {
        if let Some(refused) = REFUSED.iter().find(|keyword| keywords.contains_key(**keyword)) {
            return Err(format!("it uses `{refused}`, which a plugin's schema may not"));
        }
        // The outermost one is a name; one within changes what references mean.
        if self.within.len() > 1 && (keywords.contains_key("$id") || keywords.contains_key("id")) {
            return Err("it has an `$id` within, which a plugin's schema may not".to_owned());
        }
        let patterns = keywords.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
        self.patterns += patterns as u64 + u64::from(keywords.contains_key("pattern"));
        if self.patterns > MOST_PATTERNS {
            return Err(format!("it comes to more than {MOST_PATTERNS} patterns when its references are followed"));
        }
        for (keyword, value) in keywords {
            let keyword = keyword.as_str();
            match value {
                Value::Object(schemas) if NAMED.contains(&keyword) => {
                    schemas.values().try_for_each(|schema| self.schema(schema))?;
                }
                Value::Array(schemas) if LISTED.contains(&keyword) => {
                    schemas.iter().try_for_each(|schema| self.schema(schema))?;
                }
                value if ONE.contains(&keyword) => self.schema(value)?,
                Value::String(reference) if keyword == "$ref" => self.reference(reference)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn reference(&mut self, reference: &str) -> Result<(), String> {
        let Some(target) = self.target(reference) else {
            return Err(format!(
                "its `$ref` is `{reference}`; expected the place of a schema within it, such as `#/$defs/NAME`, without `%` and \
                 outside of schemas with an `$id`"
            ));
        };
        if self.within.contains(&std::ptr::from_ref(target)) {
            return Err(format!("`{reference}` refers to a schema that it is a part of"));
        }
        self.schema(target)
    }

    /// What a reference names, if validators and this walk find the same there. Validators decode `%`, take a `~` that escapes
    /// nothing for itself, and begin anew at a schema with an `$id`, within which the same reference names something else.
    fn target(&self, reference: &str) -> Option<&'s Value> {
        let pointer = reference.strip_prefix('#')?;
        let is_plain = |symbol: &str| symbol.starts_with(['0', '1']);
        if pointer.contains('%') || !pointer.split('~').skip(1).all(is_plain) {
            return None;
        }
        let ends = pointer.match_indices('/').skip(1).map(|(end, _)| end);
        for end in ends {
            let within = self.root.pointer(&pointer[..end])?;
            if ["$id", "id"].iter().any(|key| within.get(key).is_some_and(Value::is_string)) {
                return None;
            }
        }
        self.root.pointer(pointer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(schema: Value) -> String {
        check(&schema).expect_err("the schema passed")
    }

    /// Twenty schemas, each of which is the next one twice.
    fn doublings() -> Map<String, Value> {
        let mut steps = Map::new();
        for step in 0..20 {
            let next = json!({ "$ref": format!("#/$defs/{}", step + 1) });
            steps.insert(step.to_string(), json!({ "anyOf": [next, next] }));
        }
        steps.insert("20".to_owned(), json!({ "type": "string" }));
        steps
    }

    #[test]
    fn a_schema_may_not_multiply_nor_turn_in_circles() {
        let doubling = json!({ "$ref": "#/$defs/0", "$defs": doublings() });
        assert!(refusal(doubling).contains("more than 10000 schemas"));
        assert!(refusal(json!({ "$ref": "#" })).contains("a part of"));
        assert!(refusal(json!({ "properties": { "a": { "$ref": "#" } } })).contains("a part of"));
        assert!(refusal(json!({ "$ref": "file:///etc/passwd" })).contains("`file:///etc/passwd`"));
        assert!(refusal(json!({ "properties": { "a": { "unevaluatedProperties": false } } })).contains("unevaluated"));
        let nested = (0..70).fold(json!(true), |schema, _| json!({ "not": schema }));
        assert!(refusal(nested).contains("within each other"));
        let patterns: Vec<Value> = (0..300).map(|number| json!({ "pattern": format!("a{number}") })).collect();
        assert!(refusal(json!({ "allOf": patterns })).contains("more than 100 patterns"));
    }

    /// Each names `true` for one reader and twenty doublings for the other.
    #[test]
    fn a_reference_means_one_thing() {
        let doubling = |name: &str| {
            let mut steps = doublings();
            steps.insert(name.to_owned(), json!({ "$ref": "#/$defs/0" }));
            steps
        };
        let mut decoded = doubling("a1");
        decoded.insert("a%31".to_owned(), json!(true));
        assert!(refusal(json!({ "$ref": "#/$defs/a%31", "$defs": decoded })).contains("`#/$defs/a%31`"));
        let mut unescaped = doubling("~~1");
        unescaped.insert("~/".to_owned(), json!(true));
        assert!(refusal(json!({ "$ref": "#/$defs/~~1", "$defs": unescaped })).contains("`#/$defs/~~1`"));
        for id in ["$id", "id"] {
            let other = json!({
                id: "http://example.org/other",
                "$defs": doubling("B"),
                "properties": { "x": { "$ref": "#/$defs/B" } },
            });
            let schema = json!({ "$ref": "#/$defs/A/properties/x", "$defs": { "A": other, "B": true } });
            assert!(refusal(schema).contains("`#/$defs/A/properties/x`"), "{id}");
        }
        // A property that is called `id` is none.
        let plain = json!({ "properties": { "id": true, "a/b~": true, "c": { "$ref": "#/properties/a~1b~0" } } });
        assert_eq!(check(&plain), Ok(()));
    }

    #[test]
    fn what_tools_generate_passes() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.org/mine",
            "type": "object",
            "properties": {
                "mode": { "$ref": "#/$defs/Mode" },
                "other": { "$ref": "#/$defs/Mode" },
                "rate": { "anyOf": [{ "type": "number" }, { "type": "null" }], "default": 0.5 },
                "id": { "type": "string", "pattern": "^[a-z]+$" },
            },
            "$defs": { "Mode": { "enum": ["a", "b"] } },
        });
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn metrics_are_found_where_they_are_named_and_where_they_are_left_out() {
        let name = json!({ "type": "string", "format": "metric-name", "default": "dev_loss" });
        let schema = json!({ "properties": {
            "metric": name,
            "others": { "items": name },
            "label": { "type": "string" },
        } });
        let config = json!({ "others": ["a", "b"], "label": "c" });
        let expected = [("config.metric", "dev_loss"), ("config.others.0", "a"), ("config.others.1", "b")];
        let expected: Vec<_> = expected.map(|(key, name)| (key.to_owned(), name.to_owned())).into();
        assert_eq!(metric_names(&schema, &config), expected);
    }
}
