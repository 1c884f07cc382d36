//! The values that apply to rows without their own.

use crate::resource::{Action, Kind};
use crate::wire::Id;

/// The values that apply to rows without their own.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The resource of rows without a resource. With `None`, the resource is inferred from the columns.
    pub resource: Option<Kind>,
    /// The action of rows without an action.
    pub action: Action,
    /// The microtenant of rows without a microtenant. `None` means the Default microtenant.
    pub microtenant: Option<Id>,
}
