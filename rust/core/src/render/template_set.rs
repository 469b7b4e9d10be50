//! The modules of a platform, read and compiled once, for any number of hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Environment;

use super::environment::environment;
use super::error::{Fault, RenderError, RenderErrors};
use super::module_file::{BuildItem, FileItem, ModuleFile, Text};
use super::place;
use super::quotes::quoted_value;
use super::syntax::Syntax;
use crate::artifact::BUILD_START;
use crate::concern::product::{with_factors, with_factors_in};
use crate::concern::{Folders, line_at};
use crate::name::ConcernName;

/// The part of a concern's folder that holds its module for Ubuntu.
const PART: &str = "ubuntu";

/// All modules of the Ubuntu platform, compiled.
#[derive(Debug)]
pub struct TemplateSet {
    pub(super) modules: BTreeMap<ConcernName, Module>,
    pub(super) env: Environment<'static>,
    syntaxes: Arc<BTreeMap<String, Syntax>>,
}

/// One concern's folder.
#[derive(Debug)]
pub(super) struct Module {
    /// The folder, relative to the repository.
    pub(super) folder: String,
    /// What it declares.
    pub(super) file: ModuleFile,
    /// The declaration's text, for lines.
    source: String,
    /// Every other file of the folder, by its path below it.
    templates: BTreeMap<String, String>,
}

impl TemplateSet {
    /// Reads the `ubuntu/` of every folder that has one.
    pub fn of(folders: &Folders) -> Result<Self, RenderErrors> {
        let mut errors = Vec::new();
        let mut modules = BTreeMap::new();
        for (concern, folder) in folders.iter() {
            let templates = folder.below(PART);
            if templates.is_empty() {
                continue;
            }
            match Module::read(concern, format!("{}/{PART}", folder.place), templates) {
                Ok((name, module)) => {
                    modules.insert(name, module);
                }
                Err(error) => errors.push(error),
            }
        }
        let mut syntaxes = BTreeMap::new();
        for module in modules.values() {
            module.check_paths(&mut errors);
            module.assign_syntaxes(&mut syntaxes, &mut errors);
        }
        let syntaxes = Arc::new(syntaxes);
        let mut env = environment(Arc::clone(&syntaxes));
        for module in modules.values() {
            module.compile(&mut env, &mut errors);
        }
        RenderErrors::check(errors, RenderError::place)?;
        Ok(Self {
            modules,
            env,
            syntaxes,
        })
    }

    /// The syntax in which the values of a template are written; `template` is its path, as entries name it.
    pub fn syntax(&self, template: &str) -> Option<Syntax> {
        self.syntaxes.get(template).copied()
    }

    /// The paths that the module of `concern` can put on a host, as its declaration writes them.
    pub fn paths(&self, concern: &ConcernName) -> impl Iterator<Item = &str> {
        self.modules
            .get(concern)
            .into_iter()
            .flat_map(|module| module.file.paths())
            .map(|path| path.get_ref().as_str())
    }

    /// The concerns that have a module, in order.
    pub fn concerns(&self) -> impl Iterator<Item = &ConcernName> {
        self.modules.keys()
    }
}

impl Module {
    fn read(
        concern: &str,
        folder: String,
        mut templates: BTreeMap<String, String>,
    ) -> Result<(ConcernName, Self), RenderError> {
        let file = format!("{folder}/module.toml");
        let fail = |line, fault: Fault| RenderError {
            file: file.clone(),
            line,
            host: None,
            fault: fault.into(),
            hint: None,
        };
        let name = ConcernName::new(concern).map_err(|e| fail(1, Fault::Concern(e.to_string())))?;
        let source = templates
            .remove("module.toml")
            .ok_or_else(|| fail(1, Fault::Manifest("a concern needs a `module.toml`".into())))?;
        let parsed = toml::from_str(&source).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(&source, span.start));
            fail(line, Fault::Manifest(error.message().replace('\n', " ")))
        })?;
        let module = Self {
            folder,
            file: parsed,
            source,
            templates,
        };
        Ok((name, module))
    }

    /// `module.toml`, relative to the repository.
    pub(super) fn manifest(&self) -> String {
        format!("{}/module.toml", self.folder)
    }

    /// The line of `module.toml` at which a text stands.
    pub(super) fn line(&self, span: std::ops::Range<usize>) -> usize {
        line_at(&self.source, span.start)
    }

    /// The name under which a text of `module.toml` that is a template is compiled.
    pub(super) fn text_name(&self, start: usize) -> String {
        format!("{}@{start}", self.manifest())
    }

    /// The name under which a template is compiled: its path in the repository.
    pub(super) fn template_name(&self, below: &str) -> String {
        format!("{}/{below}", self.folder)
    }

    /// A release's templates, by their path below the release's folder.
    pub(super) fn folder_templates<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, String)> {
        self.templates.keys().filter_map(move |path| {
            let below = path.strip_prefix(folder)?.strip_prefix('/')?;
            Some((below, self.template_name(path)))
        })
    }

    /// The texts of a build's program, by their path below its folder.
    pub(super) fn program<'a>(&'a self, build: &BuildItem) -> BTreeMap<&'a str, &'a str> {
        let folder = build.program.get_ref();
        let files = self.templates.iter().filter_map(|(path, text)| {
            let below = path.strip_prefix(folder.as_str())?.strip_prefix('/')?;
            Some((below, text.as_str()))
        });
        files.collect()
    }

    /// Whether a file of the folder belongs to a build's program, which is sent as it is.
    fn is_program(&self, path: &str) -> bool {
        let builds = self
            .file
            .artifact
            .iter()
            .filter_map(|item| item.build.as_ref());
        let mut folders = builds.map(|build| build.program.get_ref());
        folders.any(|folder| {
            let below = path.strip_prefix(folder.as_str());
            below.is_some_and(|below| below.starts_with('/'))
        })
    }

    fn error(&self, at: &Text, fault: Fault, hint: Option<&str>) -> RenderError {
        RenderError {
            file: self.manifest(),
            line: self.line(at.span()),
            host: None,
            fault: fault.into(),
            hint: hint.map(str::to_owned),
        }
    }

    /// Notes paths that no facts could bring to where a module may put something.
    fn check_paths(&self, errors: &mut Vec<RenderError>) {
        for path in self.file.paths() {
            if let Some(fault) = place::literal_fault(path.get_ref()) {
                errors.push(self.error(path, fault, Some(place::HINT)));
            }
        }
        if let Some(reason) = &self.file.facts_choose_paths
            && reason.get_ref().trim().is_empty()
        {
            let fault = Fault::Manifest("`facts_choose_paths` gives no reason".to_owned());
            errors.push(self.error(reason, fault, None));
        }
    }

    /// Notes which template is written in which syntax, and which files nothing uses.
    fn assign_syntaxes(
        &self,
        syntaxes: &mut BTreeMap<String, Syntax>,
        errors: &mut Vec<RenderError>,
    ) {
        let before = errors.len();
        let mut used = BTreeSet::new();
        for item in &self.file.file {
            match self.template_of(item) {
                Ok(None) => {}
                Ok(Some((below, syntax))) => {
                    let other = syntaxes.insert(self.template_name(&below), syntax);
                    self.check_quotes(&below, syntax, errors);
                    if other.is_some_and(|other| other != syntax) {
                        let fault = Fault::Manifest(format!("`{below}` is used in two syntaxes"));
                        errors.push(self.error(&item.path, fault, None));
                    }
                    used.insert(below);
                }
                Err(error) => errors.push(error),
            }
        }
        for item in &self.file.release {
            let templates: Vec<_> = self.folder_templates(item.folder.get_ref()).collect();
            if templates.is_empty() {
                let missing = format!("{}/{}/…", self.folder, item.folder.get_ref());
                errors.push(self.error(&item.folder, Fault::NoTemplate(missing), None));
            }
            for (below, name) in templates {
                let below = format!("{}/{below}", item.folder.get_ref());
                self.check_quotes(&below, item.syntax, errors);
                used.insert(below);
                syntaxes.insert(name, item.syntax);
            }
        }
        for item in &self.file.artifact {
            let Some(build) = &item.build else { continue };
            let program = self.program(build);
            if !program.contains_key(BUILD_START) {
                let missing = format!("{}/{}/{BUILD_START}", self.folder, build.program.get_ref());
                errors.push(self.error(&build.program, Fault::NoTemplate(missing), None));
            }
            let folder = build.program.get_ref();
            used.extend(program.keys().map(|name| format!("{folder}/{name}")));
        }
        // An item that is wrong may be the one that uses it.
        let sound = errors.len() == before;
        let unused = |path: &&String| sound && !used.contains(*path);
        for path in self.templates.keys().filter(unused) {
            errors.push(RenderError {
                file: self.template_name(path),
                line: 1,
                host: None,
                fault: Fault::UnusedTemplate.into(),
                hint: None,
            });
        }
    }

    /// Where values are quoted for the template, it must not quote them itself.
    fn check_quotes(&self, below: &str, syntax: Syntax, errors: &mut Vec<RenderError>) {
        let text = self.templates.get(below).map_or("", String::as_str);
        if let Some((line, fault)) = quoted_value(text, syntax) {
            errors.push(RenderError {
                file: self.template_name(below),
                line,
                host: None,
                fault: fault.into(),
                hint: Some("leave the quotes out: the value brings its own".to_owned()),
            });
        }
    }

    /// A file's template, by its path below the folder, and the syntax it is written in; `None`
    /// for a file whose content is a fact.
    pub(super) fn template_of(
        &self,
        item: &FileItem,
    ) -> Result<Option<(String, Syntax)>, RenderError> {
        let below = match (&item.template, &item.content, &item.syntax) {
            (None, Some(_), None) => return Ok(None),
            (_, Some(at), _) => {
                let fault =
                    Fault::Manifest("`content` goes with neither `template` nor `syntax`".into());
                return Err(self.error(at, fault, None));
            }
            (Some(template), None, _) => template.get_ref().clone(),
            (None, None, _) if is_template(item.path.get_ref()) => {
                let fault =
                    Fault::Manifest("a `path` that is a template needs a `template`".into());
                return Err(self.error(&item.path, fault, None));
            }
            (None, None, _) => item.path.get_ref().trim_start_matches('/').to_owned(),
        };
        let Some(syntax) = item.syntax else {
            let fault = Fault::Manifest("a file from a template needs a `syntax`".into());
            let hint = "it says how values are escaped: `unit`, `sh`, `yaml` …";
            return Err(self.error(&item.path, fault, Some(hint)));
        };
        if !self.templates.contains_key(&below) {
            let fault = Fault::NoTemplate(self.template_name(&below));
            return Err(self.error(&item.path, fault, None));
        }
        Ok(Some((below, syntax)))
    }

    /// Compiles the folder's templates and the templates in `module.toml`'s own strings.
    fn compile(&self, env: &mut Environment<'static>, errors: &mut Vec<RenderError>) {
        let parse_error = |file: String, line: usize, error: &minijinja::Error| RenderError {
            file,
            line: line + error.line().unwrap_or(1) - 1,
            host: None,
            fault: Fault::Syntax(error.detail().unwrap_or("does not parse").to_owned()).into(),
            hint: None,
        };
        let templates = self.templates.iter();
        for (below, text) in templates.filter(|(below, _)| !self.is_program(below)) {
            let name = self.template_name(below);
            if let Err(error) = env.add_template_owned(name.clone(), with_factors_in(text)) {
                errors.push(parse_error(name, 1, &error));
            }
        }
        for (start, text) in self.file.templates() {
            if is_template(text)
                && let Err(error) =
                    env.add_template_owned(self.text_name(start), with_factors_in(text))
            {
                errors.push(parse_error(
                    self.manifest(),
                    line_at(&self.source, start),
                    &error,
                ));
            }
        }
        for text in self.file.expressions() {
            if let Err(error) = env.compile_expression(&with_factors(text.get_ref())) {
                errors.push(parse_error(self.manifest(), self.line(text.span()), &error));
            }
        }
    }
}

/// Whether a string of `module.toml` has anything to render.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}
