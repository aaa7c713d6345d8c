use crate::Fault;
use crate::classes::listed as listed_classes;
use crate::names::nearest;

/// What is wrong with a loss plan, or with the features that it is to be computed from.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum LossError {
    /// A name that is none of the known ones.
    #[error("{key}: `{name}` is not known{}; known are {}", nearest(name, known), known.join(", "))]
    UnknownName { key: String, name: String, known: &'static [&'static str] },

    /// A value that makes no sense.
    #[error("{key}: {found}; expected {expected}")]
    Value { key: String, found: String, expected: String },

    /// A key of the features that a loss needs and the adaptor does not return.
    #[error("{adaptor} returned no `{key}` for the {side}, but {needed_by} needs it. {hint}")]
    Missing { adaptor: String, side: String, key: &'static str, needed_by: String, hint: String },

    /// A feature of the wrong form.
    #[error("{adaptor} returned for the {side} `{key}` {found}; expected {expected}")]
    Feature { adaptor: String, side: String, key: String, found: String, expected: String },

    /// A position beyond the list that the adaptor returned.
    #[error(
        "{match_name}: `{key}` is {layer}, but {adaptor} returned {count} layers of `{feature}` for the {side} \
         (positions 0 to {}); choose one of these{}",
        count.saturating_sub(1),
        counting_hint(feature, *layer, *count)
    )]
    Layer {
        match_name: String,
        key: &'static str,
        layer: i64,
        adaptor: String,
        feature: String,
        side: String,
        count: usize,
    },

    /// Layers of student and teacher that a match cannot compare.
    #[error("{match_name}: the student's layer is {student}, the teacher's {teacher}; expected {expected}. {hint}")]
    Shapes { match_name: String, student: String, teacher: String, expected: String, hint: String },

    /// The adaptor returned fewer layers than in the check before step 0.
    #[error(
        "{match_name}: a layer of the {side} that the check before step 0 saw is missing now; an adaptor must return \
         the same layers at every step"
    )]
    LayersChanged { match_name: String, side: &'static str },

    /// Logits that are about other classes. `is_of_task` where there are several tasks.
    #[error(
        "the {side} has other classes than the student, so their logits cannot be compared: {} ({}) and {} ({}). {}",
        teacher.len(), listed_classes(teacher), student.len(), listed_classes(student), same_classes_hint(*is_of_task)
    )]
    Classes { side: String, is_of_task: bool, teacher: Vec<String>, student: Vec<String> },

    /// Logits that mean something else.
    #[error(
        "the {side} is trained for {teacher} and the student for {student}, so their logits cannot be compared. Take a \
         student of the teacher's task, or with several tasks \"student\": {{ \"heads\": \"by_task\" }}; `problem_type` in \
         config.json says what a classifier is trained for"
    )]
    Tasks { side: String, teacher: String, student: String },

    /// A match names a module that the model does not have.
    #[error(
        "distillation.custom_matches: the {side} has no module `{name}` whose output can be compared{}; it has {}",
        nearest(name, known),
        listed(known)
    )]
    NoModule { side: String, name: String, known: Vec<String> },
}

impl LossError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Input
    }
}

fn same_classes_hint(is_of_task: bool) -> &'static str {
    match is_of_task {
        true => {
            "Give each task a head of its own with \"student\": { \"heads\": \"by_task\" }; or, if they are the same classes, \
             give them the same names, in any order, in the `id2label` of both config.json"
        }
        false => {
            "Give both the same names, in any order, in the `id2label` of their config.json; a student with a new head \
             takes the teacher's by `student.labels`"
        }
    }
}

/// The presets of TextBrewer count attention layers from 1.
fn counting_hint(feature: &str, layer: i64, count: usize) -> String {
    if feature != "attention" || layer != count as i64 || count == 0 {
        return String::new();
    }
    format!(
        ". Attention layers count from 0, so {} is the last of {count}; TextBrewer's own presets, such as \
         L3_attention_mse, count from 1: subtract 1 from each of their layers",
        count - 1
    )
}

/// The names, with one layer of many standing for all.
fn listed(names: &[String]) -> String {
    let first_layer = |name: &&String| !name.contains(".layer.") || name.contains(".layer.0");
    names.iter().filter(first_layer).cloned().collect::<Vec<_>>().join(", ")
}
