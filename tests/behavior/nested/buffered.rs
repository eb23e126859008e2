//! Values that serde collects in a buffer, and decodes from there: no deserializer of ours sees the second step, so they
//! are bound by their levels alone.

use cache_runtime::{Cache, Codec, CodecId, Error, ErrorKind, MessagePack, redis_cached, report};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use support::{Events, Origin};

use super::{cache, keys, told, with_a_server};

#[derive(Default, Serialize, Deserialize)]
struct Flattened {
    name: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Default, Serialize, Deserialize)]
struct Rest {
    rows: Vec<Hungry>,
}

/// Takes as much stack to decode as a wide struct does.
#[derive(Serialize)]
#[serde(transparent)]
struct Hungry(Row);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Row {
    Tagged(Tagged),
    Flattened(Box<Flattened>),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Around { inner: Box<Flattened> },
}

impl<'de> Deserialize<'de> for Hungry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be taken")]
        let room = [0_u8; 24 << 10];
        let row = Row::deserialize(deserializer).map(Self);
        std::hint::black_box(&room);
        row
    }
}

fn flattened(levels: usize) -> Flattened {
    let around = |inner, level| {
        let inner = Box::new(inner);
        let row = if level % 2 == 0 { Row::Flattened(inner) } else { Row::Tagged(Tagged::Around { inner }) };
        Flattened { name: None, rest: Rest { rows: vec![Hungry(row)] } }
    };
    (0..levels).fold(Flattened::default(), around)
}

#[redis_cached(key = "buffered:<levels>", ttl = 600, cache = cache, skip(cache, origin))]
async fn buffered(cache: &Cache, origin: &Origin, levels: usize) -> Flattened {
    origin.run().await;
    flattened(levels)
}

/// Encodes without a bound, as a version of this software might have that had none.
struct Unbounded;

impl Codec for Unbounded {
    const ID: CodecId = MessagePack::ID;

    fn encode<T: Serialize>(_: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let value = flattened(200);
        rmp_serde::encode::write_named(out, &value).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        MessagePack::decode(bytes)
    }
}

#[redis_cached(key = "buffered:<levels>", ttl = 600, codec = Unbounded, cache = cache, skip(cache))]
async fn unbounded(cache: &Cache, levels: usize) -> Flattened {
    flattened(levels)
}

#[test]
fn a_value_that_serde_buffers_is_bound_by_its_levels() {
    with_a_server(|server| async move {
        unbounded(&cache(&server), 1).await;
        assert_eq!(keys(&server).await, 1, "the forged bytes are there");
        let (cache, origin, events) = (cache(&server), Origin::default(), Events::capture());
        buffered(&cache, &origin, 1).await;
        assert_eq!(origin.runs(), 1);
        assert!(told(&events, "counts as a miss", "why").contains("nested"));
        for levels in [5, 200] {
            let (_, calls) = report(buffered(&cache, &origin, levels)).await;
            assert_eq!(calls.calls()[0].stored(), levels == 5);
        }
    });
}
