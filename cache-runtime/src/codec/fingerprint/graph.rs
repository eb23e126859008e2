//! What the passes have shown: a graph, its nodes the calls that types make, its edges the ways on from there.

use std::collections::{HashMap, VecDeque};

/// Calls at the most, over all passes. A type that needs more has its name in its fingerprint.
const MAX_CALLS: u32 = 200_000;

/// How many made-up values a type is given before it counts as refusing.
const MAX_FLAVORS: usize = 24;

/// How a pass goes from the root: which way at each node.
pub(super) type Plan = Vec<usize>;

/// A call that a type makes.
pub(super) struct Call {
    /// What is asked for, with the names of fields and variants that the call hands over.
    what: String,
    /// The name of the type that asks, where serde reports one.
    name: Option<String>,
    /// Whether the type has parts that it never asks for, since serde looks into them by itself.
    is_opaque: bool,
}

impl Call {
    /// A call without the name of a type.
    pub(super) fn nameless(what: impl Into<String>) -> Self {
        Self { what: what.into(), name: None, is_opaque: false }
    }

    /// A call of the type of this name; variants are called for without one.
    pub(super) fn named(what: impl Into<String>, name: &str) -> Self {
        Self { name: (!name.is_empty()).then(|| name.to_owned()), ..Self::nameless(what) }
    }

    /// A call of a type that has serde look into its parts.
    pub(super) fn opaque(what: &str, name: Option<String>) -> Self {
        Self { is_opaque: name.is_some(), name, ..Self::nameless(what) }
    }

    fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.what.clone(), |name| format!("{} {name}", self.what))
    }
}

struct Node {
    call: Call,
    /// The type that makes the call, by its visitor. The compiler's name of that changes with the compiler, so it is
    /// written down only where the rest cannot be seen.
    visitor: &'static str,
    ways: Vec<Way>,
}

impl Node {
    /// Whether some of the type cannot be seen: behind a refusal, or because the type never asks for it. A type without
    /// parameters has a name that stands for its parts.
    fn hides_parts(&self) -> bool {
        self.ways.contains(&Way::Hidden) || (self.call.is_opaque && is_generic(self.visitor))
    }

    /// Whether the type's own name is enough to tell it from others: a generic type has one for all its instances.
    fn is_named(&self) -> bool {
        self.call.name.is_some() && !is_generic(self.visitor)
    }
}

/// Whether a visitor of this name has parameters besides lifetimes, and so makes values of a generic type. Nothing more
/// is taken from the name: it holds the paths of modules, and compilers spell it in different ways.
pub(super) fn is_generic(visitor: &str) -> bool {
    let visitor = visitor.replace("->", "");
    let Some(inside) = visitor.strip_suffix('>') else { return false };
    let mut depth = 1;
    let opening = inside.rfind(|at| {
        depth += i32::from(at == '>') - i32::from(at == '<');
        depth == 0
    });
    let parameters = &inside[opening.map_or(0, |at| at + 1)..];
    parameters.split(',').any(|parameter| !parameter.trim_start().starts_with('\''))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Unknown,
    To(usize),
    /// Nothing is asked for there.
    Nowhere,
    /// A refusal stands before it.
    Hidden,
}

pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Nodes by visitor and call.
    known: HashMap<(&'static str, String), usize>,
    /// For each type, which made-up values it is given: the next ones after each refusal.
    flavors: HashMap<&'static str, usize>,
    calls: u32,
}

impl Graph {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), known: HashMap::new(), flavors: HashMap::new(), calls: 0 }
    }

    /// The shortest way to a place where nobody has been; the empty way first, to the root.
    pub(super) fn plan(&self) -> Option<Plan> {
        if self.nodes.is_empty() {
            return Some(Plan::new());
        }
        let mut seen = vec![false; self.nodes.len()];
        let mut queue = VecDeque::from([(0, Plan::new())]);
        while let Some((id, plan)) = queue.pop_front() {
            let known = seen.get_mut(id).is_none_or(|seen| std::mem::replace(seen, true));
            if known || self.is_spent() {
                continue;
            }
            for (index, way) in self.nodes[id].ways.iter().enumerate() {
                let longer = || plan.iter().copied().chain([index]).collect();
                match way {
                    Way::Unknown => return Some(longer()),
                    Way::To(next) => queue.push_back((*next, longer())),
                    Way::Nowhere | Way::Hidden => {}
                }
            }
        }
        None
    }

    /// Counts a call; `false` when there were too many.
    pub(super) fn count(&mut self) -> bool {
        self.calls += 1;
        !self.is_spent()
    }

    fn is_spent(&self) -> bool {
        self.calls > MAX_CALLS
    }

    /// The node of a call, with so many ways on from there; and a root even for a type that asks for nothing.
    pub(super) fn node(&mut self, visitor: &'static str, call: Call, ways: usize) -> usize {
        let Self { nodes, known, .. } = self;
        *known.entry((visitor, call.label())).or_insert_with(|| {
            nodes.push(Node { call, visitor, ways: vec![Way::Unknown; ways] });
            nodes.len() - 1
        })
    }

    /// A way, where the node has it: a type that does not ask the same each time has it once and then not.
    fn way(&self, (node, way): (usize, usize)) -> Option<Way> {
        self.nodes.get(node)?.ways.get(way).copied()
    }

    fn set(&mut self, (node, way): (usize, usize), to: Way) {
        if let Some(way) = self.nodes.get_mut(node).and_then(|node| node.ways.get_mut(way)) {
            *way = to;
        }
    }

    pub(super) fn link(&mut self, from: (usize, usize), to: usize) {
        self.set(from, Way::To(to));
    }

    /// Settles what a pass was to find and did not: nothing is there, or a refusal stands before it.
    pub(super) fn settle(&mut self, plan: &Plan, reached: Option<(usize, usize)>) {
        if self.nodes.is_empty() {
            self.node("", Call::nameless("nothing"), 0);
        }
        let Some((last, way_there)) = plan.split_last() else { return };
        let target = way_there.iter().try_fold(0, |id, way| match self.way((id, *way)) {
            Some(Way::To(next)) => Some(next),
            _ => None,
        });
        let target = target.map(|target| (target, *last));
        if let Some(target) = target.filter(|target| self.is_unknown(*target)) {
            self.set(target, if reached == Some(target) { Way::Nowhere } else { Way::Hidden });
        }
    }

    /// Whether nobody has been there.
    pub(super) fn is_unknown(&self, way: (usize, usize)) -> bool {
        self.way(way) == Some(Way::Unknown)
    }

    /// Two ways lead to the same type.
    pub(super) fn copy(&mut self, from: usize, known: usize, way: usize) {
        if let Some(known) = self.way((from, known)) {
            self.set((from, way), known);
        }
    }

    /// Which made-up values a type is given.
    pub(super) fn flavor(&self, of: &'static str) -> usize {
        self.flavors.get(of).copied().unwrap_or_default()
    }

    /// Gives a type that refused its made-up value the next one; `false` when it has refused all.
    pub(super) fn next_flavor(&mut self, of: &'static str) -> bool {
        let flavor = self.flavors.entry(of).or_default();
        let another = *flavor + 1 < MAX_FLAVORS;
        *flavor += usize::from(another);
        another
    }

    /// The names that tell the type from others, as bytes: those of the outermost types that have one, in the order of
    /// the ways. Below a type whose own name is enough, none counts.
    pub(super) fn names(&self, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        let mut stack = vec![0];
        while let Some(id) = stack.pop() {
            let node = &self.nodes[id];
            let hidden = Some(node.visitor).filter(|_| node.hides_parts() && !node.is_named());
            for name in node.call.name.as_deref().into_iter().chain(hidden) {
                out.extend_from_slice(name.as_bytes());
                out.push(0);
            }
            let is_known = std::mem::replace(&mut seen[id], true);
            if !is_known && !node.is_named() {
                stack.extend(node.ways.iter().rev().filter_map(|way| match way {
                    Way::To(next) => Some(*next),
                    _ => None,
                }));
            }
        }
        if self.is_spent() {
            out.extend_from_slice(name.as_bytes());
        }
        out
    }

    /// The graph as bytes, from the root, in the order of the ways: the same for the same shape in every process.
    pub(super) fn written(&self, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut numbers = HashMap::new();
        let mut stack = vec![Way::To(0)];
        while let Some(way) = stack.pop() {
            match way {
                Way::Unknown => out.extend_from_slice(b"?"),
                Way::Nowhere => out.extend_from_slice(b"-"),
                Way::Hidden => out.extend_from_slice(b"#"),
                Way::To(id) => {
                    let next = numbers.len();
                    let node = &self.nodes[id];
                    let number = *numbers.entry(id).or_insert(next);
                    out.extend_from_slice(format!("@{number}").as_bytes());
                    if number == next {
                        out.extend_from_slice(node.call.label().as_bytes());
                        if node.hides_parts() {
                            out.extend_from_slice(node.visitor.as_bytes());
                        }
                        stack.extend(node.ways.iter().rev());
                    }
                }
            }
            out.push(0);
        }
        if self.is_spent() {
            out.extend_from_slice(name.as_bytes());
        }
        out
    }
}
