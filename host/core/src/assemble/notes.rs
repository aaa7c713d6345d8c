use super::student::Student;
use crate::classes::{ClassMatching, Classes, listed};
use crate::train::{Branch, TrainingTask};

/// A decision that the experiment leaves open and that changes what is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about, in a word: `classes`, `warning`.
    pub label: &'static str,
    pub text: String,
}

pub(super) fn notes(student: &Student, tasks: &[TrainingTask]) -> Vec<Note> {
    let mut notes = vec![];
    if !student.from_teacher.is_empty() {
        let text = format!("{} of the student are the teacher's: its config has none", and(&student.from_teacher));
        notes.push(Note { label: "config", text });
    }
    let mut is_first = true;
    for teacher in tasks.iter().flat_map(|task| &task.teachers) {
        let are_its_own = is_first && student.has_teachers_classes;
        notes.extend(teacher.classes().filter(|_| !are_its_own).and_then(|classes| note(teacher, classes)));
        is_first = false;
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
