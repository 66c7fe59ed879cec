//! The rows of events: the bytes of some blocks in, the arrays of a batch out, by straight code that knows the schema.
//!
//! Each value is read as ours reads it, and checked as ours checks it: varints and views without a branch on their
//! length, nullable values without a branch on the null. The code is straight: each field of the schema has its lines,
//! so nothing is looked up to find out what comes next. Lists are loops, and the union is a jump. Values that events
//! hardly have, such as long strings, are read by functions of their own.

mod arrays;
mod values;

use super::rows::{Avx2, Avx512, Cpu, Damage};
use super::slabs::{Level, Piece};
use std::hint::cold_path;
use values::{Source, boolean, decimal, index, int, is_present, items, long, raw, text};

/// Slots of a level that there is room for at first, for each row.
const EXPECTED: usize = 3;

/// The slots of one column.
struct Slots<T>(Vec<T>);

impl<T: Copy> Slots<T> {
    /// # Safety
    /// The level has room for this slot.
    #[inline(always)]
    unsafe fn put(&mut self, slot: usize, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.0.as_mut_ptr().add(slot).write(value) };
    }
}

/// Declares a level: its columns, and their memory.
macro_rules! level {
    ($name:ident { $($column:ident: $type:ty),* }) => {
        struct $name { len: usize, room: usize, $($column: Slots<$type>),* }

        impl $name {
            fn new(room: usize) -> Self {
                $name { len: 0, room, $($column: Slots(Vec::with_capacity(room))),* }
            }

            /// Makes room for this many more slots.
            #[inline(always)]
            fn reserve(&mut self, more: usize) {
                if more > self.room - self.len {
                    cold_path();
                    self.grow(more);
                }
            }

            #[inline(never)]
            fn grow(&mut self, more: usize) {
                self.set_lens();
                self.room = (self.len + more).max(2 * self.room);
                $(self.$column.0.reserve_exact(self.room - self.len);)*
            }

            /// Says that the first `len` slots are written.
            fn set_lens(&mut self) {
                assert!(self.len <= self.room);
                // SAFETY: each column has that room, and `read_row` and those that it calls raise `len` by slots that
                // they write in every column, or fail.
                $(unsafe { self.$column.0.set_len(self.len) };)*
            }
        }
    };
}

level!(Rows {
    id: i64,
    time: i64,
    kind: i32,
    host: u128,
    user: i64,
    name: u128,
    name_valid: u8,
    country: u128,
    address_valid: u8,
    street: u128,
    city: u128,
    zip: i32,
    location_valid: u8,
    lat: f64,
    lon: f64,
    device_valid: u8,
    model: u128,
    os: i32,
    width: i32,
    height: i32,
    items: i32,
    attributes: i32,
    branch: i8,
    payload: i32,
    referrer: u128,
    referrer_valid: u8,
    received: i64,
    received_valid: u8,
    bot: u8
});
level!(Items { sku: u128, quantity: i32, price: i128, discount: f32, discount_valid: u8, tags: i32 });
level!(Strings { text: u128 });
level!(Entries { key: u128, value: u128 });
level!(Longs { value: i64 });
level!(Doubles { value: f64 });
level!(Clicks { x: i32, y: i32, element: u128 });
level!(Searches { text: u128, hits: i32 });

/// The columns of a batch, as they are written.
pub(super) struct Events {
    rows: Rows,
    items: Items,
    tags: Strings,
    attributes: Entries,
    nulls: usize,
    longs: Longs,
    doubles: Doubles,
    strings: Strings,
    clicks: Clicks,
    searches: Searches,
    hits: Longs,
}

impl Events {
    pub(super) fn new(n_rows: usize) -> Events {
        let some = n_rows / 5 + 100;
        Events {
            rows: Rows::new(n_rows),
            items: Items::new(n_rows * EXPECTED),
            tags: Strings::new(n_rows * EXPECTED),
            attributes: Entries::new(n_rows * EXPECTED),
            nulls: 0,
            longs: Longs::new(some),
            doubles: Doubles::new(some),
            strings: Strings::new(some),
            clicks: Clicks::new(some),
            searches: Searches::new(some),
            hits: Longs::new(n_rows),
        }
    }

    /// Reads the pieces, which are as many rows as there is room for.
    ///
    /// # Errors
    /// What is wrong with one of the blocks.
    pub(super) fn fill(&mut self, pieces: &mut [Piece<'_>], level: Level) -> Result<(), Damage> {
        assert!(Level::here().contains(&level));
        // SAFETY: the CPU has the level, by the assertion.
        unsafe {
            match level {
                Level::Avx2 => self.fill_avx2(pieces),
                Level::Avx512 => self.fill_avx512(pieces),
            }
        }
    }

    /// # Safety
    /// The CPU has [`Level::Avx2`].
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    unsafe fn fill_avx2(&mut self, pieces: &mut [Piece<'_>]) -> Result<(), Damage> {
        // SAFETY: the caller's promise.
        unsafe { self.fill_with::<Avx2>(pieces) }
    }

    /// # Safety
    /// The CPU has [`Level::Avx512`].
    #[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw")]
    unsafe fn fill_avx512(&mut self, pieces: &mut [Piece<'_>]) -> Result<(), Damage> {
        // SAFETY: the caller's promise.
        unsafe { self.fill_with::<Avx512>(pieces) }
    }

    /// # Safety
    /// The CPU has what `C` says, and BMI2.
    #[inline(always)]
    unsafe fn fill_with<C: Cpu>(&mut self, pieces: &mut [Piece<'_>]) -> Result<(), Damage> {
        for (index, piece) in pieces.iter_mut().enumerate() {
            let block = piece.data.as_ptr_range();
            assert!(piece.at <= piece.data.len());
            self.rows.reserve(piece.rows);
            let view = (index as u64).wrapping_sub((block.start as u64) << 32);
            let mut at = block.start.wrapping_add(piece.at);
            let block = Source { end: block.end, view };
            for _ in 0..piece.rows {
                let mut bad = false;
                // SAFETY: the cursor is in its block, by the assertion, and that is padded; there is room for the row.
                at = unsafe { self.read_row::<C>(at, &block, &mut bad) };
                if bad {
                    return Err("a row is damaged");
                }
            }
            piece.at = at as usize - piece.data.as_ptr() as usize;
            if piece.ends_block && at != block.end {
                return Err("a block does not end after its last row");
            }
        }
        Ok(())
    }

    /// Reads a row, and returns the cursor after it.
    ///
    /// # Safety
    /// As [`Events::fill_with`]; the cursor is in its block, and there is room for a row.
    #[inline(always)]
    unsafe fn read_row<C: Cpu>(&mut self, at: *const u8, block: &Source, bad: &mut bool) -> *const u8 {
        let at = &mut { at };
        let row = self.rows.len;
        let rows = &mut self.rows;
        // SAFETY: the caller's promise; each of these keeps the cursor in its block.
        unsafe {
            rows.id.put(row, long(at, true, block, bad));
            rows.time.put(row, long(at, true, block, bad));
            rows.kind.put(row, index(at, 8, true, block, bad));
            rows.host.put(row, text::<C>(at, true, block, bad));
            rows.user.put(row, long(at, true, block, bad));
            let name = is_present(at, true, block, bad);
            rows.name_valid.put(row, u8::from(name));
            rows.name.put(row, text::<C>(at, name, block, bad));
            rows.country.put(row, text::<C>(at, true, block, bad));
            let address = is_present(at, true, block, bad);
            rows.address_valid.put(row, u8::from(address));
            rows.street.put(row, text::<C>(at, address, block, bad));
            rows.city.put(row, text::<C>(at, address, block, bad));
            rows.zip.put(row, int(at, address, block, bad));
            let location = is_present(at, address, block, bad);
            rows.location_valid.put(row, u8::from(location));
            rows.lat.put(row, f64::from_le_bytes(raw(at, location, block, bad)));
            rows.lon.put(row, f64::from_le_bytes(raw(at, location, block, bad)));
            let device = is_present(at, true, block, bad);
            rows.device_valid.put(row, u8::from(device));
            rows.model.put(row, text::<C>(at, device, block, bad));
            rows.os.put(row, index(at, 5, device, block, bad));
            rows.width.put(row, int(at, device, block, bad));
            rows.height.put(row, int(at, device, block, bad));
            self.read_items::<C>(at, block, bad);
            self.read_attributes::<C>(at, block, bad);
            self.read_payload::<C>(at, block, bad);
            let rows = &mut self.rows;
            rows.items.put(row, self.items.len as i32);
            rows.attributes.put(row, self.attributes.len as i32);
            let referrer = is_present(at, true, block, bad);
            rows.referrer_valid.put(row, u8::from(referrer));
            rows.referrer.put(row, text::<C>(at, referrer, block, bad));
            let received = is_present(at, true, block, bad);
            rows.received_valid.put(row, u8::from(received));
            rows.received.put(row, long(at, received, block, bad));
            rows.bot.put(row, boolean(at, block, bad));
        }
        self.rows.len = row + 1;
        *at
    }

    /// # Safety
    /// As [`Events::read_row`].
    #[inline(always)]
    unsafe fn read_items<C: Cpu>(&mut self, at: &mut *const u8, block: &Source, bad: &mut bool) {
        // SAFETY: the caller's promise, and the room that is made.
        unsafe {
            while let Some(run) = items(at, block, bad) {
                self.items.reserve(run.n);
                for _ in 0..run.n {
                    let items = &mut self.items;
                    let item = items.len;
                    items.sku.put(item, text::<C>(at, true, block, bad));
                    items.quantity.put(item, int(at, true, block, bad));
                    items.price.put(item, decimal(at, block, bad));
                    let discount = is_present(at, true, block, bad);
                    items.discount_valid.put(item, u8::from(discount));
                    items.discount.put(item, f32::from_le_bytes(raw(at, discount, block, bad)));
                    self.read_tags::<C>(at, block, bad);
                    let items = &mut self.items;
                    items.tags.put(item, self.tags.len as i32);
                    items.len = item + 1;
                }
                run.check(*at, bad);
            }
        }
    }

    /// # Safety
    /// As [`Events::read_row`].
    #[inline(always)]
    unsafe fn read_tags<C: Cpu>(&mut self, at: &mut *const u8, block: &Source, bad: &mut bool) {
        let tags = &mut self.tags;
        // SAFETY: the caller's promise, and the room that is made.
        unsafe {
            while let Some(run) = items(at, block, bad) {
                tags.reserve(run.n);
                for _ in 0..run.n {
                    tags.text.put(tags.len, text::<C>(at, true, block, bad));
                    tags.len += 1;
                }
                run.check(*at, bad);
            }
        }
    }

    /// # Safety
    /// As [`Events::read_row`].
    #[inline(always)]
    unsafe fn read_attributes<C: Cpu>(&mut self, at: &mut *const u8, block: &Source, bad: &mut bool) {
        let entries = &mut self.attributes;
        // SAFETY: the caller's promise, and the room that is made.
        unsafe {
            while let Some(run) = items(at, block, bad) {
                entries.reserve(run.n);
                for _ in 0..run.n {
                    entries.key.put(entries.len, text::<C>(at, true, block, bad));
                    entries.value.put(entries.len, text::<C>(at, true, block, bad));
                    entries.len += 1;
                }
                run.check(*at, bad);
            }
        }
    }

    /// # Safety
    /// As [`Events::read_row`].
    #[inline(always)]
    unsafe fn read_payload<C: Cpu>(&mut self, at: &mut *const u8, block: &Source, bad: &mut bool) {
        // SAFETY: the caller's promise, and the room that is made.
        unsafe {
            let branch = index(at, 6, true, block, bad);
            let position = match branch {
                0 => &mut self.nulls,
                1 => {
                    self.longs.reserve(1);
                    self.longs.value.put(self.longs.len, long(at, true, block, bad));
                    &mut self.longs.len
                }
                2 => {
                    self.doubles.reserve(1);
                    self.doubles.value.put(self.doubles.len, f64::from_le_bytes(raw(at, true, block, bad)));
                    &mut self.doubles.len
                }
                3 => {
                    self.strings.reserve(1);
                    self.strings.text.put(self.strings.len, text::<C>(at, true, block, bad));
                    &mut self.strings.len
                }
                4 => {
                    let clicks = &mut self.clicks;
                    clicks.reserve(1);
                    clicks.x.put(clicks.len, int(at, true, block, bad));
                    clicks.y.put(clicks.len, int(at, true, block, bad));
                    clicks.element.put(clicks.len, text::<C>(at, true, block, bad));
                    &mut clicks.len
                }
                _ => {
                    let searches = &mut self.searches;
                    searches.reserve(1);
                    searches.text.put(searches.len, text::<C>(at, true, block, bad));
                    while let Some(run) = items(at, block, bad) {
                        self.hits.reserve(run.n);
                        for _ in 0..run.n {
                            self.hits.value.put(self.hits.len, long(at, true, block, bad));
                            self.hits.len += 1;
                        }
                        run.check(*at, bad);
                    }
                    searches.hits.put(searches.len, self.hits.len as i32);
                    &mut searches.len
                }
            };
            self.rows.branch.put(self.rows.len, branch as i8);
            self.rows.payload.put(self.rows.len, *position as i32);
            *position += 1;
        }
    }
}
