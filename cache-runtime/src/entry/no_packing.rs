//! Compressed payloads without the feature `lz4`: none is written, and none can be read.

use super::{Header, Sizes};
use crate::error::{Error, ErrorKind};

pub(super) fn pack(_: &mut Vec<u8>, _: &Header, _: usize) {}

pub(super) fn unpack(_: &[u8], _: &Sizes) -> Result<Vec<u8>, Error> {
    Err(Error::new(ErrorKind::Codec, "the value is compressed, and the feature `lz4` is not on"))
}
