//! The interface of `datafusion-ffi`: tables for the engine of the Python package `datafusion`.

use crate::engine::Engine;
use crate::query_table::QueryTable;
use crate::table_factory::Factory;
use avro_sql_cli::embed::SqlSession;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{TableReference, not_impl_err};
use datafusion::datasource::TableProvider;
use datafusion::error::Result;
use datafusion::execution::{TaskContext, TaskContextProvider};
use datafusion::logical_expr::{
    ColumnarValue, Extension, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion_ffi::execution::FFI_TaskContextProvider;
use datafusion_ffi::table_provider::FFI_TableProvider;
use datafusion_ffi::table_provider_factory::FFI_TableProviderFactory;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::CStr;
use std::sync::Arc;
use tokio::runtime::Handle;

const TABLE: &CStr = c"datafusion_table_provider";
const FACTORY: &CStr = c"datafusion_table_provider_factory";

/// The functions of a session, by which filters and statements of the other engine are decoded.
#[derive(Clone)]
pub(crate) struct Functions(Arc<SessionContext>);

impl Functions {
    /// Returns the functions of a session.
    pub(crate) fn of(session: &SqlSession) -> Functions {
        Functions(Arc::new(session.context().clone()))
    }

    /// The interface holds the provider weakly, so `self` must be kept.
    fn provider(&self) -> FFI_TaskContextProvider {
        let provider: Arc<dyn TaskContextProvider> = Arc::clone(&self.0) as _;
        FFI_TaskContextProvider::from(&provider)
    }
}

/// Returns the capsule of a table, which must keep the functions.
pub(crate) fn table_capsule<'py>(
    py: Python<'py>,
    table: QueryTable,
    functions: &Functions,
    threads: Handle,
) -> PyResult<Bound<'py, PyCapsule>> {
    let table: Arc<dyn TableProvider> = Arc::new(table);
    let codec = Arc::new(AnyFunction);
    let table = FFI_TableProvider::new(table, true, Some(threads), functions.provider(), Some(codec));
    PyCapsule::new_with_value(py, table, TABLE)
}

/// Returns the capsule of `__datafusion_table_provider_factory__`.
#[pyfunction]
pub(crate) fn table_factory(py: Python<'_>) -> PyResult<Bound<'_, PyCapsule>> {
    let engine = Engine::get(py)?;
    let functions = Functions::of(&engine.session);
    let (threads, codec) = (engine.threads(), Arc::new(AnyFunction));
    let factory = Arc::new(Factory::new(threads.clone(), Arc::new(functions.clone())));
    let factory = FFI_TableProviderFactory::new(factory, Some(threads), functions.provider(), Some(codec));
    PyCapsule::new_with_value(py, factory, FACTORY)
}

/// Decodes filters with functions that only the other engine has. Tables do not take such filters, but see them.
#[derive(Debug)]
struct AnyFunction;

impl LogicalExtensionCodec for AnyFunction {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        not_impl_err!("plans of other engines")
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        not_impl_err!("plans for other engines")
    }

    fn try_decode_table_provider(
        &self,
        _: &[u8],
        _: &TableReference,
        _: datafusion::arrow::datatypes::SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        not_impl_err!("tables of other engines")
    }

    fn try_encode_table_provider(&self, _: &TableReference, _: Arc<dyn TableProvider>, _: &mut Vec<u8>) -> Result<()> {
        not_impl_err!("tables for other engines")
    }

    fn try_decode_udf(&self, name: &str, _: &[u8]) -> Result<Arc<ScalarUDF>> {
        let signature = Signature::variadic_any(Volatility::Volatile);
        Ok(Arc::new(ScalarUDF::from(UnknownFunction { name: name.to_owned(), signature })))
    }
}

/// A function of the other engine.
#[derive(Debug, PartialEq, Eq, Hash)]
struct UnknownFunction {
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for UnknownFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Null)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("the function {} is of another engine", self.name)
    }
}
