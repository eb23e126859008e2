//! Codecs: how a value becomes a payload and back. One format a file; each but the default behind its feature.

mod fingerprint;
mod message_pack;

#[cfg(feature = "bincode")]
mod bincode;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "postcard")]
mod postcard;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "bincode")]
pub use self::bincode::Bincode;
pub(crate) use self::fingerprint::fingerprint;
#[cfg(feature = "json")]
pub use self::json::Json;
pub use self::message_pack::MessagePack;
#[cfg(feature = "postcard")]
pub use self::postcard::Postcard;

use crate::error::{Error, ErrorKind};

/// The number of a codec, which stands in the header of every entry: bytes of another codec are a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecId(u8);

impl CodecId {
    pub(crate) const MESSAGE_PACK: Self = Self(1);
    #[cfg(feature = "json")]
    pub(crate) const JSON: Self = Self(2);
    #[cfg(feature = "bincode")]
    pub(crate) const BINCODE: Self = Self(3);
    #[cfg(feature = "postcard")]
    pub(crate) const POSTCARD: Self = Self(4);

    /// The number of a codec of your own, 128 to 255; 0 to 127 are this crate's.
    ///
    /// # Panics
    ///
    /// Below 128. In the `const` of a [`Codec`] that is a compile error.
    #[must_use]
    pub const fn custom(number: u8) -> Self {
        assert!(number >= 128, "codec numbers below 128 belong to cache-runtime");
        Self(number)
    }

    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

/// A format for cached values; name it in the attribute: `codec = Json`, `codec = MyCodec`.
///
/// Decoding must refuse bytes that it does not use up. It never sees another codec's bytes, nor those of another shape
/// of the type; it may see bytes that were damaged, and answers them with an error, never a panic.
///
/// ```
/// use cache_runtime::{Codec, CodecId, Error, ErrorKind};
///
/// struct Ron;
///
/// impl Codec for Ron {
///     const ID: CodecId = CodecId::custom(128);
///
///     fn encode<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
///         # let _ = (value, out);
///         // ron::ser::to_writer(out, value)
///         # Err(Error::new(ErrorKind::Codec, "left out here"))
///     }
///
///     fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
///         # let _ = bytes;
///         // ron::de::from_bytes(bytes)
///         # Err(Error::new(ErrorKind::Codec, "left out here"))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    label = "expected `MessagePack`, `Json`, `Bincode`, `Postcard` or a type that implements `cache_runtime::Codec`",
    note = "another type of this name may be in scope, as axum's `Json` often is: write `codec = cache_runtime::Json`"
)]
pub trait Codec: Send + Sync + 'static {
    /// The number in the header.
    const ID: CodecId;

    /// Appends the value's bytes to `out`.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Codec`] where the format cannot hold the value: it is returned to the caller, not stored.
    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error>;

    /// Reads a value from exactly these bytes.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Codec`] where the bytes are not a whole value: a miss.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error>;
}

/// A codec for a whole cache, chosen in its builder: one of this crate's. A codec of your own goes on the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// The default.
    #[default]
    MessagePack,
    /// Feature `json`.
    #[cfg(feature = "json")]
    Json,
    /// Feature `bincode`.
    #[cfg(feature = "bincode")]
    Bincode,
    /// Feature `postcard`.
    #[cfg(feature = "postcard")]
    Postcard,
}

/// The codecs that [`CacheBuilder::codec`](crate::CacheBuilder::codec) takes: those of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the codec of a whole cache",
    note = "a cache takes `MessagePack`, `Json`, `Bincode` or `Postcard`; name a codec of your own on the function: `codec = {Self}`"
)]
pub trait BuiltInCodec: Codec {
    #[doc(hidden)]
    fn format(sealed: Sealed) -> Sealed;
}

/// Keeps [`BuiltInCodec`] to this crate.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sealed(pub(crate) Format);

macro_rules! built_in {
    ($($(#[$feature:meta])? $codec:ident),*) => {$(
        $(#[$feature])?
        impl BuiltInCodec for $codec {
            fn format(_: Sealed) -> Sealed {
                Sealed(Format::$codec)
            }
        }
    )*};
}
built_in!(
    MessagePack,
    #[cfg(feature = "json")]
    Json,
    #[cfg(feature = "bincode")]
    Bincode,
    #[cfg(feature = "postcard")]
    Postcard
);

/// How one function's values are coded: by a codec it names, or by its cache's.
pub trait Coding {
    /// The number in the header.
    fn id(format: Format) -> CodecId;
    /// Appends the value's bytes.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn encode<T: Serialize>(format: Format, value: &T, out: &mut Vec<u8>) -> Result<(), Error>;
    /// Reads a value from exactly these bytes.
    ///
    /// # Errors
    ///
    /// As [`Codec::decode`].
    fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, Error>;
}

/// The coding of a function that names a codec.
#[derive(Debug)]
pub struct Named<C>(std::marker::PhantomData<C>);

impl<C: Codec> Coding for Named<C> {
    fn id(_: Format) -> CodecId {
        C::ID
    }

    fn encode<T: Serialize>(_: Format, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        C::encode(value, out)
    }

    fn decode<T: DeserializeOwned>(_: Format, bytes: &[u8]) -> Result<T, Error> {
        C::decode(bytes)
    }
}

/// The coding of a function that names none.
#[derive(Debug)]
pub struct OfCache;

/// Calls `$method` of the codec that a format stands for.
macro_rules! by_format {
    ($format:expr, $codec:ident => $call:expr) => {
        match $format {
            Format::MessagePack => {
                type $codec = MessagePack;
                $call
            }
            #[cfg(feature = "json")]
            Format::Json => {
                type $codec = Json;
                $call
            }
            #[cfg(feature = "bincode")]
            Format::Bincode => {
                type $codec = Bincode;
                $call
            }
            #[cfg(feature = "postcard")]
            Format::Postcard => {
                type $codec = Postcard;
                $call
            }
        }
    };
}

impl Coding for OfCache {
    fn id(format: Format) -> CodecId {
        by_format!(format, C => C::ID)
    }

    fn encode<T: Serialize>(format: Format, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        by_format!(format, C => C::encode(value, out))
    }

    fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, Error> {
        by_format!(format, C => C::decode(bytes))
    }
}

/// A codec's failure to encode.
fn cannot_encode<T>(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Codec, format!("cannot encode a `{}`", std::any::type_name::<T>())).with_source(cause)
}

/// A codec's failure to decode.
fn cannot_decode<T>(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Codec, format!("cannot decode a `{}`", std::any::type_name::<T>())).with_source(cause)
}

#[cfg(test)]
mod tests;
