//! Exact totals of columns for `sum` and `avg`.
//!
//! Totals have 128 or 256 bits, so that only the final result must fit its type, in whatever order values are added.

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, BooleanArray, PrimitiveArray, UInt64Array};
use arrow_schema::DataType;
use datafusion::arrow::datatypes::i256;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_datafusion_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use super::finish::{DecimalTotal, Finish};

/// A value that can be added to a total `T`.
pub(super) trait Summand<T>: Copy + Send + Sync + Eq + Hash {
    fn widen(self) -> T;
    /// The sum of all; `None` if it does not fit.
    fn sum(values: &[Self]) -> Option<T>;
    /// The total with the value; `None` if it does not fit.
    fn add_to(self, total: T) -> Option<T>;
}

macro_rules! small_summands {
    ($($t:ty)*) => {$(
        impl Summand<i128> for $t {
            fn widen(self) -> i128 {
                i128::from(self)
            }

            // High and low halves cannot overflow within a batch, and are summed in bulk.
            fn sum(values: &[Self]) -> Option<i128> {
                const LOW: $t = u32::MAX as $t;
                let halves = |(high, low): ($t, i64), value: &$t| {
                    let top = if <$t>::BITS > 32 { *value >> (<$t>::BITS / 2) } else { 0 };
                    let rest = if <$t>::BITS > 32 { *value & LOW } else { *value };
                    (high.wrapping_add(top), low.wrapping_add(rest as i64))
                };
                let (high, low) = values.iter().fold((0, 0), halves);
                Some((i128::from(high) << 32) + i128::from(low))
            }

            #[inline(always)]
            fn add_to(self, total: i128) -> Option<i128> {
                Some(total.wrapping_add(i128::from(self)))
            }
        }
    )*};
}
small_summands!(i32 i64 u64);

macro_rules! large_summands {
    ($($t:ty)*) => {$(
        impl Summand<$t> for $t {
            fn widen(self) -> $t {
                self
            }

            fn sum(values: &[Self]) -> Option<$t> {
                values.iter().try_fold(<$t>::ZERO, |total, value| total.checked_add(*value))
            }

            #[inline(always)]
            fn add_to(self, total: $t) -> Option<$t> {
                total.checked_add(self)
            }
        }
    )*};
}
large_summands!(i128 i256);

/// The total and number of all rows.
pub(super) struct One<S, W: ArrowPrimitiveType> {
    total: W::Native,
    count: u64,
    finish: Finish,
    summands: PhantomData<fn() -> S>,
}

impl<S, W: ArrowPrimitiveType> Debug for One<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "One({:?})", self.finish)
    }
}

impl<S, W> One<S, W>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    pub(super) fn new(finish: Finish) -> Self {
        One { total: W::Native::ZERO, count: 0, finish, summands: PhantomData }
    }

    fn add(&mut self, sum: Option<W::Native>) -> Result<()> {
        let total = sum.and_then(|sum| self.total.add_checked(sum).ok());
        self.total = total.ok_or_else(|| self.finish.overflow())?;
        Ok(())
    }
}

impl<S, W> Accumulator for One<S, W>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = column::<S>(values)?;
        self.count += (values.len() - values.null_count()) as u64;
        self.add(sum::<S, W>(values))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = column::<S>(values)?;
        self.count = self.count.saturating_sub((values.len() - values.null_count()) as u64);
        self.add(sum::<S, W>(values).and_then(|sum| W::Native::ZERO.sub_checked(sum).ok()))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let total = PrimitiveArray::<W>::from_iter([(self.count > 0).then_some(self.total)]);
        let total = ScalarValue::try_from_array(&total.with_data_type(W::TYPE), 0)?;
        Ok(vec![total, ScalarValue::UInt64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (totals, counts) = state_columns::<W>(states)?;
        for (total, count) in totals.iter().zip(counts.values()) {
            if let Some(total) = total {
                self.add(Some(total))?;
                self.count += count;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let count = (self.count > 0).then_some(self.count);
        ScalarValue::try_from_array(&self.finish.results::<W>(std::iter::once((self.total, count)))?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The total of distinct values.
pub(super) struct Distinct<S: ArrowPrimitiveType, W> {
    values: HashSet<S::Native>,
    data_type: DataType,
    finish: Finish,
    total: PhantomData<fn() -> W>,
}

impl<S: ArrowPrimitiveType, W> Debug for Distinct<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distinct({:?})", self.finish)
    }
}

impl<S, W> Distinct<S, W>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    pub(super) fn new(data_type: &DataType, finish: Finish) -> Self {
        Distinct { values: HashSet::new(), data_type: data_type.clone(), finish, total: PhantomData }
    }
}

impl<S, W> Accumulator for Distinct<S, W>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(column::<S>(values)?.iter().flatten());
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = PrimitiveArray::<S>::from_iter_values(self.values.iter().copied());
        let values = Arc::new(values.with_data_type(self.data_type.clone()));
        Ok(vec![SingleRowListArrayBuilder::new(values).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states.first().and_then(|lists| lists.as_list_opt::<i32>());
        let lists = lists.ok_or_else(|| internal_datafusion_err!("expected lists of values"))?;
        for list in lists.iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let total = self.values.iter().try_fold(W::Native::ZERO, |total, value| value.add_to(total));
        let total = total.ok_or_else(|| self.finish.overflow())?;
        let count = (!self.values.is_empty()).then_some(self.values.len() as u64);
        ScalarValue::try_from_array(&self.finish.results::<W>(std::iter::once((total, count)))?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * (size_of::<S::Native>() + 1)
    }
}

/// The totals of groups.
pub(super) struct GroupTotals<S, W: ArrowPrimitiveType> {
    totals: Vec<W::Native>,
    /// Number of values per group. A sum only needs to know whether there are any.
    counts: Vec<u64>,
    finish: Finish,
    summands: PhantomData<fn() -> S>,
}

impl<S, W> GroupTotals<S, W>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    pub(super) fn new(finish: Finish) -> Self {
        GroupTotals { totals: vec![], counts: vec![], finish, summands: PhantomData }
    }

    /// Adds these values and counts to their groups.
    fn add<N: Summand<W::Native>>(
        &mut self,
        groups: &[usize],
        n_groups: usize,
        summands: impl Iterator<Item = Option<(N, u64)>>,
    ) -> Result<()> {
        self.totals.resize(n_groups, W::Native::ZERO);
        self.counts.resize(n_groups, 0);
        let mut fits = true;
        for (group, summand) in groups.iter().zip(summands) {
            let Some((value, count)) = summand else { continue };
            if let (Some(total), Some(counted)) = (self.totals.get_mut(*group), self.counts.get_mut(*group)) {
                match value.add_to(*total) {
                    Some(sum) => *total = sum,
                    None => fits = false,
                }
                *counted += count;
            }
        }
        if fits { Ok(()) } else { Err(self.finish.overflow()) }
    }

    /// Takes the totals of the first groups; a group without values has no count.
    fn take(&mut self, emit: EmitTo) -> impl Iterator<Item = (W::Native, Option<u64>)> + use<S, W> {
        let (totals, counts) = (emit.take_needed(&mut self.totals), emit.take_needed(&mut self.counts));
        totals.into_iter().zip(counts.into_iter().map(|count| (count > 0).then_some(count)))
    }
}

impl<S, W> GroupsAccumulator for GroupTotals<S, W>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        let values = column::<S>(values)?;
        let one = |value: &S::Native| Some((*value, 1));
        match (values.null_count(), filter) {
            (0, None) => self.add(groups, n_groups, values.values().iter().map(one)),
            (_, None) => self.add(groups, n_groups, values.iter().map(|value| one(&value?))),
            (_, Some(filter)) => {
                let chosen = values.iter().zip(filter.iter()).map(|(value, is_chosen)| {
                    let value = value.filter(|_| is_chosen == Some(true));
                    one(&value?)
                });
                self.add(groups, n_groups, chosen)
            }
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], n_groups: usize) -> Result<()> {
        let (totals, counts) = state_columns::<W>(states)?;
        self.totals.resize(n_groups, W::Native::ZERO);
        self.counts.resize(n_groups, 0);
        for (group, (total, count)) in groups.iter().zip(totals.iter().zip(counts.values())) {
            let Some(total) = total else { continue };
            if let (Some(sum), Some(counted)) = (self.totals.get_mut(*group), self.counts.get_mut(*group)) {
                *sum = sum.add_checked(total).map_err(|_| self.finish.overflow())?;
                *counted += count;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let totals = self.take(emit);
        self.finish.results::<W>(totals)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let (totals, counts): (Vec<_>, Vec<_>) = self.take(emit).unzip();
        states::<W>(totals.into_iter().zip(counts))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = column::<S>(values)?;
        let is_chosen = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let rows = values.iter().enumerate().map(|(row, value)| match value.filter(|_| is_chosen(row)) {
            Some(value) => (value.widen(), Some(1)),
            None => (W::Native::ZERO, None),
        });
        states::<W>(rows)
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<W::Native>() + self.counts.capacity() * size_of::<u64>()
    }
}

/// Returns totals and counts as columns; a total without a count is null.
fn states<W: DecimalTotal>(totals: impl Iterator<Item = (W::Native, Option<u64>)>) -> Result<Vec<ArrayRef>> {
    let mut column = PrimitiveBuilder::<W>::with_capacity(totals.size_hint().0).with_data_type(W::TYPE);
    let mut counts = Vec::with_capacity(totals.size_hint().0);
    for (total, count) in totals {
        column.append_option(count.map(|_| total));
        counts.push(count.unwrap_or(0));
    }
    Ok(vec![Arc::new(column.finish()), Arc::new(UInt64Array::from(counts))])
}

fn state_columns<W: DecimalTotal>(states: &[ArrayRef]) -> Result<(&PrimitiveArray<W>, &UInt64Array)> {
    let (Some(totals), Some(counts)) = (states.first(), states.get(1)) else {
        return Err(internal_datafusion_err!("expected totals and counts"));
    };
    let columns = totals.as_primitive_opt::<W>().zip(counts.as_primitive_opt::<UInt64Type>());
    columns.ok_or_else(|| internal_datafusion_err!("expected totals and counts"))
}

fn column<S: ArrowPrimitiveType>(values: &[ArrayRef]) -> Result<&PrimitiveArray<S>> {
    let values = values.first().and_then(|values| values.as_primitive_opt::<S>());
    values.ok_or_else(|| exec_datafusion_err!("expected a column of {}", S::DATA_TYPE))
}

/// Returns the sum of the non-null values.
fn sum<S, W>(values: &PrimitiveArray<S>) -> Option<W::Native>
where
    S: ArrowPrimitiveType<Native: Summand<W::Native>>,
    W: DecimalTotal,
{
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Summand::sum(values.values()),
        Some(nulls) => {
            let zeroed = values.values().iter().zip(nulls.iter());
            let zeroed: Vec<_> =
                zeroed.map(|(value, is_valid)| if is_valid { *value } else { S::Native::ZERO }).collect();
            Summand::sum(&zeroed)
        }
    }
}
