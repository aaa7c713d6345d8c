//! Which of the student's classes a teacher means by each of its own: classes are matched by name.

use std::collections::HashSet;

use tch::{Device, Kind, Tensor};

use crate::{Batch, Outputs, Result};

/// The output that has a number for each class.
const LOGITS: &str = "logits";
const LABELS: &str = "labels";

/// A teacher's classes beside the student's.
#[derive(Debug)]
pub struct Classes {
    /// The names of the teacher's classes, in the order of its logits.
    pub teacher: Vec<String>,
    /// Those of the student's.
    pub student: Vec<String>,
    /// How they fit together.
    pub matching: ClassMatching,
}

/// How the classes of a teacher are matched with the student's.
#[derive(Debug)]
pub enum ClassMatching {
    /// Both have the same names in the same order.
    Same,
    /// Both have the same names; the teacher's are put into the student's order.
    Reordered(ClassOrder),
    /// One of them has no names of its own, so class i is class i.
    ByIndex,
    /// They have other names, or another number of classes.
    Different,
}

/// Where the student's classes stand among the teacher's.
#[derive(Debug)]
pub struct ClassOrder {
    /// The teacher's index of each of the student's classes.
    indices: Vec<i64>,
    /// The same as int64 `[classes]`, on the teacher's device.
    tensor: Tensor,
    /// The student's index of each of the teacher's classes, on the same device.
    inverse: Tensor,
}

impl Classes {
    /// Matches the classes of a teacher on `device`.
    pub fn new(teacher: &[String], student: &[String], device: Device) -> Result<Self> {
        let index_of = |class: &String| teacher.iter().position(|other| other == class).map(|index| index as i64);
        let indices: Option<Vec<i64>> = student.iter().map(index_of).collect();
        // A name that is there twice names no class.
        let indices = indices.filter(|indices| indices.iter().collect::<HashSet<_>>().len() == indices.len());
        let matching = match indices {
            _ if teacher == student && (teacher.is_empty() || !are_default(teacher)) => ClassMatching::Same,
            _ if teacher.len() != student.len() => ClassMatching::Different,
            _ if are_default(teacher) || are_default(student) => ClassMatching::ByIndex,
            Some(indices) => {
                let tensor = Tensor::f_from_slice(&indices)?.f_to_device(device)?;
                let inverse = tensor.f_argsort(0, false)?;
                ClassMatching::Reordered(ClassOrder { indices, tensor, inverse })
            }
            None => ClassMatching::Different,
        };
        Ok(Self { teacher: teacher.to_vec(), student: student.to_vec(), matching })
    }

    /// Whether both sides have classes and they are not the same ones.
    pub(crate) fn are_other(&self) -> bool {
        let are_there = !self.teacher.is_empty() && !self.student.is_empty();
        are_there && matches!(self.matching, ClassMatching::Different)
    }

    /// Why they are matched by index; `None` where they are not.
    pub fn by_index(&self) -> Option<&'static str> {
        if !matches!(self.matching, ClassMatching::ByIndex) {
            return None;
        }
        Some(match (are_default(&self.teacher), are_default(&self.student)) {
            (true, true) => "neither names its own",
            (true, false) => "the teacher does not name its own",
            (false, _) => "the student does not name its own",
        })
    }

    /// What a cache of the teacher's features depends on.
    pub fn cache_key(&self) -> String {
        match &self.matching {
            ClassMatching::Reordered(ClassOrder { indices, .. }) => format!("{indices:?} of the teacher's"),
            _ => "the teacher's".into(),
        }
    }

    /// The batch with labels in the teacher's order; `None` where it is the student's.
    pub(crate) fn batch_of_teacher(&self, batch: &Batch) -> Result<Option<Batch>> {
        let (ClassMatching::Reordered(order), Some(labels)) = (&self.matching, batch.get(LABELS)) else {
            return Ok(None);
        };
        let mut own: Batch = batch.iter().map(|(name, tensor)| (name, tensor.shallow_clone())).collect();
        own.insert(LABELS, order.labels(labels)?);
        Ok(Some(own))
    }

    /// Puts the logits that the teacher returned into the student's order.
    pub(crate) fn reorder(&self, outputs: &mut Outputs) -> Result<()> {
        match &self.matching {
            ClassMatching::Reordered(order) => outputs.change(LOGITS, |logits| order.logits(logits)),
            _ => Ok(()),
        }
    }
}

impl ClassOrder {
    /// Logits `[…, classes]` of the teacher in the student's order. Those of another number of classes are not the
    /// teacher's head's, and stay as they are.
    fn logits(&self, logits: &Tensor) -> Result<Tensor> {
        if logits.size().last() != Some(&(self.indices.len() as i64)) {
            return Ok(logits.shallow_clone());
        }
        Ok(logits.f_index_select(-1, &self.tensor)?)
    }

    /// Labels of the student as the teacher's. Of classes `[…]`, what is no class, such as −100, stays as it is; of numbers
    /// `[batch, classes]`, each goes to the place of its class.
    fn labels(&self, labels: &Tensor) -> Result<Tensor> {
        if labels.is_floating_point() {
            return Ok(labels.f_index_select(-1, &self.inverse)?);
        }
        let labels = labels.f_to_kind(Kind::Int64)?;
        let is_class = labels.f_ge(0)?.f_logical_and(&labels.f_lt(self.indices.len() as i64)?)?;
        let of_teacher = self.tensor.f_take(&labels.f_mul(&is_class)?)?;
        Ok(of_teacher.f_where_self(&is_class, &labels)?)
    }
}

/// Whether classes have the names that transformers gives them where there are none: `LABEL_0`, `LABEL_1`, …
pub(crate) fn are_default(classes: &[String]) -> bool {
    classes.iter().enumerate().all(|(index, class)| *class == format!("LABEL_{index}"))
}

/// Class names in messages, the first of many.
pub(crate) fn listed(classes: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = classes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match classes.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("class {index}")).collect()
    }

    fn matching(teacher: &[&str], student: &[&str]) -> ClassMatching {
        let names = |classes: &[&str]| classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>();
        Classes::new(&names(teacher), &names(student), Device::Cpu).unwrap().matching
    }

    proptest! {
        /// A teacher whose head is permuted is the teacher that it was, whatever the shape of the logits.
        #[test]
        fn a_permuted_teacher_says_the_same(
            (student, teacher) in (2_usize..9).prop_map(names).prop_flat_map(|student| {
                let teacher = Just(student.clone()).prop_shuffle();
                (Just(student), teacher)
            }),
            per_token: bool,
            seed: i64,
        ) {
            tch::manual_seed(seed);
            let count = student.len() as i64;
            let shape = if per_token { vec![3, 4, count] } else { vec![3, count] };
            let of_student = Tensor::randn(&shape, (Kind::Float, Device::Cpu));
            let index_of = |class: &String| student.iter().position(|other| other == class).unwrap() as i64;
            let in_teacher: Vec<i64> = teacher.iter().map(index_of).collect();
            let of_teacher = of_student.index_select(-1, &Tensor::from_slice(&in_teacher));

            let classes = Classes::new(&teacher, &student, Device::Cpu).unwrap();
            let mut outputs = Outputs::new();
            outputs.insert(LOGITS, Some(of_teacher.shallow_clone()));
            classes.reorder(&mut outputs).unwrap();
            prop_assert!(outputs.tensor(LOGITS).unwrap().equal(&of_student));

            // A label means one class, whichever model reads it.
            let positions = &shape[..shape.len() - 1];
            let labels = Tensor::randint_low(-1, count, positions, (Kind::Int64, Device::Cpu));
            let labels = labels.masked_fill(&labels.eq(-1), -100);
            let mut batch = Batch::new();
            batch.insert(LABELS, labels.shallow_clone());
            let own = classes.batch_of_teacher(&batch).unwrap();
            let own = own.as_ref().unwrap_or(&batch).get(LABELS).unwrap();
            prop_assert!(own.eq(-100).equal(&labels.eq(-100)));
            let (own, labels): (Vec<i64>, Vec<i64>) =
                (own.flatten(0, -1).try_into().unwrap(), labels.flatten(0, -1).try_into().unwrap());
            for (own, label) in own.into_iter().zip(labels).filter(|(_, label)| *label != -100) {
                prop_assert_eq!(&teacher[own as usize], &student[label as usize]);
            }
        }
    }

    /// A number for each class goes where the class stands: the teacher's third class is the student's first.
    #[test]
    fn numbers_of_classes_are_put_into_the_teachers_order() {
        let names = |classes: [&str; 3]| classes.map(str::to_owned).to_vec();
        let classes = Classes::new(&names(["b", "c", "a"]), &names(["a", "b", "c"]), Device::Cpu).unwrap();
        let mut batch = Batch::new();
        batch.insert(LABELS, Tensor::from_slice2(&[[0.1_f32, 0.2, 0.3]]));
        let own = classes.batch_of_teacher(&batch).unwrap().unwrap();
        assert!(own.get(LABELS).unwrap().equal(&Tensor::from_slice2(&[[0.2_f32, 0.3, 0.1]])));
    }

    #[test]
    fn classes_match_by_name_or_by_index_or_not_at_all() {
        assert!(matches!(matching(&["no", "yes"], &["no", "yes"]), ClassMatching::Same));
        assert!(matches!(matching(&["no", "yes"], &["yes", "no"]), ClassMatching::Reordered(_)));
        assert!(matches!(matching(&["LABEL_0", "LABEL_1"], &["yes", "no"]), ClassMatching::ByIndex));
        assert!(matches!(matching(&["no", "yes"], &["LABEL_0", "LABEL_1"]), ClassMatching::ByIndex));
        assert!(matches!(matching(&["LABEL_0", "LABEL_1"], &["LABEL_0", "LABEL_1"]), ClassMatching::ByIndex));
        // Names all the same, if strange ones.
        assert!(matches!(matching(&["LABEL_1", "LABEL_0"], &["no", "yes"]), ClassMatching::Different));
        assert!(matches!(matching(&["no", "yes"], &["No", "Yes"]), ClassMatching::Different));
        assert!(matches!(matching(&["no", "yes"], &["no", "yes", "maybe"]), ClassMatching::Different));
        assert!(matches!(matching(&["LABEL_0", "LABEL_1"], &["LABEL_0"]), ClassMatching::Different));
        assert!(matches!(matching(&["no", "yes"], &["no", "no"]), ClassMatching::Different));
    }
}
