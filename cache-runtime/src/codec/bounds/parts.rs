//! The parts of a list or map that is decoded: a length that is claimed costs no more than what it brings.

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess};

use super::{Meter, Metered};

/// How many parts are read before it is first asked whether they took bytes.
const FIRST_CHUNK: usize = 16;

/// The parts of a list or map.
///
/// Whether one takes bytes depends on its type, so it is enough to ask for many at a time.
pub(super) struct Parts<'m, A> {
    access: A,
    meter: &'m Meter,
    is_counted: bool,
    /// How many are read before it is asked again; doubles with each time.
    chunk: usize,
    /// How many of those are left.
    left: usize,
}

impl<'m, A> Parts<'m, A> {
    #[inline]
    pub(super) fn new(access: A, meter: &'m Meter, is_counted: bool) -> Self {
        if is_counted {
            meter.begin();
        }
        Self { access, meter, is_counted, chunk: FIRST_CHUNK, left: FIRST_CHUNK }
    }

    /// Takes note of one that was read.
    #[inline]
    fn count<E: Error>(&mut self) -> Result<(), E> {
        if self.is_counted {
            self.left -= 1;
            if self.left == 0 {
                self.meter.count(self.chunk).map_err(E::custom)?;
                self.chunk *= 2;
                self.left = self.chunk;
            }
        }
        Ok(())
    }

    /// There are no more.
    #[inline]
    pub(super) fn end<E: Error>(&self) -> Result<(), E> {
        let read = self.chunk - self.left;
        if self.is_counted && read > 0 { self.meter.count(read).map_err(E::custom) } else { Ok(()) }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Parts<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.access.next_element_seed(Metered::new(seed, self.meter))?;
        if element.is_some() {
            self.count()?;
        }
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.meter.expects(self.access.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Parts<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.access.next_key_seed(Metered::new(seed, self.meter))?;
        if key.is_some() {
            self.count()?;
        }
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.access.next_value_seed(Metered::new(seed, self.meter))
    }

    #[inline]
    fn next_entry_seed<K, V>(&mut self, key: K, value: V) -> Result<Option<(K::Value, V::Value)>, A::Error>
    where
        K: DeserializeSeed<'de>,
        V: DeserializeSeed<'de>,
    {
        let (key, value) = (Metered::new(key, self.meter), Metered::new(value, self.meter));
        let entry = self.access.next_entry_seed(key, value)?;
        if entry.is_some() {
            self.count()?;
        }
        Ok(entry)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.meter.expects(self.access.size_hint())
    }
}
