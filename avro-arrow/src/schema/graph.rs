//! The type graph of a schema: an order in which children come first, and the nodes on cycles.
//!
//! It keeps its own stack: a hostile schema can nest recursive types more deeply than the thread's stack.

use super::{Node, NodeId};

/// A walk over all nodes reachable from a root.
pub(super) struct Walk {
    /// Every node once, after all its children that do not contain it.
    pub(super) order: Vec<NodeId>,
    /// By node: whether its value can contain a value of the same node.
    pub(super) recursive: Vec<bool>,
}

/// The state of a node.
#[derive(Clone, Copy, Default)]
struct NodeState {
    /// Its number in the order of first visits, from 1; 0 before it is visited.
    entered: usize,
    /// The lowest number that it reaches through nodes of incomplete components.
    low: usize,
    /// Whether its component is complete.
    done: bool,
}

impl Walk {
    /// Tarjan's algorithm for strongly connected components, without recursion.
    // Indexed without a check of its own: ids are made by the parser of this very arena.
    pub(super) fn of(nodes: &[Node], root: NodeId) -> Walk {
        let mut walk = Walk { order: Vec::with_capacity(nodes.len()), recursive: vec![false; nodes.len()] };
        let mut states = vec![NodeState::default(); nodes.len()];
        let mut entered = 0;
        let mut component = Vec::new();
        let mut path = Vec::new();
        let mut enter = |id: NodeId, states: &mut [NodeState], path: &mut Vec<_>, component: &mut Vec<_>| {
            entered += 1;
            states[id.index()] = NodeState { entered, low: entered, done: false };
            path.push((id, 0));
            component.push(id);
        };
        enter(root, &mut states, &mut path, &mut component);
        while let Some((id, next)) = path.last_mut() {
            let id = *id;
            if let Some(child) = nodes[id.index()].kind.child(*next) {
                *next += 1;
                let state = states[child.index()];
                if state.entered == 0 {
                    enter(child, &mut states, &mut path, &mut component);
                } else if !state.done {
                    let low = &mut states[id.index()].low;
                    *low = state.entered.min(*low);
                    walk.recursive[id.index()] |= child == id;
                }
                continue;
            }
            path.pop();
            walk.order.push(id);
            let state = states[id.index()];
            if let Some((parent, _)) = path.last() {
                let low = &mut states[parent.index()].low;
                *low = state.low.min(*low);
            }
            if state.low == state.entered {
                let first = component.iter().rposition(|n| *n == id).unwrap_or(0);
                let several = component.len() - first > 1;
                for node in component.drain(first..) {
                    states[node.index()].done = true;
                    walk.recursive[node.index()] |= several;
                }
            }
        }
        walk
    }
}
