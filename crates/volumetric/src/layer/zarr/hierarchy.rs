//! What stands at a path: an array, or a group whose attributes make an image of its arrays.

use serde_json::{Map, Value as Json};

use crate::layer::Error;
use crate::layer::storage::Storage;
use crate::layer::zarr::ome::multiscales;

type Object = Map<String, Json>;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Root {
    /// An array by itself.
    Array(Node),
    /// A group whose arrays are the scales of an image.
    Image {
        /// Where its metadata are.
        place: String,
        /// All that they say; attributes alone in format 2.
        metadata: Object,
        /// What they say of scales.
        multiscales: Json,
        /// The arrays that they name, by their paths.
        arrays: Vec<(String, Option<Node>)>,
    },
}

/// The metadata of an array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where they are.
    pub(super) place: String,
    /// What they say.
    pub(super) metadata: Object,
}

/// What stands at a place, if anything does.
pub(super) fn read(storage: &Storage) -> Result<Option<Root>, Error> {
    let (place, metadata, attributes) = if let Some(metadata) = json(storage, "zarr.json")? {
        if metadata.get("node_type").and_then(Json::as_str) == Some("array") {
            return Ok(Some(Root::Array(Node { place: storage.key("zarr.json"), metadata })));
        }
        let attributes = metadata.get("attributes").and_then(Json::as_object).cloned();
        (storage.key("zarr.json"), metadata, attributes.unwrap_or_default())
    } else if let Some(metadata) = json(storage, ".zarray")? {
        return Ok(Some(Root::Array(Node { place: storage.key(".zarray"), metadata })));
    } else if let Some(attributes) = json(storage, ".zattrs")? {
        (storage.key(".zattrs"), attributes.clone(), attributes)
    } else if json(storage, ".zgroup")?.is_some() {
        (storage.key(".zgroup"), Object::new(), Object::new())
    } else {
        return Ok(None);
    };
    let Some(multiscales) = multiscales(&attributes).cloned() else {
        let reason =
            "it is a group without OME metadata (\"multiscales\"); give the path of one of its arrays".into();
        return Err(Error::Metadata { place, reason });
    };
    let mut arrays = Vec::new();
    for dataset in multiscales.get("datasets").and_then(Json::as_array).into_iter().flatten() {
        let Some(path) = dataset.get("path").and_then(Json::as_str) else { continue };
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let reason = format!("the path {path:?} of a dataset is not one below the group");
            return Err(Error::Metadata { place, reason });
        }
        let child = storage.child(path);
        let node = match json(&child, "zarr.json")? {
            Some(metadata) => Some(Node { place: child.key("zarr.json"), metadata }),
            None => json(&child, ".zarray")?.map(|metadata| Node { place: child.key(".zarray"), metadata }),
        };
        arrays.push((path.to_owned(), node));
    }
    Ok(Some(Root::Image { place, metadata, multiscales, arrays }))
}

fn json(storage: &Storage, key: &str) -> Result<Option<Object>, Error> {
    let Some(bytes) = storage.get(key)? else { return Ok(None) };
    let refuse = |reason: String| Error::Metadata { place: storage.key(key), reason };
    match serde_json::from_slice(&bytes) {
        Ok(Json::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(refuse("it is not a JSON object".into())),
        Err(error) => Err(refuse(format!("it is not JSON: {error}"))),
    }
}
