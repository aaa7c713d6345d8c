use serde_json::{Map, Value};
use tch::{Device, Tensor};

use super::{Side, Term};
use crate::describe::shape;
use crate::loss::{IntermediateMatch, LayerIndex, LossError, MATCH_LOSSES, MatchLoss, match_loss};
use crate::projection::{PROJECTIONS, Projection, projection};
use crate::{Features, Layers, Result};

/// A loss between selected layers of both sides.
pub struct MatchTerm {
    spec: IntermediateMatch,
    /// Where the match stands, for messages: `distillation.intermediate_matches[0]`.
    key: String,
    loss: Box<dyn MatchLoss>,
    projection: Option<Box<dyn Projection>>,
}

impl MatchTerm {
    pub fn new(index: usize, spec: &IntermediateMatch, device: Device) -> Result<Self> {
        let key = format!("distillation.intermediate_matches[{index}]");
        let loss = match_loss(&spec.loss).ok_or_else(|| LossError::UnknownName {
            key: format!("{key}.loss"),
            name: spec.loss.clone(),
            known: MATCH_LOSSES,
        })?;
        for (name, layers) in [("layer_T", &spec.layer_t), ("layer_S", &spec.layer_s)] {
            check_layer_count(&key, name, layers, loss.as_ref())?;
        }
        let projection = match &spec.proj {
            None => None,
            Some(proj) => {
                let (dim_student, dim_teacher) = proj.sizes();
                if dim_student < 1 || dim_teacher < 1 {
                    return Err(LossError::Value {
                        key: format!("{key}.proj"),
                        found: format!("sizes {dim_student} and {dim_teacher}"),
                        expected: "sizes of at least 1".into(),
                    }
                    .into());
                }
                let made = projection(proj.kind(), dim_student, dim_teacher, device)?;
                Some(made.ok_or_else(|| LossError::UnknownName {
                    key: format!("{key}.proj"),
                    name: proj.kind().to_owned(),
                    known: PROJECTIONS,
                })?)
            }
        };
        Ok(Self { spec: spec.clone(), key, loss, projection })
    }

    /// TextBrewer's name of its scalar, without `unweighted_`: `hidden_hidden_mse_2_6`, the student's layer first.
    pub fn name(&self) -> String {
        let IntermediateMatch { feature, loss, layer_s, layer_t, .. } = &self.spec;
        format!("{feature}_{loss}_{}_{}", layer_s.label(), layer_t.label())
    }

    pub fn weight(&self) -> f64 {
        self.spec.weight
    }

    pub fn projection(&self) -> Option<&dyn Projection> {
        self.projection.as_deref()
    }

    /// The optimizer options of the projection.
    pub fn projection_options(&self) -> Map<String, Value> {
        self.spec.proj.as_ref().map(|proj| proj.options()).unwrap_or_default()
    }

    pub(super) fn compute(&self, student: &Features, teacher: &Features) -> Result<Tensor> {
        let mut of_student = self.select(student, false)?;
        let of_teacher = self.select(teacher, true)?;
        if let Some(projection) = &self.projection {
            of_student = of_student.iter().map(|layer| projection.project(layer)).collect::<Result<_>>()?;
        }
        self.loss.loss(&of_student, &of_teacher, student.inputs_mask.as_ref())
    }

    pub(super) fn used_layers<'f>(&self, features: &'f Features, of_teacher: bool) -> Vec<&'f Tensor> {
        let layers = features.layers(self.spec.feature);
        self.indices(of_teacher).iter().filter_map(|index| layers.get(position(*index, layers)?)?.as_ref()).collect()
    }

    /// The layers that the loss compares. The check before step 0 saw them; an adaptor that returns others later is
    /// refused.
    fn select(&self, features: &Features, of_teacher: bool) -> Result<Vec<Tensor>> {
        let layers: Vec<Tensor> =
            self.used_layers(features, of_teacher).into_iter().map(Tensor::shallow_clone).collect();
        if layers.len() != self.indices(of_teacher).len() {
            return Err(LossError::LayersChanged {
                match_name: self.key.clone(),
                feature: self.spec.feature.to_string(),
                side: if of_teacher { "teacher" } else { "student" },
            }
            .into());
        }
        Ok(layers)
    }

    fn indices(&self, of_teacher: bool) -> &[i64] {
        if of_teacher { self.spec.layer_t.as_slice() } else { self.spec.layer_s.as_slice() }
    }

    pub(super) fn check(&self, student: &Side<'_>, teacher: &Side<'_>) -> Result<()> {
        let student_shapes = self.layer_shapes(student, false)?;
        let teacher_shapes = self.layer_shapes(teacher, true)?;
        let projected = self.projected_shapes(&student_shapes)?;
        self.loss.check(&projected, &teacher_shapes).map_err(|expected| {
            let all = |shapes: &[Vec<i64>]| shapes.iter().map(|size| shape(size)).collect::<Vec<_>>().join(" and ");
            LossError::Shapes {
                match_name: self.key.clone(),
                student: all(&projected),
                teacher: all(&teacher_shapes),
                expected,
                hint: self.hint(&student_shapes, &teacher_shapes),
            }
        })?;
        Ok(())
    }

    fn projected_shapes(&self, shapes: &[Vec<i64>]) -> Result<Vec<Vec<i64>>> {
        let Some(proj) = &self.spec.proj else { return Ok(shapes.to_vec()) };
        let (dim_student, dim_teacher) = proj.sizes();
        shapes
            .iter()
            .map(|size| {
                let mut size = size.clone();
                match size.last_mut() {
                    Some(last) if *last == dim_student => *last = dim_teacher,
                    _ => {
                        return Err(LossError::Value {
                            key: format!("{}.proj", self.key),
                            found: format!("a projection from {dim_student} for layers {}", shape(&size)),
                            expected: "the size of the student's layers as its second element".into(),
                        }
                        .into());
                    }
                }
                Ok(size)
            })
            .collect()
    }

    /// What to do when shapes do not fit: most often a projection is missing.
    fn hint(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> String {
        let sizes = (student.first().and_then(|size| size.last()), teacher.first().and_then(|size| size.last()));
        match (&self.spec.proj, sizes) {
            (None, (Some(student), Some(teacher))) if student != teacher => {
                format!(r#"Add "proj": ["linear", {student}, {teacher}] to the match."#)
            }
            _ => "Choose other layers or another loss.".into(),
        }
    }

    fn layer_shapes(&self, side: &Side<'_>, of_teacher: bool) -> Result<Vec<Vec<i64>>> {
        let layers = side.features.layers(self.spec.feature);
        let (feature, name) = match self.spec.feature {
            crate::Feature::Hidden => ("hidden", "hidden_states"),
            crate::Feature::Attention => ("attention", "attentions"),
        };
        if layers.is_empty() {
            let hint = format!("Return the model's `{name}`.");
            return Err(side.missing(feature, &self.key, &hint).into());
        }
        self.indices(of_teacher)
            .iter()
            .map(|index| {
                let layer = position(*index, layers).and_then(|position| layers[position].as_ref());
                let layer = layer.ok_or_else(|| LossError::Layer {
                    match_name: self.key.clone(),
                    key: if of_teacher { "layer_T" } else { "layer_S" },
                    layer: *index,
                    adaptor: side.adaptor.to_owned(),
                    feature: feature.into(),
                    side: side.label.to_owned(),
                    count: layers.len(),
                })?;
                Ok(layer.size())
            })
            .collect()
    }

    pub(super) fn term(&self) -> Term {
        let IntermediateMatch { layer_s, layer_t, feature, loss, proj, weight } = &self.spec;
        let mut detail =
            format!("{loss} of student {feature} {} and teacher {feature} {}", layer_s.label(), layer_t.label());
        if let Some(proj) = proj {
            let (student, teacher) = proj.sizes();
            detail += &format!(", {} {student} → {teacher}", proj.kind());
        }
        Term { name: self.name(), weight: weight.to_string(), detail }
    }
}

/// The position that an index means in a list, counting from the end if it is negative.
fn position(index: i64, layers: &Layers) -> Option<usize> {
    let length = layers.len() as i64;
    let position = if index < 0 { index + length } else { index };
    (0..length).contains(&position).then_some(position as usize)
}

fn check_layer_count(key: &str, name: &str, layers: &LayerIndex, loss: &dyn MatchLoss) -> Result<()> {
    let expected = match (loss.num_layers(), layers) {
        (1, LayerIndex::One(_)) => return Ok(()),
        (count, LayerIndex::Several(layers)) if count > 1 && layers.len() == count => return Ok(()),
        (1, _) => format!("one number, because `{}` compares one layer", loss.name()),
        (count, _) => format!("a list of {count} numbers, because `{}` compares {count} layers", loss.name()),
    };
    Err(LossError::Value {
        key: format!("{key}.{name}"),
        found: serde_json::to_string(layers).unwrap_or_default(),
        expected,
    }
    .into())
}
