//! Arrow's C data interface: the structs of its specification, and how they own what they point to.
//!
//! `schema` and `array` export and import types and columns, `stream` batches one after the other, `capsule` wraps them
//! for Python. Arrow's own implementation panics at a zero byte in the text of an error, lets panics cross into C, and
//! does not check the arrays of others.

pub(crate) mod array;
pub(crate) mod capsule;
pub(crate) mod import;
pub(crate) mod schema;
pub(crate) mod stream;

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

/// `struct ArrowSchema`: the type of a column, or of all columns.
#[repr(C)]
pub(crate) struct ArrowSchema {
    pub(super) format: *const c_char,
    pub(super) name: *const c_char,
    pub(super) metadata: *const c_char,
    pub(super) flags: i64,
    pub(super) n_children: i64,
    pub(super) children: *mut *mut ArrowSchema,
    pub(super) dictionary: *mut ArrowSchema,
    pub(super) release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub(super) private_data: *mut c_void,
}

/// `struct ArrowArray`: the values of a column, or all columns of a batch.
#[repr(C)]
pub(crate) struct ArrowArray {
    pub(super) length: i64,
    pub(super) null_count: i64,
    pub(super) offset: i64,
    pub(super) n_buffers: i64,
    pub(super) n_children: i64,
    pub(super) buffers: *mut *const c_void,
    pub(super) children: *mut *mut ArrowArray,
    pub(super) dictionary: *mut ArrowArray,
    pub(super) release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub(super) private_data: *mut c_void,
}

/// `struct ArrowArrayStream`: batches of one schema.
#[repr(C)]
pub(crate) struct ArrowArrayStream {
    pub(super) get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    pub(super) get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    pub(super) get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    pub(super) release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    pub(super) private_data: *mut c_void,
}

/// Implements what the three structs have in common: the empty value, which has nothing to release, and `Drop`.
macro_rules! owned {
    ($name:ident { $($field:ident: $empty:expr),* $(,)? }) => {
        // SAFETY: a struct owns what it points to, and the specification lets any thread use and release it.
        unsafe impl Send for $name {}

        impl $name {
            /// Returns a released struct.
            pub(crate) fn empty() -> Self {
                $name { $($field: $empty,)* release: None, private_data: ptr::null_mut() }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                if let Some(release) = self.release {
                    // SAFETY: the producer that set `release` filled in a valid struct. It is released once, here.
                    unsafe { release(self) };
                }
            }
        }
    };
}

owned!(ArrowSchema {
    format: ptr::null(),
    name: ptr::null(),
    metadata: ptr::null(),
    flags: 0,
    n_children: 0,
    children: ptr::null_mut(),
    dictionary: ptr::null_mut(),
});
owned!(ArrowArray {
    length: 0,
    null_count: 0,
    offset: 0,
    n_buffers: 0,
    n_children: 0,
    buffers: ptr::null_mut(),
    children: ptr::null_mut(),
    dictionary: ptr::null_mut(),
});
owned!(ArrowArrayStream { get_schema: None, get_next: None, get_last_error: None });

/// Returns a text for C, without the zero bytes that would end it.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
