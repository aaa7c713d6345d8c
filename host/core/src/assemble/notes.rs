use super::student::LoadedStudent;
use crate::classes::{ClassMatching, Classes, listed};
use crate::train::{Branch, TrainingTask};

/// A decision that the experiment leaves open and that changes what is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about, in a word: `classes`, `warning`.
    pub label: &'static str,
    /// The decision, as a sentence.
    pub text: String,
}

pub(super) fn notes(student: &LoadedStudent, tasks: &[TrainingTask]) -> Vec<Note> {
    let mut notes = student.notes.clone();
    if !student.from_teacher.is_empty() {
        let text = format!("{} of the student are the teacher's: its config has none", and(&student.from_teacher));
        notes.push(Note { label: "config", text });
    }
    for (index, task) in tasks.iter().enumerate() {
        // Its head was made for the first teacher's classes.
        let made_for = usize::from(student.has_classes_of.contains(&index));
        for teacher in task.teachers.iter().skip(made_for) {
            notes.extend(teacher.classes().and_then(|classes| note(teacher, classes)));
        }
    }
    notes
}

fn note(teacher: &Branch, classes: &Classes) -> Option<Note> {
    let label = teacher.label();
    match (&classes.matching, classes.by_index()) {
        (ClassMatching::Reordered(_), _) => {
            let order = listed(&classes.student);
            Some(Note {
                label: "classes",
                text: format!("of the {label} put into the student's order, by name: {order}"),
            })
        }
        (_, Some(whose)) => {
            let text = format!(
                "the classes of {label} and student are matched by index, as {whose}: {} and {}; name them in the \
                 `id2label` of config.json",
                listed(&classes.teacher),
                listed(&classes.student)
            );
            Some(Note { label: "warning", text })
        }
        _ => None,
    }
}

/// `model type, architecture and labels`.
fn and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
