//! What is about to run, for people.

use std::path::Path;

use brewer::assemble::{Assembled, Evaluated};
use brewer::data::Dataset;
use brewer::experiment::{Experiment, PluginRef, PluginSpec, StudentSpec};
use brewer::loss::Term;
use brewer::model::ModelSpec;
use brewer::train::{Checked, Timetable, TrainingTask};
use brewer::{Device, Model};
use brewer_plugin_host::printable;
use console::style;

use crate::output;
use crate::table::{counted, grouped, laid_out, magnitude};

/// Prints models, plugins, data, loss plan and steps for people.
pub fn print(command: &str, experiment: &Experiment, assembled: &Assembled, terms: &[Term], timetable: &Timetable) {
    let session = &assembled.session;
    let title = format!("brewer-host {} · {command} · {}", env!("CARGO_PKG_VERSION"), experiment.distiller);
    output::note(&format!("{} · {}", style(title).bold().for_stderr(), device_name(session.student.device())));
    output::note("");
    let mut rows = vec![];
    let teachers = session.tasks.iter().flat_map(|task| &task.teachers);
    for (teacher, spec) in teachers.zip(experiment.teachers()) {
        let mut row = model_row(&teacher.label(), shown(&spec.model), teacher.model.as_ref());
        let device = teacher.model.device();
        if device != session.student.device() {
            row.push(format!("on {}", device_key(device)));
        }
        rows.push(row);
    }
    for (task, model) in session.student.models() {
        let label = task.map_or("student".to_owned(), |task| format!("student of {task}"));
        rows.push(model_row(&label, origin(&experiment.student), model.as_ref()));
    }
    rows.extend(notes(assembled));
    rows.extend(assembled.notes.iter().map(|note| vec![note.label.to_owned(), note.text.clone()]));
    rows.extend(adaptor_rows(&session.tasks));
    rows.extend(plugin_rows(experiment));
    rows.extend(data_rows(experiment, assembled));
    let caches = session.tasks.iter().flat_map(TrainingTask::caches);
    rows.extend(caches.map(|(teacher, cache)| vec!["cache".into(), teacher, crate::cache::described(cache)]));
    rows.extend(loss_rows(terms));
    rows.extend(best_row(experiment));
    rows.push(steps_row(experiment, timetable));
    rows.push(vec!["output".into(), shown(&experiment.training.output_dir)]);
    for line in aligned_under_labels(&rows, output::note_width()) {
        output::note(&line);
    }
    output::note("");
}

/// Rows whose first cell is a dim label; the other cells line up among rows of the same label, within `width` columns.
fn aligned_under_labels(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let label_width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
    let width = width.map(|width| width.saturating_sub(label_width + 4));
    let mut lines = vec![];
    let mut label = "";
    for group in rows.chunk_by(|left, right| kind(&left[0]) == kind(&right[0]) || right[0].is_empty()) {
        let cells: Vec<Vec<String>> = group.iter().map(|row| row[1..].to_vec()).collect();
        for (row, cells) in group.iter().zip(laid_out(&cells, width)) {
            for (index, line) in cells.iter().enumerate() {
                label = if index > 0 || row[0] == label { "" } else { &row[0] };
                lines.push(format!("  {}  {line}", style(format!("{label:label_width$}")).dim().for_stderr()));
            }
            label = &row[0];
        }
    }
    lines
}

/// Teachers and student stand in one group, and so do the tasks' data.
fn kind(label: &str) -> &str {
    let group = label.split(' ').next().unwrap_or(label);
    if matches!(group, "teacher" | "student") { "model" } else { group }
}

fn model_row(label: &str, origin: String, model: &dyn Model) -> Vec<String> {
    let spec = model.spec();
    let size = match (spec.num_layers, spec.hidden_size) {
        (Some(layers), Some(size)) => format!("{layers} × {size}"),
        _ => String::new(),
    };
    vec![
        label.to_owned(),
        origin,
        spec.architecture.clone(),
        size,
        format!("{} parameters", magnitude(model.parameters().num_elements())),
    ]
}

/// Where the student's first weights come from.
fn origin(student: &StudentSpec) -> String {
    match (&student.model, &student.config, &student.init) {
        (Some(folder), _, _) => shown(folder),
        (_, Some(file), _) => format!("{}, random weights", shown(file)),
        (_, _, Some(init)) => {
            let whole = if init.is_from_teacher() { "the teacher".to_owned() } else { shown(&init.from) };
            format!("{} of {whole}", init.layers)
        }
        (None, None, None) => String::new(),
    }
}

fn notes(assembled: &Assembled) -> Vec<Vec<String>> {
    let note = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| vec![String::new(), format!("{what} {}", names.join(", "))])
    };
    [note("new, with random weights:", &assembled.new_parameters), note("unused:", &assembled.left_out)]
        .into_iter()
        .flatten()
        .collect()
}

fn adaptor_rows(tasks: &[TrainingTask]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = vec![];
    for branch in tasks.iter().flat_map(|task| task.teachers.iter().chain([&task.student])) {
        let row = vec!["adaptor".to_owned(), branch.adaptor.name().to_owned(), branch.adaptor.identity()];
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

/// Where a plugin comes from.
fn plugin_place(spec: &PluginSpec) -> String {
    match spec.reference() {
        PluginRef::File(path) => shown(&path),
        other => printable(&other.to_string()),
    }
}

/// The plugins that stand beside the models; losses and schedulers are named where they are used.
fn plugin_rows(experiment: &Experiment) -> Vec<Vec<String>> {
    let row = |label: &str, spec: &PluginSpec| vec![label.to_owned(), format!("plugin {}", plugin_place(spec))];
    let plugins = &experiment.plugins;
    let of_tasks = experiment.tasks.values().filter_map(|task| task.plugins.batch_postprocessor.as_ref());
    let postprocessors = plugins.batch_postprocessor.iter().chain(of_tasks);
    let callbacks = plugins.callbacks.iter().map(|spec| row("callback", spec));
    postprocessors.map(|spec| row("postprocessor", spec)).chain(callbacks).collect()
}

fn data_rows(experiment: &Experiment, assembled: &Assembled) -> Vec<Vec<String>> {
    let mut rows = vec![];
    for (task, (name, data)) in assembled.session.tasks.iter().zip(experiment.data_by_task()) {
        let order = if data.shuffle { "shuffled" } else { "in order" };
        let given = if task.views.student.has_teacher_outputs() { ", with the teacher's outputs" } else { "" };
        let detail = format!("batches of {}, {order}{given}", data.batch_size);
        let label = name.map_or("data".to_owned(), |name| format!("data of {name}"));
        for (path, dataset) in data.train.iter().zip([&task.views.student]) {
            rows.push(vec![label.clone(), shown(path), summary(dataset, task.student.model.spec()), detail.clone()]);
        }
    }
    let between =
        experiment.evaluation.every.map(|every| format!(" and after every {}", counted(every, "optimizer step")));
    let when = format!("evaluated at checkpoints{}", between.unwrap_or_default());
    for Evaluated { split, path, model } in &assembled.evaluated {
        let detail = match split.name.as_str() {
            "dev" => when.clone(),
            name => format!("{when} as {name}"),
        };
        rows.push(vec!["data".into(), shown(path), summary(split.loader.dataset(), model), detail]);
    }
    rows
}

fn summary(dataset: &Dataset, spec: &ModelSpec) -> String {
    let summary = dataset.summary(spec);
    let lengths = format!("{:.0} tokens on average, {} at most", summary.mean_tokens, summary.max_tokens);
    let cut =
        if summary.truncated > 0 { format!(" ({} truncated)", grouped(summary.truncated)) } else { String::new() };
    format!("{}, {lengths}{cut}", counted(summary.examples, "example"))
}

fn loss_rows(terms: &[Term]) -> Vec<Vec<String>> {
    terms
        .iter()
        .map(|term| vec!["loss".into(), format!("{} × {}", term.weight, term.name), term.detail.clone()])
        .collect()
}

/// Which checkpoint the student is of, where that is not the last.
fn best_row(experiment: &Experiment) -> Option<Vec<String>> {
    let best = experiment.evaluation.best.as_ref()?;
    Some(vec!["best".into(), format!("the student is of the best checkpoint by {}", printable(best.metric()))])
}

fn steps_row(experiment: &Experiment, timetable: &Timetable) -> Vec<String> {
    let steps = format!(
        "{} over {} of {}",
        counted(timetable.optimizer_steps(), "optimizer step"),
        counted(timetable.epochs(), "epoch"),
        counted(timetable.batches_per_epoch(), "batch")
    );
    let rate = format!("{}, lr {:e}", experiment.optimizer.name(), experiment.optimizer.learning_rate());
    vec!["steps".into(), steps, rate, format!("{} schedule", experiment.schedule.name)]
}

/// What the adaptors returned in the check.
pub fn feature_lines(checked: &Checked) -> Vec<String> {
    let mut rows = vec![];
    for (model, features) in &checked.features {
        rows.extend(features.iter().map(|(key, shapes)| vec![model.clone(), (*key).to_owned(), shapes.clone()]));
    }
    laid_out(&rows, output::result_width()).concat()
}

fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => format!("cpu, {}", counted(brewer::device::num_threads().max(1) as usize, "thread")),
        other => device_key(other),
    }
}

/// As `training.device` has it.
pub fn device_key(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// A path relative to the current folder where it lies below it.
pub fn shown(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let current = std::env::current_dir().and_then(|folder| folder.canonicalize()).unwrap_or_default();
    printable(&whole.strip_prefix(&current).unwrap_or(&whole).to_string_lossy())
}

/// Prints what people should know before the run, a line each.
pub fn print_notes(notes: &[String]) {
    for note in notes {
        output::note(&format!("  {} {note}", style("note:").yellow().for_stderr()));
    }
}
