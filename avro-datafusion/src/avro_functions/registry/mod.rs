//! The option `registry`: schemas of a schema registry, by the ids in messages. Without the cargo feature `registry`
//! the option is an error.

#[cfg(not(feature = "registry"))]
mod absent;
#[cfg(feature = "registry")]
mod present;

use super::call::{CallConstants, DECODING};
use super::framings::FramingOption;
use datafusion::common::{Result, plan_err};

#[cfg(not(feature = "registry"))]
pub(super) use absent::{Registries, Registry, schema_of_subject};
#[cfg(feature = "registry")]
pub(super) use avro_registry::BlockingRegistry as Registry;
#[cfg(feature = "registry")]
pub(super) use present::{Registries, schema_of_subject};

/// Returns the address of the registry that a call uses, empty for the one of the environment; `None` if it uses none.
/// `environment`: whether the environment names a registry.
///
/// That is the default only where ids are all that tells the schemas of messages.
pub(super) fn address_of<'c>(function: &str, call: &'c CallConstants, environment: bool) -> Result<Option<&'c str>> {
    if !DECODING.contains(&function) {
        return Ok(None);
    }
    if let Some(address) = call.option("registry") {
        // They would stand in plans.
        if address.contains('@') {
            return plan_err!(
                "option `registry`: leave credentials out of the address, which plans show; set \
                 SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO, for example"
            );
        }
        if call.option("schemas").is_some() {
            return plan_err!("the options `registry` and `schemas` exclude each other");
        }
        return Ok(Some(address));
    }
    if call.option("subject").is_some() {
        return match environment {
            true => Ok(Some("")),
            false => {
                plan_err!("the option `subject` needs a registry; set registry => 'https://..' or SCHEMA_REGISTRY_URL")
            }
        };
    }
    let has_schemas =
        call.schema.is_some() || call.option("schemas").is_some() || call.option("reader_schema").is_some();
    let needs_ids = match call.option("framing").map(FramingOption::parse).transpose()? {
        None => false,
        Some(framing) => framing.has_registry_ids(),
    };
    Ok((environment && needs_ids && !has_schemas).then_some(""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn address_is_given_or_that_of_the_environment() {
        const ANY: &str = "from_avro";
        const URL: (&str, &str) = ("registry", "http://r");
        type Case = (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)], bool, Expected);
        type Expected = Option<&'static str>;
        let cases: [Case; 11] = [
            (ANY, None, &[URL], false, Some("http://r")),
            (ANY, Some("int"), &[URL], true, Some("http://r")),
            (ANY, None, &[("framing", "confluent")], true, Some("")),
            (ANY, None, &[("framing", "auto")], true, Some("")),
            (ANY, None, &[("framing", "confluent")], false, None),
            (ANY, None, &[("framing", "single-object")], true, None),
            (ANY, None, &[], true, None),
            (ANY, Some("int"), &[("framing", "confluent")], true, None),
            (ANY, None, &[("framing", "confluent"), ("schemas", "x/")], true, None),
            (ANY, None, &[("subject", "s")], true, Some("")),
            ("to_avro", None, &[("framing", "confluent"), ("id", "7")], true, None),
        ];
        check_all(cases, |(function, schema, options, environment, expected)| {
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let call = CallConstants { schema: schema.map(str::to_owned), options };
            assert_eq!(address_of(function, &call, environment).unwrap(), expected);
        });
        let wrong: [&[(&str, &str)]; 3] =
            [&[("registry", "http://a:hunter2@r")], &[URL, ("schemas", "x/")], &[("subject", "s")]];
        for options in wrong {
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let error = address_of(ANY, &CallConstants { schema: None, options }, false).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
