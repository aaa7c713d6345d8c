//! How a configuration names one of several: a registry is an enum of the built-ins and `Plugin`, and is written as in
//! TextBrewer, `"ce"` or `["js", 0.5]`, or as `"plugin:mine"`.

use std::fmt;

use schemars::Schema;
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, VariantAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

use crate::json::in_plain_words;

/// What a plugin's name begins with where a built-in could be named.
pub const PLUGIN_PREFIX: &str = "plugin:";

/// The variant of plugins, as lists of what is known show it.
const PLUGIN_VARIANT: &str = "plugin:NAME";

/// Makes an enum a registry. Its variants are built-ins, each with named numbers or without, and `Plugin(String)`, which
/// is renamed to `plugin:NAME`; it derives serde's traits with `#[serde(remote = "Self")]`, for this to wrap.
macro_rules! registry {
    ($config:ident) => {
        impl<'de> serde::Deserialize<'de> for $config {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let written = crate::named::Written::deserialize(deserializer)?;
                $config::deserialize(written).map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $config {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&self.written().into_value(), serializer)
            }
        }

        impl std::fmt::Display for $config {
            /// `ce`, `js 0.5`, `plugin:mine`.
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.written().fmt(formatter)
            }
        }

        impl $config {
            fn written(&self) -> crate::named::Written {
                let derived = $config::serialize(self, serde_json::value::Serializer);
                crate::named::Written::from_derived(derived.expect("a name and numbers are JSON"))
            }

            /// The name alone: without parameters, and of a plugin its own.
            pub fn name(&self) -> String {
                self.plugin().map_or_else(|| self.written().name, str::to_owned)
            }

            /// The name of the plugin, if it is one.
            pub fn plugin(&self) -> Option<&str> {
                match self {
                    Self::Plugin(name) => Some(name),
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use registry;

/// A name and its parameters. It deserializes as the variant of that name.
pub(crate) struct Written {
    pub name: String,
    parameters: Vec<Value>,
}

impl Written {
    /// What serde's derive makes of a variant, as it is written.
    pub(crate) fn from_derived(derived: Value) -> Self {
        let (name, content) = match derived {
            Value::Object(variant) => variant.into_iter().next().expect("a variant with contents is under its name"),
            name => (name.as_str().expect("a variant without contents is its name").to_owned(), Value::Null),
        };
        match content {
            Value::String(plugin) => Self { name: format!("{PLUGIN_PREFIX}{plugin}"), parameters: vec![] },
            Value::Object(parameters) => Self { name, parameters: parameters.into_values().collect() },
            _ => Self { name, parameters: vec![] },
        }
    }

    pub(crate) fn into_value(self) -> Value {
        match self.parameters.is_empty() {
            true => Value::String(self.name),
            false => [Value::String(self.name)].into_iter().chain(self.parameters).collect(),
        }
    }

    fn refused(self, expected: impl fmt::Display) -> serde_json::Error {
        serde_json::Error::custom(format_args!("{}; expected {expected}", self.into_value()))
    }
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        for parameter in &self.parameters {
            match parameter.as_f64() {
                Some(number) => write!(formatter, " {number}")?,
                None => write!(formatter, " {parameter}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::String(name) => return Ok(Self { name: name.clone(), parameters: vec![] }),
            Value::Array(list) => {
                if let [Value::String(name), parameters @ ..] = list.as_slice() {
                    return Ok(Self { name: name.clone(), parameters: parameters.to_vec() });
                }
            }
            _ => {}
        }
        Err(D::Error::custom(format_args!("{value}; expected a name or a list of a name and its parameters")))
    }
}

impl<'de> Deserializer<'de> for Written {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Written {
    type Error = serde_json::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Self::Error> {
        let variant = if self.name.starts_with(PLUGIN_PREFIX) { PLUGIN_VARIANT } else { &self.name };
        Ok((seed.deserialize(StrDeserializer::<Self::Error>::new(variant))?, self))
    }
}

impl<'de> VariantAccess<'de> for Written {
    type Error = serde_json::Error;

    /// A built-in without parameters.
    fn unit_variant(self) -> Result<(), Self::Error> {
        match self.parameters.is_empty() {
            true => Ok(()),
            false => {
                let expected = format!("no parameters: {:?}", self.name);
                Err(self.refused(expected))
            }
        }
    }

    /// A plugin: it has a configuration of its own in place of parameters.
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error> {
        if !self.parameters.is_empty() {
            let expected = format!("{:?} alone; its parameters are the plugin's `config`", self.name);
            return Err(self.refused(expected));
        }
        let name = self.name.strip_prefix(PLUGIN_PREFIX).unwrap_or(&self.name);
        seed.deserialize(name.into_deserializer())
    }

    /// A built-in with parameters, in the order of its fields; those that have a default may be left out.
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let form = format!(r#"["{}", {}]"#, self.name, fields.join(", "));
        if self.parameters.len() > fields.len() {
            return Err(self.refused(form));
        }
        let parameters = self.parameters.iter().cloned();
        visitor.visit_seq(SeqDeserializer::new(parameters)).map_err(|error: Self::Error| {
            let reason = in_plain_words(&error.to_string());
            self.refused(format_args!("{form} ({reason})"))
        })
    }

    /// No registry has such a variant.
    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(self.refused("a name"))
    }
}

/// The JSON Schema of a registry, from the one that is derived: an object with one key, and the parameters under it,
/// becomes the list of name and parameters.
pub(crate) fn schema(derived: &mut Schema) {
    let Some(Value::Array(variants)) = derived.get_mut("oneOf") else { return };
    for variant in variants {
        let Value::Object(variant) = variant else { continue };
        let Some(Value::Object(mut content)) = variant.remove("properties") else { continue };
        let Some((name, Value::Object(content))) = content.iter_mut().next() else { continue };
        for key in ["type", "required", "additionalProperties"] {
            variant.remove(key);
        }
        match content.remove("properties") {
            Some(Value::Object(parameters)) => {
                let required = content.get("required").and_then(Value::as_array).map_or(0, Vec::len);
                variant.insert("anyOf".into(), forms(name, parameters, required).into());
            }
            _ => {
                variant.insert("type".into(), "string".into());
                variant.insert("pattern".into(), format!("^{PLUGIN_PREFIX}.").into());
            }
        }
    }
}

/// The list of a name and its parameters, of which the first `required` must be there; and the name alone if none must.
fn forms(name: &str, parameters: Map<String, Value>, required: usize) -> Vec<Value> {
    let mut items = vec![json!({ "const": name })];
    for (parameter, mut schema) in parameters {
        schema["title"] = parameter.into();
        items.push(schema);
    }
    let list = json!({ "type": "array", "maxItems": items.len(), "minItems": 1 + required, "prefixItems": items });
    match required {
        0 => vec![json!({ "type": "string", "const": name }), list],
        _ => vec![list],
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case", remote = "Self")]
    #[schemars(remote = "Fruit", transform = super::schema)]
    enum Fruit {
        /// Round.
        Apple,
        /// Long.
        WaterMelon {
            length: f64,
            /// In parts.
            #[serde(default)]
            weight: f64,
        },
        /// Another's.
        #[serde(rename = "plugin:NAME")]
        Plugin(String),
    }

    registry!(Fruit);

    fn read(value: Value) -> Result<Fruit, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_variant_is_a_name_or_a_list() {
        let fruit = |weight| Fruit::WaterMelon { length: 2.0, weight };
        for (value, expected, shown) in [
            (json!("apple"), Fruit::Apple, "apple"),
            (json!(["apple"]), Fruit::Apple, "apple"),
            (json!(["water_melon", 2]), fruit(0.0), "water_melon 2 0"),
            (json!(["water_melon", 2, 0.5]), fruit(0.5), "water_melon 2 0.5"),
            (json!("plugin:mine"), Fruit::Plugin("mine".into()), "plugin:mine"),
        ] {
            let found = read(value.clone()).unwrap();
            assert_eq!((&found, found.to_string().as_str()), (&expected, shown));
            assert_eq!(read(serde_json::to_value(&found).unwrap()).unwrap(), expected, "{value}");
        }
        let plugin = read(json!("plugin:mine")).unwrap();
        assert_eq!((plugin.plugin(), plugin.name().as_str()), (Some("mine"), "mine"));
        assert_eq!((fruit(1.0).plugin(), fruit(1.0).name().as_str()), (None, "water_melon"));
    }

    #[test]
    fn what_is_no_variant_says_what_was_expected() {
        for (value, expected) in [
            (json!("aple"), "unknown variant `aple`, expected one of `apple`, `water_melon`, `plugin:NAME`"),
            (json!(["apple", 1]), r#"["apple",1]; expected no parameters"#),
            (json!("water_melon"), r#""water_melon"; expected ["water_melon", length, weight] (invalid length 0"#),
            (json!(["water_melon", 1, 2, 3]), r#"expected ["water_melon", length, weight]"#),
            (json!(["water_melon", "long"]), r#"(the text "long"; expected a number)"#),
            (json!(["plugin:mine", 1]), r#"expected "plugin:mine" alone; its parameters are the plugin's `config`"#),
            (json!([]), "[]; expected a name or a list of a name and its parameters"),
            (json!(5), "5; expected a name or a list of a name and its parameters"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_schema_lists_names_and_parameters() {
        let schema = schema_for!(Fruit).to_value();
        assert_eq!(schema["title"], "Fruit");
        let variants = schema["oneOf"].as_array().unwrap();
        assert_eq!(variants[0]["const"], "apple");
        let list = &variants[1]["anyOf"][0];
        assert_eq!((&list["minItems"], &list["maxItems"]), (&json!(2), &json!(3)));
        let items = list["prefixItems"].as_array().unwrap();
        assert_eq!(items[0]["const"], "water_melon");
        assert_eq!((&items[2]["title"], &items[2]["description"]), (&json!("weight"), &json!("In parts.")));
        assert_eq!(variants[2]["pattern"], "^plugin:.");
    }
}
