//! One dictionary for each column of an Arrow file: rewrites arrays to share it. It only grows, which the file format
//! allows; batches may have different dictionaries, as the enums of two Avro files do.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray, make_array};
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;

/// Whether this is the type of Avro's enums, which stays a dictionary.
pub(super) fn is_enum(kind: &DataType) -> bool {
    matches!(kind, DataType::Dictionary(keys, values) if **keys == DataType::Int32 && **values == DataType::Utf8)
}

/// The dictionaries of a file, by the position of their column.
#[derive(Default)]
pub(super) struct SharedDictionaries(HashMap<Vec<usize>, Dictionary>);

struct Dictionary {
    values: Arc<StringArray>,
    places: HashMap<String, i32>,
}

impl SharedDictionaries {
    /// Returns the column with the file's dictionaries.
    pub(super) fn column(&mut self, at: usize, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        self.array(&mut vec![at], array)
    }

    fn array(&mut self, place: &mut Vec<usize>, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        if is_enum(array.data_type()) {
            return self.dictionary(place, array);
        }
        if !has_enum(array.data_type()) {
            return Ok(Arc::clone(array));
        }
        let data = array.to_data();
        let mut children = Vec::with_capacity(data.child_data().len());
        for (at, child) in data.child_data().iter().enumerate() {
            place.push(at);
            children.push(self.array(place, &make_array(child.clone()))?.to_data());
            place.pop();
        }
        Ok(make_array(data.into_builder().child_data(children).build()?))
    }

    fn dictionary(&mut self, place: &[usize], array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let dictionary = array.as_dictionary::<Int32Type>();
        let values: &StringArray = dictionary.values().as_string();
        let Some(known) = self.0.get_mut(place) else {
            let mut places = HashMap::new();
            for (value, at) in values.iter().zip(0..) {
                places.entry(value.unwrap_or_default().to_owned()).or_insert(at);
            }
            self.0.insert(place.to_owned(), Dictionary { values: Arc::new(values.clone()), places });
            return Ok(Arc::clone(array));
        };
        if *known.values == *values {
            return Ok(Arc::clone(array));
        }
        let mut grown: Vec<&str> = known.values.iter().map(Option::unwrap_or_default).collect();
        let mut to = Vec::with_capacity(values.len());
        for value in values.iter().map(Option::unwrap_or_default) {
            to.push(*known.places.entry(value.to_owned()).or_insert_with(|| {
                grown.push(value);
                i32::try_from(grown.len() - 1).unwrap_or(i32::MAX)
            }));
        }
        if grown.len() > known.values.len() {
            let values = StringArray::from_iter_values(grown);
            known.values = Arc::new(values);
        }
        let key = |key: i32| usize::try_from(key).ok().and_then(|key| to.get(key)).copied();
        // A null among the values becomes a null of the array.
        let keys: Int32Array = (0..array.len())
            .map(|row| {
                dictionary.key(row).filter(|key| values.is_valid(*key)).and_then(|at| key(i32::try_from(at).ok()?))
            })
            .collect();
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&known.values) as ArrayRef)?))
    }
}

fn has_enum(kind: &DataType) -> bool {
    match kind {
        kind if is_enum(kind) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_enum(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_enum(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_enum(field.data_type())),
        _ => false,
    }
}
