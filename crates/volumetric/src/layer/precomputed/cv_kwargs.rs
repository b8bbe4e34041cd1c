//! CloudVolume's own parameters, as far as they mean something here.

use serde_json::{Map, Value as Json};

use crate::array::DataType;
use crate::layer::Error;
use crate::layer::chunks::Fill;

/// CloudVolume's own parameters, as far as they mean something here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CvKwargs {
    pub(super) is_bounded: bool,
    pub(super) fills_missing: bool,
    pub(super) gzips: bool,
    pub(super) deletes_filled: Option<bool>,
    pub(super) cache_bytes: Option<u64>,
    background: f64,
}

/// Those that change how CloudVolume works and not what is read or written.
const WITHOUT_EFFECT: [&str; 14] = [
    "progress",
    "autocrop",
    "non_aligned_writes",
    "compress_cache",
    "cdn_cache",
    "agglomerate",
    "lru_encoding",
    "parallel",
    "green_threads",
    "use_https",
    "provenance",
    "max_redirects",
    "compress_level",
    "delete_black_uploads_threads",
];

impl CvKwargs {
    pub(super) fn of(given: Option<&Map<String, Json>>) -> Result<Self, Error> {
        let mut kwargs = Self {
            is_bounded: false,
            fills_missing: true,
            gzips: false,
            deletes_filled: None,
            cache_bytes: None,
            background: 0.0,
        };
        for (name, value) in given.into_iter().flatten() {
            let refuse = |reason: String| Error::Parameter { parameter: "cv_kwargs", reason };
            let boolean =
                || value.as_bool().ok_or_else(|| refuse(format!("{name:?} is {value}; write true or false")));
            match name.as_str() {
                "bounded" => kwargs.is_bounded = boolean()?,
                "fill_missing" => kwargs.fills_missing = boolean()?,
                "delete_black_uploads" => kwargs.deletes_filled = Some(boolean()?),
                "compress" => {
                    kwargs.gzips = match value {
                        Json::Null | Json::Bool(false) => false,
                        Json::Bool(true) => true,
                        Json::String(name) if name.is_empty() => false,
                        Json::String(name) if name == "gzip" => true,
                        other => {
                            return Err(refuse(format!(
                                "\"compress\" is {other}; write \"gzip\", or null for none"
                            )));
                        }
                    };
                }
                "background_color" => {
                    kwargs.background = value
                        .as_f64()
                        .ok_or_else(|| refuse(format!("\"background_color\" is {value}; write a number")))?;
                }
                "lru_bytes" => {
                    let bytes = value.as_u64();
                    kwargs.cache_bytes = Some(
                        bytes.ok_or_else(|| refuse(format!("\"lru_bytes\" is {value}; write how many")))?,
                    );
                }
                "cache" if !boolean()? => {}
                "cache" => {
                    return Err(refuse(
                        "\"cache\" would keep chunks on disk; give cache_bytes_limit, which keeps them in memory".into(),
                    ));
                }
                "mip" => {
                    let reason = "\"mip\" is decided by the resolution of each place; leave it out".into();
                    return Err(refuse(reason));
                }
                "secrets" => {
                    let reason =
                        "\"secrets\" do not belong into specs; set the environment of the workers".into();
                    return Err(refuse(reason));
                }
                "info" => {
                    let reason =
                        "\"info\" is made of info_field_overrides and other parameters; give those".into();
                    return Err(refuse(reason));
                }
                other if WITHOUT_EFFECT.contains(&other) => {}
                other => {
                    return Err(refuse(format!(
                        "{other:?} is not known; there are \"fill_missing\", \"bounded\", \"compress\", \
                         \"delete_black_uploads\", \"background_color\" and \"lru_bytes\""
                    )));
                }
            }
        }
        Ok(kwargs)
    }

    /// What was never written, as one value.
    pub(super) fn background(&self, data_type: DataType) -> Result<Fill, Error> {
        let fill = Fill::nearest(data_type, self.background);
        #[expect(clippy::float_cmp, reason = "a whole number is itself or another one")]
        if data_type.is_float() || fill.to_f64(data_type) == self.background {
            return Ok(fill);
        }
        let reason = format!("\"background_color\" {} is no {data_type}", self.background);
        Err(Error::Parameter { parameter: "cv_kwargs", reason })
    }
}
