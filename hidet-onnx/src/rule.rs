//! [`Rule`]: nodes of a model that are replaced by what a user computes.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::pattern::Made;
use hidet_ops::Tensor;
use std::fmt;
use std::sync::Arc;

/// What is computed instead of nodes.
type Make = dyn Fn(&[Tensor]) -> hidet_ops::Result<Tensor> + Send + Sync;

/// What a constant must be like.
type IsWanted = dyn Fn(&Array) -> bool + Send + Sync;

/// Nodes of a model, and what is computed in their place: operators of `hidet-ops`, or of your own. For
/// [`Model::load_with`](crate::Model::load_with).
///
/// The nodes are a pattern, `Mul(x, Sigmoid(x))`. It has
/// - operators of the standard, and those of others with their domain, `com.acme.Gelu(x)`, also such that hidet does not have;
/// - any values, by names in the place of inputs. The same name is the same value;
/// - numbers, `Mul(x, 0.5)`: constants without axes that are the number, rounded to their type;
/// - attributes behind inputs: `Softmax(x, axis=-1)`, `Transpose(x, perm=[1, 0])`, `Gelu(x, approximate="tanh")`. A node that has
///   others is not meant.
///
/// Nodes of the graph of the model are looked at as its file has them, not those of graphs and functions inside. Inputs of `Add`,
/// `Mul` and others that commute may be in either order. A node is only replaced if it has one result, and, except for the
/// outermost one, nothing else uses that.
#[derive(Clone)]
pub struct Rule {
    name: String,
    pattern: Arc<Made>,
    constants: Vec<(String, Arc<IsWanted>)>,
    make: Arc<Make>,
}

impl Rule {
    /// Returns a rule with a name, which is that of the operator that replaces nodes: `rule.NAME`.
    ///
    /// `make` is given the values of the pattern, in the order in which it names them, and returns the result. It is called
    /// when the model first runs with inputs of other types, not at every run: it must not depend on the elements of tensors. With
    /// [`Arithmetic::F16`](crate::Arithmetic) and `Bf16` values have such elements where the model has `f32`.
    ///
    /// # Errors
    ///
    /// If the pattern cannot be read.
    pub fn new(
        name: impl Into<String>,
        pattern: &str,
        make: impl Fn(&[Tensor]) -> hidet_ops::Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Rule> {
        let name = name.into();
        match Made::parse(pattern) {
            Ok(made) => Ok(Rule { name, pattern: Arc::new(made), constants: Vec::new(), make: Arc::new(make) }),
            Err(why) => Err(Error::Rule { rule: name, why: format!("the pattern `{pattern}`: {why}") }),
        }
    }

    /// Returns the rule for those nodes alone for which a value of the pattern is a constant of which something holds.
    ///
    /// # Errors
    ///
    /// If the pattern has no value of this name.
    pub fn constant(mut self, value: &str, is_wanted: impl Fn(&Array) -> bool + Send + Sync + 'static) -> Result<Rule> {
        if !self.pattern.values().contains(&value) {
            let why = format!("its pattern has no value `{value}`; it has `{}`", self.pattern.values().join("`, `"));
            return Err(Error::Rule { rule: self.name, why });
        }
        self.constants.push((value.to_owned(), Arc::new(is_wanted)));
        Ok(self)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pattern(&self) -> &Made {
        &self.pattern
    }

    /// Returns true if the constants, by the names of the pattern, are such that the rule is for them.
    pub(crate) fn is_for(&self, constant: impl Fn(&str) -> Option<Array>) -> bool {
        self.constants.iter().all(|(name, is_wanted)| constant(name).is_some_and(|array| is_wanted(&array)))
    }

    /// Returns the result for values of the pattern.
    pub(crate) fn make(&self, values: &[Tensor]) -> hidet_ops::Result<Tensor> {
        (self.make)(values)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("name", &self.name).field("pattern", &self.pattern).finish_non_exhaustive()
    }
}
