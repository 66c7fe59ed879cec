//! Which columns Parquet stores exactly, and where the leaves of a column are in a copy.

use crate::schema::type_text::type_text;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef, Fields};

/// Returns whether Parquet, with the Arrow schema embedded, returns every value of this type as it was; for decimals,
/// see [`fits`]. All others stay with Avro.
pub(super) fn is_exact(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Boolean | Int32 | Int64 | Float32 | Float64 | Utf8 | Utf8View | Binary | BinaryView => true,
        Date32 | Time32(_) | Time64(_) | Timestamp(_, _) | Decimal128(_, _) | Decimal256(_, _) => true,
        FixedSizeBinary(bytes) => *bytes > 0,
        // Enums.
        Dictionary(keys, values) => matches!((keys.as_ref(), values.as_ref()), (Int32, Utf8)),
        List(item) => is_exact(item.data_type()),
        Map(entries, _) => match entries.data_type() {
            Struct(fields) => fields.iter().all(|field| is_exact(field.data_type())),
            _ => false,
        },
        // Parquet has no groups without fields.
        Struct(fields) => !fields.is_empty() && fields.iter().all(|field| is_exact(field.data_type())),
        // Null, durations, dense unions.
        _ => false,
    }
}

/// Returns whether all values of an array of an [exact](is_exact) type fit into Parquet: an Avro decimal may have more
/// digits than it declares, which Parquet would cut off.
pub(super) fn fits(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Decimal128(precision, _) => {
            array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision).is_ok()
        }
        DataType::Decimal256(precision, _) => {
            array.as_primitive::<Decimal256Type>().validate_decimal_precision(*precision).is_ok()
        }
        DataType::List(_) => fits(array.as_list::<i32>().values()),
        DataType::Map(_, _) => array.as_map().entries().columns().iter().all(fits),
        DataType::Struct(_) => array.as_struct().columns().iter().all(fits),
        _ => true,
    }
}

/// Returns the numbers of the leaf columns of these columns, each pruned to the fields that a query reads; `None` if a
/// column or field is not among `stored`.
pub(super) fn leaves<'a>(
    stored: &Fields,
    columns: impl IntoIterator<Item = (usize, &'a FieldRef)>,
) -> Option<Vec<usize>> {
    let mut first = vec![];
    let mut n = 0;
    for field in stored {
        first.push(n);
        n += count(field.data_type());
    }
    let mut found = vec![];
    for (root, field) in columns {
        collect(stored.get(root)?.data_type(), field.data_type(), *first.get(root)?, &mut found)?;
    }
    Some(found)
}

/// Returns the number of leaf columns of a type.
fn count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| count(field.data_type())).sum(),
        DataType::List(inner) | DataType::Map(inner, _) => count(inner.data_type()),
        _ => 1,
    }
}

/// Collects the leaves of a pruned type; the first leaf of the whole type is number `at`.
fn collect(whole: &DataType, pruned: &DataType, at: usize, to: &mut Vec<usize>) -> Option<()> {
    match (whole, pruned) {
        (whole, pruned) if type_text(whole) == type_text(pruned) => to.extend(at..at + count(whole)),
        (DataType::Struct(whole), DataType::Struct(pruned)) if !pruned.is_empty() => {
            let (mut at, mut left) = (at, pruned.iter());
            let mut next = left.next();
            for field in whole {
                if let Some(wanted) = next
                    && wanted.name() == field.name()
                {
                    collect(field.data_type(), wanted.data_type(), at, to)?;
                    next = left.next();
                }
                at += count(field.data_type());
            }
            // All fields, in the order in which they are stored.
            return next.is_none().then_some(());
        }
        (DataType::List(whole), DataType::List(pruned)) => {
            return collect(whole.data_type(), pruned.data_type(), at, to);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{Decimal128Array, Decimal256Array, StructArray};
    use arrow_schema::Field;
    use datafusion::arrow::datatypes::i256;
    use std::sync::Arc;

    fn field(name: &str, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(name, data_type, true))
    }

    #[test]
    fn leaves_follow_pruned_types() {
        let inner = Fields::from(vec![field("x", DataType::Int32), field("y", DataType::Utf8View)]);
        let list = DataType::List(field("item", DataType::Struct(inner.clone())));
        let stored = Fields::from(vec![
            field("a", DataType::Int64),
            field("s", DataType::Struct(inner.clone())),
            field("l", list.clone()),
            field("b", DataType::Boolean),
        ]);
        let only = |at: usize| DataType::Struct(vec![Arc::clone(&inner[at])].into());
        let found = |columns: Vec<(usize, DataType)>| {
            let columns: Vec<_> = columns.into_iter().map(|(root, kind)| (root, field("c", kind))).collect();
            leaves(&stored, columns.iter().map(|(root, field)| (*root, field)))
        };
        assert_eq!(found(vec![]), Some(vec![]));
        assert_eq!(found(vec![(3, DataType::Boolean), (0, DataType::Int64)]), Some(vec![5, 0]));
        assert_eq!(found(vec![(1, DataType::Struct(inner.clone()))]), Some(vec![1, 2]));
        assert_eq!(found(vec![(1, only(1))]), Some(vec![2]));
        assert_eq!(found(vec![(2, DataType::List(field("item", only(0))))]), Some(vec![3]));
        assert_eq!(found(vec![(2, list)]), Some(vec![3, 4]));
        // Another type, another order, a missing field.
        assert_eq!(found(vec![(0, DataType::Int32)]), None);
        let turned = vec![Arc::clone(&inner[1]), Arc::clone(&inner[0])];
        assert_eq!(found(vec![(1, DataType::Struct(turned.into()))]), None);
        assert_eq!(found(vec![(1, DataType::Struct(vec![field("z", DataType::Int32)].into()))]), None);
        assert_eq!(found(vec![(9, DataType::Int64)]), None);
    }

    #[test]
    fn decimals_with_more_digits_than_declared_do_not_fit() {
        let narrow = |n: i128| Decimal128Array::from(vec![None, Some(n)]).with_precision_and_scale(4, 2).unwrap();
        let wide = |n: i256| Decimal256Array::from(vec![Some(n)]).with_precision_and_scale(40, 0).unwrap();
        let arrays: [(ArrayRef, bool); 4] = [
            (Arc::new(narrow(9_999)), true),
            (Arc::new(narrow(-10_000)), false),
            (Arc::new(wide(i256::from_i128(i128::MAX))), true),
            (Arc::new(wide(i256::MAX)), false),
        ];
        for (array, expected) in arrays {
            assert_eq!(fits(&array), expected, "{array:?}");
            let inside = StructArray::from(vec![(field("d", array.data_type().clone()), array)]);
            assert_eq!(fits(&(Arc::new(inside) as ArrayRef)), expected);
        }
    }
}
