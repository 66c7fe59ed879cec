//! The arrays of events, of what was written.

use super::Events;
use crate::limit::slabs::Piece;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::*;
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields, Schema};
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// Packs bytes of validity into bits; none if every value is valid.
fn nulls(valid: Vec<u8>) -> Option<NullBuffer> {
    Some(NullBuffer::new(bits(valid))).filter(|nulls| nulls.null_count() > 0)
}

fn bits(bytes: Vec<u8>) -> BooleanBuffer {
    let (eights, rest) = bytes.as_chunks::<8>();
    let gather = |eight: [u8; 8]| (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
    let mut bits: Vec<u8> = Vec::with_capacity(eights.len() + 1);
    bits.extend(eights.iter().map(|&eight| gather(eight)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    bits.push(gather(last));
    BooleanBuffer::new(Buffer::from_vec(bits), 0, bytes.len())
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend_from_slice(&ends);
    OffsetBuffer::new(offsets.into())
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, field: &FieldRef, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(field.data_type().clone()))
}

fn children(field: &FieldRef) -> Result<Fields, BoxError> {
    match field.data_type() {
        DataType::Struct(fields) => Ok(fields.clone()),
        other => Err(format!("{other} is not a struct").into()),
    }
}

/// Makes a dictionary of an enum's keys.
fn symbols(keys: Vec<i32>, symbols: &[&str], nulls: Option<NullBuffer>) -> Result<ArrayRef, BoxError> {
    let symbols = Arc::new(StringArray::from(symbols.to_vec()));
    Ok(Arc::new(DictionaryArray::try_new(Int32Array::new(keys.into(), nulls), symbols)?))
}

impl Events {
    /// Makes the arrays, once all rows are read.
    pub(in crate::limit) fn finish(mut self, pieces: &[Piece<'_>], schema: &Schema) -> Result<Vec<ArrayRef>, BoxError> {
        let blocks: Arc<[Buffer]> = pieces.iter().map(|piece| piece.data.to_buffer()).collect();
        let strings = |views: Vec<u128>, nulls: Option<NullBuffer>| -> ArrayRef {
            let views = ScalarBuffer::from(views);
            // SAFETY: `text` makes views of text that it has checked, in the block of this index.
            Arc::new(unsafe { StringViewArray::new_unchecked(views, Arc::clone(&blocks), nulls) })
        };
        self.rows.set_lens();
        self.items.set_lens();
        self.tags.set_lens();
        self.attributes.set_lens();
        self.longs.set_lens();
        self.doubles.set_lens();
        self.strings.set_lens();
        self.clicks.set_lens();
        self.searches.set_lens();
        self.hits.set_lens();
        let Events { rows, items, tags, attributes, longs, doubles, clicks, searches, hits, .. } = self;
        let field = |name: &str| schema.field_with_name(name).map(|field| Arc::new(field.clone()));

        let user = children(&field("user")?)?;
        let address = children(&user[3])?;
        let location = children(&address[3])?;
        let has_address = nulls(rows.address_valid.0);
        let has_location = NullBuffer::union(has_address.as_ref(), nulls(rows.location_valid.0).as_ref());
        let place = StructArray::try_new(
            location.clone(),
            vec![
                primitive::<Float64Type>(rows.lat.0, &location[0], has_location.clone()),
                primitive::<Float64Type>(rows.lon.0, &location[1], has_location.clone()),
            ],
            has_location,
        )?;
        let house = StructArray::try_new(
            address.clone(),
            vec![
                strings(rows.street.0, has_address.clone()),
                strings(rows.city.0, has_address.clone()),
                primitive::<Int32Type>(rows.zip.0, &address[2], has_address.clone()),
                Arc::new(place),
            ],
            has_address,
        )?;
        let who = StructArray::try_new(
            user.clone(),
            vec![
                primitive::<Int64Type>(rows.user.0, &user[0], None),
                strings(rows.name.0, nulls(rows.name_valid.0)),
                strings(rows.country.0, None),
                Arc::new(house),
            ],
            None,
        )?;

        let device = children(&field("device")?)?;
        let has_device = nulls(rows.device_valid.0);
        let os = ["ANDROID", "IOS", "LINUX", "MACOS", "WINDOWS"];
        let machine = StructArray::try_new(
            device.clone(),
            vec![
                strings(rows.model.0, has_device.clone()),
                symbols(rows.os.0, &os, has_device.clone())?,
                primitive::<Int32Type>(rows.width.0, &device[2], has_device.clone()),
                primitive::<Int32Type>(rows.height.0, &device[3], has_device.clone()),
            ],
            has_device,
        )?;

        let items_field = field("items")?;
        let DataType::List(item_field) = items_field.data_type() else { return Err("items are no list".into()) };
        let item = children(item_field)?;
        let DataType::List(tag_field) = item[4].data_type() else { return Err("tags are no list".into()) };
        let tags = ListArray::try_new(tag_field.clone(), offsets(items.tags.0), strings(tags.text.0, None), None)?;
        let things = StructArray::try_new(
            item.clone(),
            vec![
                strings(items.sku.0, None),
                primitive::<Int32Type>(items.quantity.0, &item[1], None),
                primitive::<Decimal128Type>(items.price.0, &item[2], None),
                primitive::<Float32Type>(items.discount.0, &item[3], nulls(items.discount_valid.0)),
                Arc::new(tags),
            ],
            None,
        )?;
        let things = ListArray::try_new(item_field.clone(), offsets(rows.items.0), Arc::new(things), None)?;

        let map_field = field("attributes")?;
        let DataType::Map(entry_field, sorted) = map_field.data_type() else { return Err("no map".into()) };
        let entries = StructArray::try_new(
            children(entry_field)?,
            vec![strings(attributes.key.0, None), strings(attributes.value.0, None)],
            None,
        )?;
        let map = MapArray::try_new(entry_field.clone(), offsets(rows.attributes.0), entries, None, *sorted)?;

        let payload = field("payload")?;
        let DataType::Union(branches, _) = payload.data_type() else { return Err("the payload is no union".into()) };
        let branch: Vec<FieldRef> = branches.iter().map(|(_, field)| field.clone()).collect();
        let (click, search) = (children(&branch[4])?, children(&branch[5])?);
        let DataType::List(hit_field) = search[1].data_type() else { return Err("hits are no list".into()) };
        let found = primitive::<Int64Type>(hits.value.0, hit_field, None);
        let found = ListArray::try_new(hit_field.clone(), offsets(searches.hits.0), found, None)?;
        let clicked = StructArray::try_new(
            click.clone(),
            vec![
                primitive::<Int32Type>(clicks.x.0, &click[0], None),
                primitive::<Int32Type>(clicks.y.0, &click[1], None),
                strings(clicks.element.0, None),
            ],
            None,
        )?;
        let searched = StructArray::try_new(search, vec![strings(searches.text.0, None), Arc::new(found)], None)?;
        let values: Vec<ArrayRef> = vec![
            Arc::new(NullArray::new(self.nulls)),
            primitive::<Int64Type>(longs.value.0, &branch[1], None),
            primitive::<Float64Type>(doubles.value.0, &branch[2], None),
            strings(self.strings.text.0, None),
            Arc::new(clicked),
            Arc::new(searched),
        ];
        let union = UnionArray::try_new(branches.clone(), rows.branch.0.into(), Some(rows.payload.0.into()), values)?;

        let kinds = ["VIEW", "CLICK", "SEARCH", "ADD", "REMOVE", "CHECKOUT", "PURCHASE", "REFUND"];
        Ok(vec![
            primitive::<Int64Type>(rows.id.0, &field("id")?, None),
            primitive::<TimestampMicrosecondType>(rows.time.0, &field("time")?, None),
            symbols(rows.kind.0, &kinds, None)?,
            strings(rows.host.0, None),
            Arc::new(who),
            Arc::new(machine),
            Arc::new(things),
            Arc::new(map),
            Arc::new(union),
            strings(rows.referrer.0, nulls(rows.referrer_valid.0)),
            primitive::<TimestampMillisecondType>(rows.received.0, &field("received")?, nulls(rows.received_valid.0)),
            Arc::new(BooleanArray::new(bits(rows.bot.0), None)),
        ])
    }
}
