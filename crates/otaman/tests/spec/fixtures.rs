//! Operations and flows to write specs about.

use std::collections::BTreeMap;

use otaman::spec::{self, Catalog, Problems, Spec};
use otaman::{
    Context, Descriptor, Error, Flow, FlowSchema, Operation, Registry, Resolve, Result, Target, Template,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How an image is fitted.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Fit {
    Inside,
    Outside,
}

/// Where to read from.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Source {
    File { path: String },
    Url { url: String, timeout: Option<f64> },
}

/// What to draw.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shape", rename_all = "snake_case", deny_unknown_fields)]
enum Drawing {
    Circle { radius: f64 },
    Square { side: f64 },
}

/// A box whose end must not lie before its start; its schema cannot say so.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "[i64; 2]", into = "[i64; 2]")]
struct Span([i64; 2]);

impl TryFrom<[i64; 2]> for Span {
    type Error = String;
    fn try_from(span: [i64; 2]) -> Result<Self, String> {
        if span[0] <= span[1] {
            Ok(Self(span))
        } else {
            Err(format!("the span ends at {}, before its start {}", span[1], span[0]))
        }
    }
}

impl From<Span> for [i64; 2] {
    fn from(span: Span) -> Self {
        span.0
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resize {
    /// The image to resize.
    path: String,
    /// Width of the result, in pixels.
    #[schemars(range(min = 1, max = 10000))]
    width: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    sharpen: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span: Option<Span>,
}

impl Operation for Resize {
    type Output = String;
    fn descriptor() -> Descriptor {
        Descriptor::new("resize", "1.2.0").description("Resizes an image.")
    }
    async fn run(self, _: Context) -> Result<String> {
        Ok(self.path)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Load {
    from: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    draw: Option<Drawing>,
}

impl Operation for Load {
    type Output = ();
    fn descriptor() -> Descriptor {
        Descriptor::new("load", "1.0.0").worker_type("io").semaphores(&["read"])
    }
    async fn run(self, _: Context) -> Result<()> {
        Ok(())
    }
}

/// Any data, and no argument needed.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    #[serde(default)]
    data: Json,
}

impl Operation for Note {
    type Output = Json;
    fn descriptor() -> Descriptor {
        Descriptor::new("note", "1.0.0")
    }
    async fn run(self, _: Context) -> Result<Json> {
        Ok(self.data)
    }
}

macro_rules! import {
    ($name:ident, $version:literal, $specs:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct $name {}
        impl Operation for $name {
            type Output = ();
            fn descriptor() -> Descriptor {
                Descriptor::new("import", $version).spec_versions($specs)
            }
            async fn run(self, _: Context) -> Result<()> {
                Ok(())
            }
        }
    };
}
import!(OldImport, "0.1.0", "<=0.0.2");
import!(NewImport, "1.0.0", ">=0.0.3, <2");
import!(NewerImport, "1.5.0", ">=1, <2");

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chain {
    stages: Vec<Target>,
}

impl FlowSchema for Chain {
    type Output = ();
    fn descriptor() -> Descriptor {
        Descriptor::new("chain", "1.0.0").description("Runs stages one after the other.")
    }
    async fn expand(self, flow: Flow) -> Result<()> {
        for stage in &self.stages {
            flow.target(stage).await?;
            flow.wait().await;
        }
        Ok(())
    }
    fn check(&self, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        let unresolved = self.stages.iter().enumerate().filter_map(|(index, stage)| {
            let error = resolver.resolve(stage, &[]).err()?;
            Some((format!("/stages/{index}"), error))
        });
        unresolved.collect()
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Each {
    items: Vec<Json>,
    r#do: Template,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-otaman-variables" = ["values"]))]
    then: Option<Template>,
}

impl FlowSchema for Each {
    type Output = ();
    fn descriptor() -> Descriptor {
        Descriptor::new("each", "1.0.0")
    }
    async fn expand(self, flow: Flow) -> Result<()> {
        let prepared = flow.resolver().prepare(self.r#do.target())?;
        for (index, item) in self.items.iter().enumerate() {
            let node = prepared(&[("item", item), ("index", &index.into())])?;
            flow.node::<Json>(node, otaman::driver::OnFailure::Propagate).await;
        }
        Ok(())
    }
    fn check(&self, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        let prepared = match resolver.prepare(self.r#do.target()) {
            Ok(prepared) => prepared,
            Err(error) => return vec![("/do".to_owned(), error)],
        };
        let bad = self.items.iter().enumerate().filter_map(|(index, item)| {
            let error = prepared(&[("item", item), ("index", &index.into())]).err()?;
            Some(("/do".to_owned(), error.context(format!("with item {index}"))))
        });
        bad.collect()
    }
}

pub fn catalog() -> Catalog {
    let registry = Registry::builder()
        .operation::<Resize>()
        .operation::<Load>()
        .operation::<Note>()
        .operation::<OldImport>()
        .operation::<NewImport>()
        .operation::<NewerImport>()
        .flow::<Chain>()
        .flow::<Each>();
    Catalog::new(&registry.build().unwrap())
}

pub fn variables(given: &[(&str, Json)]) -> BTreeMap<String, Json> {
    given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub fn parse(text: impl AsRef<[u8]>) -> Result<Spec, Problems> {
    spec::parse("spec.json", text, &BTreeMap::new(), &catalog())
}

/// The checked root of a good spec.
#[track_caller]
pub fn root(text: &str) -> Json {
    match parse(text) {
        Ok(spec) => spec.root.spec().clone(),
        Err(problems) => panic!("{problems}"),
    }
}

/// The problems of a bad spec.
#[track_caller]
pub fn problems(text: impl AsRef<[u8]>) -> String {
    parse(text).expect_err("the spec has a problem").to_string()
}
