//! `--plugin` and what is said of it: from the command line to the roles of an experiment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use brewer::experiment::{DistillerName, Experiment, ExperimentError, PluginRef, PluginSpec, PluginSpecs};
use brewer::loss::{NameAndParameters, PLUGIN_PREFIX};
use brewer_plugin_host::{Components, Limits, Named, Place, PluginRole, inspect_bytes, printable};
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value};

use crate::output;
use crate::sources::Sources;

/// The plugins of the command line, in order.
pub struct PluginOptions(Vec<GivenPlugin>);

/// A `--plugin`, and the options behind it.
struct GivenPlugin {
    reference: PluginRef,
    grants: Vec<String>,
    config: Option<Value>,
    limits: Map<String, Value>,
}

const PLUGIN: &str = "plugin";
const GRANT: &str = "grant";
const CONFIG: &str = "plugin-config";
const LIMIT: &str = "plugin-limit";

impl Args for PluginOptions {
    fn augment_args(command: Command) -> Command {
        let option = |name: &'static str, value: &'static str, parser: ValueParser, help: &'static str| {
            Arg::new(name).long(name).value_name(value).value_parser(parser).action(ArgAction::Append).help(help)
        };
        command
            .arg(option(
                PLUGIN,
                "PLUGIN",
                ValueParser::path_buf(),
                "A plugin for the roles that it exports, in place of those under `plugins`: a file, oci://… or sha256:…; \
                 repeat for more",
            ))
            .arg(option(
                GRANT,
                "PERMISSION",
                ValueParser::string(),
                "Grant the --plugin before it read-values, dataset or parameters; repeat for more",
            ))
            .arg(option(
                CONFIG,
                "JSON",
                ValueParser::new(parse_config),
                "The config of the --plugin before it: JSON, or @FILE with JSON",
            ))
            .arg(option(
                LIMIT,
                "KEY=NUMBER",
                ValueParser::new(parse_limit),
                "A limit of the --plugin before it, such as call_seconds=5; repeat for more",
            ))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PluginOptions {
    /// What an option is about follows from where it stands: the plugin before it.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut plugins: BTreeMap<usize, GivenPlugin> = BTreeMap::new();
        for (place, path) in placed::<PathBuf>(matches, PLUGIN) {
            let reference = path.to_str().map_or_else(|| PluginRef::File(path.clone()), PluginRef::parse);
            let plugin = GivenPlugin { reference, grants: vec![], config: None, limits: Map::new() };
            plugins.insert(place, plugin);
        }
        for (place, permission) in placed::<String>(matches, GRANT) {
            before(&mut plugins, place, GRANT)?.grants.push(permission.clone());
        }
        for (place, config) in placed::<Value>(matches, CONFIG) {
            if before(&mut plugins, place, CONFIG)?.config.replace(config.clone()).is_some() {
                let message = format!("--{CONFIG} is given twice for one --plugin; write one JSON object\n");
                return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
            }
        }
        for (place, (key, value)) in placed::<(String, Value)>(matches, LIMIT) {
            before(&mut plugins, place, LIMIT)?.limits.insert(key.clone(), value.clone());
        }
        Ok(Self(plugins.into_values().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The plugin that stands before an option.
fn before<'p>(
    plugins: &'p mut BTreeMap<usize, GivenPlugin>,
    place: usize,
    option: &str,
) -> Result<&'p mut GivenPlugin, clap::Error> {
    plugins.range_mut(..place).next_back().map(|(_, plugin)| plugin).ok_or_else(|| {
        let message = format!("--{option} stands before every --plugin; write it behind the one it is for\n");
        clap::Error::raw(ErrorKind::MissingRequiredArgument, message)
    })
}

/// The values of an option, each with its place on the command line.
fn placed<'m, T: Clone + Send + Sync + 'static>(
    matches: &'m ArgMatches,
    option: &str,
) -> impl Iterator<Item = (usize, &'m T)> {
    let places = matches.indices_of(option).into_iter().flatten();
    places.zip(matches.get_many::<T>(option).into_iter().flatten())
}

fn parse_config(argument: &str) -> Result<Value, String> {
    let text = match argument.strip_prefix('@') {
        Some(file) => {
            fs::read(file).map_err(|error| format!("{file} cannot be read: {}", brewer::os_reason(&error)))?
        }
        None => argument.as_bytes().to_vec(),
    };
    brewer::parse_json(&text).map_err(|error| format!("it is not valid JSON: {error}"))
}

fn parse_limit(argument: &str) -> Result<(String, Value), String> {
    let limit = argument.split_once('=').and_then(|(key, value)| Some((key.to_owned(), value.parse::<Value>().ok()?)));
    limit.filter(|(_, value)| value.is_number()).ok_or_else(|| "expected KEY=NUMBER".to_owned())
}

impl PluginOptions {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts each plugin into the roles that it exports and that have one place in the experiment. What the experiment
    /// says of a place stays, but permissions and digest are the file's that they were given for.
    ///
    /// # Errors
    /// If a plugin would not be used, with what to add to the experiment; if two would take one place.
    pub fn apply(&self, experiment: &mut Experiment, sources: &Sources) -> Result<()> {
        let mut taken = BTreeMap::new();
        for plugin in &self.0 {
            let reference = match &plugin.reference {
                PluginRef::File(path) => PluginRef::File(std::path::absolute(path)?),
                other => other.clone(),
            };
            let place = PathBuf::from(reference.to_string());
            let bytes = sources.component(&reference, Limits::default().file_bytes)?;
            let roles = inspect_bytes(&place, &bytes).map_err(brewer::Error::from)?.roles;
            Filling { experiment: &mut *experiment, plugin, reference, taken: &mut taken }.fill(&roles)?;
        }
        Ok(experiment.check_plugins()?)
    }
}

/// A plugin on its way into an experiment.
struct Filling<'a> {
    experiment: &'a mut Experiment,
    plugin: &'a GivenPlugin,
    /// Of a file, the absolute path.
    reference: PluginRef,
    /// The places that plugins before it took.
    taken: &'a mut BTreeMap<String, PluginRef>,
}

impl Filling<'_> {
    fn fill(&mut self, roles: &[PluginRole]) -> Result<()> {
        let mut without_place = vec![];
        for role in roles {
            if !self.fill_role(*role)? {
                without_place.push(*role);
            }
        }
        let Some(first) = without_place.first() else { return Ok(()) };
        let snippet = self.snippet(*first);
        if without_place.len() == roles.len() {
            return Err(self.refused(format!("nothing in the experiment uses a {first}; add {snippet}")));
        }
        let names: Vec<String> = without_place.iter().map(ToString::to_string).collect();
        output::note(&format!("  {} is not used as {}; for that add {snippet}", self.shown_name(), names.join(", ")));
        Ok(())
    }

    /// Whether the role has a place.
    fn fill_role(&mut self, role: PluginRole) -> Result<bool> {
        match role.place() {
            Place::One { key, spec } => {
                self.take(key)?;
                let spec = spec(&mut self.experiment.plugins);
                let spec = spec.get_or_insert_with(|| PluginSpec::new(self.reference.clone()));
                self.plugin.describe(&self.reference, spec);
            }
            Place::Callbacks => {
                let callbacks = &mut self.experiment.plugins.callbacks;
                let own = callbacks.iter().position(|spec| is_same(&spec.reference(), &self.reference));
                let mut spec = own.map_or_else(|| PluginSpec::new(self.reference.clone()), |own| callbacks.remove(own));
                self.plugin.describe(&self.reference, &mut spec);
                self.experiment.plugins.callbacks.insert(own.unwrap_or(self.experiment.plugins.callbacks.len()), spec);
            }
            Place::KdLoss if self.experiment.distiller == DistillerName::Trainer => return Ok(false),
            Place::KdLoss => {
                let stem = self.stem();
                let name = named(&mut self.experiment.distillation.kd_loss_type, &stem);
                self.put_named("losses", |plugins| &mut plugins.losses, &name)?;
            }
            Place::Named(Named { list, specs, names, .. }) => {
                let stem = self.stem();
                if !names(&self.experiment.distillation).iter().any(|place| is_named(place, &stem)) {
                    return Ok(false);
                }
                self.put_named(list, specs, &stem)?;
            }
        }
        Ok(true)
    }

    fn put_named(
        &mut self,
        list: &str,
        specs: fn(&mut PluginSpecs) -> &mut BTreeMap<String, PluginSpec>,
        name: &str,
    ) -> Result<()> {
        self.take(&format!("plugins.{list}.{name}"))?;
        let specs = specs(&mut self.experiment.plugins);
        let spec = specs.entry(name.to_owned()).or_insert_with(|| PluginSpec::new(self.reference.clone()));
        self.plugin.describe(&self.reference, spec);
        Ok(())
    }

    /// Refuses a place that another plugin of the command line took: that one would not be used.
    fn take(&mut self, key: &str) -> Result<()> {
        match self.taken.insert(key.to_owned(), self.reference.clone()) {
            Some(earlier) if !is_same(&earlier, &self.reference) => {
                let earlier = printable(&earlier.to_string());
                Err(self.refused(format!("it would take `{key}` from {earlier}; give one of the two")))
            }
            _ => Ok(()),
        }
    }

    /// What to add to the experiment to use the plugin in a role.
    fn snippet(&self, role: PluginRole) -> String {
        let name = self.stem();
        let given = printable(&self.plugin.reference.to_string());
        let place = match &self.plugin.reference {
            PluginRef::File(_) => format!(r#""path": "{given}""#),
            PluginRef::Registry(_) => format!(r#""oci": "{given}""#),
            PluginRef::Stored(_) => format!(r#""sha256": "{}""#, given.trim_start_matches("sha256:")),
        };
        let Place::Named(Named { list, example: using, .. }) = role.place() else {
            return r#"a "teacher" and "distiller": "general", because a trainer has no KD loss"#.to_owned();
        };
        let using = using.replace("NAME", &format!("\"{PLUGIN_PREFIX}{name}\""));
        format!(
            r#"to the experiment "plugins": {{ "{list}": {{ "{name}": {{ {place} }} }} }} and "distillation": {{ {using} }}"#
        )
    }

    /// What losses and schedulers are called by.
    fn stem(&self) -> String {
        self.reference.stem()
    }

    fn shown_name(&self) -> String {
        match &self.reference {
            PluginRef::File(path) => printable(&path.file_name().unwrap_or_default().to_string_lossy()),
            other => printable(&other.to_string()),
        }
    }

    fn refused(&self, message: String) -> anyhow::Error {
        let key = format!("--plugin {}", printable(&self.plugin.reference.to_string()));
        brewer::Error::from(ExperimentError::Plugin { key, message }).into()
    }
}

/// Whether two references name one plugin. A file may have several paths: by `..`, or by links.
fn is_same(left: &PluginRef, right: &PluginRef) -> bool {
    let file = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match (left, right) {
        (PluginRef::File(left), PluginRef::File(right)) => file(left) == file(right),
        _ => left == right,
    }
}

/// Whether what stands where a built-in could be named is the plugin `name`.
fn is_named(place: &str, name: &str) -> bool {
    place.strip_prefix(PLUGIN_PREFIX) == Some(name)
}

/// The name of the plugin that stands where a built-in could be named; a built-in gives way to `name`.
fn named(place: &mut NameAndParameters, name: &str) -> String {
    match place.name().strip_prefix(PLUGIN_PREFIX) {
        Some(name) => name.to_owned(),
        None => {
            *place = NameAndParameters::Name(format!("{PLUGIN_PREFIX}{name}"));
            name.to_owned()
        }
    }
}

impl GivenPlugin {
    /// Writes what the command line says of the plugin over what the experiment says.
    fn describe(&self, reference: &PluginRef, spec: &mut PluginSpec) {
        if !is_same(&spec.reference(), reference) {
            spec.set_reference(reference.clone());
            spec.permissions.clear();
        }
        if let Some(config) = &self.config {
            spec.config.clone_from(config);
        }
        spec.limits.extend(self.limits.clone());
        let new = self.grants.iter().filter(|grant| !spec.permissions.contains(grant)).cloned();
        let new: Vec<String> = new.collect();
        spec.permissions.extend(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plugins", "experiments"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let file = folder.path().join("plugins/mine.wasm");
        fs::write(&file, "").unwrap();
        fs::write(folder.path().join("plugins/other.wasm"), "").unwrap();
        let by_parent = |name: &str| folder.path().join("experiments/../plugins").join(name);
        let given =
            GivenPlugin { reference: PluginRef::File(file.clone()), grants: vec![], config: None, limits: Map::new() };
        let described = |path: PathBuf| {
            let mut spec = PluginSpec::new(PluginRef::File(path));
            spec.sha256 = Some("0".repeat(64));
            spec.permissions = vec!["read-values".to_owned()];
            given.describe(&PluginRef::File(file.clone()), &mut spec);
            (spec.sha256.is_some(), spec.permissions.len())
        };
        assert_eq!(described(by_parent("mine.wasm")), (true, 1));
        assert_eq!(described(by_parent("other.wasm")), (false, 0));
    }
}
