//! Extends functions of DataFusion to more types, under the same names.
//!
//! In DataFusion 55, `length` of a list counts characters of its text, `octet_length`, `substr` and others take only
//! text, and `date_trunc` and `date_bin` fail outside of the years 1677 to 2262. See [`lengths`](super::lengths) and
//! [`dates`](super::dates).

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The extension of a function.
pub(super) trait More: std::fmt::Debug + Send + Sync + 'static {
    /// Returns the coerced types for arguments of these types; `None` for those that DataFusion's function takes.
    fn coerce(&self, types: &[DataType]) -> Result<Option<Vec<DataType>>>;

    /// Returns whether coerced arguments are for [`More::call`].
    fn is_own(&self, types: &[DataType]) -> bool;

    /// Returns the return type of [`More::call`].
    fn returns(&self, types: &[DataType]) -> Result<DataType>;

    /// Computes the result for such arguments.
    fn call(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue>;

    /// Computes the result for arguments that DataFusion's function failed for, if there is one.
    fn rescue(&self, _args: &ScalarFunctionArgs) -> Option<Result<ColumnarValue>> {
        None
    }

    /// Whether [`More::rescue`] may have a result, so that arguments are kept for it.
    fn can_rescue(&self) -> bool {
        false
    }
}

/// A function of DataFusion's, extended to more types.
#[derive(Debug)]
pub(super) struct Widened {
    inner: Arc<ScalarUDF>,
    name: &'static str,
    more: &'static dyn More,
    aliases: Vec<String>,
    signature: Signature,
}

impl Widened {
    pub(super) fn new(inner: Arc<ScalarUDF>, name: &'static str, aliases: &[&str], more: &'static dyn More) -> Widened {
        let signature = Signature::user_defined(inner.signature().volatility);
        Widened { inner, name, more, aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(), signature }
    }
}

/// Returns DataFusion's function.
#[cfg(feature = "cluster")]
pub(super) fn wrapped(function: &ScalarUDF) -> Option<&Arc<ScalarUDF>> {
    function.inner().downcast_ref::<Widened>().map(|widened| &widened.inner)
}

impl PartialEq for Widened {
    fn eq(&self, other: &Widened) -> bool {
        self.name == other.name && self.inner == other.inner
    }
}

impl Eq for Widened {}

impl std::hash::Hash for Widened {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

fn types(fields: &[FieldRef]) -> Vec<DataType> {
    fields.iter().map(|field| field.data_type().clone()).collect()
}

impl ScalarUDFImpl for Widened {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let Some(types) = self.more.coerce(types)? {
            return Ok(types);
        }
        let fields: Vec<FieldRef> =
            types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let fields = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if self.more.is_own(types) { self.more.returns(types) } else { self.inner.return_type(types) }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = types(args.arg_fields);
        if !self.more.is_own(&types) {
            return self.inner.return_field_from_args(args);
        }
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name, self.more.returns(&types)?, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.more.is_own(&types(&args.arg_fields)) {
            return self.more.call(&args);
        }
        if !self.more.can_rescue() {
            return self.inner.invoke_with_args(args);
        }
        let kept = args.clone();
        self.inner.invoke_with_args(args).or_else(|error| self.more.rescue(&kept).unwrap_or(Err(error)))
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = self.inner.inner().with_updated_config(config)?;
        let aliases: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
        Some(Widened::new(Arc::new(inner), self.name, &aliases, self.more).into())
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(input)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
