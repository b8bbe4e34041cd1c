//! `echo`: returns its argument.

use protocol::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::entry::{OperationEntry, Registration};
use crate::error::Error;
use crate::operation::Operation;

/// Returns its argument; for trying things out and for measuring what a task costs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// What to return: any value.
    #[schemars(with = "serde_json::Value")]
    pub value: Value,
}

impl Operation for Echo {
    type Output = Value;

    fn descriptor() -> Descriptor {
        Descriptor::new("echo", "1.0.0").description("Returns its argument.").tags(&["stock"])
    }

    async fn run(self, _: Context) -> Result<Value, Error> {
        Ok(self.value)
    }
}

/// How canonical arguments of `echo` begin: a map of one field named `value`. The rest is the value.
const BEFORE_VALUE: &[u8] = b"\x81\xa5value";

/// The entry passes the value on undecoded, which is quicker and leaves byte strings what they are.
fn entry() -> OperationEntry {
    let typed = OperationEntry::of::<Echo>();
    OperationEntry {
        run: |arguments, context| match arguments.as_bytes().strip_prefix(BEFORE_VALUE) {
            Some(value) => Box::pin(std::future::ready(Value::from_bytes(value).map_err(Error::from))),
            None => (OperationEntry::of::<Echo>().run)(arguments, context),
        },
        ..typed
    }
}

inventory::submit! { Registration::Operation(entry) }

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stock::testing::Recorder;

    #[tokio::test]
    async fn any_value_comes_back_unchanged() {
        for value in [json!(null), json!({"b": [1, 2.5, "x"], "a": {}}), json!("ж")] {
            let arguments = Value::encode(&json!({ "value": value })).unwrap();
            let result = entry().run(arguments, Recorder::default().context()).await;
            assert_eq!(result.unwrap().to_json().unwrap(), value);
        }
    }

    #[tokio::test]
    async fn missing_and_unknown_arguments_are_refused() {
        for arguments in [json!({}), json!({"value": 1, "extra": 2}), json!({"valve": 1}), json!(1)] {
            let arguments = Value::encode(&arguments).unwrap();
            assert!(entry().check(&arguments).is_err());
            let result = entry().run(arguments, Recorder::default().context()).await;
            assert!(result.is_err());
        }
    }
}
