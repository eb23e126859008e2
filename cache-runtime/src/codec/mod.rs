//! Codecs: how a value becomes a payload and back. One format a file; each but the default behind its feature.

mod bounds;
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
pub use self::fingerprint::{Fingerprint, Shape};
#[cfg(feature = "json")]
pub use self::json::Json;
pub use self::message_pack::MessagePack;
#[cfg(feature = "postcard")]
pub use self::postcard::Postcard;

use self::bounds::{Bounded, Meter, Metered};
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
/// Decoding must refuse bytes that it does not use up. It never sees another codec's bytes, nor those of a type of another
/// name, nor, unless it is [self-describing](Self::SELF_DESCRIBING), those of another shape of the type; it may see bytes
/// that were damaged, and answers them with an error, never a panic.
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

    /// Whether the bytes tell the structure of the value by themselves: fields by their names, each value with its type.
    /// Then bytes of another shape of the type can be told apart while they are decoded, and [`Shape::Compatible`] has
    /// them decoded. A format that leaves names or types out reads the fields of yesterday's struct into those of today's
    /// without noticing, so it must say `false`, which is the default. JSON and `MessagePack` with named fields are
    /// self-describing; bincode and postcard are not.
    ///
    /// [`Shape::Compatible`]: crate::Shape::Compatible
    const SELF_DESCRIBING: bool = false;

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

    /// Encodes and measures. A codec of the user's own is called with the value and the meter in one.
    #[doc(hidden)]
    fn encode_within<T: Serialize>(value: &T, out: &mut Vec<u8>, meter: &Meter) -> Result<(), Error> {
        Self::encode(&Metered::new(value, meter), out)
    }

    /// Decodes and measures. A codec of the user's own is called with a type that has a meter of its own.
    #[doc(hidden)]
    fn decode_within<T: DeserializeOwned>(bytes: &[u8], meter: &Meter) -> Result<T, Error> {
        Self::decode(bytes).map(|bounded: Bounded<T>| bounded.into_value(meter))
    }
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
    /// Whether bytes of another shape of a type can be told apart; see [`Codec::SELF_DESCRIBING`].
    fn is_self_describing(format: Format) -> bool;
    /// Appends the value's bytes.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn encode<T: Serialize + DeserializeOwned>(format: Format, value: &T, out: &mut Vec<u8>) -> Result<(), Error>;
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

    fn is_self_describing(_: Format) -> bool {
        C::SELF_DESCRIBING
    }

    fn encode<T: Serialize + DeserializeOwned>(_: Format, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        bounds::encode_readable::<C, T>(value, out)
    }

    fn decode<T: DeserializeOwned>(_: Format, bytes: &[u8]) -> Result<T, Error> {
        bounds::decode::<C, T>(bytes)
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

    fn is_self_describing(format: Format) -> bool {
        by_format!(format, C => C::SELF_DESCRIBING)
    }

    fn encode<T: Serialize + DeserializeOwned>(format: Format, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        by_format!(format, C => bounds::encode_readable::<C, T>(value, out))
    }

    fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, Error> {
        by_format!(format, C => bounds::decode::<C, T>(bytes))
    }
}

/// A codec's failure to encode.
fn cannot_encode<T>(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let why = category(&cause.to_string());
    Error::new(ErrorKind::Codec, format!("cannot encode a `{}`: {why}", std::any::type_name::<T>()))
}

/// A codec's failure to decode.
fn cannot_decode<T>(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let why = category(&cause.into().to_string());
    Error::new(ErrorKind::Codec, format!("cannot decode a `{}`: {why}", std::any::type_name::<T>()))
}

/// How serde and the formats begin what they say of a value or of bytes. What follows can be the value.
const CATEGORIES: [&str; 30] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "invalid number",
    "invalid escape",
    "invalid unicode code point",
    "unknown variant",
    "unknown field",
    "missing field",
    "duplicate field",
    "bytes are left over",
    "trailing characters",
    "EOF while parsing",
    "Hit the end of buffer",
    "UnexpectedEnd",
    "UnexpectedVariant",
    "LimitExceeded",
    "IO error while reading",
    "wrong msgpack marker",
    "numeric cast found out of range",
    "number out of range",
    "array had incorrect length",
    "string found to be invalid utf8",
    "Tried to parse invalid utf-8",
    "depth limit exceeded",
    "recursion limit exceeded",
    "key must be a string",
    "expected",
    "attempt to serialize struct, sequence or map with unknown length",
    "The length of a sequence must be known",
];

/// What may be shown of a format's error: the category that it belongs to. An error of serde contains the value that it
/// is about, and an error's source is printed by `{:?}` and by `anyhow`, so the rest is left out and no source is kept.
fn category(text: &str) -> &'static str {
    let known = CATEGORIES.iter().find(|category| text.starts_with(**category));
    known
        .copied()
        .unwrap_or("the format or the type refuses it (the reason is left out, since it may contain the value)")
}

#[cfg(test)]
mod tests;
