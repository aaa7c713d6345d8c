use tch::Tensor;

use super::ModelFeatures;
use crate::loss::{CustomMatch, IntermediateMatch, LayerIndex, LossError, ModuleNames};
use crate::{Feature, Features, Layer, Result};

/// What a match compares.
pub(super) enum Operands {
    /// Layers of a feature that the adaptors return.
    Layers { feature: Feature, teacher: LayerIndex, student: LayerIndex },
    /// Outputs of modules inside the models.
    Modules { teacher: ModuleNames, student: ModuleNames },
}

impl From<&IntermediateMatch> for Operands {
    fn from(spec: &IntermediateMatch) -> Self {
        Operands::Layers { feature: spec.feature, teacher: spec.layer_t.clone(), student: spec.layer_s.clone() }
    }
}

impl From<&CustomMatch> for Operands {
    fn from(spec: &CustomMatch) -> Self {
        Operands::Modules { teacher: spec.module_t.clone(), student: spec.module_s.clone() }
    }
}

impl Operands {
    /// TextBrewer's name of the match's scalar: `hidden_hidden_mse_2_6`, the student's layer first; of modules
    /// `custom_hidden_mse_STUDENT_TEACHER`.
    pub fn name(&self, loss: &str) -> String {
        match self {
            Operands::Layers { feature, teacher, student } => {
                format!("{feature}_{loss}_{}_{}", student.label(), teacher.label())
            }
            Operands::Modules { teacher, student } => {
                format!("custom_{loss}_{}_{}", student.as_slice().join("-"), teacher.as_slice().join("-"))
            }
        }
    }

    /// The student's layers that are compared, as messages call them: `hidden[2]`. The outputs of modules are the engine's.
    pub fn layers_of_student<'f>(&self, features: &'f Features) -> Vec<(String, &'f Tensor)> {
        let Operands::Layers { feature, student, .. } = self else { return vec![] };
        let layers = student.as_slice().iter().zip(self.of(features, false));
        layers.filter_map(|(index, layer)| Some((format!("{feature}[{index}]"), layer?))).collect()
    }

    /// For people: `student hidden 2 and teacher hidden 6`.
    pub fn detail(&self) -> String {
        match self {
            Operands::Layers { feature, teacher, student } => {
                format!("student {feature} {} and teacher {feature} {}", student.label(), teacher.label())
            }
            Operands::Modules { teacher, student } => {
                format!("student {} and teacher {}", student.as_slice().join(", "), teacher.as_slice().join(", "))
            }
        }
    }

    /// Whether each side has as many operands as the loss takes. `key` is the match's own.
    pub fn check_count(&self, key: &str, loss: &str, count: usize) -> Result<()> {
        let (names, is_list, lengths, found) = match self {
            Operands::Layers { teacher, student, .. } => (
                ["layer_T", "layer_S"],
                [teacher, student].map(|layers| matches!(layers, LayerIndex::Several(_))),
                [teacher, student].map(|layers| layers.as_slice().len()),
                [teacher, student].map(|layers| serde_json::to_string(layers).unwrap_or_default()),
            ),
            Operands::Modules { teacher, student } => (
                ["module_T", "module_S"],
                [teacher, student].map(|names| matches!(names, ModuleNames::Several(_))),
                [teacher, student].map(|names| names.as_slice().len()),
                [teacher, student].map(|names| serde_json::to_string(names).unwrap_or_default()),
            ),
        };
        for (side, found) in found.into_iter().enumerate() {
            if is_list[side] == (count > 1) && lengths[side] == count {
                continue;
            }
            let expected = match count {
                1 => format!("one, because `{loss}` compares one layer"),
                count => format!("a list of {count}, because `{loss}` compares {count} layers"),
            };
            return Err(LossError::Value { key: format!("{key}.{}", names[side]), found, expected }.into());
        }
        Ok(())
    }

    /// The operands of one side, each `None` where the features lack it.
    pub fn of<'f>(&self, features: &'f Features, of_teacher: bool) -> Vec<Option<&'f Tensor>> {
        match self {
            Operands::Layers { feature, teacher, student } => {
                let layers = features.layers(*feature);
                let indices = if of_teacher { teacher } else { student };
                let find = |index: &i64| layers[position(*index, layers)?].tensor.as_ref();
                indices.as_slice().iter().map(find).collect()
            }
            Operands::Modules { .. } => {
                self.modules(of_teacher).iter().map(|name| features.modules.get(name)).collect()
            }
        }
    }

    /// The layers of one side by their positions among the features; none of modules.
    pub fn positions(&self, features: &Features, of_teacher: bool) -> Vec<(Feature, usize)> {
        let Operands::Layers { feature, teacher, student } = self else { return vec![] };
        let indices = if of_teacher { teacher } else { student };
        let layers = features.layers(*feature);
        let positions = indices.as_slice().iter().filter_map(|index| position(*index, layers));
        positions.map(|position| (*feature, position)).collect()
    }

    /// Whether they are attention maps, whose last dimensions are positions both.
    pub fn are_attention(&self) -> bool {
        matches!(self, Operands::Layers { feature: Feature::Attention, .. })
    }

    /// The modules of one side.
    pub fn modules(&self, of_teacher: bool) -> &[String] {
        match self {
            Operands::Layers { .. } => &[],
            Operands::Modules { teacher, .. } if of_teacher => teacher.as_slice(),
            Operands::Modules { student, .. } => student.as_slice(),
        }
    }

    /// The shapes of one side's operands; an error says what the adaptor did not return.
    pub fn shapes(&self, key: &str, side: &ModelFeatures<'_>, of_teacher: bool) -> Result<Vec<Vec<i64>>> {
        let found = self.of(side.features, of_teacher);
        let Operands::Layers { feature, teacher, student } = self else {
            // The engine puts them there or says that the model has none of that name.
            return Ok(found.into_iter().flatten().map(Tensor::size).collect());
        };
        let layers = side.features.layers(*feature);
        let (feature, output) = match feature {
            Feature::Hidden => ("hidden", "hidden_states"),
            Feature::Attention => ("attention", "attentions"),
        };
        if layers.is_empty() {
            return Err(side.missing(feature, key, &format!("Return the model's `{output}`.")).into());
        }
        let (name, indices) = if of_teacher { ("layer_T", teacher) } else { ("layer_S", student) };
        let size = |(index, layer): (&i64, Option<&Tensor>)| match layer {
            Some(layer) => Ok(layer.size()),
            None => Err(LossError::Layer {
                match_name: key.to_owned(),
                key: name,
                layer: *index,
                adaptor: side.adaptor.clone(),
                feature: feature.into(),
                side: side.label.to_owned(),
                count: layers.len(),
            }
            .into()),
        };
        indices.as_slice().iter().zip(found).map(size).collect()
    }
}

/// The position that an index means in a list, counting from the end if it is negative.
fn position(index: i64, layers: &[Layer]) -> Option<usize> {
    let length = layers.len() as i64;
    let position = if index < 0 { index + length } else { index };
    (0..length).contains(&position).then_some(position as usize)
}
