//! The walk over a spec that checks every object with `@type` by its own entry, and writes down
//! what each inherits, so that each can be resolved alone.

use std::rc::Rc;
use std::sync::Arc;

use semver::Version;
use serde_json::{Map, Value as Json};

use crate::entry::Kind;
use crate::spec::catalog::{Catalog, Code, Entry};
use crate::spec::checker::{Complaint, Leniency};
use crate::spec::checking::{Checking, check_arguments};
use crate::spec::describe::{found, quoted};
use crate::spec::entry_points::{EntryPoint, replacement};
use crate::spec::findings::{Finding, Findings};
use crate::spec::guide::{Guide, Mark};
use crate::spec::header::Header;
use crate::spec::nearest::nearest;
use crate::spec::options::TaskOptions;
use crate::spec::path::{Focus, Segment, from_pointer};
use crate::spec::placeholder::{self, Piece};
use crate::spec::settings::Settings;

/// Checks specs.
pub(crate) struct Walk<'c> {
    catalog: &'c Catalog,
    findings: &'c mut Findings,
    path: Vec<Segment>,
}

/// What an object has from those around it.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    version: Option<Version>,
    /// Names of the placeholders, inside a template.
    template: Option<Rc<[String]>>,
    /// The position is for a task or flow that runs as it is, so a partial must be complete.
    whole: bool,
    /// The object is itself what a template makes.
    outermost: bool,
}

impl<'c> Walk<'c> {
    pub(crate) fn new(catalog: &'c Catalog, findings: &'c mut Findings) -> Self {
        Self { catalog, findings, path: Vec::new() }
    }

    /// Checks a whole spec and returns the settings at its root. Afterwards `spec` is its target.
    pub(crate) fn root(&mut self, spec: &mut Json) -> Settings {
        let Json::Object(object) = spec else {
            let message = format!("a spec is an object with \"@type\", found {}", found(spec));
            self.problem(Focus::Value, message);
            return Settings::default();
        };
        // Editors look there for the schema.
        object.shift_remove("$schema");
        if !object.contains_key("@type") {
            let advice = match object.contains_key("target") {
                true => "add \"@type\": \"mazepa.execute\"",
                false => "add the name of an operation or flow, such as \"@type\": \"command\"",
            };
            self.problem(Focus::Value, format!("the spec has no \"@type\"; {advice}"));
        }
        let name = object.get("@type").and_then(Json::as_str);
        let entry_point = self.catalog.entry_points.iter().find(|entry_point| Some(entry_point.name) == name);
        match entry_point {
            Some(entry_point) => {
                let (settings, target) = self.entry_point(entry_point, std::mem::take(object));
                *spec = target;
                settings
            }
            None => {
                let surroundings = Surroundings { whole: true, ..Surroundings::default() };
                self.value(spec, &Guide::none(), &surroundings);
                Settings::default()
            }
        }
    }

    fn entry_point(&mut self, entry_point: &EntryPoint, object: Map<String, Json>) -> (Settings, Json) {
        let header = self.header(&object);
        if header.partial {
            self.member(
                "@mode",
                Focus::Value,
                format!("{} runs at once; remove \"@mode\"", entry_point.name),
            );
        }
        self.refuse_options(&header, "an entry point makes no task itself; put it on the task");
        let parameters: Map<String, Json> =
            object.into_iter().filter(|(key, _)| !key.starts_with('@')).collect();
        let mut parameters = Json::Object(parameters);
        let checker = &entry_point.checker;
        let complaints =
            checker.check(&parameters, &format!("\"{}\"", entry_point.name), Leniency::default());
        let sound = complaints.is_empty();
        self.complain(complaints.into_iter().map(|complaint| entry_point.explain(complaint)).collect());
        let mut settings = Settings::default();
        let Json::Object(fields) = &mut parameters else { return (settings, parameters) };
        if sound {
            let outcome = entry_point.settings(fields, &self.path);
            settings = outcome.settings;
            outcome.problems.into_iter().for_each(|problem| self.findings.add(problem));
            outcome.notes.into_iter().for_each(|note| self.findings.note(note));
        }
        let mut target = fields.get_mut("target").map(Json::take).unwrap_or_default();
        let surroundings = Surroundings { version: header.version, whole: true, ..Surroundings::default() };
        self.path.push("target".into());
        self.value(&mut target, &Guide::none(), &surroundings);
        self.path.pop();
        (settings, target)
    }

    fn value(&mut self, value: &mut Json, guide: &Guide<'_>, surroundings: &Surroundings) {
        let mark = guide.mark();
        let surroundings = &match mark {
            Some(Mark::Template) => {
                let template = Some(guide.variables().into());
                Surroundings { template, whole: false, outermost: true, ..surroundings.clone() }
            }
            Some(Mark::Target) => Surroundings { whole: true, ..surroundings.clone() },
            Some(Mark::Value) | None => surroundings.clone(),
        };
        match value {
            Json::Object(object) if object.contains_key("@type") && mark != Some(Mark::Value) => {
                self.typed(object, surroundings);
            }
            Json::Object(object) => {
                if mark != Some(Mark::Value) {
                    self.untyped(object);
                }
                self.members(object, guide, surroundings);
            }
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let segment = Segment::Index(index);
                    let guide = guide.child(&segment);
                    self.path.push(segment);
                    self.value(item, &guide, &surroundings.inside());
                    self.path.pop();
                }
            }
            Json::String(text) => {
                if let Some(names) = &surroundings.template {
                    self.text(text, names);
                }
            }
            Json::Number(number) if number.is_f64() && guide.wants_integer() => {
                // JSON Schema takes 1.0 for an integer, the operation's own type does not.
                if let Some(whole) = number.as_f64().filter(|number| number.fract() == 0.0) {
                    self.problem(
                        Focus::Value,
                        format!("expected an integer, found the number {number}; write {whole}"),
                    );
                }
            }
            Json::Number(_) | Json::Null | Json::Bool(_) => {}
        }
    }

    fn members(&mut self, object: &mut Map<String, Json>, guide: &Guide<'_>, surroundings: &Surroundings) {
        let surroundings = surroundings.inside();
        for (key, value) in object {
            let segment = Segment::Key(key.clone());
            let guide = guide.child(&segment);
            self.path.push(segment);
            self.value(value, &guide, &surroundings);
            self.path.pop();
        }
    }

    /// Plain data must not have keys that only mean something beside `@type`.
    fn untyped(&mut self, object: &Map<String, Json>) {
        for key in object.keys().filter(|key| key.starts_with('@')) {
            let suggestion = nearest(key, ["@type", "@var"]);
            let advice = if suggestion.is_some() { "" } else { "; remove it" };
            let message = format!("key {} means nothing in an object without \"@type\"{advice}", quoted(key));
            self.path.push(key.as_str().into());
            self.findings.add(Finding::new(&self.path, Focus::Key, message).suggest(suggestion));
            self.path.pop();
        }
    }

    /// A string of a template: a brace around what is nearly a variable is a slip.
    fn text(&mut self, text: &str, names: &[String]) {
        for piece in placeholder::pieces(text) {
            let Piece::Hole(hole) = piece else { continue };
            if names.contains(&hole.name) {
                continue;
            }
            if let Some(name) = nearest(&hole.name, names.iter().map(String::as_str)) {
                let shown = hole.as_text();
                let message = format!("unknown placeholder {shown}; for these characters write {{{shown}");
                let finding = Finding::new(&self.path, Focus::Value, message);
                self.findings.add(finding.suggest(Some(format!("{{{name}}}"))));
            }
        }
    }

    fn typed(&mut self, object: &mut Map<String, Json>, surroundings: &Surroundings) {
        let before = self.findings.count();
        let header = self.header(object);
        let version = header.version.clone().or_else(|| surroundings.version.clone());
        let entry = header.name.as_ref().and_then(|name| self.select(name, version.as_ref(), &header));
        if let Some(entry) = &entry {
            self.options(entry, &header, surroundings);
        }
        let (keys, arguments) = std::mem::take(object).into_iter().partition(|(key, _)| key.starts_with('@'));
        let mut arguments = Json::Object(arguments);
        let leniency = Leniency {
            template: surroundings.template.as_deref(),
            partial: header.partial && !surroundings.whole,
        };
        let guide = match &entry {
            Some(entry) => {
                let complaints = entry.checker().check(&arguments, &entry.subject(), leniency);
                self.complain(complaints);
                entry.checker().guide()
            }
            None => Guide::none(),
        };
        let inner = Surroundings { version: version.clone(), ..surroundings.inside() };
        if let Json::Object(arguments) = &mut arguments {
            self.members(arguments, &guide, &inner);
        }
        if let Some(entry) = entry.filter(|_| self.findings.count() == before && !leniency.partial) {
            self.check_by_code(&entry, &arguments, leniency.template);
        }
        *object = keys;
        if let Some(version) = version {
            object.insert("@version".into(), version.to_string().into());
        }
        if let Json::Object(arguments) = arguments {
            object.extend(arguments);
        }
    }

    fn select(&mut self, name: &str, version: Option<&Version>, header: &Header) -> Option<Arc<Entry>> {
        let unselected = match self.catalog.select(name, version) {
            Ok(entry) => return Some(Arc::clone(entry)),
            Err(unselected) => unselected,
        };
        if self.catalog.entry_points.iter().any(|entry_point| entry_point.name == name) {
            let message = format!("\"{name}\" can only be the root of a spec; put its target here instead");
            self.problem(Focus::Member("@type"), message);
        } else if let Some(instead) = replacement(name) {
            self.problem(Focus::Member("@type"), format!("\"{name}\" does not exist here: {instead}"));
        } else {
            let inherited = unselected.version && header.version.is_none();
            let focus = if unselected.version && !inherited { "@version" } else { "@type" };
            let finding = Finding::new(&self.path, Focus::Member(focus), unselected.message);
            self.findings.add(finding.suggest(unselected.suggestion));
        }
        None
    }

    fn header(&mut self, object: &Map<String, Json>) -> Header {
        let (header, findings) = Header::read(object, &self.path);
        findings.into_iter().for_each(|finding| self.findings.add(finding));
        header
    }

    fn options(&mut self, entry: &Entry, header: &Header, surroundings: &Surroundings) {
        if entry.info.kind == Kind::Flow {
            self.refuse_options(
                header,
                "a flow runs in the coordinator, not as a task; put it on the tasks of the flow",
            );
            return;
        }
        if header.options.is_empty() {
            return;
        }
        let names = surroundings.template.as_deref().unwrap_or_default();
        let depends = |(key, value): &(&String, &Json)| *key != "@key" && placeholder::inside(value, names);
        let (dependent, fixed): (Vec<_>, Vec<_>) = header.options.iter().partition(depends);
        for (key, _) in dependent {
            self.member(
                key,
                Focus::Value,
                format!("{key} cannot depend on the item; write it out, or use several flows"),
            );
        }
        let fixed: Map<String, Json> =
            fixed.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let read = TaskOptions::read(fixed, &self.catalog.options);
        self.complain(read.err().unwrap_or_default());
        let key = header.options.get("@key").and_then(Json::as_str);
        // A template of single things, such as a reduction, has no items to tell apart.
        let per_item = surroundings.outermost && names.iter().any(|name| name == "item");
        if per_item && key.is_some_and(|key| !placeholder::has_any(key, names)) {
            let message = "every item would get this same key, and so be one and the same task; put {item} or {index} into it";
            self.member("@key", Focus::Value, message.into());
        }
    }

    fn refuse_options(&mut self, header: &Header, reason: &str) {
        for key in header.options.keys() {
            self.member(key, Focus::Key, format!("{key} means nothing here: {reason}"));
        }
    }

    /// What only the entry's code can find: its typed arguments, and rules between them.
    fn check_by_code(&mut self, entry: &Entry, arguments: &Json, template: Option<&[String]>) {
        let open = template.is_some_and(|names| placeholder::inside(arguments, names));
        if open || !self.findings.knows_all() {
            return;
        }
        match &entry.code {
            Code::Announced | Code::Operation(_) => {
                if let Err(message) = check_arguments(entry, arguments) {
                    self.problem(Focus::Value, message);
                }
            }
            Code::Flow(flow) => {
                for (pointer, error) in flow.check(arguments, &Checking(self.catalog)) {
                    let inside = from_pointer(&pointer, arguments);
                    let path: Vec<Segment> = self.path.iter().cloned().chain(inside).collect();
                    self.findings.add(Finding::new(&path, Focus::Value, error.to_string()));
                }
            }
        }
    }

    fn complain(&mut self, complaints: Vec<Complaint>) {
        for complaint in complaints {
            let path: Vec<Segment> = self.path.iter().cloned().chain(complaint.path).collect();
            self.findings
                .add(Finding::new(&path, complaint.focus, complaint.message).suggest(complaint.suggestion));
        }
    }

    fn problem(&mut self, focus: Focus, message: String) {
        self.findings.add(Finding::new(&self.path, focus, message));
    }

    fn member(&mut self, key: &str, focus: Focus, message: String) {
        self.path.push(key.into());
        self.problem(focus, message);
        self.path.pop();
    }
}

impl Surroundings {
    /// What the parts of plain data have from it.
    fn inside(&self) -> Self {
        Self { version: self.version.clone(), template: self.template.clone(), ..Self::default() }
    }
}
