//! Which node of a cluster has which key: hash slots, and the map from them to nodes.
//!
//! After the [Redis cluster specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use redis::{ConnectionAddr, Value};

use super::cluster::Node;

/// How many hash slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// The hash slot of a key: that of its hash tag, the first `{…}` with something in it, if it has one.
pub(super) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16::State::<crc16::XMODEM>::calculate(hashed.as_bytes()) % SLOTS
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// That of a server which was given by its URL; a socket in the file system is none.
    pub(super) fn of(address: &ConnectionAddr) -> Option<Self> {
        match address {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self::named(host, *port, &Self { host: host.clone(), port: *port }))
            }
            _ => None,
        }
    }

    /// Reads `host:port`, as `asked` said it. A node that does not know how it is called leaves the host out: it is the
    /// one that was asked.
    pub(super) fn read(text: &str, asked: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::named(host, port.parse().ok()?, asked)).filter(Self::is_plausible)
    }

    /// Whether its host has only characters that hosts have: the address is shown, and a server may send anything.
    pub(super) fn is_plausible(&self) -> bool {
        self.host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
    }

    fn named(host: &str, port: u16, asked: &Self) -> Self {
        let host = if matches!(host, "" | "?") { &asked.host } else { host };
        // An IPv6 address stands in brackets where a port is behind it, and connections are made without.
        Self { host: host.trim_matches(['[', ']']).to_owned(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Slots in a row, and the node that has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) slots: RangeInclusive<u16>,
    pub(super) primary: Address,
}

/// Reads the answer to `CLUSTER SLOTS`, which `asked` gave; `None` where it is none.
pub(super) fn ranges(answer: &Value, asked: &Address) -> Option<Vec<Range>> {
    let Value::Array(ranges) = answer else { return None };
    ranges.iter().map(|range| read(range, asked)).collect()
}

fn read(range: &Value, asked: &Address) -> Option<Range> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &parts[..] else { return None };
    let [host, Value::Int(port), ..] = &primary[..] else { return None };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    let last = u16::try_from(*last).ok().filter(|last| *last < SLOTS)?;
    let primary = Some(Address::named(host, u16::try_from(*port).ok()?, asked)).filter(Address::is_plausible)?;
    Some(Range { slots: u16::try_from(*first).ok()?..=last, primary })
}

/// Whether slots are moving to or from the node that gave this answer to `CLUSTER NODES`: they stand in brackets at the end
/// of its own line, behind eight words and the ranges of its slots.
pub(super) fn is_moving(answer: &str) -> bool {
    let mut lines = answer.lines().map(|line| line.split(' '));
    lines.any(|mut words| {
        words.nth(2).is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"))
            && words.skip(5).any(|word| word.starts_with('['))
    })
}

/// The map from slots to nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    nodes: Vec<Arc<Node>>,
    /// The index of each slot's node, where it has one.
    owners: Vec<Option<u16>>,
}

impl Map {
    /// Puts the nodes of these ranges where `node` says they are.
    pub(super) fn new(ranges: &[Range], node: impl Fn(&Address) -> Option<Arc<Node>>) -> Self {
        let mut map = Self::default();
        for range in ranges {
            if let Some(node) = map.at(&range.primary).map(Arc::clone).or_else(|| node(&range.primary)) {
                let index = map.index(&node);
                for slot in range.slots.clone() {
                    map.assign(slot, index);
                }
            }
        }
        map
    }

    /// Puts a node on the map, and this slot there if it has one; returns the node that the map has at that address.
    pub(super) fn learn(&mut self, node: &Arc<Node>, slot: Option<u16>) -> Arc<Node> {
        let node = self.at(&node.address).map_or_else(|| Arc::clone(node), Arc::clone);
        let index = self.index(&node);
        if let Some(slot) = slot {
            self.assign(slot, index);
        }
        node
    }

    /// Whether there is nothing to [learn](Self::learn).
    pub(super) fn has(&self, node: &Arc<Node>, slot: Option<u16>) -> bool {
        let is_it = |known: &Arc<Node>| Arc::ptr_eq(known, node);
        match slot {
            Some(slot) => self.owner(slot).is_some_and(is_it),
            None => self.nodes.iter().any(is_it),
        }
    }

    fn at(&self, address: &Address) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.address == *address)
    }

    fn index(&mut self, node: &Arc<Node>) -> Option<u16> {
        let known = self.nodes.iter().position(|known| Arc::ptr_eq(known, node));
        let index = known.unwrap_or_else(|| {
            self.nodes.push(Arc::clone(node));
            self.nodes.len() - 1
        });
        u16::try_from(index).ok()
    }

    fn assign(&mut self, slot: u16, index: Option<u16>) {
        self.owners.resize(usize::from(SLOTS), None);
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = index;
        }
    }

    /// The node that has this slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let index = *self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(index?))
    }

    pub(super) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let primary = Value::Array(vec![host, Value::Int(port), bulk("07c37df…"), Value::Array(Vec::new())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), primary, Value::Array(vec![bulk("a replica")])])
    }

    fn asked() -> Address {
        Address { host: "asked".to_owned(), port: 1 }
    }

    /// The examples of the specification.
    #[test]
    fn keys_with_one_hash_tag_have_one_slot() {
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_ne!(slot("foo{}{bar}"), slot("bar"), "an empty tag is none: all of the key counts");
        assert_eq!(slot("foo}{bar"), slot("foo}{bar"), "nothing is closed");
    }

    #[test]
    fn the_map_is_read_off_what_a_node_says_and_nothing_else() {
        let answer =
            Value::Array(vec![range(0, 8_191, bulk("10.0.0.1"), 7000), range(8_192, 16_383, Value::Nil, 7001)]);
        let read = ranges(&answer, &asked()).expect("well formed");
        let primaries: Vec<_> = read.iter().map(|range| (range.slots.clone(), range.primary.to_string())).collect();
        assert_eq!(primaries, [(0..=8_191, "10.0.0.1:7000".to_owned()), (8_192..=16_383, "asked:7001".to_owned())]);
        for wrong in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(0, 16_384, bulk("h"), 7000)]),
            Value::Array(vec![range(-1, 3, bulk("h"), 7000)]),
            Value::Array(vec![range(0, 3, bulk("h"), 70_000)]),
            Value::Array(vec![range(0, 3, Value::Int(3), 7000)]),
            Value::Array(vec![range(0, 3, bulk("a value"), 7000)]),
        ] {
            assert_eq!(ranges(&wrong, &asked()), None, "{wrong:?}");
        }
    }

    /// The example of the documentation of `CLUSTER NODES`, and an address with brackets.
    #[test]
    fn slots_that_move_stand_in_the_line_of_the_node_that_answers() {
        let line = |flags, slots| {
            format!(
                "e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001,host {flags} - 0 0 1 connected {slots}\n"
            )
        };
        let moving =
            "0-92 [93-<-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f] [77->-e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca]";
        assert!(is_moving(&(line("master", "93-5460") + &line("myself,master", moving))));
        assert!(!is_moving(&(line("master", moving) + &line("myself,master", "0-92 94"))));
        assert!(!is_moving("id [::1]:30001@31001 myself,master - 0 0 1 connected 0-5460"));
        assert!(!is_moving(""));
    }

    /// Two callers may learn of it at once: what one of them has found out of the node counts for both.
    #[test]
    fn a_node_is_on_the_map_once() {
        let node = || Node::new(asked(), redis::Client::open("redis://asked:1").expect("well formed"));
        let (first, second, mut map) = (node(), node(), Map::default());
        for learned in [map.learn(&first, Some(1)), map.learn(&second, Some(2))] {
            assert!(Arc::ptr_eq(&learned, &first));
        }
        assert!(map.has(&first, Some(1)) && map.has(&first, Some(2)) && map.nodes().len() == 1);
    }

    #[test]
    fn an_address_without_a_host_is_on_the_node_that_was_asked() {
        let read = |text| Address::read(text, &asked()).map(|address| address.to_string());
        assert_eq!(read("10.0.0.1:7000").as_deref(), Some("10.0.0.1:7000"));
        assert_eq!(read(":7000").as_deref(), Some("asked:7000"));
        assert_eq!(read("?:7000").as_deref(), Some("asked:7000"));
        assert_eq!(read("::1:7000").as_deref(), Some("[::1]:7000"));
        assert_eq!(read("[::1]:7000").as_deref(), Some("[::1]:7000"));
        assert_eq!((read("nowhere"), read("h:http"), read("a value:7000")), (None, None, None));
    }
}
