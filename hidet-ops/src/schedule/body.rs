//! [`Body`]: expressions emitted at coordinates of a kernel, for a few adjacent elements at a time.

use super::Parameters;
use crate::expr::{ExprNode, ScalarExpr, emit::emit};
use hidet::dsl::{AnyExpr, AnyView, Expr};
use hidet::types::Scalar;
use std::cell::RefCell;
use std::collections::HashMap;

/// What expressions of a kernel are emitted with.
pub(crate) struct Body {
    parameters: Parameters,
    views: Vec<AnyView>,
    /// The number of inputs: results of reductions are read as those from it on.
    inputs: usize,
}

/// Adjacent elements, and what has been loaded for them.
pub(crate) struct Place {
    /// The kernel's coordinates of the first one.
    pub(crate) coordinates: Vec<Expr<i32>>,
    /// The coordinate along which they are adjacent.
    pub(crate) along: Option<usize>,
    /// Their number.
    pub(crate) lanes: u8,
    /// True if they may lie outside: what is read there is 0.
    pub(crate) guarded: bool,
    loaded: RefCell<HashMap<usize, Vec<AnyExpr>>>,
    /// Of reads at computed indices, by their identity.
    computed: RefCell<HashMap<usize, AnyExpr>>,
}

impl Place {
    /// Returns elements from these coordinates on.
    pub(crate) fn new(coordinates: Vec<Expr<i32>>, along: Option<usize>, lanes: u8, guarded: bool) -> Place {
        Place { coordinates, along, lanes, guarded, loaded: RefCell::default(), computed: RefCell::default() }
    }

    /// Gives the elements of a parameter, instead of their being loaded.
    #[track_caller]
    pub(crate) fn provide(&self, parameter: usize, elements: AnyExpr) {
        let all = (0..self.lanes).map(|lane| elements.lane(lane)).collect();
        self.loaded.borrow_mut().insert(parameter, all);
    }

    /// Gives the elements of a read at a computed index, instead of their being loaded.
    pub(crate) fn give(&self, read: usize, elements: AnyExpr) {
        self.computed.borrow_mut().insert(read, elements);
    }

    /// Returns the elements of a read at a computed index, if they are loaded.
    pub(crate) fn given(&self, read: usize) -> Option<AnyExpr> {
        self.computed.borrow().get(&read).copied()
    }

    /// Returns a coordinate of one of the elements.
    pub(crate) fn coordinate(&self, axis: usize, lane: u8) -> Expr<i32> {
        let own = self.coordinates[axis];
        if Some(axis) == self.along && lane > 0 { own + i32::from(lane) } else { own }
    }
}

impl Body {
    /// Returns what expressions are emitted with: the parameters and their views.
    pub(crate) fn new(parameters: Parameters, views: Vec<AnyView>, inputs: usize) -> Body {
        Body { parameters, views, inputs }
    }

    /// Emits an expression for each element of a place; `results` are those of reductions, one for all elements or a vector.
    #[track_caller]
    pub(crate) fn values(&self, expr: &ScalarExpr, place: &Place, results: &[AnyExpr]) -> Vec<AnyExpr> {
        let mut values: Vec<AnyExpr> = Vec::new();
        for lane in 0..place.lanes {
            let value = emit(expr, &mut |leaf, index| match leaf.node() {
                ExprNode::Axis(axis) => place.coordinate(self.parameters.coordinate(*axis), lane).into(),
                ExprNode::Read { input, .. } if *input >= self.inputs => match results[*input - self.inputs] {
                    own if own.lanes() > 1 => own.lane(lane),
                    own => own,
                },
                ExprNode::Read { input, index: read } => match self.parameters.position(*input, read) {
                    Some(parameter) if !index.is_empty() => {
                        let index: Vec<Expr<i32>> = index.iter().map(|index| index.typed::<i32>()).collect();
                        let lanes = (place.along, place.lanes.into());
                        match place.lanes == 1 || self.parameters.is_adjacent(parameter, read, lanes) {
                            true => self.computed(parameter, (leaf.identity(), &index), place, lane),
                            false => self.views[parameter].get(&index),
                        }
                    }
                    Some(parameter) => self.element(parameter, place, lane),
                    None => AnyExpr::lit(leaf.dtype(), 0),
                },
                _ => AnyExpr::lit(leaf.dtype(), 0),
            });
            values.push(value);
        }
        values
    }

    /// Gives another place, which differs along a coordinate, what has been loaded and does not depend on that.
    pub(crate) fn share(&self, from: &Place, to: &Place, axis: usize) {
        for (parameter, elements) in from.loaded.borrow().iter() {
            if self.parameters.axes(*parameter).is_some_and(|axes| !axes.contains(&axis)) {
                to.loaded.borrow_mut().insert(*parameter, elements.clone());
            }
        }
    }

    /// Returns an element of a parameter at a computed index, that of the first lane; loads those of all lanes if that has
    /// not been done.
    #[track_caller]
    fn computed(&self, parameter: usize, (read, index): (usize, &[Expr<i32>]), place: &Place, lane: u8) -> AnyExpr {
        let known = place.computed.borrow().get(&read).copied();
        let view = self.views[parameter];
        let elements = known.unwrap_or_else(|| match place.lanes {
            1 => view.get(index),
            lanes => view.load_inside(index, lanes),
        });
        place.give(read, elements);
        if place.lanes == 1 { elements } else { elements.lane(lane) }
    }

    /// Returns an element of a parameter; loads those of all lanes if that has not been done.
    #[track_caller]
    fn element(&self, parameter: usize, place: &Place, lane: u8) -> AnyExpr {
        if let Some(known) = place.loaded.borrow().get(&parameter) {
            return known[usize::from(lane)];
        }
        let axes = self.parameters.axes(parameter).unwrap_or_default();
        let view = self.views[parameter];
        let read = |lane: u8| {
            let index: Vec<Expr<i32>> = axes.iter().map(|axis| place.coordinate(*axis, lane)).collect();
            if place.guarded { view.get(&index) } else { view.read(&index) }
        };
        let is_along = |axis: &usize| Some(*axis) == place.along;
        let all: Vec<AnyExpr> = if place.lanes > 1 && axes.last().is_some_and(is_along) {
            let index: Vec<Expr<i32>> = axes.iter().map(|axis| place.coordinate(*axis, 0)).collect();
            let vector =
                if place.guarded { view.load_inside(&index, place.lanes) } else { view.load(&index, place.lanes) };
            (0..place.lanes).map(|lane| vector.lane(lane)).collect()
        } else if axes.iter().any(is_along) {
            (0..place.lanes).map(read).collect()
        } else {
            vec![read(0); usize::from(place.lanes)]
        };
        let element = all[usize::from(lane)];
        place.loaded.borrow_mut().insert(parameter, all);
        element
    }

    /// Returns how many adjacent elements one access of 16 bytes has, of the widest type that is read along a coordinate or
    /// written, at most 8.
    pub(crate) fn lanes(parameters: &Parameters, along: usize, result: Option<Scalar>, align: usize) -> i64 {
        let is_along = |parameter: &usize| parameters.axes(*parameter).is_some_and(|axes| axes.last() == Some(&along));
        let read = (0..parameters.len()).filter(is_along).map(|parameter| parameters.dtype(parameter).bytes());
        let widest = read.chain(result.map(Scalar::bytes)).max().unwrap_or(1);
        let most = (align / widest).clamp(1, 8);
        let divides = |lanes: &usize| *lanes <= most && parameters.extents()[along].is_multiple_of(*lanes);
        [8, 4, 2, 1].into_iter().find(divides).unwrap_or(1) as i64
    }
}
