use serde_json::{Map, Value};
use tch::{Device, Tensor};

use super::operands::Operands;
use super::{ModelFeatures, Term, check_gradient};
use crate::describe::{describe, shape};
use crate::loss::config::ProjectionSpec;
use crate::loss::matching::{MatchLoss, MatchLossConfig};
use crate::loss::{CustomMatch, IntermediateMatch, LossError, PluginLosses};
use crate::projection::{PROJECTIONS, Projection, projection};
use crate::{Feature, Features, Result, RoleState, StepContext};

/// A loss between selected layers, or modules, of both sides.
pub struct MatchTerm {
    /// Where the match stands, for messages: `distillation.intermediate_matches[0]`.
    key: String,
    operands: Operands,
    loss: Box<dyn MatchLoss>,
    /// The loss as the configuration names it.
    loss_spec: MatchLossConfig,
    weight: f64,
    proj: Option<ProjectionSpec>,
    projection: Option<Box<dyn Projection>>,
}

impl MatchTerm {
    /// The match of two layers; its projection is created on `device`.
    pub fn intermediate(
        index: usize,
        spec: &IntermediateMatch,
        device: Device,
        plugins: &mut dyn PluginLosses,
    ) -> Result<Self> {
        let key = format!("distillation.intermediate_matches[{index}]");
        Self::new(key, spec.into(), &spec.loss, spec.weight, spec.proj.as_ref(), device, plugins)
    }

    /// The match of two modules; its projection is created on `device`.
    pub fn custom(index: usize, spec: &CustomMatch, device: Device, plugins: &mut dyn PluginLosses) -> Result<Self> {
        let key = format!("distillation.custom_matches[{index}]");
        Self::new(key, spec.into(), &spec.loss, spec.weight, spec.proj.as_ref(), device, plugins)
    }

    fn new(
        key: String,
        operands: Operands,
        loss_spec: &MatchLossConfig,
        weight: f64,
        proj: Option<&ProjectionSpec>,
        device: Device,
        plugins: &mut dyn PluginLosses,
    ) -> Result<Self> {
        let loss_key = format!("{key}.loss");
        let loss = loss_spec.make(|name| plugins.match_loss(&loss_key, name))?;
        operands.check_count(&key, loss.name(), loss.num_layers())?;
        let projection = proj.map(|proj| new_projection(&key, proj, device)).transpose()?;
        Ok(Self { key, operands, loss, loss_spec: loss_spec.clone(), weight, proj: proj.cloned(), projection })
    }

    /// TextBrewer's name of its scalar, without `unweighted_`.
    pub fn name(&self) -> String {
        self.operands.name(&self.loss_spec.name())
    }

    /// Its weight in the sum.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The projection of the student's layers, if there is one.
    pub fn projection(&self) -> Option<&dyn Projection> {
        self.projection.as_deref()
    }

    /// The optimizer options of the projection.
    pub fn projection_options(&self) -> Map<String, Value> {
        self.proj.as_ref().map(ProjectionSpec::options).unwrap_or_default()
    }

    pub(super) fn begin_step(&mut self, context: &StepContext) {
        self.loss.begin_step(context);
    }

    /// What the loss remembers, with the key that names it.
    pub(super) fn state(&mut self) -> Option<(String, &mut dyn RoleState)> {
        Some((format!("{}.loss", self.key), self.loss.state()?))
    }

    pub(super) fn compute(&mut self, student: &Features, teacher: &Features) -> Result<Tensor> {
        let mut of_student = self.select(student, false)?;
        let of_teacher = self.select(teacher, true)?;
        if let Some(projection) = &self.projection {
            of_student = of_student.iter().map(|layer| projection.project(layer)).collect::<Result<_>>()?;
        }
        self.loss.loss(&of_student, &of_teacher, student.inputs_mask.as_ref())?.mean()
    }

    /// The positions of the layers that it compares.
    pub(super) fn used_layers(&self, features: &Features, of_teacher: bool) -> Vec<(Feature, usize)> {
        self.operands.positions(features, of_teacher)
    }

    /// The modules whose output it compares.
    pub(super) fn modules(&self, of_teacher: bool) -> &[String] {
        self.operands.modules(of_teacher)
    }

    /// The layers that the loss compares. The check before step 0 saw them; an adaptor that returns others later is
    /// refused.
    fn select(&self, features: &Features, of_teacher: bool) -> Result<Vec<Tensor>> {
        let layers = self.operands.of(features, of_teacher).into_iter();
        layers
            .map(|layer| {
                let missing = || LossError::LayersChanged {
                    match_name: self.key.clone(),
                    side: if of_teacher { "teacher" } else { "student" },
                };
                Ok(layer.ok_or_else(missing)?.shallow_clone())
            })
            .collect()
    }

    pub(super) fn check(&self, student: &ModelFeatures<'_>, teacher: &ModelFeatures<'_>) -> Result<()> {
        let student_shapes = self.operands.shapes(&self.key, student, false)?;
        let teacher_shapes = self.operands.shapes(&self.key, teacher, true)?;
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
        self.check_mask(student, &student_shapes)?;
        if self.weight != 0.0 {
            for (key, layer) in self.operands.layers_of_student(student.features) {
                check_gradient(student, &key, layer)?;
            }
        }
        Ok(())
    }

    /// Whether the mask is one of the positions of every layer that is compared: one that is not would broadcast, and a
    /// loss of `[batch, length, 1]` with a mask of another length is a matrix for each example.
    fn check_mask(&self, student: &ModelFeatures<'_>, shapes: &[Vec<i64>]) -> Result<()> {
        let Some(mask) = &student.features.inputs_mask else { return Ok(()) };
        let length = mask.size().last().copied();
        for size in shapes {
            let positions = match size.len() {
                3 if self.operands.are_attention() => &size[1..],
                3 => &size[1..2],
                4 => &size[2..],
                _ => &[],
            };
            if let Some(found) = positions.iter().find(|found| Some(**found) != length) {
                let (batch, layer) = (student.batch_size, shape(size));
                let expected = format!("[{batch}, {found}] for the layer {layer} of {}", self.key);
                return Err(student.wrong("inputs_mask", describe(mask), expected).into());
            }
        }
        Ok(())
    }

    fn projected_shapes(&self, shapes: &[Vec<i64>]) -> Result<Vec<Vec<i64>>> {
        let Some(proj) = &self.proj else { return Ok(shapes.to_vec()) };
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
        match (&self.proj, sizes) {
            (None, (Some(student), Some(teacher))) if student != teacher => {
                format!(r#"Add "proj": ["linear", {student}, {teacher}] to the match."#)
            }
            _ => "Choose other layers or another loss.".into(),
        }
    }

    pub(super) fn term(&self) -> Term {
        let mut detail = format!("{} of {}", self.loss_spec, self.operands.detail());
        if let Some(proj) = &self.proj {
            let (student, teacher) = proj.sizes();
            detail += &format!(", {} {student} → {teacher}", proj.kind());
        }
        Term { name: self.name(), weight: self.weight.to_string(), detail }
    }
}

fn new_projection(key: &str, proj: &ProjectionSpec, device: Device) -> Result<Box<dyn Projection>> {
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
    Ok(made.ok_or_else(|| LossError::UnknownName {
        key: format!("{key}.proj"),
        name: proj.kind().to_owned(),
        known: PROJECTIONS,
    })?)
}
