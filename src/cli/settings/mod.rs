//! Settings in layers. Flags override variables, these override the settings file, and that overrides the settings that
//! a run recorded.

mod connect;
mod environment;
pub(super) mod file;
mod layer;
mod profile;
mod resolved;
mod scenario;
pub(super) mod secret;
mod sources;
mod typed;
mod vendor_file;
mod window;

pub(super) use self::connect::{Connector, Gathered, Simulation, sealer, share};
pub(super) use self::environment::variable;
pub(super) use self::layer::Settings;
pub(super) use self::profile::{Profile, ProofSource, changes};
pub(super) use self::resolved::{Resolved, runs_dir};
pub(super) use self::scenario::scenario;
pub(super) use self::sources::Typed;
pub(super) use self::typed::{duration, size};
pub(super) use self::window::ChangeWindow;
