//! Typed parameters: libvirt's lists of named values. Reading never panics: what the daemon sends in a type we did not
//! expect is read as what it can be read as, or passed over.

use super::{Failure, c_text, checked, copied, library};
use std::{
    collections::BTreeMap,
    ffi::{c_int, c_uint},
};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `int`, `long long`.
    Signed(i64),
    /// `unsigned int`, `unsigned long long`.
    Unsigned(u64),
    /// `double`.
    Double(f64),
    /// `boolean`.
    Boolean(bool),
    /// `string`.
    Text(String),
}

/// Named values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Params(BTreeMap<String, Value>);

impl Params {
    /// Copies a list; a value of a type this library does not know is left out.
    ///
    /// # Safety
    /// `list` is null or points to `count` parameters that live for the call.
    pub(super) unsafe fn read(list: virt_sys::virTypedParameterPtr, count: c_int) -> Self {
        let mut values = BTreeMap::new();
        if list.is_null() {
            return Self(values);
        }
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: `at` is below the count; the union's field is chosen by the type beside it; a field's name is a
            // NUL-terminated array inside the struct.
            let (name, value) = unsafe {
                let param = &*list.add(at);
                let value = match u32::try_from(param.type_).unwrap_or(0) {
                    virt_sys::VIR_TYPED_PARAM_INT => Value::Signed(param.value.i.into()),
                    virt_sys::VIR_TYPED_PARAM_UINT => Value::Unsigned(param.value.ui.into()),
                    virt_sys::VIR_TYPED_PARAM_LLONG => Value::Signed(param.value.l),
                    virt_sys::VIR_TYPED_PARAM_ULLONG => Value::Unsigned(param.value.ul),
                    virt_sys::VIR_TYPED_PARAM_DOUBLE => Value::Double(param.value.d),
                    virt_sys::VIR_TYPED_PARAM_BOOLEAN => Value::Boolean(param.value.b != 0),
                    virt_sys::VIR_TYPED_PARAM_STRING => Value::Text(copied(param.value.s)),
                    _ => continue,
                };
                (copied(param.field.as_ptr()), value)
            };
            values.insert(name, value);
        }
        Self(values)
    }
    /// A number that is not negative, whatever integer type it came in.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            Value::Signed(value) => u64::try_from(*value).ok(),
            Value::Unsigned(value) => Some(*value),
            // Beyond the range of u64 `as` saturates, which is what is wanted of a counter.
            Value::Double(value) if value.is_finite() && *value >= 0.0 => Some(*value as u64),
            _ => None,
        }
    }
    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, Value); N]> for Params {
    fn from(values: [(&str, Value); N]) -> Self {
        Self(
            values
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

/// A list of parameters to hand to libvirt, allocated by it and freed here.
pub(crate) struct ParamsBuilder {
    list: virt_sys::virTypedParameterPtr,
    count: c_int,
    room: c_int,
}

// SAFETY: the list is owned by this value alone.
unsafe impl Send for ParamsBuilder {}

impl ParamsBuilder {
    /// An empty list.
    pub fn new() -> Self {
        // Even this part of libvirt keeps its errors in what initialising sets up.
        library::start();
        Self {
            list: std::ptr::null_mut(),
            count: 0,
            room: 0,
        }
    }
    /// Adds a text; the same name may be added again where libvirt takes several.
    pub fn text(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let (name, value) = (c_text(name)?, c_text(value)?);
        // SAFETY: the three counters belong to this list; libvirt copies both strings and may move the list.
        checked(unsafe {
            virt_sys::virTypedParamsAddString(
                &mut self.list,
                &mut self.count,
                &mut self.room,
                name.as_ptr(),
                value.as_ptr(),
            )
        })
        .map(|_| ())
    }
    /// Adds a number.
    pub fn number(&mut self, name: &str, value: u64) -> Result<(), Failure> {
        let name = c_text(name)?;
        // SAFETY: as above.
        checked(unsafe {
            virt_sys::virTypedParamsAddULLong(
                &mut self.list,
                &mut self.count,
                &mut self.room,
                name.as_ptr(),
                value,
            )
        })
        .map(|_| ())
    }
    /// Adds a number where libvirt wants an `int`.
    pub fn integer(&mut self, name: &str, value: c_int) -> Result<(), Failure> {
        let name = c_text(name)?;
        // SAFETY: as above.
        checked(unsafe {
            virt_sys::virTypedParamsAddInt(
                &mut self.list,
                &mut self.count,
                &mut self.room,
                name.as_ptr(),
                value,
            )
        })
        .map(|_| ())
    }
    pub(super) fn raw(&self) -> (virt_sys::virTypedParameterPtr, c_uint) {
        (self.list, c_uint::try_from(self.count).unwrap_or(0))
    }
    /// The list read back, for tests.
    #[cfg(test)]
    pub fn read(&self) -> Params {
        // SAFETY: the list and its count belong together and live here.
        unsafe { Params::read(self.list, self.count) }
    }
}

impl Drop for ParamsBuilder {
    fn drop(&mut self) {
        // SAFETY: the list is ours, from libvirt's own allocator, and null is allowed.
        unsafe { virt_sys::virTypedParamsFree(self.list, self.count) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_type_and_never_a_panic() {
        let params = Params::from([
            ("a", Value::Signed(5)),
            ("b", Value::Signed(-5)),
            ("c", Value::Double(7.9)),
            ("d", Value::Text("8".into())),
            ("e", Value::Boolean(true)),
            ("f", Value::Double(f64::NAN)),
        ]);
        let read = |name| params.number(name);
        assert_eq!(
            ["a", "b", "c", "d", "e", "f", "g"].map(read),
            [Some(5), None, Some(7), None, None, None, None]
        );
        assert_eq!((params.text("d"), params.text("a")), (Some("8"), None));
    }

    #[test]
    fn unknown_types_are_passed_over() {
        let mut built = ParamsBuilder::new();
        built.text("who", "Ω <x>").unwrap();
        built.number("much", u64::MAX).unwrap();
        built.number("odd", 1).unwrap();
        // SAFETY: the third element exists; 99 is a type no libvirt knows, and the element owns no memory.
        unsafe { (*built.list.add(2)).type_ = 99 };
        let read = built.read();
        assert_eq!(read.number("much"), Some(u64::MAX));
        assert_eq!(read.number("odd"), None);
        assert_eq!(read.0.get("who"), Some(&Value::Text("Ω <x>".into())));
        assert!(built.text("nul", "a\0b").is_err());
    }
}
