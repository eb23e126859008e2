//! The deserializer that a type is driven with along one path.

use std::any::type_name;
use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::graph::{Call, Graph, Plan};
use crate::codec::bounds::address;

/// Levels at the most: a made-up value of a recursive type must end. A value that needs more counts as refused.
const MAX_DEPTH: usize = 24;

/// Stack at the most that one pass takes. It leaves room for the frames of a type that takes much, on a thread of tokio
/// (2 MiB) whose stack is half used. [`MAX_DEPTH`] levels of a struct of forty texts take 330 KiB in a debug build, so
/// ordinary types end by their levels, which are the same in every build.
const MAX_STACK: usize = 512 << 10;

/// Texts that types accept: what a refused one is followed by.
const TEXTS: [&str; 12] = [
    "",
    "1",
    "a",
    "a@b.cd",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "00:00:00",
    "2000-01-01T00:00:00",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "127.0.0.1",
    "http://a.bc/",
    "::1",
];

/// Byte strings that types accept.
const BYTES: [&[u8]; 5] = [&[], &[1], &[1; 16], &[1; 32], &[1; 4]];

/// One drive through a type.
pub(super) struct Pass<'g> {
    graph: &'g mut Graph,
    plan: std::vec::IntoIter<usize>,
    human_readable: bool,
    /// The way that the next call is at the end of.
    from: Option<(usize, usize)>,
    /// The types that made-up values are being made of, outermost first.
    making: Vec<&'static str>,
    /// The same, when the first one was refused.
    refused: Vec<&'static str>,
    /// How many newtypes, one in the other, a made-up value is in: a type may be nothing else.
    wraps: usize,
    /// An address on the stack where it began.
    began: usize,
}

impl<'g> Pass<'g> {
    pub(super) fn new(graph: &'g mut Graph, plan: &Plan, human_readable: bool) -> Self {
        // A pass in which nothing is asked for counts too: else a type that never asks for what it once did has no end.
        graph.count();
        let plan = plan.clone().into_iter();
        let (making, refused) = (Vec::new(), Vec::new());
        Self { graph, plan, human_readable, from: None, making, refused, wraps: 0, began: address() }
    }

    fn is_too_deep(&self) -> bool {
        self.making.len() + self.wraps > MAX_DEPTH || self.began.abs_diff(address()) > MAX_STACK
    }

    /// Sees to it that the next pass does something else: it tries another made-up value where one was refused, else it
    /// goes elsewhere.
    pub(super) fn end(self, plan: &Plan) {
        // A panic leaves the types unfinished that were being made.
        let refused = if self.refused.is_empty() { self.making } else { self.refused };
        if !refused.iter().rev().any(|of| self.graph.next_flavor(of)) {
            self.graph.settle(plan, self.from);
        }
    }
}

/// The end of a path.
#[derive(Debug)]
pub(super) struct End;

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the traced path ends here")
    }
}

impl std::error::Error for End {}

impl de::Error for End {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[derive(Clone, Copy)]
enum Mode {
    /// Follow the plan, note what is asked for at its end.
    Explore,
    /// Make up a whole value, of this flavor.
    Make { flavor: usize },
}

/// Where a call goes on.
#[derive(Clone, Copy)]
enum Go {
    /// This way of that node.
    Explore { node: usize, way: usize },
    /// Anywhere: a whole value of this flavor is wanted.
    Make { flavor: usize },
}

/// Notes the calls that a type makes, and answers them.
pub(super) struct Tracer<'p, 'g> {
    pass: &'p mut Pass<'g>,
    mode: Mode,
}

impl<'p, 'g> Tracer<'p, 'g> {
    pub(super) fn exploring(pass: &'p mut Pass<'g>) -> Self {
        Self { pass, mode: Mode::Explore }
    }

    /// A call of the visitor `V`, from which so many ways lead on.
    fn call<V>(&mut self, call: Call, ways: usize) -> Result<Go, End> {
        if !self.pass.graph.count() || self.pass.is_too_deep() {
            return Err(End);
        }
        if let Mode::Make { flavor } = self.mode {
            return Ok(Go::Make { flavor });
        }
        let node = self.pass.graph.node(type_name::<V>(), call, ways);
        if let Some(way) = self.pass.from.take() {
            self.pass.graph.link(way, node);
        }
        let way = self.pass.plan.next().filter(|way| *way < ways).ok_or(End)?;
        self.pass.from = Some((node, way));
        Ok(Go::Explore { node, way })
    }

    /// A call that leads nowhere; the flavor of the value it wants.
    fn scalar<V>(&mut self, call: Call) -> Result<usize, End> {
        match self.call::<V>(call, 0)? {
            Go::Make { flavor } => Ok(flavor),
            Go::Explore { .. } => Err(End),
        }
    }

    /// Drives the part of a type that a way leads to.
    fn part<'de, S: DeserializeSeed<'de>>(&mut self, go: Go, seed: S) -> Result<S::Value, End> {
        match go {
            Go::Explore { .. } => seed.deserialize(Tracer { pass: self.pass, mode: Mode::Explore }),
            Go::Make { .. } => self.make(seed),
        }
    }

    /// Makes up a value, because the type asks on only behind it.
    fn make<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        let of = type_name::<S>();
        self.pass.making.push(of);
        let flavor = self.pass.graph.flavor(of);
        // A way that begins behind a refused value was not reached.
        let from = self.pass.from.take();
        let made = seed.deserialize(Tracer { pass: self.pass, mode: Mode::Make { flavor } });
        if made.is_err() && self.pass.refused.is_empty() {
            self.pass.refused.clone_from(&self.pass.making);
        }
        self.pass.making.pop();
        self.pass.from = from.filter(|_| made.is_ok());
        made
    }
}

/// Scalars: the call is noted and answered with a value that most types accept.
macro_rules! scalars {
    ($($method:ident => |$visitor:ident, $flavor:ident| $answer:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, $visitor: V) -> Result<V::Value, End> {
            let $flavor = self.scalar::<V>(Call::nameless(stringify!($method)))?;
            $answer
        }
    )*};
}

/// The flavor's element of a list; the last one for flavors past it.
fn nth<T: Copy>(list: &[T], flavor: usize, otherwise: T) -> T {
    list.get(flavor).or(list.last()).copied().unwrap_or(otherwise)
}

/// The name of a type that asks for a map or for anything, as serde's derive puts it into what the visitor expects: a
/// struct with `#[serde(flatten)]` and an internally tagged enum hand over none.
fn declared<'de, V: Visitor<'de>>(kind: &str, visitor: &V) -> Option<String> {
    let expected = (visitor as &dyn de::Expected).to_string();
    expected.strip_prefix(kind).filter(|name| !name.contains(' ')).map(str::to_owned)
}

impl<'de> de::Deserializer<'de> for Tracer<'_, '_> {
    type Error = End;

    scalars! {
        deserialize_bool => |visitor, flavor| visitor.visit_bool(flavor % 2 == 1);
        deserialize_i8 => |visitor, flavor| visitor.visit_i8(nth(&[1, 0, 2, 10, 100, -1], flavor, 1));
        deserialize_i16 => |visitor, flavor| visitor.visit_i16(nth(&[1, 0, 2, 10, 100, 2000, -1], flavor, 1));
        deserialize_i32 => |visitor, flavor| visitor.visit_i32(nth(&[1, 0, 2, 10, 100, 2000, -1], flavor, 1));
        deserialize_i64 => |visitor, flavor| visitor.visit_i64(nth(&[1, 0, 2, 10, 100, 2000, -1], flavor, 1));
        deserialize_i128 => |visitor, flavor| visitor.visit_i128(nth(&[1, 0, 2, 10, 100, 2000, -1], flavor, 1));
        deserialize_u8 => |visitor, flavor| visitor.visit_u8(nth(&[1, 0, 2, 10, 100], flavor, 1));
        deserialize_u16 => |visitor, flavor| visitor.visit_u16(nth(&[1, 0, 2, 10, 100, 2000], flavor, 1));
        deserialize_u32 => |visitor, flavor| visitor.visit_u32(nth(&[1, 0, 2, 10, 100, 2000], flavor, 1));
        deserialize_u64 => |visitor, flavor| visitor.visit_u64(nth(&[1, 0, 2, 10, 100, 2000], flavor, 1));
        deserialize_u128 => |visitor, flavor| visitor.visit_u128(nth(&[1, 0, 2, 10, 100, 2000], flavor, 1));
        deserialize_f32 => |visitor, flavor| visitor.visit_f32(nth(&[1.0, 0.0, 0.5, 10.0, -1.0], flavor, 1.0));
        deserialize_f64 => |visitor, flavor| visitor.visit_f64(nth(&[1.0, 0.0, 0.5, 10.0, -1.0], flavor, 1.0));
        deserialize_char => |visitor, flavor| visitor.visit_char(nth(&['a', '1', 'A'], flavor, 'a'));
        deserialize_str => |visitor, flavor| visitor.visit_str(nth(&TEXTS, flavor, ""));
        deserialize_string => |visitor, flavor| visitor.visit_str(nth(&TEXTS, flavor, ""));
        deserialize_bytes => |visitor, flavor| visitor.visit_bytes(nth(&BYTES, flavor, &[]));
        deserialize_byte_buf => |visitor, flavor| visitor.visit_bytes(nth(&BYTES, flavor, &[]));
        deserialize_unit => |visitor, _flavor| visitor.visit_unit();
        deserialize_ignored_any => |visitor, _flavor| visitor.visit_unit();
        deserialize_identifier => |visitor, flavor| visitor.visit_str(nth(&TEXTS, flavor, ""));
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        let name = declared("internally tagged enum ", &visitor);
        match self.scalar::<V>(Call::named("deserialize_any", &name.unwrap_or_default()))? {
            0 => visitor.visit_unit(),
            1 => visitor.visit_u64(1),
            2 => visitor.visit_bool(false),
            flavor => visitor.visit_str(nth(&TEXTS, flavor - 3, "")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(mut self, name: &'static str, visitor: V) -> Result<V::Value, End> {
        self.scalar::<V>(Call::named("deserialize_unit", name))?;
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        match self.call::<V>(Call::nameless("option"), 1)? {
            Go::Make { .. } => visitor.visit_none(),
            Go::Explore { .. } => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(mut self, name: &'static str, visitor: V) -> Result<V::Value, End> {
        if let Go::Explore { .. } = self.call::<V>(Call::named("newtype", name), 1)? {
            return visitor.visit_newtype_struct(self);
        }
        self.pass.wraps += 1;
        let made = visitor.visit_newtype_struct(Tracer { pass: self.pass, mode: self.mode });
        self.pass.wraps -= 1;
        made
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        let go = self.call::<V>(Call::nameless("seq"), 1)?;
        let left = usize::from(!matches!(go, Go::Make { flavor: 0 }));
        visitor.visit_seq(Elements { tracer: self, go, left, names: Vec::new() })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, End> {
        self.deserialize_tuple_struct("", len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, End> {
        let go = self.call::<V>(Call::named(format!("tuple {len}"), name), len)?;
        visitor.visit_seq(Elements { tracer: self, go, left: len, names: Vec::new() })
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        let name = declared("struct ", &visitor);
        let go = self.call::<V>(Call::opaque("map", name), 2)?;
        let left = usize::from(!matches!(go, Go::Make { flavor: 0 }));
        visitor.visit_map(Entries { tracer: self, go, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, End> {
        let go = self.call::<V>(Call::named(format!("struct {}", names.join(",")), name), names.len())?;
        let offered = match go {
            Go::Explore { way, .. } => names.get(way..=way).unwrap_or_default(),
            Go::Make { .. } => names,
        };
        visitor.visit_map(Fields { tracer: self, go, offered: offered.iter() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, End> {
        let go = self.call::<V>(Call::named(format!("enum {}", names.join(",")), name), names.len())?;
        let (Go::Explore { way, .. } | Go::Make { flavor: way }) = go;
        let name = names.get(way.checked_rem(names.len()).ok_or(End)?).ok_or(End)?;
        visitor.visit_enum(Variant { tracer: self, name })
    }

    fn is_human_readable(&self) -> bool {
        self.pass.human_readable
    }
}

/// The elements of a sequence or tuple.
struct Elements<'p, 'g> {
    tracer: Tracer<'p, 'g>,
    go: Go,
    left: usize,
    /// The types of the elements so far.
    names: Vec<&'static str>,
}

impl<'de> de::SeqAccess<'de> for Elements<'_, '_> {
    type Error = End;

    /// Explores the element that the plan leads to. Those before it are made up, and so are those behind it that are of
    /// a type explored before: arrays would take a pass for each element otherwise.
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, End> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let index = self.names.len();
        let before = self.names.iter().position(|name| *name == type_name::<S>());
        self.names.push(type_name::<S>());
        if let Go::Explore { node, way } = self.go {
            let graph = &mut *self.tracer.pass.graph;
            match before {
                _ if index < way => {}
                Some(known) if graph.is_unknown((node, index)) => graph.copy(node, known, index),
                _ => {
                    self.tracer.pass.from = Some((node, index));
                    return self.tracer.part(self.go, seed).map(Some);
                }
            }
        }
        self.tracer.make(seed).map(Some)
    }
}

/// The entries of a map: its keys and values are of any type.
struct Entries<'p, 'g> {
    tracer: Tracer<'p, 'g>,
    go: Go,
    left: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = End;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, End> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.go {
            Go::Explore { way: 0, .. } => self.tracer.part(self.go, seed).map(Some),
            _ => self.tracer.make(seed).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        self.tracer.part(self.go, seed)
    }
}

/// A struct: the field that the plan leads to, or all.
struct Fields<'p, 'g> {
    tracer: Tracer<'p, 'g>,
    go: Go,
    offered: std::slice::Iter<'static, &'static str>,
}

impl<'de> de::MapAccess<'de> for Fields<'_, '_> {
    type Error = End;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, End> {
        let Some(field) = self.offered.next() else { return Ok(None) };
        seed.deserialize((*field).into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        self.tracer.part(self.go, seed)
    }
}

/// The variant that the plan leads to, or one of the flavor.
struct Variant<'p, 'g> {
    tracer: Tracer<'p, 'g>,
    name: &'static str,
}

impl<'de, 'p, 'g> de::EnumAccess<'de> for Variant<'p, 'g> {
    type Error = End;
    type Variant = Tracer<'p, 'g>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Tracer<'p, 'g>), End> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self.tracer))
    }
}

impl<'de> de::VariantAccess<'de> for Tracer<'_, '_> {
    type Error = End;

    fn unit_variant(mut self) -> Result<(), End> {
        self.scalar::<()>(Call::nameless("unit variant")).map(drop)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, End> {
        let go = self.call::<S>(Call::nameless("newtype variant"), 1)?;
        self.part(go, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, End> {
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, End> {
        de::Deserializer::deserialize_struct(self, "", names, visitor)
    }
}
