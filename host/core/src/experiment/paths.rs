use std::path::PathBuf;

use super::{Experiment, PluginSpec, PluginSpecs};
use crate::data::DataConfig;

/// What a path of an experiment leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A model's folder that is read.
    Model,
    /// A file that is read.
    File,
    /// A plugin's component.
    Plugin,
    /// What says which plugins may be used; nothing that is computed depends on it.
    Policy,
    /// What the run itself writes.
    Written,
}

/// The key that names a path, such as `tasks.reviews.teacher.model`, and the path.
pub(crate) type KeyedPath<'a> = (String, PathKind, &'a mut PathBuf);

impl Experiment {
    /// The models and files that the experiment reads, plugins aside, by the keys that name them.
    pub fn inputs_mut(&mut self) -> Vec<(String, PathKind, &mut PathBuf)> {
        let is_input = |(_, kind, _): &KeyedPath<'_>| matches!(kind, PathKind::Model | PathKind::File);
        self.paths_mut().into_iter().filter(is_input).collect()
    }

    /// Every path of the experiment.
    pub(crate) fn paths_mut(&mut self) -> Vec<KeyedPath<'_>> {
        let mut paths = vec![("training.output_dir".to_owned(), PathKind::Written, &mut self.training.output_dir)];
        let teacher = self.teacher.iter_mut().map(|teacher| ("teacher".to_owned(), teacher));
        let teachers = self.teachers.iter_mut().enumerate();
        let mut all_teachers: Vec<_> =
            teacher.chain(teachers.map(|(index, teacher)| (format!("teachers.{index}"), teacher))).collect();
        add_data("data", &mut self.data, &mut paths);
        for (name, task) in &mut self.tasks {
            add_data(&format!("tasks.{name}.data"), &mut task.data, &mut paths);
            add_plugins(&format!("tasks.{name}.plugins"), &mut task.plugins, &mut paths);
            all_teachers.push((format!("tasks.{name}.teacher"), &mut task.teacher));
        }
        for (key, teacher) in all_teachers {
            paths.push((format!("{key}.model"), PathKind::Model, &mut teacher.model));
            add_plugin(format!("{key}.adaptor"), teacher.adaptor.as_mut(), &mut paths);
            let cache = teacher.cache.as_mut();
            paths.extend(cache.map(|cache| (format!("{key}.cache.path"), PathKind::Written, &mut cache.path)));
        }
        let student = &mut self.student;
        let init = student.init.as_mut().filter(|init| !init.is_from_teacher()).map(|init| &mut init.from);
        let of_student = [
            ("student.model", PathKind::Model, student.model.as_mut()),
            ("student.config", PathKind::File, student.config.as_mut()),
            ("student.projections", PathKind::File, student.projections.as_mut()),
            ("student.init.from", PathKind::Model, init),
        ];
        let of_student = of_student.into_iter().filter_map(|(key, kind, path)| Some((key.to_owned(), kind, path?)));
        paths.extend(of_student);
        add_plugin("student.adaptor".to_owned(), student.adaptor.as_mut(), &mut paths);
        add_plugins("plugins", &mut self.plugins, &mut paths);
        paths.extend(self.trust.as_mut().map(|path| ("trust".to_owned(), PathKind::Policy, path)));
        paths
    }
}

fn add_data<'a>(key: &str, data: &'a mut DataConfig, paths: &mut Vec<KeyedPath<'a>>) {
    let files = [("train", &mut data.train), ("dev", &mut data.dev)];
    let files = files.into_iter().filter_map(|(name, path)| Some((format!("{key}.{name}"), path.as_mut()?)));
    let files = files.chain(data.eval.iter_mut().map(|(name, path)| (format!("{key}.eval.{name}"), path)));
    paths.extend(files.map(|(key, path)| (key, PathKind::File, path)));
}

fn add_plugins<'a>(key: &str, plugins: &'a mut PluginSpecs, paths: &mut Vec<KeyedPath<'a>>) {
    add_plugin(format!("{key}.adaptor"), plugins.adaptor.as_mut(), paths);
    add_plugin(format!("{key}.batch_postprocessor"), plugins.batch_postprocessor.as_mut(), paths);
    for (index, callback) in plugins.callbacks.iter_mut().enumerate() {
        add_plugin(format!("{key}.callbacks.{index}"), Some(callback), paths);
    }
    for (list, named) in [("losses", &mut plugins.losses), ("schedulers", &mut plugins.schedulers)] {
        for (name, plugin) in named {
            add_plugin(format!("{key}.{list}.{name}"), Some(plugin), paths);
        }
    }
}

fn add_plugin<'a>(key: String, plugin: Option<&'a mut PluginSpec>, paths: &mut Vec<KeyedPath<'a>>) {
    let path = plugin.and_then(|plugin| plugin.path.as_mut());
    paths.extend(path.map(|path| (format!("{key}.path"), PathKind::Plugin, path)));
}
