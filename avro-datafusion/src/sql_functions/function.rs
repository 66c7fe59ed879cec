//! Scalar functions as rows of tables: how a function is called, what it does, and how it is computed.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::compute::cast;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, col, lit,
};

/// A row of a table of functions.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    /// A call with named arguments, such as `last_day(x)`.
    pub(super) usage: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    /// An expression that documentation evaluates.
    pub(super) example: &'static str,
    pub(super) n_args: RangeInclusive<usize>,
    pub(super) body: Body,
}

/// How a function is computed.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// By an expression that replaces the call before types are determined.
    Expr(fn(&Call) -> Result<Expr>),
    /// By a loop over values.
    Kernel(Kernel),
}

/// A computation over values.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    /// Returns the types to which arguments of these types are converted.
    pub(super) coerce: fn(&[DataType]) -> Result<Vec<DataType>>,
    /// Returns the type of the result for converted arguments, of which literals are known.
    pub(super) returns: fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>,
    pub(super) call: fn(&Arguments) -> Result<ArrayRef>,
}

/// The arguments of a computation.
pub(super) struct Arguments<'a> {
    pub(super) values: &'a [ColumnarValue],
    pub(super) fields: &'a [FieldRef],
    /// The number of rows; 1 if all arguments are literals.
    pub(super) rows: usize,
    pub(super) returns: &'a DataType,
}

impl Arguments<'_> {
    /// Returns an argument as an array: of one row for a literal.
    pub(super) fn array(&self, at: usize) -> Result<ArrayRef> {
        match self.values.get(at) {
            Some(ColumnarValue::Array(array)) => Ok(Arc::clone(array)),
            Some(ColumnarValue::Scalar(value)) => value.to_array(),
            None => internal_err!("a function has no argument {at}"),
        }
    }

    /// Returns an argument as an array with all rows.
    pub(super) fn rows_of(&self, at: usize) -> Result<ArrayRef> {
        match self.values.get(at) {
            Some(value) => value.to_array(self.rows),
            None => internal_err!("a function has no argument {at}"),
        }
    }

    /// Returns an argument as text.
    pub(super) fn texts(&self, at: usize) -> Result<TextArgument> {
        let array = cast(&self.array(at)?, &DataType::Utf8View)?;
        Ok(TextArgument { array: array.as_string_view().clone(), is_one: self.is_literal(at) })
    }

    /// Whether an argument is the same for all rows.
    pub(super) fn is_literal(&self, at: usize) -> bool {
        matches!(self.values.get(at), Some(ColumnarValue::Scalar(_)))
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// A text argument: a literal or a column.
pub(super) struct TextArgument {
    array: StringViewArray,
    is_one: bool,
}

impl TextArgument {
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let row = if self.is_one { 0 } else { row };
        (!self.array.is_null(row)).then(|| self.array.value(row))
    }
}

/// A value derived from text, computed again only where the text changes.
pub(super) struct Cached<T> {
    last: Option<(String, T)>,
}

impl<T> Cached<T> {
    pub(super) fn new() -> Cached<T> {
        Cached { last: None }
    }

    pub(super) fn get(&mut self, text: &str, make: impl FnOnce(&str) -> Result<T>) -> Result<&T> {
        if self.last.as_ref().is_none_or(|(last, _)| last != text) {
            self.last = Some((text.to_owned(), make(text)?));
        }
        match &self.last {
            Some((_, value)) => Ok(value),
            None => internal_err!("a cache is empty"),
        }
    }
}

/// The scalar functions of a session, by name.
pub(super) type Functions = Arc<HashMap<String, Arc<ScalarUDF>>>;

/// A call that an expression replaces.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) args: Vec<Expr>,
    pub(super) fields: Vec<FieldRef>,
    functions: &'a Functions,
    config: Option<&'a ConfigOptions>,
}

impl Call<'_> {
    /// Returns an argument; null if it is missing.
    pub(super) fn arg(&self, at: usize) -> Expr {
        self.args.get(at).cloned().unwrap_or_else(|| lit(ScalarValue::Null))
    }

    pub(super) fn data_type(&self, at: usize) -> &DataType {
        self.fields.get(at).map_or(&DataType::Null, |field| field.data_type())
    }

    /// Returns a literal argument.
    pub(super) fn literal(&self, at: usize) -> Option<&ScalarValue> {
        match self.args.get(at) {
            Some(Expr::Literal(value, _)) => Some(value),
            _ => None,
        }
    }

    /// Calls another function of the session.
    pub(super) fn of(&self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let Some(function) = self.functions.get(name) else {
            return plan_err!("{} needs the function {name}, which this session does not have", self.name);
        };
        // `SET` changes what functions such as to_char have read from the configuration.
        let updated = self.config.and_then(|config| function.inner().with_updated_config(config));
        Ok(updated.map_or_else(|| Arc::clone(function), Arc::new).call(args))
    }
}

/// Creates the functions of a table.
pub(super) fn all(definitions: &'static [Definition], functions: &Functions) -> Vec<ScalarUDF> {
    definitions.iter().map(|definition| Function::new(definition, functions).into()).collect()
}

/// A function of a table.
pub(super) struct Function {
    definition: &'static Definition,
    functions: Functions,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl Function {
    fn new(definition: &'static Definition, functions: &Functions) -> Function {
        Function {
            definition,
            functions: Arc::clone(functions),
            aliases: definition.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documented(definition.usage, definition.about, definition.example),
        }
    }

    /// Returns the types to which arguments of these types are converted.
    fn coerced(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let Definition { name, usage, n_args, body, .. } = self.definition;
        if !n_args.contains(&types.len()) {
            return plan_err!("{name}: {} arguments do not fit; use {usage}", types.len());
        }
        match body {
            Body::Expr(_) => Ok(types.to_vec()),
            Body::Kernel(kernel) => (kernel.coerce)(types),
        }
    }

    fn built(&self, args: Vec<Expr>, fields: Vec<FieldRef>, config: Option<&ConfigOptions>) -> Result<Option<Expr>> {
        let Body::Expr(build) = self.definition.body else { return Ok(None) };
        let call = Call { name: self.definition.name, args, fields, functions: &self.functions, config };
        build(&call).map(Some)
    }
}

/// Returns documentation as DataFusion has it.
pub(super) fn documented(usage: &str, about: &str, example: &str) -> Documentation {
    const SECTION: DocSection = DocSection { include: true, label: "Everyday Functions", description: None };
    let documentation = Documentation::builder(SECTION, about, usage);
    if example.is_empty() { documentation } else { documentation.with_sql_example(example) }.build()
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.definition.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Function {}

impl std::hash::Hash for Function {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // DataFusion would wrap this error in its own words; it does not wrap that of `return_field_from_args`.
        Ok(self.coerced(types).unwrap_or_else(|_| types.to_vec()))
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments", self.definition.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        self.coerced(&types)?;
        if let Body::Kernel(kernel) = self.definition.body {
            let data_type = (kernel.returns)(&types, args.scalar_arguments)?;
            return Ok(Arc::new(Field::new(self.name(), data_type, true)));
        }
        // The type of the expression over columns of these types.
        let names = (0..args.arg_fields.len()).map(|at| format!("argument_{at}"));
        let columns = args.arg_fields.iter().zip(names).map(|(field, name)| Field::clone(field).with_name(name));
        let columns: Fields = columns.collect();
        let exprs = columns.iter().zip(args.scalar_arguments).map(|(field, literal)| match literal {
            Some(value) => lit((*value).clone()),
            None => col(field.name()),
        });
        let built = self.built(exprs.collect(), columns.iter().cloned().collect(), None)?;
        let Some(built) = built else { return internal_err!("{} is not an expression", self.name()) };
        let schema = DFSchema::from_unqualified_fields(columns, HashMap::new())?;
        let field = built.to_field(&schema)?.1;
        Ok(Arc::new(Field::clone(&field).with_name(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Body::Kernel(kernel) = self.definition.body else {
            return exec_err!("{} must be planned by a session", self.definition.name);
        };
        let is_literal = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_literal { 1 } else { args.number_rows };
        let arguments =
            Arguments { values: &args.args, fields: &args.arg_fields, rows, returns: args.return_field.data_type() };
        let result = (kernel.call)(&arguments)?;
        if is_literal {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Replaces calls by their expressions.
#[derive(Debug)]
pub(super) struct Expand;

impl FunctionRewrite for Expand {
    fn name(&self) -> &str {
        "avro_sql_functions"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        let Some(function) = call.func.inner().downcast_ref::<Function>() else { return Ok(Transformed::no(expr)) };
        let fields = call.args.iter().map(|arg| Ok(arg.to_field(schema)?.1)).collect::<Result<Vec<_>>>()?;
        Ok(match function.built(call.args.clone(), fields, Some(config))? {
            Some(built) => Transformed::yes(built),
            None => Transformed::no(expr),
        })
    }
}

/// Returns the error of an argument of another type.
pub(super) fn wrong(name: &str, needs: &str, found: &DataType) -> datafusion::error::DataFusionError {
    plan_datafusion_err!("{name} needs {needs}, not {found}")
}
